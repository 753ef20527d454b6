/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The help texts, of all verbs and of one, wrapped to the terminal. The completion is in
 * reference-bash.c, the manual page in reference-man.c.
 */
#include "ctl/reference.h"

#include "ctl/display.h"

#include <stdio.h>

/* Where the help of an option begins, and that of what is shorter. */
#define OPTION_COLUMN 28u
#define WORD_COLUMN   16u

/* "  LEFT          help", wrapped; on the next line if LEFT is too wide. */
static void help_item(struct buffer *out, const char *left, const char *help, unsigned column,
                      unsigned columns)
{
    unsigned width = display_width(left) + 2;

    buffer_printf(out, "  %s", left);
    if (width + 2 > column)
        buffer_printf(out, "\n%*s", (int) column, "");
    else
        buffer_printf(out, "%*s", (int) (column - width), "");
    display_wrap(out, help, column, column, columns);
}

/* "  -n, --lines N   what it does" */
static void help_options(struct buffer *out, unsigned options, unsigned columns)
{
    for (enum verb_option o = 0; o < VERB_OPTION_COUNT_; o++) {
        const struct verb_option_info *info = verb_option_info(o);
        char left[64];

        if (!(options & (1u << o)))
            continue;
        snprintf(left, sizeof(left), "%c%c%s--%s%s%s", info->letter ? '-' : ' ',
                 info->letter ? info->letter : ' ', info->letter ? ", " : "  ", info->name,
                 info->value_name ? " " : "", info->value_name ? info->value_name : "");
        help_item(out, left, info->help, OPTION_COLUMN, columns);
    }
}

/* Those among |codes|, with their meaning. */
static void help_codes(struct buffer *out, unsigned codes, unsigned columns)
{
    buffer_append_string(out, "\nexit codes:\n");
    for (unsigned code = 0; exit_code_help(code); code++) {
        char left[8];

        snprintf(left, sizeof(left), "%u", code);
        if (codes & (1u << code))
            help_item(out, left, exit_code_help(code), WORD_COLUMN, columns);
    }
}

void reference_help(struct buffer *out, unsigned columns)
{
    display_wrap(out, "usage: agentctl [OPTION...] VERB [ARGUMENT...]", 0, 2, columns);
    buffer_append_string(out, "\n");
    display_wrap(out, "Shows and changes what agentd does on this node.", 0, 0, columns);
    buffer_append_string(out, "\nverbs:\n");
    for (enum verb v = 0; v < VERB_COUNT_; v++)
        help_item(out, verb_info(v)->name, verb_info(v)->summary, WORD_COLUMN, columns);
    buffer_append_string(out, "\noptions of every verb:\n");
    help_options(out, VERB_OPTIONS_GLOBAL, columns);
    help_codes(out, ~0u, columns);
    buffer_append_string(out, "\n");
    display_wrap(out, "agentctl VERB --help tells more; so does agentctl(1).", 0, 0, columns);
}

void reference_verb_help(struct buffer *out, enum verb verb, unsigned columns)
{
    const struct verb_info *info = verb_info(verb);
    bool more = (info->options & ~VERB_OPTIONS_GLOBAL) != 0;
    char usage[256];

    snprintf(usage, sizeof(usage), "usage: agentctl %s%s %s", info->name,
             more ? " [OPTION...]" : "", info->arguments);
    display_wrap(out, usage, 0, 2, columns);
    buffer_append_string(out, "\n");
    display_wrap(out, info->help, 0, 0, columns);
    if (more) {
        buffer_append_string(out, "\noptions:\n");
        help_options(out, info->options & ~VERB_OPTIONS_GLOBAL, columns);
    }
    buffer_append_string(out, "\noptions of every verb:\n");
    help_options(out, VERB_OPTIONS_GLOBAL, columns);
    help_codes(out, info->codes, columns);
}

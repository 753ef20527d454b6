/* SPDX-License-Identifier: Apache-2.0 */
/* The verbs' part of agentctl(1), in mdoc(7) as mandoc's linter likes it: each sentence on a line
 * of its own, no line over 80 bytes. */
#include "ctl/reference.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

#define MAN_COLUMNS 76

/* One word; what mdoc would take for a request or an escape is made harmless. */
static size_t append_word(struct buffer *out, const char *word, size_t length, bool at_start)
{
    size_t before = out->length;

    if (at_start && (word[0] == '.' || word[0] == '\''))
        buffer_append_string(out, "\\&");
    for (size_t i = 0; i < length; i++) {
        if (word[i] == '\\')
            buffer_append_string(out, "\\e");
        else if (word[i] == '-' && (i == 0 || word[i - 1] == '-'))
            buffer_append_string(out, "\\-"); /* an option, to be copied as it is */
        else
            buffer_append(out, word + i, 1);
    }
    return out->length - before;
}

/* Ends in |end| and a line end. */
static void append_text(struct buffer *out, const char *text, const char *end)
{
    size_t column = 0;

    for (const char *word = text; *word;) {
        size_t length = strcspn(word, " ");

        if (column > 0 && column + 1 + length > MAN_COLUMNS) {
            buffer_append_string(out, "\n");
            column = 0;
        }
        if (column > 0)
            buffer_append_string(out, " ");
        column += (column > 0) + append_word(out, word, length, column == 0);
        if (strchr(".?!", word[length - 1]) && word[length] == ' ') {
            buffer_append_string(out, "\n");
            column = 0;
        }
        word += length + (word[length] == ' ');
    }
    buffer_printf(out, "%s\n", end);
}

/* "[APP[.SLOT]]" -> ".Op Ar app Ns Op . Ns Ar slot" would be right and unreadable: as it stands. */
static void append_synopsis(struct buffer *out, const struct verb_info *info)
{
    buffer_printf(out, ".It Cm %s", info->name);
    for (enum verb_option o = 0; o < VERB_OPTION_COUNT_; o++) {
        const struct verb_option_info *option = verb_option_info(o);

        if (!(info->options & ~VERB_OPTIONS_GLOBAL & (1u << o)))
            continue;
        buffer_printf(out, " Oo Fl \\-%s", option->name);
        if (option->value_name)
            buffer_printf(out, " Ar %s", option->value_name);
        buffer_append_string(out, " Oc");
    }
    if (*info->arguments)
        buffer_printf(out, " Ar %s", info->arguments);
    buffer_append_string(out, "\n");
}

/* Only their numbers; what they mean stands once at the end. */
static void append_codes(struct buffer *out, unsigned codes)
{
    const char *comma = "";

    buffer_append_string(out, "Exit codes: ");
    for (unsigned code = 0; exit_code_help(code); code++) {
        if (!(codes & (1u << code)))
            continue;
        buffer_printf(out, "%s%u", comma, code);
        comma = ", ";
    }
    buffer_append_string(out, ".\n");
}

/* A tagged list, letters first, as manual pages have it. */
static void append_options(struct buffer *out, unsigned options)
{
    buffer_append_string(out, ".Bl -tag -width Ds\n");
    for (enum verb_option o = 0; o < VERB_OPTION_COUNT_; o++) {
        const struct verb_option_info *info = verb_option_info(o);

        if (!(options & (1u << o)))
            continue;
        buffer_append_string(out, ".It ");
        if (info->letter)
            buffer_printf(out, "Fl %c , ", info->letter);
        buffer_printf(out, "Fl \\-%s", info->name);
        if (info->value_name)
            buffer_printf(out, " Ar %s", info->value_name);
        buffer_append_string(out, "\n");
        append_text(out, info->help, "");
    }
    buffer_append_string(out, ".El\n");
}

void reference_man(struct buffer *out)
{
    unsigned others = 0;

    buffer_append_string(out, ".Ss Options of every verb\n");
    append_options(out, VERB_OPTIONS_GLOBAL);
    buffer_append_string(out, ".Ss Verbs\n.Bl -tag -width Ds\n");
    for (enum verb v = 0; v < VERB_COUNT_; v++) {
        const struct verb_info *info = verb_info(v);
        char summary[128];

        append_synopsis(out, info);
        snprintf(summary, sizeof(summary), "%s", info->summary);
        summary[0] = (char) toupper((unsigned char) summary[0]);
        append_text(out, summary, ".");
        append_text(out, info->help, "");
        append_codes(out, info->codes);
        others |= info->options & ~VERB_OPTIONS_GLOBAL;
    }
    buffer_append_string(out, ".El\n.Ss Options of some verbs\n");
    append_options(out, others);
    buffer_append_string(out, ".Ss Exit codes\n.Bl -tag -width Ds -compact\n");
    for (unsigned code = 0; exit_code_help(code); code++) {
        buffer_printf(out, ".It %u\n", code);
        append_text(out, exit_code_help(code), ".");
    }
    buffer_append_string(out, ".El\n");
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The completion script for bash: four small functions made from the table, and one that walks the
 * words, the same for any table. It needs nothing of the bash-completion package, so that a bare
 * image has it too.
 */
#include "ctl/reference.h"

#include "common/base/macro.h"

#include <string.h>

static const char head[] =
    "# SPDX-License-Identifier: Apache-2.0\n"
    "# shellcheck shell=bash\n"
    "# Completion of agentctl for bash. Made by `agentctl help --completion` from the table of\n"
    "# verbs: do not edit.\n";

static const char walk[] =
    "\n"
    "_agentctl()\n"
    "{\n"
    "    local current=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD - 1]}\n"
    "    local verb=\"\" target=\"\" socket=${AGENTCTL_SOCKET:-} words=\"\" word i\n"
    "\n"
    "    # Readline makes a word of the '=' in --option=value.\n"
    "    if [ \"$current\" = \"=\" ]; then\n"
    "        current=\"\"\n"
    "    elif [ \"$previous\" = \"=\" ]; then\n"
    "        previous=${COMP_WORDS[COMP_CWORD - 2]}\n"
    "    fi\n"
    "    COMPREPLY=()\n"
    "    for ((i = 1; i < COMP_CWORD; i++)); do\n"
    "        word=${COMP_WORDS[i]}\n"
    "        if [[ $word == -* ]]; then\n"
    "            [ -n \"$(_agentctl_value \"$word\")\" ] || continue\n"
    "            [ \"${COMP_WORDS[i + 1]}\" = \"=\" ] && i=$((i + 1))\n"
    "            i=$((i + 1))\n"
    "            [ \"$word\" = --socket ] && socket=${COMP_WORDS[i]}\n"
    "        elif [ -z \"$verb\" ]; then\n"
    "            verb=$word\n"
    "        elif [ -n \"$(_agentctl_words \"$verb\")\" ]; then\n"
    "            verb=\"$verb $word\"\n"
    "        else\n"
    "            target=$word\n"
    "        fi\n"
    "    done\n"
    "\n"
    "    case $(_agentctl_value \"$previous\") in\n"
    "        file)\n"
    "            compopt -o filenames 2>/dev/null\n"
    "            mapfile -t COMPREPLY < <(compgen -f -- \"$current\")\n"
    "            return ;;\n"
    "        directory)\n"
    "            compopt -o filenames 2>/dev/null\n"
    "            mapfile -t COMPREPLY < <(compgen -d -- \"$current\")\n"
    "            return ;;\n"
    "        priority)\n"
    "            mapfile -t COMPREPLY < <(compgen -W \"idle normal\" -- \"$current\")\n"
    "            return ;;\n"
    "        other) return ;;\n"
    "    esac\n"
    "    if [[ $current == -* ]]; then\n"
    "        words=$(_agentctl_options \"$verb\")\n"
    "    elif [ -n \"$(_agentctl_words \"$verb\")\" ]; then\n"
    "        words=$(_agentctl_words \"$verb\")\n"
    "    elif [ -z \"$target\" ]; then\n"
    "        case $(_agentctl_argument \"$verb\") in\n"
    "            target) words=$(agentctl ${socket:+--socket \"$socket\"} status --names "
    "2>/dev/null) ;;\n"
    "            verb) words=$(_agentctl_words \"\") ;;\n"
    "        esac\n"
    "    fi\n"
    "    mapfile -t COMPREPLY < <(compgen -W \"$words\" -- \"$current\")\n"
    "}\n"
    "complete -F _agentctl agentctl\n";

/* A verb's first word ends here: "config check" is offered in two steps. */
static size_t first_length(enum verb verb)
{
    return strcspn(verb_info(verb)->name, " ");
}

/* Whether a verb before |verb| begins with the same word ("config"). */
static bool is_repeated(enum verb verb)
{
    for (enum verb v = 0; v < verb; v++)
        if (first_length(v) == first_length(verb) &&
            strncmp(verb_info(v)->name, verb_info(verb)->name, first_length(v)) == 0)
            return true;
    return false;
}

static void open_function(struct buffer *out, const char *name, const char *comment)
{
    buffer_printf(out, "\n# %s\n_agentctl_%s()\n{\n    case $1 in\n", comment, name);
}

static void close_function(struct buffer *out)
{
    buffer_append_string(out, "    esac\n}\n");
}

static void append_words(struct buffer *out)
{
    const char *blank = "";

    open_function(out, "words", "The words that go on with a verb, or (\"\") begin one.");
    buffer_append_string(out, "        \"\") echo \"");
    for (enum verb v = 0; v < VERB_COUNT_; v++) {
        if (is_repeated(v))
            continue;
        buffer_printf(out, "%s%.*s", blank, (int) first_length(v), verb_info(v)->name);
        blank = " ";
    }
    buffer_append_string(out, "\" ;;\n");
    for (enum verb v = 0; v < VERB_COUNT_; v++) {
        size_t length = first_length(v);
        const char *name = verb_info(v)->name;

        if (!name[length] || is_repeated(v))
            continue;
        buffer_printf(out, "        %.*s) echo \"%s", (int) length, name, name + length + 1);
        for (enum verb w = v + 1; w < VERB_COUNT_; w++)
            if (first_length(w) == length && strncmp(verb_info(w)->name, name, length + 1) == 0)
                buffer_printf(out, " %s", verb_info(w)->name + length + 1);
        buffer_append_string(out, "\" ;;\n");
    }
    close_function(out);
}

static void append_options(struct buffer *out)
{
    open_function(out, "options", "The options that a verb takes.");
    for (enum verb v = 0; v <= VERB_COUNT_; v++) {
        bool last = v == VERB_COUNT_; /* no verb yet, or none that is known */
        unsigned options = last ? VERB_OPTIONS_GLOBAL : verb_info(v)->options;
        const char *blank = "";

        buffer_printf(out, "        %s%s%s) echo \"", last ? "" : "\"",
                      last ? "*" : verb_info(v)->name, last ? "" : "\"");
        for (enum verb_option o = 0; o < VERB_OPTION_COUNT_; o++) {
            if (!(options & (1u << o)))
                continue;
            buffer_printf(out, "%s--%s", blank, verb_option_info(o)->name);
            blank = " ";
        }
        buffer_append_string(out, "\" ;;\n");
    }
    close_function(out);
}

/* The script's own words for kinds of values; "other" is not completed. */
static const char *value_word(enum verb_value value)
{
    switch (value) {
    case VERB_VALUE_FILE:
        return "file";
    case VERB_VALUE_DIRECTORY:
        return "directory";
    case VERB_VALUE_TARGET:
        return "target";
    case VERB_VALUE_VERB:
        return "verb";
    case VERB_VALUE_PRIORITY:
        return "priority";
    default:
        return "other";
    }
}

static void append_values(struct buffer *out)
{
    open_function(out, "value", "What an option's value is; nothing for a flag.");
    for (enum verb_option o = 0; o < VERB_OPTION_COUNT_; o++) {
        const struct verb_option_info *info = verb_option_info(o);

        if (!info->value_name)
            continue;
        buffer_printf(out, "        --%s", info->name);
        if (info->letter)
            buffer_printf(out, " | -%c", info->letter);
        buffer_printf(out, ") echo %s ;;\n", value_word(info->value));
    }
    close_function(out);
    open_function(out, "argument", "What a verb's argument is; nothing if it takes none.");
    for (enum verb v = 0; v < VERB_COUNT_; v++)
        if (verb_info(v)->arguments_max > 0)
            buffer_printf(out, "        \"%s\") echo %s ;;\n", verb_info(v)->name,
                          value_word(verb_info(v)->value));
    close_function(out);
}

void reference_completion(struct buffer *out)
{
    buffer_append_string(out, head);
    append_words(out);
    append_options(out);
    append_values(out);
    buffer_append_string(out, walk);
}

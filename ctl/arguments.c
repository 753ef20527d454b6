/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reads the command line by the verbs' table.
 *
 * Prints nothing: what is wrong comes back as one line. getopt_long() is not used because it
 * prints, keeps its state in globals, and can't say which option was nearly meant. Options may
 * stand on both sides of the verb; whether the verb takes them is checked when all is read.
 */
#include "ctl/arguments.h"

#include "common/base/clock.h"
#include "common/base/macro.h"
#include "common/base/text.h"
#include "ctl/url.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define TYPED_MAX 40 /* longer words are near to nothing */

static int reject(char error[ARGUMENTS_ERROR_MAX], const char *format, ...) PRINTF_LIKE(2, 3);
static int reject(char error[ARGUMENTS_ERROR_MAX], const char *format, ...)
{
    va_list args;

    va_start(args, format);
    vsnprintf(error, ARGUMENTS_ERROR_MAX, format, args);
    va_end(args);
    return -EINVAL;
}

/* --- Nearest names --------------------------------------------------------------------------- */

/* Levenshtein's distance: how many letters to change, add or leave out. */
static unsigned distance(const char *a, const char *b)
{
    unsigned row[TYPED_MAX + 1];
    size_t length = strlen(b);

    if (strlen(a) > TYPED_MAX || length > TYPED_MAX)
        return TYPED_MAX;
    for (unsigned j = 0; j <= length; j++)
        row[j] = j;
    for (unsigned i = 1; a[i - 1]; i++) {
        unsigned diagonal = row[0];

        row[0] = i;
        for (unsigned j = 1; j <= length; j++) {
            unsigned change = diagonal + (a[i - 1] != b[j - 1]);
            unsigned add = MIN(row[j], row[j - 1]) + 1;

            diagonal = row[j];
            row[j] = MIN(change, add);
        }
    }
    return row[length];
}

/* A beginning counts as near, so that "stat" finds "status". */
static bool is_nearer(const char *typed, const char *name, unsigned *best)
{
    unsigned limit = strlen(typed) <= 3 ? 1 : 2;
    unsigned found = strncmp(name, typed, strlen(typed)) == 0 ? 0 : distance(typed, name);

    if (!*typed || found > limit || found >= *best)
        return false;
    *best = found;
    return true;
}

const char *verb_nearest(const char *typed)
{
    const char *nearest = NULL;
    unsigned best = TYPED_MAX;

    for (enum verb v = 0; v < VERB_COUNT_; v++)
        if (is_nearer(typed, verb_info(v)->name, &best))
            nearest = verb_info(v)->name;
    return nearest;
}

/* The same for the names of options, without the dashes. */
static const char *option_nearest(const char *typed)
{
    const char *nearest = NULL;
    unsigned best = TYPED_MAX;

    for (enum verb_option o = 0; o < VERB_OPTION_COUNT_; o++)
        if (is_nearer(typed, verb_option_info(o)->name, &best))
            nearest = verb_option_info(o)->name;
    return nearest;
}

/* --- Words ----------------------------------------------------------------------------------- */

int target_parse(const char *text, struct target *ret)
{
    struct target target = {.slot = 0};
    size_t length = strcspn(text, ".");
    uint64_t slot = 0;

    if (length < 1 || length > APP_NAME_MAX || text[0] == '-' ||
        strspn(text, "abcdefghijklmnopqrstuvwxyz0123456789-") != length)
        return -EINVAL;
    memcpy(target.app, text, length);
    if (text[length] == '.' && text_parse_u64(text + length + 1, 1, APP_SLOTS_MAX, &slot) < 0)
        return -EINVAL;
    target.slot = (unsigned) slot;
    *ret = target;
    return 0;
}

unsigned verb_find(const char *const words[], unsigned n_words, enum verb *ret)
{
    for (enum verb v = 0; v < VERB_COUNT_; v++) {
        const char *name = verb_info(v)->name;
        const char *space = strchr(name, ' ');

        if (!space && n_words >= 1 && strcmp(name, words[0]) == 0) {
            *ret = v;
            return 1;
        }
        if (space && n_words >= 2 && strlen(words[0]) == (size_t) (space - name) &&
            strncmp(name, words[0], (size_t) (space - name)) == 0 &&
            strcmp(space + 1, words[1]) == 0) {
            *ret = v;
            return 2;
        }
    }
    return 0;
}

/* The verbs, separated by commas; only those that begin with |first| and a blank, unless it is
 * NULL. */
static const char *list_verbs(const char *first, char *list, size_t size)
{
    size_t used = 0;

    list[0] = '\0';
    for (enum verb v = 0; v < VERB_COUNT_; v++) {
        const char *name = verb_info(v)->name;
        size_t length = first ? strlen(first) : 0;

        if (first && (strncmp(name, first, length) != 0 || name[length] != ' '))
            continue;
        int written = snprintf(list + used, size - used, "%s%s", used ? ", " : "", name);
        if (written < 0 || (size_t) written >= size - used)
            break;
        used += (size_t) written;
    }
    return list;
}

/* Says what is allowed: the second words if the first is right, the nearest verb, or all of them.
 */
static int reject_verb(const char *const words[], unsigned n_words, char *error)
{
    char list[ARGUMENTS_ERROR_MAX / 2];

    if (n_words == 0)
        return reject(error, "no verb given; allowed: %s", list_verbs(NULL, list, sizeof(list)));
    if (*list_verbs(words[0], list, sizeof(list))) /* the first of two words is right */
        return n_words > 1
                   ? reject(error, "no verb '%s %.40s'; allowed: %s", words[0], words[1], list)
                   : reject(error, "'%s' wants a second word; allowed: %s", words[0], list);

    const char *nearest = verb_nearest(words[0]);

    if (nearest)
        return reject(error, "no verb '%.40s'; did you mean '%s'?", words[0], nearest);
    return reject(error, "no verb '%.40s'; allowed: %s", words[0],
                  list_verbs(NULL, list, sizeof(list)));
}

/*
 * |subject| is what the value belongs to, for the error. Files are not looked at here: who opens
 * them can say more.
 */
static int check_value(const char *subject, enum verb_value kind, const char *text, char *error)
{
    struct target target;
    const char *fault;
    struct url url;
    uint64_t number;

    switch (kind) {
    case VERB_VALUE_NUMBER:
        if (text_parse_u64(text, 0, INT64_MAX, &number) < 0)
            return reject(error, "%s '%.40s': a whole number is wanted, such as 20", subject, text);
        break;
    case VERB_VALUE_DURATION:
        if (clock_parse_duration(text, &number) < 0)
            return reject(error,
                          "%s '%.40s': a duration is wanted, such as 500ms, 30s, 5m or 1h30m",
                          subject, text);
        break;
    case VERB_VALUE_TARGET:
        if (target_parse(text, &target) < 0)
            return reject(error,
                          "%s '%.40s': APP or APP.SLOT is wanted, such as web or web.2 (slots 1 to "
                          "%u)",
                          subject, text, (unsigned) APP_SLOTS_MAX);
        break;
    case VERB_VALUE_FILE:
    case VERB_VALUE_DIRECTORY:
        if (!*text)
            return reject(error, "%s: a path is wanted, not an empty word", subject);
        break;
    case VERB_VALUE_URL:
        if (url_read(text, "/", &url, &fault) < 0)
            return reject(error, "%s '%.80s': %s", subject, text, fault);
        break;
    case VERB_VALUE_PRIORITY: /* the verb says what is allowed */
    case VERB_VALUE_VERB:
    case VERB_VALUE_TEXT:
    case VERB_VALUE_NONE:
        break;
    }
    return 0;
}

/* --- Options --------------------------------------------------------------------------------- */

/* |name| is of |length| bytes; a letter matches as a name of one byte with |is_letter|. */
static bool option_find(const char *name, size_t length, bool is_letter, enum verb_option *ret)
{
    for (enum verb_option o = 0; o < VERB_OPTION_COUNT_; o++) {
        const struct verb_option_info *info = verb_option_info(o);
        bool match = is_letter
                         ? info->letter == name[0]
                         : strlen(info->name) == length && strncmp(info->name, name, length) == 0;

        if (match) {
            *ret = o;
            return true;
        }
    }
    return false;
}

/* Given twice, the last one counts. */
static int set_option(struct arguments *arguments, enum verb_option option, const char *value,
                      char *error)
{
    char subject[64];

    snprintf(subject, sizeof(subject), "--%s", verb_option_info(option)->name);
    arguments->options[option] = value;
    return check_value(subject, verb_option_info(option)->value, value, error);
}

/* "--name", "--name=value" or "--name" "value". |*index| is moved over a value in the next word. */
static int parse_long(struct arguments *arguments, int argc, char *const argv[], int *index,
                      char *error)
{
    const char *name = argv[*index] + 2;
    size_t length = strcspn(name, "=");
    const char *value = name[length] == '=' ? name + length + 1 : NULL;
    char typed[TYPED_MAX + 2];
    enum verb_option option = 0;

    snprintf(typed, sizeof(typed), "%.*s", (int) MIN(length, (size_t) TYPED_MAX + 1), name);
    if (!option_find(name, length, false, &option)) {
        const char *nearest = option_nearest(typed);

        if (nearest)
            return reject(error, "no option --%s; did you mean --%s?", typed, nearest);
        return reject(error, "no option --%s; agentctl --help lists all", typed);
    }

    const struct verb_option_info *info = verb_option_info(option);

    if (!info->value_name && value)
        return reject(error, "--%s takes no value", info->name);
    if (info->value_name && !value) {
        if (*index + 1 >= argc)
            return reject(error, "--%s wants a value: --%s %s", info->name, info->name,
                          info->value_name);
        value = argv[++*index];
    }
    return set_option(arguments, option, value ? value : "", error);
}

/* "-f", "-n 5", "-n5", "-fn5". */
static int parse_letters(struct arguments *arguments, int argc, char *const argv[], int *index,
                         char *error)
{
    for (const char *letter = argv[*index] + 1; *letter; letter++) {
        enum verb_option option = 0;

        if (!option_find(letter, 1, true, &option))
            return reject(error, "no option -%c; agentctl --help lists all", *letter);

        const struct verb_option_info *info = verb_option_info(option);

        if (!info->value_name) {
            arguments->options[option] = "";
            continue;
        }
        if (letter[1])
            return set_option(arguments, option, letter + 1, error);
        if (*index + 1 >= argc)
            return reject(error, "-%c wants a value: -%c %s", *letter, *letter, info->value_name);
        return set_option(arguments, option, argv[++*index], error);
    }
    return 0;
}

/* --- All of it ------------------------------------------------------------------------------- */

/* That the verb takes these options and so many words of that kind. */
static int check_verb(const struct arguments *arguments, char *error)
{
    const struct verb_info *info = verb_info(arguments->verb);

    for (enum verb_option o = 0; o < VERB_OPTION_COUNT_; o++)
        if (arguments->options[o] && !(info->options & (1u << o)))
            return reject(error, "%s takes no --%s; 'agentctl %s --help' lists what it takes",
                          info->name, verb_option_info(o)->name, info->name);
    if (arguments->n_words > info->arguments_max)
        return reject(error, "%s: '%.40s' is too much; usage: agentctl %s%s%s", info->name,
                      arguments->words[info->arguments_max], info->name,
                      *info->arguments ? " " : "", info->arguments);
    if (arguments->n_words < info->arguments_min)
        return reject(error, "%s wants more; usage: agentctl %s %s", info->name, info->name,
                      info->arguments);
    for (unsigned i = 0; i < arguments->n_words; i++) {
        int r = check_value(info->name, info->value, arguments->words[i], error);

        if (r < 0)
            return r;
    }
    return 0;
}

int arguments_parse(int argc, char *const argv[], struct arguments *ret,
                    char error[ARGUMENTS_ERROR_MAX])
{
    struct arguments arguments = {.has_verb = false};
    const char *words[ARGUMENTS_WORDS_MAX] = {NULL};
    unsigned n_words = 0;
    bool options_ended = false;

    for (int i = 1; i < argc; i++) {
        const char *word = argv[i];
        int r = 0;

        if (!options_ended && strcmp(word, "--") == 0)
            options_ended = true;
        else if (!options_ended && word[0] == '-' && word[1] == '-')
            r = parse_long(&arguments, argc, argv, &i, error);
        else if (!options_ended && word[0] == '-' && word[1])
            r = parse_letters(&arguments, argc, argv, &i, error);
        else if (n_words < ARRAY_SIZE(words))
            words[n_words++] = word;
        else
            r = reject(error, "'%.40s' is too much; no verb takes so many words", word);
        if (r < 0)
            return r;
    }

    unsigned used = verb_find(words, n_words, &arguments.verb);

    arguments.has_verb = used > 0;
    if (!used && !(n_words == 0 && arguments.options[VERB_OPTION_HELP]))
        return reject_verb(words, n_words, error);
    for (unsigned i = used; i < n_words; i++)
        arguments.words[arguments.n_words++] = words[i];
    if (arguments.has_verb && !arguments.options[VERB_OPTION_HELP]) {
        int r = check_verb(&arguments, error);

        if (r < 0)
            return r;
    }
    *ret = arguments;
    return 0;
}

bool arguments_has(const struct arguments *arguments, enum verb_option option)
{
    return arguments->options[option] != NULL;
}

uint64_t arguments_number(const struct arguments *arguments, enum verb_option option,
                          uint64_t fallback)
{
    uint64_t number = fallback;

    if (arguments->options[option])
        text_parse_u64(arguments->options[option], 0, INT64_MAX, &number);
    return number;
}

uint64_t arguments_duration_us(const struct arguments *arguments, enum verb_option option,
                               uint64_t fallback_us)
{
    uint64_t duration_us = fallback_us;

    if (arguments->options[option])
        clock_parse_duration(arguments->options[option], &duration_us);
    return duration_us;
}

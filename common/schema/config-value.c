/* SPDX-License-Identifier: Apache-2.0 */
/* The types and forms of values: what each takes, in words and in code, side by side. */
#include "common/schema/config-value.h"

#include "common/base/listen.h"
#include "common/base/macro.h"
#include "common/base/text.h"

#include <libconfig.h>

#include <assert.h>
#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static int PRINTF_LIKE(2, 3) complain(struct config_problem *problem, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    (void) vsnprintf(problem->why, sizeof(problem->why), format, args);
    va_end(args);
    return -EINVAL;
}

const char *config_quote(char buffer[CONFIG_QUOTED_MAX], const char *text)
{
    const size_t shown_max = 44;
    size_t used = 0;
    buffer[used++] = '"';
    for (; *text != '\0' && used <= shown_max; text++)
        buffer[used++] = (char) (*text >= ' ' && *text < 0x7f ? *text : '?');
    (void) snprintf(buffer + used, CONFIG_QUOTED_MAX - used, "%s\"", *text == '\0' ? "" : "...");
    return buffer;
}

/* --- forms of text --- */

/* Letters, digits and what is in |more|. */
static bool consists_of(const char *text, const char *more)
{
    for (; *text != '\0'; text++)
        if (!isalnum((unsigned char) *text) && !strchr(more, *text))
            return false;
    return true;
}

static bool is_printable_ascii(const char *text)
{
    for (; *text != '\0'; text++)
        if (*text < ' ' || *text > '~')
            return false;
    return true;
}

/* Arguments and variables may span lines. */
static bool is_plain_text(const char *text, bool multiline)
{
    for (const char *c = text; *c != '\0'; c++)
        if (((unsigned char) *c < ' ' && !(multiline && (*c == '\n' || *c == '\t'))) || *c == 0x7f)
            return false;
    return text_is_utf8(text, strlen(text));
}

/* Each check gets a text that is not empty, and its number in the list (from 1; 0: no list). */
static int check_text(const char *text, size_t item, struct config_problem *problem)
{
    return is_plain_text(text, false) ? 0 : complain(problem, "control characters, or not UTF-8");
}

/* As useradd(8) takes them, and wider: directory services know names with dots. */
static int check_account(const char *text, size_t item, struct config_problem *problem)
{
    char quoted[CONFIG_QUOTED_MAX];
    if ((isalpha((unsigned char) *text) || *text == '_') && consists_of(text, "_-."))
        return 0;
    return complain(problem, "%s is no user's or group's name", config_quote(quoted, text));
}

/* CloudWatch's Dimension: ASCII, at least one character that is no blank, no leading colon. */
static int check_dimension(const char *text, size_t item, struct config_problem *problem)
{
    char quoted[CONFIG_QUOTED_MAX];
    if (is_printable_ascii(text) && *text != ':' && text[strspn(text, " ")] != '\0')
        return 0;
    return complain(problem, "%s can't be a dimension's value", config_quote(quoted, text));
}

/* CloudWatch's PutMetricData; "AWS/" is for AWS's own services. */
static int check_namespace(const char *text, size_t item, struct config_problem *problem)
{
    char quoted[CONFIG_QUOTED_MAX];
    if (consists_of(text, ".-_/#: ") && *text != ':' && text[strspn(text, " ")] != '\0' &&
        strncmp(text, "AWS/", 4) != 0)
        return 0;
    return complain(problem, "%s can't be a namespace", config_quote(quoted, text));
}

/* It becomes a label of a host's name. */
static int check_region(const char *text, size_t item, struct config_problem *problem)
{
    char quoted[CONFIG_QUOTED_MAX];
    if (isalnum((unsigned char) *text) && consists_of(text, "-"))
        return 0;
    return complain(problem, "%s is no Region", config_quote(quoted, text));
}

/* A user and a password in it would show in the log. */
static int check_url(const char *text, size_t item, struct config_problem *problem)
{
    char quoted[CONFIG_QUOTED_MAX];
    const char *host = strncmp(text, "https://", 8) == 0  ? text + 8
                       : strncmp(text, "http://", 7) == 0 ? text + 7
                                                          : "";
    if (*host != '\0' && *host != '/' && is_printable_ascii(text) &&
        strcspn(text, " @?#\"\\") == strlen(text))
        return 0;
    return complain(problem, "%s is no URL", config_quote(quoted, text));
}

static int check_target(const char *text, size_t item, struct config_problem *problem)
{
    char quoted[CONFIG_QUOTED_MAX];
    if (*text == '/' && is_printable_ascii(text) && !strpbrk(text, " #\"\\"))
        return 0;
    return complain(problem, "%s is no path of HTTP", config_quote(quoted, text));
}

static int check_path(const char *text, size_t item, struct config_problem *problem)
{
    char quoted[CONFIG_QUOTED_MAX];
    if (!is_plain_text(text, false))
        return complain(problem, "control characters, or not UTF-8");
    if (*text != '/')
        return complain(problem, "%s is no absolute path", config_quote(quoted, text));
    return 0;
}

static int check_address(const char *text, size_t item, struct config_problem *problem)
{
    char quoted[CONFIG_QUOTED_MAX];
    union listen_address address;
    socklen_t length;
    if (!is_plain_text(text, false))
        return complain(problem, "control characters, or not UTF-8");
    if (listen_parse(text, &address, &length) < 0)
        return complain(problem, "%s is no address to listen on", config_quote(quoted, text));
    return 0;
}

static int check_argument(const char *text, size_t item, struct config_problem *problem)
{
    if (item == 1)
        return check_path(text, item, problem);
    return is_plain_text(text, true) ? 0 : complain(problem, "control characters, or not UTF-8");
}

/* What the holder sets in a worker's environment (common/schema/contract.h, sd_listen_fds(3),
 * sd_notify(3)): a worker misled about these would break what it is started for. */
static bool is_own_variable(const char *name, size_t length)
{
    static const char *const prefixes[] = {"LISTEN_", "WATCHDOG_", "AGENTD_"};
    for (size_t i = 0; i < ARRAY_SIZE(prefixes); i++)
        if (length >= strlen(prefixes[i]) && strncmp(name, prefixes[i], strlen(prefixes[i])) == 0)
            return true;
    return length == strlen("NOTIFY_SOCKET") && strncmp(name, "NOTIFY_SOCKET", length) == 0;
}

static int check_variable(const char *text, size_t item, struct config_problem *problem)
{
    char quoted[CONFIG_QUOTED_MAX];
    size_t name = 0;
    while (isalnum((unsigned char) text[name]) || text[name] == '_')
        name++;
    if (name == 0 || isdigit((unsigned char) *text) || text[name] != '=')
        return complain(problem, "%s is no NAME=value", config_quote(quoted, text));
    if (is_own_variable(text, name))
        return complain(problem, "%.*s is set by agentd itself", (int) MIN(name, 64u), text);
    return is_plain_text(text, true) ? 0 : complain(problem, "control characters, or not UTF-8");
}

/* By form: the check, and the same in words. */
static const struct form {
    int (*check)(const char *text, size_t item, struct config_problem *problem);
    const char *allowed;
} forms[CONFIG_FORMS_] = {
    [CONFIG_FORM_TEXT] = {check_text, "text without control characters"},
    [CONFIG_FORM_ACCOUNT] = {check_account, "a name: letters, digits, _ - ."},
    [CONFIG_FORM_DIMENSION] = {check_dimension, "printable ASCII, not beginning with ':'"},
    [CONFIG_FORM_NAMESPACE] = {check_namespace,
                               "letters, digits, blanks and . - _ / # : not beginning with ':' or "
                               "\"AWS/\""},
    [CONFIG_FORM_REGION] = {check_region, "letters, digits and dashes"},
    [CONFIG_FORM_URL] = {check_url, "http:// or https://, without user, query or blanks"},
    [CONFIG_FORM_TARGET] = {check_target,
                            "a path of HTTP: '/', then printable ASCII without blanks"},
    [CONFIG_FORM_PATH] = {check_path, "an absolute path"},
    [CONFIG_FORM_ADDRESS] = {check_address,
                             "PORT, ADDRESS:PORT, [ADDRESS]:PORT or a socket's path"},
    [CONFIG_FORM_ARGUMENT] = {check_argument, "program and arguments, the first an absolute path"},
    [CONFIG_FORM_VARIABLE] = {check_variable,
                              "NAME=value, each NAME once, none that agentd sets (LISTEN_*, "
                              "NOTIFY_SOCKET, WATCHDOG_*, AGENTD_*)"},
};

/* --- what is allowed, in words --- */

/* "a|b|c" as "a, b or c", each in |quote|. */
static void list_choices(const char *choices, const char *quote, char *buffer, size_t size)
{
    size_t used = 0;
    while (used < size) {
        size_t length = strcspn(choices, "|");
        bool last = choices[length] == '\0';
        bool before_last = !last && !strchr(choices + length + 1, '|');
        used += (size_t) snprintf(buffer + used, size - used, "%s%.*s%s%s", quote, (int) length,
                                  choices, quote,
                                  last          ? ""
                                  : before_last ? " or "
                                                : ", ");
        if (last)
            return;
        choices += length + 1;
    }
}

const char *config_key_allowed(const struct config_key *key, char buffer[CONFIG_ALLOWED_MAX])
{
    const char *form = forms[key->form].allowed;
    char range[96];
    switch (key->type) {
    case CONFIG_BOOL:
        (void) snprintf(buffer, CONFIG_ALLOWED_MAX, "true or false");
        break;
    case CONFIG_UINT:
        if (key->choices)
            list_choices(key->choices, "", range, sizeof(range));
        else
            (void) snprintf(range, sizeof(range), "%" PRIu64 " to %" PRIu64, key->min, key->max);
        (void) snprintf(buffer, CONFIG_ALLOWED_MAX, *key->unit ? "%s (%s)" : "%s", range,
                        key->unit);
        break;
    case CONFIG_CHOICE:
        list_choices(key->choices, "\"", buffer, CONFIG_ALLOWED_MAX);
        break;
    case CONFIG_STRING:
    case CONFIG_PATH:
    case CONFIG_LISTEN:
        (void) snprintf(buffer, CONFIG_ALLOWED_MAX, "%s, up to %" PRIu64 " bytes%s", form, key->max,
                        key->min == 0 ? "; or empty" : "");
        break;
    case CONFIG_LIST:
        (void) snprintf(buffer, CONFIG_ALLOWED_MAX, "a list of up to %" PRIu64 " strings: %s",
                        key->max, form);
        break;
    }
    return buffer;
}

/* --- reading --- */

/* What stands in the file. */
static const char *type_name(const config_setting_t *setting)
{
    switch (config_setting_type(setting)) {
    case CONFIG_TYPE_INT:
    case CONFIG_TYPE_INT64:
        return "a number";
    case CONFIG_TYPE_FLOAT:
        return "a number with a fraction";
    case CONFIG_TYPE_STRING:
        return "a string";
    case CONFIG_TYPE_BOOL:
        return "true or false";
    case CONFIG_TYPE_GROUP:
        return "a group";
    default:
        return "a list";
    }
}

static int wrong_type(const config_setting_t *setting, struct config_problem *problem)
{
    return complain(problem, "wrong type, %s", type_name(setting));
}

/* The place of |word| in "a|b|c", or -1. */
static int choice_index(const char *choices, const char *word)
{
    for (int i = 0;; i++) {
        size_t length = strcspn(choices, "|");
        if (strlen(word) == length && memcmp(choices, word, length) == 0)
            return i;
        if (choices[length] == '\0')
            return -1;
        choices += length + 1;
    }
}

static int read_bool(const config_setting_t *setting, bool *field, struct config_problem *problem)
{
    if (config_setting_type(setting) != CONFIG_TYPE_BOOL)
        return wrong_type(setting, problem);
    *field = config_setting_get_bool(setting) != 0;
    return 0;
}

static int read_uint(const struct config_key *key, const config_setting_t *setting, unsigned *field,
                     struct config_problem *problem)
{
    int type = config_setting_type(setting);
    if (type != CONFIG_TYPE_INT && type != CONFIG_TYPE_INT64)
        return wrong_type(setting, problem);
    long long value = config_setting_get_int64(setting);
    if (value < 0 || (uint64_t) value < key->min || (uint64_t) value > key->max)
        return complain(problem, "%lld is out of range", value);
    if (key->choices) {
        char word[24];
        (void) snprintf(word, sizeof(word), "%lld", value);
        if (choice_index(key->choices, word) < 0)
            return complain(problem, "%lld is out of range", value);
    }
    *field = (unsigned) value;
    return 0;
}

static int read_choice(const struct config_key *key, const config_setting_t *setting, int *field,
                       struct config_problem *problem)
{
    if (config_setting_type(setting) != CONFIG_TYPE_STRING)
        return wrong_type(setting, problem);
    const char *word = config_setting_get_string(setting);
    char quoted[CONFIG_QUOTED_MAX];
    int index = choice_index(key->choices, word);
    if (index < 0)
        return complain(problem, "%s is not known", config_quote(quoted, word));
    *field = (int) key->min + index;
    return 0;
}

/* Empty means "none" where the key allows it, so it needs no form. */
static int read_string(const struct config_key *key, const config_setting_t *setting, char *field,
                       struct config_problem *problem)
{
    if (config_setting_type(setting) != CONFIG_TYPE_STRING)
        return wrong_type(setting, problem);
    const char *text = config_setting_get_string(setting);
    size_t length = strlen(text);
    if (length > key->max)
        return complain(problem, "%zu bytes are too long", length);
    if (length < key->min)
        return complain(problem, "it is empty");
    int r = length > 0 ? forms[key->form].check(text, 0, problem) : 0;
    if (r < 0)
        return r;
    (void) text_copy(field, key->size, text);
    return 0;
}

/* "NAME=value" texts with the same NAME. */
static bool same_variable(const char *a, const char *b)
{
    size_t length = strcspn(a, "=") + 1;
    return strncmp(a, b, length) == 0;
}

static int check_item(const struct config_key *key, const config_setting_t *item, size_t number,
                      char *const earlier[], struct config_problem *problem)
{
    if (config_setting_type(item) != CONFIG_TYPE_STRING)
        return wrong_type(item, problem);
    const char *text = config_setting_get_string(item);
    if (strlen(text) > CONFIG_ITEM_MAX)
        return complain(problem, "%zu bytes are too long, %d is the most", strlen(text),
                        CONFIG_ITEM_MAX);
    int r = forms[key->form].check(text, number, problem);
    if (r < 0)
        return r;
    if (key->form == CONFIG_FORM_VARIABLE)
        for (size_t i = 0; i + 1 < number; i++)
            if (same_variable(text, earlier[i]))
                return complain(problem, "%.*s is there twice", (int) MIN(strcspn(text, "="), 64u),
                                text);
    return 0;
}

static void free_items(char **items)
{
    for (size_t i = 0; items[i]; i++) {
        free(items[i]);
        items[i] = NULL;
    }
}

/* All items or none: the field is only touched when each was found good and copied. */
static int read_list(const struct config_key *key, const config_setting_t *setting, char **field,
                     struct config_problem *problem)
{
    char *items[CONFIG_ENV_MAX + 1] = {0}; /* the longest of all lists */
    int type = config_setting_type(setting), r = 0;
    if (type != CONFIG_TYPE_LIST && type != CONFIG_TYPE_ARRAY)
        return wrong_type(setting, problem);
    size_t n = (size_t) config_setting_length(setting);
    assert(key->max < ARRAY_SIZE(items));
    if (n < key->min || n > key->max)
        return complain(problem, "%zu items", n);

    for (size_t i = 0; i < n && r == 0; i++) {
        const config_setting_t *item = config_setting_get_elem(setting, (unsigned) i);
        r = check_item(key, item, i + 1, items, problem);
        if (r < 0) {
            problem->item = i + 1;
            problem->line = config_setting_source_line(item);
        } else if (!(items[i] = strdup(config_setting_get_string(item)))) {
            r = -ENOMEM;
        }
    }
    if (r < 0) {
        free_items(items);
        return r;
    }
    free_items(field);
    memcpy(field, items, (n + 1) * sizeof(items[0]));
    return 0;
}

int config_value_read(const struct config_key *key, const struct config_setting_t *setting,
                      void *base, struct config_problem *problem)
{
    void *field = (char *) base + key->offset;
    *problem = (struct config_problem){.line = config_setting_source_line(setting)};
    switch (key->type) {
    case CONFIG_BOOL:
        return read_bool(setting, field, problem);
    case CONFIG_UINT:
        return read_uint(key, setting, field, problem);
    case CONFIG_CHOICE:
        return read_choice(key, setting, field, problem);
    case CONFIG_STRING:
    case CONFIG_PATH:
    case CONFIG_LISTEN:
        return read_string(key, setting, field, problem);
    case CONFIG_LIST:
        return read_list(key, setting, field, problem);
    }
    return -EINVAL;
}

void config_value_clear(const struct config_key *key, void *base)
{
    if (key->type == CONFIG_LIST)
        free_items((char **) ((char *) base + key->offset));
}

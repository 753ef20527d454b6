/* SPDX-License-Identifier: Apache-2.0 */
/* What credentials look like in JSON, in the shared files and in STS's answers. Pure; values are
 * copied, copies that are not handed on are wiped. */
#include "common/aws/credentials-internal.h"
#include "common/aws/xml.h"
#include "common/base/clock.h"
#include "common/base/json.h"

#include <ctype.h>
#include <errno.h>
#include <string.h>
#include <strings.h>
#include <time.h>

void credentials_wipe(char *text)
{
    if (text)
        explicit_bzero(text, strlen(text));
    free(text);
}

void credentials_done(struct credentials *credentials)
{
    credentials_wipe(credentials->access_key_id);
    credentials_wipe(credentials->secret_access_key);
    credentials_wipe(credentials->session_token);
    *credentials = (struct credentials){0};
}

void credentials_move(struct credentials *to, struct credentials *from)
{
    credentials_done(to);
    *to = *from;
    *from = (struct credentials){0};
}

/* They go into headers: one line of visible ASCII. */
static bool is_key(const char *text, size_t most)
{
    size_t length = strnlen(text, most + 1);

    for (size_t i = 0; i < length; i++)
        if (text[i] <= ' ' || text[i] > '~')
            return false;
    return length > 0 && length <= most;
}

int credentials_set(struct credentials *credentials, const char *access_key_id,
                    const char *secret_access_key, const char *token)
{
    if (token && *token == '\0')
        token = NULL;
    if (!is_key(access_key_id, CREDENTIALS_KEY_MAX) ||
        !is_key(secret_access_key, CREDENTIALS_KEY_MAX) ||
        (token && !is_key(token, CREDENTIALS_TOKEN_MAX)))
        return -EBADMSG;
    credentials_done(credentials);
    credentials->access_key_id = strdup(access_key_id);
    credentials->secret_access_key = strdup(secret_access_key);
    credentials->session_token = token ? strdup(token) : NULL;
    if (credentials->access_key_id && credentials->secret_access_key &&
        (!token || credentials->session_token))
        return 0;
    credentials_done(credentials);
    return -ENOMEM;
}

/* --- Time --- */

/* |count| digits; moves |text| on. */
static bool take_number(const char **text, unsigned count, int *ret)
{
    *ret = 0;
    for (; count > 0; count--, (*text)++) {
        if (**text < '0' || **text > '9')
            return false;
        *ret = *ret * 10 + (**text - '0');
    }
    return true;
}

static bool take_char(const char **text, const char *either)
{
    if (**text == '\0' || !strchr(either, **text))
        return false;
    (*text)++;
    return true;
}

/* "Z", "+01:00", "-0530": seconds that the text is ahead of UTC. */
static bool take_zone(const char **text, int *ret_s)
{
    bool is_behind = **text == '-';
    int hours, minutes;

    *ret_s = 0;
    if (take_char(text, "Zz"))
        return true;
    if (!take_char(text, "+-") || !take_number(text, 2, &hours))
        return false;
    take_char(text, ":");
    if (!take_number(text, 2, &minutes) || hours > 23 || minutes > 59)
        return false;
    *ret_s = (hours * 60 + minutes) * 60 * (is_behind ? -1 : 1);
    return true;
}

int credentials_parse_time(const char *text, uint64_t *ret_realtime_us)
{
    struct tm tm = {0};
    int zone_s;
    time_t seconds;

    if (!take_number(&text, 4, &tm.tm_year) || !take_char(&text, "-") ||
        !take_number(&text, 2, &tm.tm_mon) || !take_char(&text, "-") ||
        !take_number(&text, 2, &tm.tm_mday) || !take_char(&text, "Tt") ||
        !take_number(&text, 2, &tm.tm_hour) || !take_char(&text, ":") ||
        !take_number(&text, 2, &tm.tm_min) || !take_char(&text, ":") ||
        !take_number(&text, 2, &tm.tm_sec))
        return -EBADMSG;
    if (take_char(&text, "."))
        while (*text >= '0' && *text <= '9')
            text++;
    if (!take_zone(&text, &zone_s) || *text != '\0' || tm.tm_year < 1970 || tm.tm_mon < 1 ||
        tm.tm_mon > 12 || tm.tm_mday < 1 || tm.tm_mday > 31 || tm.tm_hour > 23 || tm.tm_min > 59 ||
        tm.tm_sec > 60)
        return -EBADMSG;
    tm.tm_year -= 1900;
    tm.tm_mon--;
    seconds = timegm(&tm) - zone_s;
    if (seconds <= 0) /* 0 would mean never */
        return -EBADMSG;
    *ret_realtime_us = (uint64_t) seconds * USEC_PER_SEC;
    return 0;
}

/* --- JSON --- */

/* json-c's own copy of a secret would stay in freed memory. */
static void wipe_member(const struct json_object *object, const char *key)
{
    const char *string;

    if (json_get_string(object, key, &string) == 0)
        explicit_bzero((char *) string, strlen(string));
}

static int credentials_from_json(const struct json_object *object, struct credentials *ret)
{
    const char *code, *id = NULL, *secret = NULL, *token = NULL, *expiration = NULL;
    uint64_t expires_us = 0;
    int r;

    r = json_get_string(object, "Code", &code);
    if (r == 0 && strcmp(code, "Success") != 0)
        return -EKEYREJECTED;
    if (r == -EBADMSG)
        return r;
    if (json_get_string(object, "AccessKeyId", &id) < 0 ||
        json_get_string(object, "SecretAccessKey", &secret) < 0 ||
        json_get_string(object, "Token", &token) == -EBADMSG ||
        json_get_string(object, "Expiration", &expiration) == -EBADMSG)
        return -EBADMSG;
    if (expiration && credentials_parse_time(expiration, &expires_us) < 0)
        return -EBADMSG;
    r = credentials_set(ret, id, secret, token);
    if (r == 0)
        ret->expires_realtime_us = expires_us;
    return r;
}

int credentials_parse_json(const char *text, size_t length, struct credentials *ret)
{
    CLEANUP_JSON struct json_object *object = NULL;
    struct credentials found = {0};
    int r = json_parse(text, length, &object);

    if (r == -ENOMEM)
        return r;
    if (r < 0)
        return -EBADMSG;
    r = credentials_from_json(object, &found);
    wipe_member(object, "SecretAccessKey");
    wipe_member(object, "Token");
    if (r == 0)
        *ret = found;
    return r;
}

/* --- STS --- */

int credentials_parse_sts(const char *text, size_t length, struct credentials *ret)
{
    char id[CREDENTIALS_KEY_MAX + 1], secret[CREDENTIALS_KEY_MAX + 1], expiration[64];
    CLEANUP_FREE char *token = malloc(CREDENTIALS_TOKEN_MAX + 1);
    struct credentials found = {0};
    int r = -EBADMSG;

    if (!token)
        return -ENOMEM;
    *token = '\0';
    if (xml_find(text, length, "AccessKeyId", id, sizeof(id)) == 0 &&
        xml_find(text, length, "SecretAccessKey", secret, sizeof(secret)) == 0 &&
        xml_find(text, length, "SessionToken", token, CREDENTIALS_TOKEN_MAX + 1) == 0 &&
        xml_find(text, length, "Expiration", expiration, sizeof(expiration)) == 0)
        r = credentials_set(&found, id, secret, token);
    if (r == 0)
        r = credentials_parse_time(expiration, &found.expires_realtime_us);
    explicit_bzero(secret, sizeof(secret));
    explicit_bzero(token, CREDENTIALS_TOKEN_MAX + 1);
    if (r < 0)
        credentials_done(&found);
    else
        *ret = found;
    return r;
}

/* --- Shared files ---
 * https://docs.aws.amazon.com/sdkref/latest/guide/file-format.html */

static struct xml_slice trim(struct xml_slice s)
{
    while (s.length > 0 && isspace((unsigned char) *s.data)) {
        s.data++;
        s.length--;
    }
    while (s.length > 0 && isspace((unsigned char) s.data[s.length - 1]))
        s.length--;
    return s;
}

/* A comment behind a value begins with a blank before its mark. */
static struct xml_slice without_comment(struct xml_slice s)
{
    for (size_t i = 1; i < s.length; i++)
        if ((s.data[i] == '#' || s.data[i] == ';') && isspace((unsigned char) s.data[i - 1]))
            s.length = i;
    return trim(s);
}

/* "[profile name]" in the config file, "[name]" in the other; "[default]" in both. */
static bool section_is(struct xml_slice line, const char *profile, bool is_config)
{
    struct xml_slice name = trim((struct xml_slice){line.data + 1, line.length - 2});
    bool has_prefix = name.length > 8 && memcmp(name.data, "profile", 7) == 0 &&
                      isspace((unsigned char) name.data[7]);

    if (is_config && has_prefix) {
        name = trim((struct xml_slice){name.data + 7, name.length - 7});
        if (name.length >= 2 && *name.data == '"' && name.data[name.length - 1] == '"')
            name = (struct xml_slice){name.data + 1, name.length - 2};
    } else if (is_config && strcmp(profile, "default") != 0) {
        return false;
    }
    return xml_slice_is(name, profile);
}

enum { PROFILE_ID, PROFILE_SECRET, PROFILE_TOKEN, PROFILE_VALUES };
static const char *const VALUE_NAMES[PROFILE_VALUES] = {
    "aws_access_key_id", "aws_secret_access_key", "aws_session_token"};

static bool key_is(struct xml_slice key, const char *name)
{
    return key.length == strlen(name) && strncasecmp(key.data, name, key.length) == 0;
}

static int profile_line(struct xml_slice key, struct xml_slice value, char *values[PROFILE_VALUES],
                        struct credentials_profile *about)
{
    static const char *const elsewhere[] = {"role_arn", "credential_process", "sso_session",
                                            "sso_start_url", "web_identity_token_file"};

    /* A role goes before all else in a profile, keys beside it are those that assume it. */
    for (size_t i = 0; i < ARRAY_SIZE(elsewhere); i++)
        if (key_is(key, elsewhere[i]) && value.length > 0 && about->unsupported != elsewhere[0])
            about->unsupported = elsewhere[i];
    for (size_t i = 0; i < PROFILE_VALUES; i++) {
        if (!key_is(key, VALUE_NAMES[i]) || value.length == 0)
            continue;
        credentials_wipe(values[i]);
        values[i] = strndup(value.data, value.length);
        if (!values[i])
            return -ENOMEM;
    }
    return 0;
}

/* One line. |inside| says whether it is in the profile, and is changed by a section's head. */
static int scan_line(struct xml_slice raw, const char *profile, bool is_config, bool *inside,
                     char *values[PROFILE_VALUES], struct credentials_profile *about)
{
    struct xml_slice line = trim(raw), key;
    const char *equals;

    if (line.length == 0 || *line.data == '#' || *line.data == ';')
        return 0;
    /* An indented line goes on with the one before: settings of a service, never keys. */
    if (isspace((unsigned char) *raw.data))
        return 0;
    if (*line.data == '[') {
        line = without_comment(line);
        if (line.data[line.length - 1] != ']')
            return -EBADMSG;
        *inside = section_is(line, profile, is_config);
        about->is_there = about->is_there || *inside;
        return 0;
    }
    equals = memchr(line.data, '=', line.length);
    if (!equals || equals == line.data)
        return -EBADMSG;
    if (!*inside)
        return 0;
    key = trim((struct xml_slice){line.data, (size_t) (equals - line.data)});
    line = (struct xml_slice){equals + 1, line.length - (size_t) (equals + 1 - line.data)};
    return profile_line(key, without_comment(trim(line)), values, about);
}

static int scan_lines(const char *text, size_t length, const char *profile, bool is_config,
                      char *values[PROFILE_VALUES], struct credentials_profile *about)
{
    const char *end = text + length;
    bool inside = false;
    unsigned number = 1;

    if (memchr(text, '\0', length))
        return -EBADMSG;
    for (const char *next; text < end; text = next, number++) {
        const char *stop = memchr(text, '\n', (size_t) (end - text));
        int r;

        if (!stop)
            stop = end;
        next = stop < end ? stop + 1 : end;
        r = scan_line((struct xml_slice){text, (size_t) (stop - text)}, profile, is_config, &inside,
                      values, about);
        if (r == -EBADMSG)
            about->bad_line = number;
        if (r < 0)
            return r;
    }
    return 0;
}

int credentials_scan_profile(const char *text, size_t length, const char *profile, bool is_config,
                             struct credentials *ret, struct credentials_profile *ret_about)
{
    char *values[PROFILE_VALUES] = {0};
    int r;

    *ret_about = (struct credentials_profile){0};
    r = scan_lines(text, length, profile, is_config, values, ret_about);
    if (r == 0 && values[PROFILE_ID] && values[PROFILE_SECRET]) {
        struct credentials found = {0};

        r = credentials_set(&found, values[PROFILE_ID], values[PROFILE_SECRET],
                            values[PROFILE_TOKEN]);
        if (r == 0)
            *ret = found;
    } else if (r == 0 && (values[PROFILE_ID] || values[PROFILE_SECRET])) {
        ret_about->missing = VALUE_NAMES[values[PROFILE_ID] ? PROFILE_SECRET : PROFILE_ID];
        r = -EBADMSG;
    } else if (r == 0) {
        r = -ENOENT;
    }
    for (size_t i = 0; i < PROFILE_VALUES; i++)
        credentials_wipe(values[i]);
    return r;
}

int credentials_parse_profile(const char *text, size_t length, const char *profile, bool is_config,
                              struct credentials *ret)
{
    struct credentials_profile about;

    return credentials_scan_profile(text, length, profile, is_config, ret, &about);
}

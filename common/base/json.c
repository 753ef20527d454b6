/* SPDX-License-Identifier: Apache-2.0 */
/* The one module that knows json-c's error codes. An object file of its own in the library, so that
 * who doesn't use it isn't linked with json-c. */
#include "common/base/json.h"

#include "common/base/text.h"

#include <ctype.h>
#include <errno.h>
#include <float.h>
#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define JSON_DECIMALS_MAX 15

DEFINE_CLEANUP(struct json_tokener *, json_tokener_free)

/*
 * The grammar of RFC 8259, checked before json-c sees the text: even its strict mode takes NaN and
 * keys in single quotes, more in older versions, and it counts depth differently for empty arrays.
 */
struct scan {
    const char *at;
    const char *end;
    unsigned depth;
};

static int scan_value(struct scan *scan);

static bool scan_is_at(const struct scan *scan, char c)
{
    return scan->at < scan->end && *scan->at == c;
}

static bool scan_take(struct scan *scan, char c)
{
    if (!scan_is_at(scan, c))
        return false;
    scan->at++;
    return true;
}

static void scan_blanks(struct scan *scan)
{
    while (scan->at < scan->end &&
           (*scan->at == ' ' || *scan->at == '\t' || *scan->at == '\r' || *scan->at == '\n'))
        scan->at++;
}

/* Digits, at least one. */
static bool scan_digits(struct scan *scan)
{
    const char *start = scan->at;

    while (scan->at < scan->end && *scan->at >= '0' && *scan->at <= '9')
        scan->at++;
    return scan->at > start;
}

static int scan_number(struct scan *scan)
{
    scan_take(scan, '-');
    if (!scan_take(scan, '0') && !scan_digits(scan))
        return -EBADMSG;
    if (scan_take(scan, '.') && !scan_digits(scan))
        return -EBADMSG;
    if (scan_take(scan, 'e') || scan_take(scan, 'E')) {
        if (!scan_take(scan, '+'))
            scan_take(scan, '-');
        if (!scan_digits(scan))
            return -EBADMSG;
    }
    return 0;
}

/* A key with an escaped NUL is refused: json-c would end it there. */
static int scan_string(struct scan *scan, bool is_key)
{
    if (!scan_take(scan, '"'))
        return -EBADMSG;
    while (scan->at < scan->end) {
        unsigned char c = (unsigned char) *scan->at++;

        if (c == '"')
            return 0;
        if (c < 0x20)
            return -EBADMSG;
        if (c != '\\')
            continue;
        if (scan_take(scan, 'u')) {
            for (int i = 0; i < 4; i++)
                if (scan->at + i >= scan->end || !isxdigit((unsigned char) scan->at[i]))
                    return -EBADMSG;
            if (is_key && memcmp(scan->at, "0000", 4) == 0)
                return -EBADMSG;
            scan->at += 4;
        } else if (scan->at >= scan->end || !memchr("\"\\/bfnrt", *scan->at++, 8)) {
            return -EBADMSG;
        }
    }
    return -EBADMSG;
}

static int scan_container(struct scan *scan, bool is_object)
{
    const char close = is_object ? '}' : ']';
    int r;

    if (++scan->depth > JSON_DEPTH_MAX)
        return -E2BIG;
    scan->at++;
    scan_blanks(scan);
    if (!scan_is_at(scan, close)) {
        do {
            scan_blanks(scan);
            if (is_object) {
                r = scan_string(scan, true);
                if (r < 0)
                    return r;
                scan_blanks(scan);
                if (!scan_take(scan, ':'))
                    return -EBADMSG;
            }
            r = scan_value(scan);
            if (r < 0)
                return r;
        } while (scan_take(scan, ','));
    }
    scan->depth--;
    return scan_take(scan, close) ? 0 : -EBADMSG;
}

/* A value and the blanks around it. The recursion ends at JSON_DEPTH_MAX. */
static int scan_value(struct scan *scan)
{
    static const char *const words[] = {"true", "false", "null"};
    int r = -EBADMSG;

    scan_blanks(scan);
    if (scan_is_at(scan, '{') || scan_is_at(scan, '[')) {
        r = scan_container(scan, *scan->at == '{');
    } else if (scan_is_at(scan, '"')) {
        r = scan_string(scan, false);
    } else if (scan->at < scan->end && *scan->at >= 'a') {
        for (size_t i = 0; i < ARRAY_SIZE(words); i++) {
            size_t length = strlen(words[i]);

            if ((size_t) (scan->end - scan->at) < length || memcmp(scan->at, words[i], length) != 0)
                continue;
            scan->at += length;
            r = 0;
            break;
        }
    } else {
        r = scan_number(scan);
    }
    scan_blanks(scan);
    return r;
}

static int json_check_syntax(const char *text, size_t length)
{
    struct scan scan = {.at = text, .end = text + length};
    int r;

    if (!text_is_utf8(text, length))
        return -EBADMSG;
    r = scan_value(&scan);
    if (r < 0)
        return r;
    return scan.at == scan.end ? 0 : -EBADMSG;
}

int json_parse(const char *text, size_t length, struct json_object **ret)
{
    CLEANUP(json_tokener_freep) struct json_tokener *tokener = NULL;
    CLEANUP_JSON struct json_object *object = NULL;
    enum json_tokener_error error;
    int r;

    if (length > INT_MAX)
        return -EBADMSG;
    r = json_check_syntax(text, length);
    if (r < 0)
        return r;
    tokener = json_tokener_new_ex(JSON_DEPTH_MAX + 1);
    if (!tokener)
        return -ENOMEM;
    json_tokener_set_flags(tokener, JSON_TOKENER_STRICT);
    object = json_tokener_parse_ex(tokener, text, (int) length);
    error = json_tokener_get_error(tokener);
    if (error == json_tokener_continue) {
        /* A number ends only where something else begins: the NUL says that this is all. */
        object = json_tokener_parse_ex(tokener, "", 1);
        error = json_tokener_get_error(tokener);
    }
    if (error != json_tokener_success) /* what its version doesn't take: numbers past 64 bits */
        return -EBADMSG;
    *ret = TAKE(object);
    return 0;
}

static int json_get(const struct json_object *object, const char *key, enum json_type type,
                    struct json_object **ret)
{
    struct json_object *member;

    if (!json_object_is_type(object, json_type_object))
        return -EBADMSG;
    if (!json_object_object_get_ex(object, key, &member) || !member)
        return -ENOENT;
    if (!json_object_is_type(member, type))
        return -EBADMSG;
    *ret = member;
    return 0;
}

int json_get_string(const struct json_object *object, const char *key, const char **ret)
{
    struct json_object *member;
    int r = json_get(object, key, json_type_string, &member);
    const char *string;

    if (r < 0)
        return r;
    string = json_object_get_string(member);
    if (strlen(string) != (size_t) json_object_get_string_len(member))
        return -EBADMSG;
    *ret = string;
    return 0;
}

int json_get_int64(const struct json_object *object, const char *key, int64_t *ret)
{
    struct json_object *member;
    int r = json_get(object, key, json_type_int, &member);
    int64_t number;

    if (r < 0)
        return r;
    number = json_object_get_int64(member);
    if (number == INT64_MIN || (number > 0 && json_object_get_uint64(member) > INT64_MAX))
        return -EBADMSG;
    *ret = number;
    return 0;
}

int json_get_bool(const struct json_object *object, const char *key, bool *ret)
{
    struct json_object *member;
    int r = json_get(object, key, json_type_boolean, &member);

    if (r < 0)
        return r;
    *ret = json_object_get_boolean(member);
    return 0;
}

int json_get_array(const struct json_object *object, const char *key, struct json_object **ret)
{
    return json_get(object, key, json_type_array, ret);
}

/* For the values that were made just now: NULL means out of memory. */
static struct json_object *json_made(struct json_object *value)
{
    if (!value)
        abort();
    return value;
}

void json_add(struct json_object *object, const char *key, struct json_object *take_value)
{
    if (json_object_object_add(object, key, take_value) < 0)
        abort();
}

/* A copy of |value| in which each byte that is not part of well-formed UTF-8 is U+FFFD. */
static char *json_repair_utf8(const char *value, size_t length)
{
    struct buffer repaired;
    char *copy;

    buffer_init(&repaired, SIZE_MAX - 1);
    for (size_t i = 0; i < length;) {
        size_t n = text_utf8_sequence(value + i, length - i);

        if (n > 0)
            buffer_append(&repaired, value + i, n);
        else
            buffer_append_string(&repaired, "\xef\xbf\xbd");
        i += n > 0 ? n : 1;
    }
    if (repaired.failed)
        abort();
    copy = buffer_take(&repaired, NULL);
    return copy;
}

void json_add_string(struct json_object *object, const char *key, const char *value)
{
    CLEANUP_FREE char *repaired = NULL;
    size_t length;

    if (!value) {
        json_add(object, key, NULL);
        return;
    }
    length = strlen(value);
    if (!text_is_utf8(value, length))
        value = repaired = json_repair_utf8(value, length);
    json_add(object, key, json_made(json_object_new_string(value)));
}

void json_add_u64(struct json_object *object, const char *key, uint64_t value)
{
    json_add(object, key, json_made(json_object_new_uint64(value)));
}

void json_add_double(struct json_object *object, const char *key, double value, unsigned decimals)
{
    char text[DBL_MAX_10_EXP + JSON_DECIMALS_MAX + 8];

    if (!isfinite(value)) {
        json_add(object, key, NULL);
        return;
    }
    snprintf(text, sizeof(text), "%.*f", (int) MIN(decimals, (unsigned) JSON_DECIMALS_MAX), value);
    json_add(object, key, json_made(json_object_new_double_s(value, text)));
}

void json_add_bool(struct json_object *object, const char *key, bool value)
{
    json_add(object, key, json_made(json_object_new_boolean(value)));
}

int json_print(const struct json_object *object, bool pretty, struct buffer *buffer)
{
    int flags = JSON_C_TO_STRING_NOSLASHESCAPE;
    const char *text;
    size_t length;

    if (pretty)
        flags |= JSON_C_TO_STRING_PRETTY | JSON_C_TO_STRING_SPACED;
    /* Not const, because json-c keeps the text in the object; it takes NULL for null. */
    text = json_object_to_json_string_length((struct json_object *) object, flags, &length);
    if (!text) {
        buffer->failed = true;
        return -ENOMEM;
    }
    return buffer_append(buffer, text, length);
}

int json_append_string(struct buffer *out, const char *text)
{
    const char *end = text + strlen(text);

    buffer_append(out, "\"", 1);
    while (text < end) {
        size_t length = text_utf8_sequence(text, (size_t) (end - text));
        unsigned char c = (unsigned char) *text;

        if (length == 0)
            buffer_append_string(out, "\\ufffd");
        else if (c == '"' || c == '\\')
            buffer_printf(out, "\\%c", c);
        else if (c < 0x20 || c == 0x7f)
            buffer_printf(out, "\\u%04x", c);
        else
            buffer_append(out, text, length);
        text += MAX(length, (size_t) 1);
    }
    buffer_append(out, "\"", 1);
    return out->failed ? -ENOBUFS : 0;
}

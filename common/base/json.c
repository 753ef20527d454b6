/* SPDX-License-Identifier: Apache-2.0 */
/* The one module that knows json-c's error codes. An object file of its own in the library, so that
 * who doesn't use it isn't linked with json-c. */
#include "common/base/json.h"

#include "common/base/text.h"

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
 * What json-c lets through though it is no JSON: NaN and Infinity. And the depth, which json-c
 * counts differently for empty and filled arrays. Recursion is bounded by the tokener's depth.
 */
static int json_check(const struct json_object *object, unsigned depth)
{
    int r;

    switch (json_object_get_type(object)) {
    case json_type_double:
        return isfinite(json_object_get_double(object)) ? 0 : -EBADMSG;
    case json_type_object: {
        if (depth >= JSON_DEPTH_MAX)
            return -E2BIG;
        json_object_object_foreach((struct json_object *) object, key, value)
        {
            (void) key;
            r = json_check(value, depth + 1);
            if (r < 0)
                return r;
        }
        return 0;
    }
    case json_type_array:
        if (depth >= JSON_DEPTH_MAX)
            return -E2BIG;
        for (size_t i = 0; i < json_object_array_length(object); i++) {
            r = json_check(json_object_array_get_idx(object, i), depth + 1);
            if (r < 0)
                return r;
        }
        return 0;
    default:
        return 0;
    }
}

int json_parse(const char *text, size_t length, struct json_object **ret)
{
    CLEANUP(json_tokener_freep) struct json_tokener *tokener = NULL;
    CLEANUP_JSON struct json_object *object = NULL;
    enum json_tokener_error error;
    int r;

    /* json-c would end at a NUL; and its own check of UTF-8 is newer than the floor's. */
    if (length > INT_MAX || !text_is_utf8(text, length) || memchr(text, '\0', length))
        return -EBADMSG;
    tokener = json_tokener_new_ex(JSON_DEPTH_MAX + 1);
    if (!tokener)
        return -ENOMEM;
    json_tokener_set_flags(tokener, JSON_TOKENER_STRICT);
    object = json_tokener_parse_ex(tokener, text, (int) length);
    error = json_tokener_get_error(tokener);
    if (error == json_tokener_success && json_tokener_get_parse_end(tokener) < length)
        return -EBADMSG;
    if (error == json_tokener_continue) {
        /* A number ends only where something else begins: the NUL says that this is all. */
        object = json_tokener_parse_ex(tokener, "", 1);
        error = json_tokener_get_error(tokener);
    }
    if (error == json_tokener_error_depth)
        return -E2BIG;
    if (error != json_tokener_success)
        return -EBADMSG;
    r = json_check(object, 0);
    if (r < 0)
        return r;
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

int json_get_object(const struct json_object *object, const char *key, struct json_object **ret)
{
    return json_get(object, key, json_type_object, ret);
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

/* SPDX-License-Identifier: Apache-2.0 */
/* json-c with our rules: bounded depth and size, one object a text, errors as negative errnos. */
#pragma once

#include "common/base/buffer.h"

#include <json-c/json.h>

#define JSON_DEPTH_MAX 32

DEFINE_CLEANUP(struct json_object *, json_object_put)
#define CLEANUP_JSON CLEANUP(json_object_putp)

/* Parses exactly one value, valid UTF-8, nothing but blanks behind it, no NaN or infinity. The
 * value null is *ret = NULL. 0, -EBADMSG, -E2BIG (deeper than JSON_DEPTH_MAX), -ENOMEM. */
int json_parse(const char *text, size_t length, struct json_object **ret);

/*
 * Members of an object by name and type; borrowed, they live as long as the object. 0, -ENOENT
 * (absent or null) or -EBADMSG: |object| is none, the member has another type, a string has a NUL
 * in it, a number is not within INT64_MIN + 1 to INT64_MAX (json-c 0.14 cuts what is below to
 * INT64_MIN).
 */
int json_get_string(const struct json_object *object, const char *key, const char **ret);
int json_get_int64(const struct json_object *object, const char *key, int64_t *ret);
int json_get_bool(const struct json_object *object, const char *key, bool *ret);
int json_get_array(const struct json_object *object, const char *key, struct json_object **ret);

/*
 * Adds to an object; takes |take_value| in every case. json_add_string() with NULL adds null. Text
 * that is not UTF-8 is added with U+FFFD for each bad byte, so that what we print always parses.
 * Out of memory ends the process: json-c can't be unwound half-way.
 */
void json_add(struct json_object *object, const char *key, struct json_object *take_value);
void json_add_string(struct json_object *object, const char *key, const char *value);
void json_add_u64(struct json_object *object, const char *key, uint64_t value);
/* With so many decimals (up to 15); what is not finite becomes null. */
void json_add_double(struct json_object *object, const char *key, double value, unsigned decimals);
void json_add_bool(struct json_object *object, const char *key, bool value);

/* Appends the text, compact or indented by two blanks. 0 or buffer_append()'s errors. */
int json_print(const struct json_object *object, bool pretty, struct buffer *buffer);

/* Appends |text| as a JSON string, for who prints without objects; a byte that is not UTF-8 becomes
 * U+FFFD. 0, or -ENOBUFS if |buffer| refused some of it. */
int json_append_string(struct buffer *buffer, const char *text);

/* SPDX-License-Identifier: Apache-2.0 */
/* Members of an answer, for display: what is absent, null or of another type is the fallback, so
 * that an older or newer daemon costs a dash and not the whole table. */
#pragma once

#include "common/base/json.h"

const char *field_text(const struct json_object *object, const char *key, const char *fallback);
int64_t field_int(const struct json_object *object, const char *key, int64_t fallback);
double field_double(const struct json_object *object, const char *key); /* NAN if none */
bool field_bool(const struct json_object *object, const char *key);

/* Borrowed; NULL if none. field_items() is the length, 0 if none, and field_item() is NULL or an
 * object. */
struct json_object *field_object(const struct json_object *object, const char *key);
size_t field_items(const struct json_object *object, const char *key);
struct json_object *field_item(const struct json_object *object, const char *key, size_t index);
/* The same of an array of texts; "" if there is none. */
const char *field_item_text(const struct json_object *object, const char *key, size_t index);

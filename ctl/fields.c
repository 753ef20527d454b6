/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Lenient reading of answers. common/base/json.h is strict, for what must be right; here a missing
 * number is a dash in a table.
 */
#include "ctl/fields.h"

#include <math.h>

static struct json_object *member(const struct json_object *object, const char *key)
{
    struct json_object *value = NULL;

    if (object && json_object_is_type(object, json_type_object))
        json_object_object_get_ex(object, key, &value);
    return value;
}

const char *field_text(const struct json_object *object, const char *key, const char *fallback)
{
    struct json_object *value = member(object, key);

    return json_object_is_type(value, json_type_string) ? json_object_get_string(value) : fallback;
}

int64_t field_int(const struct json_object *object, const char *key, int64_t fallback)
{
    struct json_object *value = member(object, key);

    if (json_object_is_type(value, json_type_double)) {
        double number = json_object_get_double(value);

        return number >= -9e18 && number <= 9e18 ? (int64_t) number : fallback;
    }
    return json_object_is_type(value, json_type_int) ? json_object_get_int64(value) : fallback;
}

double field_double(const struct json_object *object, const char *key)
{
    struct json_object *value = member(object, key);
    bool number =
        json_object_is_type(value, json_type_int) || json_object_is_type(value, json_type_double);

    return number ? json_object_get_double(value) : NAN;
}

bool field_bool(const struct json_object *object, const char *key)
{
    struct json_object *value = member(object, key);

    return json_object_is_type(value, json_type_boolean) && json_object_get_boolean(value);
}

struct json_object *field_object(const struct json_object *object, const char *key)
{
    struct json_object *value = member(object, key);

    return json_object_is_type(value, json_type_object) ? value : NULL;
}

size_t field_items(const struct json_object *object, const char *key)
{
    struct json_object *value = member(object, key);

    return json_object_is_type(value, json_type_array) ? json_object_array_length(value) : 0;
}

static struct json_object *item_of(const struct json_object *object, const char *key, size_t index)
{
    struct json_object *array = member(object, key);

    return json_object_is_type(array, json_type_array) ? json_object_array_get_idx(array, index)
                                                       : NULL;
}

struct json_object *field_item(const struct json_object *object, const char *key, size_t index)
{
    struct json_object *item = item_of(object, key, index);

    return json_object_is_type(item, json_type_object) ? item : NULL;
}

const char *field_item_text(const struct json_object *object, const char *key, size_t index)
{
    struct json_object *item = item_of(object, key, index);

    return json_object_is_type(item, json_type_string) ? json_object_get_string(item) : "";
}

/* SPDX-License-Identifier: Apache-2.0 */
/* JSON from outside: what is taken can be printed, and what was printed is taken again and prints
 * the same. */
#include "common/base/json.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool condition)
{
    if (!condition)
        abort();
}

static void read_members(const struct json_object *object)
{
    struct json_object *member;
    const char *string;
    int64_t number;
    bool answer;

    (void) json_get_string(object, "s", &string);
    if (json_get_int64(object, "i", &number) == 0)
        require(number != INT64_MIN);
    (void) json_get_bool(object, "b", &answer);
    (void) json_get_array(object, "a", &member);
}

/* Any bytes as a string of ours: what is printed must parse. */
static void check_repair(const uint8_t *data, size_t size)
{
    CLEANUP_JSON struct json_object *object = json_object_new_object();
    CLEANUP_JSON struct json_object *again = NULL;
    char *string = strndup((const char *) data, size);
    struct buffer text;

    buffer_init(&text, 1 << 20);
    json_add_string(object, "s", string);
    require(json_print(object, false, &text) == 0);
    require(json_parse(text.data, text.length, &again) == 0);
    buffer_done(&text);
    free(string);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    CLEANUP_JSON struct json_object *object = NULL;
    CLEANUP_JSON struct json_object *again = NULL;
    struct buffer first, second;
    int r;

    if (size > 4096)
        return 0;
    check_repair(data, size);
    r = json_parse((const char *) data, size, &object);
    if (r < 0) {
        require(!object && (r == -EBADMSG || r == -E2BIG));
        return 0;
    }
    read_members(object);
    buffer_init(&first, 1 << 20);
    buffer_init(&second, 1 << 20);
    require(json_print(object, false, &first) == 0);
    require(json_parse(first.data, first.length, &again) == 0);
    require(json_print(again, false, &second) == 0);
    require(first.length == second.length && strcmp(first.data, second.data) == 0);
    buffer_done(&first);
    buffer_done(&second);
    return 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* See the header. */
#include "agent/serve/control-request.h"

#include "common/base/json.h"
#include "common/base/text.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static int refuse(char why[CONTROL_WHY_MAX], const char *text)
{
    snprintf(why, CONTROL_WHY_MAX, "%s", text);
    return -EINVAL;
}

static int take_member(struct control_restart *restart, const char *key,
                       const struct json_object *object, char why[CONTROL_WHY_MAX])
{
    const char *text;
    int64_t number;

    if (strcmp(key, "app") == 0) {
        if (json_get_string(object, key, &text) < 0 || text[0] == '\0' ||
            !text_copy(restart->app, sizeof(restart->app), text))
            return refuse(why, "\"app\" must be the name of an app");
    } else if (strcmp(key, "slot") == 0) {
        if (json_get_int64(object, key, &number) < 0 || number < 1 || number > APP_SLOTS_MAX)
            return refuse(why, "\"slot\" must be the number of a worker, from 1");
        restart->slot = (unsigned) number;
    } else if (strcmp(key, "core") == 0) {
        if (json_get_bool(object, key, &restart->core) < 0)
            return refuse(why, "\"core\" must be true or false");
    } else {
        return refuse(why, "unknown member; allowed are \"app\", \"slot\" and \"core\"");
    }
    return 0;
}

int control_parse_restart(const char *body, size_t length, struct control_restart *ret,
                          char why[CONTROL_WHY_MAX])
{
    CLEANUP_JSON struct json_object *object = NULL;
    struct control_restart restart = {.core = false};

    if (length > 0 &&
        (json_parse(body, length, &object) < 0 || !json_object_is_type(object, json_type_object)))
        return refuse(why, "the body must be one JSON object");
    if (object) {
        json_object_object_foreach(object, key, value)
        {
            (void) value;
            if (take_member(&restart, key, object, why) < 0)
                return -EINVAL;
        }
    }
    if (restart.slot && !restart.app[0])
        return refuse(why, "\"slot\" goes with \"app\"");
    if (restart.core && restart.app[0])
        return refuse(why, "\"core\" goes without \"app\"");
    *ret = restart;
    return 0;
}

int control_parse_number(const char *text, unsigned long long fallback, unsigned long long max,
                         unsigned long long *ret)
{
    uint64_t number = fallback;

    if (text && text_parse_u64(text, 0, max, &number) < 0)
        return -EINVAL;
    *ret = number;
    return 0;
}

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

/* What a body may have in all; a request allows some of it. */
enum member {
    APP = 1 << 0,
    SLOT = 1 << 1,
    CORE = 1 << 2,
    WORKERS = 1 << 3,
    LOAD = 1 << 4,
    SECONDS = 1 << 5,
    CORES = 1 << 6,
    PRIORITY = 1 << 7,
};

struct members {
    unsigned given; /* which */
    char app[APP_NAME_MAX + 1];
    unsigned slot, workers;
    bool core;
    struct stress_order stress;
};

static enum member find_member(const char *key)
{
    static const struct {
        const char *key;
        enum member member;
    } members[] = {
        {"app", APP},   {"slot", SLOT},       {"core", CORE},   {"workers", WORKERS},
        {"load", LOAD}, {"seconds", SECONDS}, {"cores", CORES}, {"priority", PRIORITY},
    };

    for (size_t i = 0; i < ARRAY_SIZE(members); i++)
        if (strcmp(members[i].key, key) == 0)
            return members[i].member;
    return 0;
}

static int take_stress_member(struct stress_order *order, enum member member,
                              const struct json_object *object, const char *key,
                              char why[CONTROL_WHY_MAX])
{
    const struct {
        enum member member;
        int64_t max;
        unsigned *value;
        const char *what;
    } numbers[] = {
        {LOAD, STRESS_LOAD_MAX, &order->load_percent, "\"load\" must be a number from 1 to 100"},
        {SECONDS, STRESS_SECONDS_MAX, &order->seconds,
         "\"seconds\" must be a number from 1 to 86400"},
        {CORES, STRESS_CORES_MAX, &order->cores, "\"cores\" must be a number from 1"},
    };
    const char *text;
    int64_t number;

    for (size_t i = 0; i < ARRAY_SIZE(numbers); i++) {
        if (numbers[i].member != member)
            continue;
        if (json_get_int64(object, key, &number) < 0 || number < 1 || number > numbers[i].max)
            return refuse(why, numbers[i].what);
        *numbers[i].value = (unsigned) number;
        return 0;
    }
    if (json_get_string(object, key, &text) < 0 ||
        (strcmp(text, "idle") != 0 && strcmp(text, "normal") != 0))
        return refuse(why, "\"priority\" must be \"idle\" or \"normal\"");
    order->normal_priority = strcmp(text, "normal") == 0;
    return 0;
}
_Static_assert(STRESS_LOAD_MAX == 100 && STRESS_SECONDS_MAX == 86400, "the messages say so");

static int take_member(struct members *members, enum member member,
                       const struct json_object *object, const char *key, char why[CONTROL_WHY_MAX])
{
    const char *text;
    int64_t number;

    members->given |= member;
    switch (member) {
    case APP:
        if (json_get_string(object, key, &text) < 0 || text[0] == '\0' ||
            !text_copy(members->app, sizeof(members->app), text))
            return refuse(why, "\"app\" must be the name of an app");
        break;
    case SLOT:
        if (json_get_int64(object, key, &number) < 0 || number < 1 || number > APP_SLOTS_MAX)
            return refuse(why, "\"slot\" must be the number of a worker, from 1");
        members->slot = (unsigned) number;
        break;
    case CORE:
        if (json_get_bool(object, key, &members->core) < 0)
            return refuse(why, "\"core\" must be true or false");
        break;
    case WORKERS:
        if (json_get_int64(object, key, &number) < 0 || number < 0 || number > WORKERS_MAX)
            return refuse(why, "\"workers\" must be a number from 0 to 64");
        members->workers = (unsigned) number;
        break;
    case LOAD:
    case SECONDS:
    case CORES:
    case PRIORITY:
        return take_stress_member(&members->stress, member, object, key, why);
    }
    return 0;
}
_Static_assert(WORKERS_MAX == 64, "the message says so");

/* |unknown| is what to say of other members than |allowed|. */
static int parse(const char *body, size_t length, unsigned allowed, const char *unknown,
                 struct members *ret, char why[CONTROL_WHY_MAX])
{
    CLEANUP_JSON struct json_object *object = NULL;

    *ret = (struct members){
        .stress = {.load_percent = STRESS_LOAD_DEFAULT, .seconds = STRESS_SECONDS_DEFAULT}};
    if (length > 0 &&
        (json_parse(body, length, &object) < 0 || !json_object_is_type(object, json_type_object)))
        return refuse(why, "the body must be one JSON object");
    if (!object)
        return 0;
    json_object_object_foreach(object, key, value)
    {
        enum member member = find_member(key);

        (void) value;
        if (!(member & allowed))
            return refuse(why, unknown);
        if (take_member(ret, member, object, key, why) < 0)
            return -EINVAL;
    }
    return 0;
}

int control_parse_restart(const char *body, size_t length, struct control_restart *ret,
                          char why[CONTROL_WHY_MAX])
{
    struct members members;

    if (parse(body, length, APP | SLOT | CORE,
              "unknown member; allowed are \"app\", \"slot\" and \"core\"", &members, why) < 0)
        return -EINVAL;
    if (members.slot && !members.app[0])
        return refuse(why, "\"slot\" goes with \"app\"");
    if (members.core && members.app[0])
        return refuse(why, "\"core\" goes without \"app\"");
    *ret = (struct control_restart){.core = members.core, .slot = members.slot};
    text_copy(ret->app, sizeof(ret->app), members.app);
    return 0;
}

int control_parse_reload(const char *body, size_t length, char app[APP_NAME_MAX + 1],
                         char why[CONTROL_WHY_MAX])
{
    struct members members;

    if (parse(body, length, APP, "unknown member; allowed is \"app\"", &members, why) < 0)
        return -EINVAL;
    text_copy(app, APP_NAME_MAX + 1, members.app);
    return 0;
}

int control_parse_scale(const char *body, size_t length, struct control_scale *ret,
                        char why[CONTROL_WHY_MAX])
{
    struct members members;

    if (parse(body, length, APP | WORKERS, "unknown member; allowed are \"app\" and \"workers\"",
              &members, why) < 0)
        return -EINVAL;
    if (members.given != (APP | WORKERS))
        return refuse(why, "\"app\" and \"workers\" are wanted, both");
    ret->workers = members.workers;
    text_copy(ret->app, sizeof(ret->app), members.app);
    return 0;
}

int control_parse_stress(const char *body, size_t length, struct stress_order *ret,
                         char why[CONTROL_WHY_MAX])
{
    struct members members;

    if (parse(body, length, LOAD | SECONDS | CORES | PRIORITY,
              "unknown member; allowed are \"load\", \"seconds\", \"cores\" and \"priority\"",
              &members, why) < 0)
        return -EINVAL;
    *ret = members.stress;
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

/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/store-harness.h"

#include "common/base/clock.h"

#include <errno.h>
#include <string.h>

#define WAIT_US (30 * USEC_PER_SEC)

struct posted {
    bool done;
    int error;
};

struct message harness_message(const char *text)
{
    return (struct message){
        .id = "00000000-0000-4000-8000-000000000000",
        .text = text,
        .timestamp = "2026-11-21T22:25:16.123Z",
        .instance = HARNESS_INSTANCE,
    };
}

int harness_wait(sd_event *event, const bool *done)
{
    uint64_t end_us = clock_monotonic_us() + WAIT_US;

    while (!*done) {
        if (clock_monotonic_us() >= end_us)
            return -ETIMEDOUT;
        (void) sd_event_run(event, USEC_PER_SEC);
    }
    return 0;
}

static void on_posted(int error, const struct message *stored, bool repeated, void *userdata)
{
    struct posted *posted = userdata;

    posted->done = true;
    posted->error = error;
}

int harness_post(struct store *store, sd_event *event, const char *text)
{
    struct message message = harness_message(text);
    struct posted posted = {0};
    int r = store_post(store, &message, NULL, on_posted, &posted);

    if (r >= 0)
        r = harness_wait(event, &posted.done);
    return r < 0 ? r : posted.error;
}

static void on_latest(int error, struct message_list *take_list, uint64_t version, const char *next,
                      void *userdata)
{
    struct harness_latest *latest = userdata;

    *latest = (struct harness_latest){
        .done = true, .error = error, .list = take_list, .version = version};
}

int harness_latest(struct store *store, sd_event *event, size_t limit, uint64_t known,
                   struct harness_latest *ret)
{
    int r;

    *ret = (struct harness_latest){0};
    r = store_latest(store, limit, known, on_latest, ret);
    if (r >= 0)
        r = harness_wait(event, &ret->done);
    return r < 0 ? r : ret->error;
}

const char *harness_newest(const struct message_list *list)
{
    return message_list_count(list) == 0 ? "" : message_list_get(list, 0).text;
}

bool harness_has(const struct message_list *list, const char *text)
{
    for (size_t i = 0; i < message_list_count(list); i++)
        if (strcmp(message_list_get(list, i).text, text) == 0)
            return true;
    return false;
}

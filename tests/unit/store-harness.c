/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/store-harness.h"

#include "common/base/clock.h"
#include "common/base/text.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define WAIT_US (30 * USEC_PER_SEC)

struct message harness_message(const char *text)
{
    static uint64_t last_us;
    static char id[37], timestamp[CLOCK_TEXT_MAX];
    uint64_t now_us = clock_realtime_us();

    last_us = now_us > last_us + USEC_PER_MSEC ? now_us : last_us + USEC_PER_MSEC;
    snprintf(id, sizeof(id), "%08x-0000-4000-8000-%012llx", (unsigned) random_u64(),
             (unsigned long long) (random_u64() & 0xffffffffffffull));
    return (struct message){
        .id = id,
        .text = text,
        .timestamp = clock_format_iso8601(timestamp, last_us),
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
    struct harness_posted *posted = userdata;

    *posted = (struct harness_posted){.done = true, .error = error, .repeated = repeated};
    if (stored) {
        snprintf(posted->id, sizeof(posted->id), "%s", stored->id);
        snprintf(posted->text, sizeof(posted->text), "%.60s", stored->text);
    }
}

int harness_post_key(struct store *store, sd_event *event, const struct message *message,
                     const char *key, struct harness_posted *ret)
{
    int r;

    *ret = (struct harness_posted){0};
    r = store_post(store, message, key, on_posted, ret);
    if (r >= 0)
        r = harness_wait(event, &ret->done);
    return r < 0 ? r : ret->error;
}

int harness_post(struct store *store, sd_event *event, const char *text)
{
    const struct message message = harness_message(text);
    struct harness_posted posted;

    return harness_post_key(store, event, &message, NULL, &posted);
}

static void on_latest(int error, struct message_list *take_list, uint64_t version, const char *next,
                      void *userdata)
{
    struct harness_latest *latest = userdata;

    *latest = (struct harness_latest){
        .done = true, .error = error, .list = take_list, .version = version};
    snprintf(latest->next, sizeof(latest->next), "%s", next);
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

int harness_older(struct store *store, sd_event *event, const char *position, size_t limit,
                  struct harness_latest *ret)
{
    int r;

    *ret = (struct harness_latest){0};
    r = store_older(store, position, limit, on_latest, ret);
    if (r >= 0)
        r = harness_wait(event, &ret->done);
    return r < 0 ? r : ret->error;
}

int harness_all_texts(struct store *store, sd_event *event, size_t limit, char ***ret)
{
    struct harness_latest page;
    char **texts = NULL;
    int count = 0;
    int r = harness_latest(store, event, limit, STORE_VERSION_NONE, &page);

    while (r >= 0) {
        char next[STORE_POSITION_MAX];

        for (size_t i = 0; i < message_list_count(page.list); i++) {
            texts = realloc(texts, ((size_t) count + 1) * sizeof(*texts));
            texts[count++] = strdup(message_list_get(page.list, i).text);
        }
        page.list = message_list_free(page.list);
        if (!*page.next)
            break;
        snprintf(next, sizeof(next), "%s", page.next);
        r = harness_older(store, event, next, limit, &page);
    }
    *ret = texts;
    return r < 0 ? r : count;
}

struct answer { /* of the smaller operations */
    bool done;
    int error;
    struct store_stats *stats;
    uint8_t *secret;
    char *what;
};

static void on_stats(int error, const struct store_stats *stats, void *userdata)
{
    struct answer *answer = userdata;

    answer->done = true;
    answer->error = error;
    if (stats)
        *answer->stats = *stats;
}

int harness_stats(struct store *store, sd_event *event, struct store_stats *ret)
{
    struct answer answer = {.stats = ret};
    int r = store_stats(store, on_stats, &answer);

    if (r >= 0)
        r = harness_wait(event, &answer.done);
    return r < 0 ? r : answer.error;
}

static void on_secret(int error, const uint8_t secret[STORE_SECRET_BYTES], void *userdata)
{
    struct answer *answer = userdata;

    answer->done = true;
    answer->error = error;
    if (secret)
        memcpy(answer->secret, secret, STORE_SECRET_BYTES);
}

int harness_secret(struct store *store, sd_event *event, uint8_t ret[STORE_SECRET_BYTES])
{
    struct answer answer = {.secret = ret};
    int r = store_secret(store, on_secret, &answer);

    if (r >= 0)
        r = harness_wait(event, &answer.done);
    return r < 0 ? r : answer.error;
}

static void on_check(int error, const char *what, void *userdata)
{
    struct answer *answer = userdata;

    answer->done = true;
    answer->error = error;
    snprintf(answer->what, 256, "%s", what);
}

int harness_check(struct store *store, sd_event *event, char what[256])
{
    struct answer answer = {.what = what};
    int r;

    what[0] = '\0';
    r = store_check(store, on_check, &answer);
    if (r >= 0)
        r = harness_wait(event, &answer.done);
    return r < 0 ? r : answer.error;
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

/* SPDX-License-Identifier: Apache-2.0 */
/* Drives a board's store from a test, also from a forked child: runs its loop until an answer is
 * there. Nothing here asserts; an answer that doesn't come is -ETIMEDOUT. */
#pragma once

#include "apps/visitor-board/store.h"

#include <stdbool.h>
#include <systemd/sd-event.h>

#define HARNESS_INSTANCE "i-0123456789abcdef0"

struct harness_latest { /* what store_latest() or store_older() answered */
    bool done;
    int error;
    struct message_list *list; /* the test frees it */
    uint64_t version;
    char next[STORE_POSITION_MAX];
};

struct harness_posted { /* what store_post() answered */
    bool done;
    int error;
    bool repeated;
    char id[37];
    char text[64]; /* its beginning */
};

/* A message of that text and a new id, a millisecond younger than the last one at least. Id and
 * timestamp are good until the next call. */
struct message harness_message(const char *text);

/* Posts |text| and waits for the answer, which it returns; or store_post()'s own error. */
int harness_post(struct store *store, sd_event *event, const char *text);
/* The same with a key, and all of the answer. */
int harness_post_key(struct store *store, sd_event *event, const struct message *message,
                     const char *key, struct harness_posted *ret);

/* Asks and waits. Returns the answer's error, or store_latest()'s own. */
int harness_latest(struct store *store, sd_event *event, size_t limit, uint64_t known,
                   struct harness_latest *ret);

/* The same for store_older(). */
int harness_older(struct store *store, sd_event *event, const char *position, size_t limit,
                  struct harness_latest *ret);

int harness_stats(struct store *store, sd_event *event, struct store_stats *ret);
int harness_secret(struct store *store, sd_event *event, uint8_t ret[STORE_SECRET_BYTES]);
int harness_check(struct store *store, sd_event *event, char what[256]);

/* Every text, newest first, page by page of |limit|: how many, or a negative errno. The caller
 * frees each and the array. */
int harness_all_texts(struct store *store, sd_event *event, size_t limit, char ***ret);

/* Runs the loop until |*done|. 0 or -ETIMEDOUT. */
int harness_wait(sd_event *event, const bool *done);

/* The text of |list|'s newest message, "" if there is none; and whether any has |text|. */
const char *harness_newest(const struct message_list *list);
bool harness_has(const struct message_list *list, const char *text);

/* SPDX-License-Identifier: Apache-2.0 */
/* Drives a board's store from a test, also from a forked child: runs its loop until an answer is
 * there. Nothing here asserts; an answer that doesn't come is -ETIMEDOUT. */
#pragma once

#include "apps/visitor-board/store.h"

#include <stdbool.h>
#include <systemd/sd-event.h>

#define HARNESS_INSTANCE "i-0123456789abcdef0"

struct harness_latest { /* what store_latest() answered */
    bool done;
    int error;
    struct message_list *list; /* the test frees it */
    uint64_t version;
};

/* A message of that text; the rest is fixed. */
struct message harness_message(const char *text);

/* Posts |text| and waits for the answer, which it returns; or store_post()'s own error. */
int harness_post(struct store *store, sd_event *event, const char *text);

/* Asks and waits. Returns the answer's error, or store_latest()'s own. */
int harness_latest(struct store *store, sd_event *event, size_t limit, uint64_t known,
                   struct harness_latest *ret);

/* Runs the loop until |*done|. 0 or -ETIMEDOUT. */
int harness_wait(sd_event *event, const bool *done);

/* The text of |list|'s newest message, "" if there is none; and whether any has |text|. */
const char *harness_newest(const struct message_list *list);
bool harness_has(const struct message_list *list, const char *text);

/* SPDX-License-Identifier: Apache-2.0 */
/* Posts that wait in a store: copies of what was given, in the order of arrival. */
#pragma once

#include "apps/visitor-board/store.h"

struct post {
    struct post *next;
    store_post_done done;
    void *userdata;
    uint64_t deadline_us;         /* on the monotonic clock */
    struct message_list *earlier; /* NULL, or the one message that its key was used for before */
    const char *key;              /* NULL: none */
    struct message message;       /* into |bytes|, as |key| */
    char bytes[];
};

struct post_queue { /* post_queue_init(); read-only for others */
    struct post *first;
    struct post **last; /* where the next one goes */
    size_t count;
};

/* Its deadline is STORE_DEADLINE_US from now. 0 or -ENOMEM. */
int post_new(struct post **ret, const struct message *message, const char *key,
             store_post_done done, void *userdata);
/* Calls back, with the earlier message where there is one, and frees it. */
void post_answer(struct post *take_post, int error);

void post_queue_init(struct post_queue *queue);
void post_queue_add(struct post_queue *queue, struct post *take_post);
struct post *post_queue_pop(struct post_queue *queue); /* the first; NULL: empty */
/* Empties |from| into |to|, which is empty. */
void post_queue_move(struct post_queue *to, struct post_queue *from);
/* Answers all. A callback may add to another queue, not to this one. */
void post_queue_answer(struct post_queue *queue, int error);

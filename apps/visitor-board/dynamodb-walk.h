/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which requests a list of messages takes: the first day's partition, then those that the index of
 * days names, newest first, until the list is full. Pure: it says what to ask and takes the answer.
 *
 * Today is asked for before the index is, so a board that is in use costs one Query a view. One
 * message more than wanted is looked for: it tells whether there is another page. A board with few
 * messages on many days, or whose messages have expired, would make many requests: after
 * WALK_QUERIES_MAX the list ends short, and its position says where to go on.
 */
#pragma once

#include "apps/visitor-board/dynamodb-items.h"

#define WALK_QUERIES_MAX 16u

enum walk_step { WALK_MESSAGES, WALK_DAYS, WALK_DONE };

struct walk {            /* walk_begin(); read-only for others but |list|, which the caller takes */
    enum walk_step step; /* what to ask next */
    char day[ITEMS_DAY_SIZE];
    char before[ITEMS_SORT_KEY_MAX]; /* below which sort key of that day; "": all */
    size_t wanted;                   /* Limit of the next Query of messages */

    struct message_list *list;
    size_t limit;
    uint64_t now_s;
    char oldest_day[ITEMS_DAY_SIZE]; /* "": no retention */
    char days[ITEMS_DAYS_PAGE][ITEMS_DAY_SIZE];
    size_t n_days, at;
    bool index_ended;
    unsigned queries;
    char last[ITEMS_SORT_KEY_MAX]; /* of the list's last message */
    bool more;                     /* a message was seen behind them */
    enum walk_step cut_step;       /* WALK_DONE: it was not cut short */
    unsigned broken;               /* items that were skipped */
    double read_units;
};

/* |position|: as store_older() takes it; NULL: from today on. |limit| up to MESSAGE_LIST_MAX. 0,
 * -EINVAL (no position) or -ENOMEM. walk_done() frees what is left of it. */
int walk_begin(struct walk *walk, const struct items *items, const char *position, size_t limit,
               uint64_t now_s);
void walk_done(struct walk *walk);

/* The answer to what |step| says. 0, -EBADMSG or -ENOMEM. */
int walk_take(struct walk *walk, const struct json_object *answer);

/* At its end: the position for what is behind the list, "" if there is nothing. Returns |ret|. */
const char *walk_position(const struct walk *walk, char ret[STORE_POSITION_MAX]);

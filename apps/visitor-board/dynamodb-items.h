/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The board's items in its DynamoDB table, and the bodies of the requests for them. Pure.
 *
 * One table, keys `pk` and `sk`, both strings; <board> lets several boards share it:
 *
 *     pk                    sk                        other attributes
 *     M#<board>#<day>       <timestamp>#<id>          id, message, timestamp, instanceId; ttl
 *     D#<board>             <day>                     a day that may have messages; ttl
 *     C#<board>             00 ... 15                 n: messages ever posted, in 16 shards
 *     H#<board>             <5 minutes>#<instance>#<shard>   n, instanceId; ttl: 2 hours
 *     K#<board>#<key>       -                         id, message, timestamp, instanceId of the
 *                                                     message; ttl: a day
 *     S#<board>             -                         secret: 64 hex digits
 *
 * A message, its key, one shard of the counter and its activity are written in one transaction.
 * ttl is DynamoDB's to delete by, up to days late; who reads looks at it too.
 */
#pragma once

#include "apps/visitor-board/post-queue.h"
#include "common/base/buffer.h"
#include "common/base/json.h"

#define ITEMS_BOARD_MAX    65u  /* bytes with NUL, of [A-Za-z0-9_.-] */
#define ITEMS_BATCH_MAX    40u  /* messages in a transaction: with a key each, 82 of 100 actions */
#define ITEMS_SHARDS       16u  /* of the counter */
#define ITEMS_SORT_KEY_MAX 104u /* of a message: <timestamp>#<id>, with NUL */
#define ITEMS_DAY_SIZE     11u  /* "2026-11-21" with NUL */
#define ITEMS_DAYS_PAGE    8u
#define ITEMS_SECRET_HEX   (2 * STORE_SECRET_BYTES + 1)

struct items { /* borrowed */
    const char *table, *board;
    unsigned retention_days; /* 0: for ever */
};
bool items_is_board_name(const char *name);

/* "2026-11-21" of "2026-11-21T22:25:16.123Z", or of a position. False if that isn't one. */
bool items_day(char ret[ITEMS_DAY_SIZE], const char *timestamp);
/* "<timestamp>#<id>". False if it doesn't fit or would be no position. */
bool items_sort_key(char ret[ITEMS_SORT_KEY_MAX], const struct message *message);

struct items_batch {
    struct post *posts[ITEMS_BATCH_MAX];
    size_t count;
    char day[ITEMS_DAY_SIZE]; /* of all */
};
/* Whether |post| may join: there is room, it has the same day and instance, and nobody has its key
 * or id. */
bool items_batch_admits(const struct items_batch *batch, const struct post *post);

/* What an action of the batch's transaction is about, in their order: the counter, the activity,
 * then each message, behind it its key if it has one. */
enum items_action { ITEMS_COUNTER, ITEMS_ACTIVITY, ITEMS_MESSAGE, ITEMS_KEY, ITEMS_NO_ACTION };
enum items_action items_batch_action(const struct items_batch *batch, size_t position,
                                     size_t *ret_post);

/* Bodies. Failures are the buffer's. |now_s|: seconds of the epoch. */
void items_transaction(struct buffer *body, const struct items *items,
                       const struct items_batch *batch, const char *token, unsigned shard,
                       uint64_t now_s);
void items_put_day(struct buffer *body, const struct items *items, const char *day, uint64_t now_s);
/* Newest first, those below |before| ("": all). */
void items_query_messages(struct buffer *body, const struct items *items, const char *day,
                          const char *before, size_t limit, bool consistent);
/* The last ITEMS_DAYS_PAGE days before |day|. */
void items_query_days(struct buffer *body, const struct items *items, const char *day,
                      bool consistent);
void items_query_counter(struct buffer *body, const struct items *items);
void items_query_activity(struct buffer *body, const struct items *items, const char *from,
                          uint64_t now_s);
void items_get_secret(struct buffer *body, const struct items *items, bool consistent);
void items_put_secret(struct buffer *body, const struct items *items,
                      const uint8_t secret[STORE_SECRET_BYTES]);

/* What items say, borrowed from the JSON. 0; -EBADMSG, also where something is longer than a
 * message may have; or -ESTALE: its ttl has passed. */
int items_parse_message(const struct json_object *item, uint64_t now_s, struct message *ret);
int items_parse_secret(const struct json_object *item, uint8_t ret[STORE_SECRET_BYTES]);

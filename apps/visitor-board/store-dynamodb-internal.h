/* SPDX-License-Identifier: Apache-2.0 */
/* What the writing and the reading side of the DynamoDB store share. */
#pragma once

#include "apps/visitor-board/dynamodb-items.h"
#include "apps/visitor-board/post-queue.h"
#include "apps/visitor-board/store-dynamodb.h"
#include "apps/visitor-board/uuid.h"
#include "common/base/clock.h"

#define STORE_LOG_INTERVAL_US (10 * USEC_PER_SEC) /* between lines of one kind */
#define STORE_BODY_MAX        DYNAMODB_BODY_MAX

struct dynamodb_read;

struct dynamodb_commit { /* the one transaction under way */
    struct items_batch batch;
    uint64_t deadline_us;
    char token[UUID_TEXT_SIZE];
    struct retry retry;
    struct link_call *call;
    sd_event_source *timer; /* until the next attempt */
    bool ambiguous;         /* an attempt may have been carried out */
};

struct log_pace {
    uint64_t next_at_us;
    uint64_t silent; /* since the last line */
};

struct dynamodb_store {
    struct store store;
    sd_event *event;
    struct link *link;
    char *table, *board;
    struct items items; /* of these */
    bool closing;

    struct post_queue pending;
    sd_event_source *begin; /* starts a commit at the loop's next turn */
    struct dynamodb_commit commit;
    bool committing;
    unsigned shard;                 /* of the counter; another one after a conflict */
    char known_day[ITEMS_DAY_SIZE]; /* the index has it */
    struct retry_bucket bucket;

    uint64_t version;
    uint64_t
        posted_at_us; /* when this or another process stored the last message that it knows of */
    uint64_t digest;  /* of the last list */

    struct dynamodb_read *reads;
    size_t n_reads;
    double read_units;
    uint64_t broken_items;
    struct log_pace failures, broken;
};

static inline uint64_t store_now_s(void)
{
    return clock_realtime_us() / USEC_PER_SEC;
}

/* Whether a line may be logged now; |ret_silent|: how many were not. */
bool log_pace_allows(struct log_pace *pace, uint64_t *ret_silent);
/* Logs why |operation| failed. */
void dynamodb_store_log(struct dynamodb_store *store, const char *operation,
                        const struct dynamodb_result *result);

int dynamodb_post(struct store *base, const struct message *message, const char *key,
                  store_post_done done, void *userdata);
int dynamodb_posts_init(struct dynamodb_store *store);
void dynamodb_posts_free(struct dynamodb_store *store);

int dynamodb_latest(struct store *base, size_t limit, uint64_t known, store_list_done done,
                    void *userdata);
int dynamodb_older(struct store *base, const char *position, size_t limit, store_list_done done,
                   void *userdata);
int dynamodb_stats(struct store *base, store_stats_done done, void *userdata);
int dynamodb_secret(struct store *base, store_secret_done done, void *userdata);
int dynamodb_check(struct store *base, store_check_done done, void *userdata);
void dynamodb_reads_free(struct dynamodb_store *store);

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The DynamoDB store's posts. A commit goes round: the day into the index, if this process hasn't
 * put it there yet; the transaction; what its answer settles; the rest again.
 */
#include "apps/visitor-board/store-dynamodb-internal.h"
#include "common/base/log.h"
#include "common/base/text.h"

#include <errno.h>
#include <string.h>

#define ATTEMPTS_MAX 20u /* of transactions that were cancelled; the deadline comes first */

static void send_transaction(struct dynamodb_store *store);

static bool is_key(const char *key)
{
    size_t length = strlen(key);

    if (length == 0 || length >= STORE_KEY_MAX)
        return false;
    return strspn(key, "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_-") ==
           length;
}

/* --- the end of a commit --------------------------------------------------------------------- */

/* Takes the posts whose |errors| are no 1 out of the batch and answers them. */
static void settle(struct dynamodb_store *store, const int errors[ITEMS_BATCH_MAX])
{
    struct items_batch *batch = &store->commit.batch, settled = {0};
    int settled_errors[ITEMS_BATCH_MAX];
    size_t kept = 0;

    for (size_t i = 0; i < batch->count; i++) {
        if (errors[i] > 0) {
            batch->posts[kept++] = batch->posts[i];
            continue;
        }
        settled_errors[settled.count] = errors[i];
        settled.posts[settled.count++] = batch->posts[i];
        if (errors[i] == 0) { /* before anybody is told of it */
            store->version++;
            store->posted_at_us = clock_monotonic_us();
        }
    }
    batch->count = kept;
    for (size_t i = 0; i < settled.count; i++)
        post_answer(settled.posts[i], settled_errors[i]);
}

/* Answers all that is left of the batch. The next one begins at the loop's next turn. */
static void finish(struct dynamodb_store *store, int error)
{
    struct items_batch batch = store->commit.batch;

    store->commit.timer = sd_event_source_disable_unref(store->commit.timer);
    store->commit.batch.count = 0;
    store->committing = false;
    if (error == 0) {
        store->version++;
        store->posted_at_us = clock_monotonic_us();
        retry_succeeded(&store->commit.retry);
    }
    if (!store->closing && store->pending.count > 0)
        (void) sd_event_source_set_enabled(store->begin, SD_EVENT_ONESHOT);
    for (size_t i = 0; i < batch.count; i++)
        post_answer(batch.posts[i], error);
}

/* An error after an attempt that may have been carried out says that. */
static void fail(struct dynamodb_store *store, int error)
{
    if (store->commit.ambiguous && error != -ETIMEDOUT)
        error = -EIO;
    finish(store, error);
}

/* --- a cancelled transaction ----------------------------------------------------------------- */

/* What the failed condition of a key tells: an earlier message, or our own by a lost answer. The
 * post's error. */
static int take_earlier(struct post *post, const struct json_object *item)
{
    CLEANUP(message_list_freep) struct message_list *list = NULL;
    struct message earlier;
    int r;

    if (!item || items_parse_message(item, 0, &earlier) < 0)
        return -EBADMSG;
    if (strcmp(earlier.id, post->message.id) == 0)
        return 0;
    r = message_list_new(&list);
    if (r >= 0)
        r = message_list_add(list, &earlier);
    if (r < 0)
        return r;
    message_list_free(post->earlier);
    post->earlier = TAKE(list);
    return 0;
}

struct verdict {
    bool settled, conflict, throttled, other;
};

/* |errors|: 1 for a post that is to be tried again. */
static struct verdict judge(const struct items_batch *batch, const struct dynamodb_reasons *reasons,
                            int errors[ITEMS_BATCH_MAX])
{
    struct verdict verdict = {0};

    for (size_t i = 0; i < batch->count; i++)
        errors[i] = 1;
    for (size_t position = 0; position < reasons->count; position++) {
        size_t i = 0;
        enum items_action action = items_batch_action(batch, position, &i);

        switch (reasons->at[position].reason) {
        case DYNAMODB_REASON_NONE:
            break;
        case DYNAMODB_REASON_CONFLICT:
            verdict.conflict = true;
            break;
        case DYNAMODB_REASON_THROTTLED:
            verdict.throttled = true;
            break;
        case DYNAMODB_REASON_CONDITION:
            if (action == ITEMS_MESSAGE && errors[i] > 0)
                errors[i] = 0;
            else if (action == ITEMS_KEY)
                errors[i] = take_earlier(batch->posts[i], reasons->at[position].item);
            verdict.settled |= action == ITEMS_MESSAGE || action == ITEMS_KEY;
            break;
        case DYNAMODB_REASON_OTHER:
            verdict.other = true;
            break;
        }
    }
    return verdict;
}

static int on_retry(sd_event_source *source, uint64_t time_us, void *userdata)
{
    struct dynamodb_store *store = userdata;

    store->commit.timer = sd_event_source_disable_unref(store->commit.timer);
    send_transaction(store);
    return 0;
}

/* Once more after a pause, with another shard: a conflict is most likely about that one. */
static void try_again(struct dynamodb_store *store, enum retry_class retry_class)
{
    struct dynamodb_commit *commit = &store->commit;
    uint64_t now_us = clock_monotonic_us(), wait_us;

    store->shard = (unsigned) (random_u64() % ITEMS_SHARDS);
    if (!retry_next(&commit->retry, retry_class, 0, random_u64(), &wait_us) ||
        now_us + wait_us >= commit->deadline_us ||
        sd_event_add_time_relative(store->event, &commit->timer, CLOCK_MONOTONIC, wait_us,
                                   USEC_PER_MSEC, on_retry, store) < 0) {
        fail(store, -EAGAIN);
        return;
    }
    (void) sd_event_source_set_description(commit->timer, "board-transaction-retry");
}

static void on_cancelled(struct dynamodb_store *store, const struct dynamodb_result *result)
{
    struct items_batch *batch = &store->commit.batch;
    int errors[ITEMS_BATCH_MAX];
    struct verdict verdict;
    size_t unused;

    if (result->reasons->count == 0 ||
        items_batch_action(batch, result->reasons->count - 1, &unused) == ITEMS_NO_ACTION ||
        items_batch_action(batch, result->reasons->count, &unused) != ITEMS_NO_ACTION) {
        dynamodb_store_log(store, "TransactWriteItems", result);
        fail(store, -EBADMSG);
        return;
    }
    verdict = judge(batch, result->reasons, errors);
    settle(store, errors);
    if (batch->count == 0) {
        finish(store, 0);
        return;
    }
    if (verdict.throttled || verdict.other)
        dynamodb_store_log(store, "TransactWriteItems", result);
    if (verdict.other || !(verdict.settled || verdict.conflict || verdict.throttled))
        fail(store, -EIO);
    else if (verdict.throttled || verdict.conflict)
        try_again(store, verdict.throttled ? RETRY_THROTTLE : RETRY_TRANSIENT);
    else
        send_transaction(store);
}

/* --- the transaction ------------------------------------------------------------------------- */

static void on_transaction(const struct dynamodb_result *result, void *userdata)
{
    struct dynamodb_store *store = userdata;

    store->commit.call = NULL;
    if (result->aws && result->aws->ambiguous > 0)
        store->commit.ambiguous = true;
    if (result->error == 0) {
        finish(store, 0);
    } else if (result->error == -ERESTART) {
        on_cancelled(store, result);
    } else {
        dynamodb_store_log(store, "TransactWriteItems", result);
        fail(store, result->error);
    }
}

/* Each content has a token of its own; its repetitions are the client's. */
static void send_transaction(struct dynamodb_store *store)
{
    struct dynamodb_commit *commit = &store->commit;
    struct buffer body;
    int r;

    uuid_new(commit->token);
    buffer_init(&body, STORE_BODY_MAX);
    items_transaction(&body, &store->items, &commit->batch, commit->token, store->shard,
                      store_now_s());
    r = link_call(store->link, "TransactWriteItems", &body, commit->deadline_us, on_transaction,
                  store, &commit->call);
    if (r < 0)
        fail(store, r);
}

static void on_day(const struct dynamodb_result *result, void *userdata)
{
    struct dynamodb_store *store = userdata;

    store->commit.call = NULL;
    if (result->error < 0) {
        dynamodb_store_log(store, "PutItem", result);
        fail(store, result->error);
        return;
    }
    memcpy(store->known_day, store->commit.batch.day, sizeof(store->known_day));
    send_transaction(store);
}

static void put_day(struct dynamodb_store *store)
{
    struct buffer body;
    int r;

    buffer_init(&body, STORE_BODY_MAX);
    items_put_day(&body, &store->items, store->commit.batch.day, store_now_s());
    r = link_call(store->link, "PutItem", &body, store->commit.deadline_us, on_day, store,
                  &store->commit.call);
    if (r < 0)
        fail(store, r);
}

static void start_commit(struct dynamodb_store *store)
{
    struct dynamodb_commit *commit = &store->commit;
    struct items_batch *batch = &commit->batch;

    if (store->committing || store->pending.count == 0)
        return;
    *commit = (struct dynamodb_commit){.deadline_us = store->pending.first->deadline_us};
    (void) items_day(batch->day, store->pending.first->message.timestamp);
    while (store->pending.first && items_batch_admits(batch, store->pending.first))
        batch->posts[batch->count++] = post_queue_pop(&store->pending);
    store->committing = true;
    retry_begin(&commit->retry, &store->bucket, ATTEMPTS_MAX);
    if (strcmp(store->known_day, batch->day) != 0)
        put_day(store);
    else
        send_transaction(store);
}

/* From the loop, so that no callback comes before store_post() has returned, and those that come in
 * one turn share a transaction. */
static int on_begin(sd_event_source *source, void *userdata)
{
    start_commit(userdata);
    return 0;
}

int dynamodb_post(struct store *base, const struct message *message, const char *key,
                  store_post_done done, void *userdata)
{
    struct dynamodb_store *store = (struct dynamodb_store *) base;
    char sort_key[ITEMS_SORT_KEY_MAX], day[ITEMS_DAY_SIZE];
    struct post *post;
    int r;

    if (!items_day(day, message->timestamp) || !items_sort_key(sort_key, message) ||
        (key && !is_key(key)))
        return -EINVAL;
    if (store->pending.count >= STORE_DYNAMODB_PENDING_MAX)
        return -ENOBUFS;
    r = post_new(&post, message, key, done, userdata);
    if (r < 0)
        return r;
    if (!store->committing && store->pending.count == 0) {
        r = sd_event_source_set_enabled(store->begin, SD_EVENT_ONESHOT);
        if (r < 0) {
            free(post);
            return r;
        }
    }
    post_queue_add(&store->pending, post);
    return 0;
}

int dynamodb_posts_init(struct dynamodb_store *store)
{
    int r = sd_event_add_defer(store->event, &store->begin, on_begin, store);

    if (r >= 0)
        r = sd_event_source_set_enabled(store->begin, SD_EVENT_OFF);
    if (r >= 0)
        (void) sd_event_source_set_description(store->begin, "board-transaction-begin");
    return r;
}

void dynamodb_posts_free(struct dynamodb_store *store)
{
    store->begin = sd_event_source_disable_unref(store->begin);
    if (store->commit.call)
        link_cancel(TAKE(store->commit.call));
    if (store->committing)
        finish(store, -ECANCELED);
    post_queue_answer(&store->pending, -ECANCELED);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "apps/visitor-board/store-dynamodb.h"

#include "apps/visitor-board/store-dynamodb-internal.h"
#include "common/base/log.h"
#include "common/base/text.h"

#include <errno.h>
#include <string.h>

bool log_pace_allows(struct log_pace *pace, uint64_t *ret_silent)
{
    uint64_t now_us = clock_monotonic_us();

    if (now_us < pace->next_at_us) {
        pace->silent++;
        return false;
    }
    *ret_silent = pace->silent;
    pace->silent = 0;
    pace->next_at_us = now_us + STORE_LOG_INTERVAL_US;
    return true;
}

void dynamodb_store_log(struct dynamodb_store *store, const char *operation,
                        const struct dynamodb_result *result)
{
    const struct aws_result *aws = result->aws;
    char reason[LINK_REASON_MAX];
    uint64_t silent;

    if (!log_pace_allows(&store->failures, &silent))
        return;
    log_warning("DynamoDB's %s on table %s failed after %u attempts: %s%s%s (%llu more since the "
                "last such line)",
                operation, store->table, aws ? aws->attempts : 0, link_reason(reason, result),
                aws && *aws->request_id ? ", request " : "", aws ? aws->request_id : "",
                (unsigned long long) silent);
}

static uint64_t dynamodb_version(const struct store *base)
{
    return ((const struct dynamodb_store *) base)->version;
}

double store_dynamodb_read_units(const struct store *base)
{
    return ((const struct dynamodb_store *) base)->read_units;
}

uint64_t store_dynamodb_broken_items(const struct store *base)
{
    return ((const struct dynamodb_store *) base)->broken_items;
}

static struct store *dynamodb_free(struct store *base)
{
    struct dynamodb_store *store = (struct dynamodb_store *) base;

    store->closing = true;
    dynamodb_posts_free(store);
    dynamodb_reads_free(store);
    link_free(store->link);
    free(store->table);
    free(store->board);
    sd_event_unref(store->event);
    free(store);
    return NULL;
}

static void dynamodb_expect(struct store *base)
{
    ((struct dynamodb_store *) base)->posted_at_us = clock_monotonic_us();
}

static const struct store_operations dynamodb_operations = {
    .name = "dynamodb",
    .is_shared = true,
    .version = dynamodb_version,
    .expect = dynamodb_expect,
    .post = dynamodb_post,
    .latest = dynamodb_latest,
    .older = dynamodb_older,
    .stats = dynamodb_stats,
    .secret = dynamodb_secret,
    .check = dynamodb_check,
    .free = dynamodb_free,
};

int store_dynamodb_open(struct store **ret, sd_event *event,
                        const struct store_dynamodb_options *options)
{
    struct dynamodb_store *store;
    CLEANUP(store_freep) struct store *base = NULL;
    int r;

    if (!*options->table || strlen(options->table) >= DYNAMODB_TABLE_NAME_MAX ||
        !items_is_board_name(options->board))
        return -EINVAL;
    store = calloc(1, sizeof(*store));
    if (!store)
        return -ENOMEM;
    base = &store->store;
    base->operations = &dynamodb_operations;
    store->event = sd_event_ref(event);
    post_queue_init(&store->pending);
    retry_bucket_init(&store->bucket);
    store->version = clock_realtime_us(); /* after a restart none is met again */
    store->shard = (unsigned) (random_u64() % ITEMS_SHARDS);
    store->table = strdup(options->table);
    store->board = strdup(options->board);
    if (!store->table || !store->board)
        return -ENOMEM;
    store->items = (struct items){
        .table = store->table, .board = store->board, .retention_days = options->retention_days};
    r = link_new(&store->link, event, &options->link);
    if (r >= 0)
        r = dynamodb_posts_init(store);
    if (r < 0)
        return r;
    *ret = TAKE(base);
    return 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* The DynamoDB store's reads: each is one or a few requests in a row. */
#include "apps/visitor-board/dynamodb-walk.h"
#include "apps/visitor-board/store-dynamodb-internal.h"
#include "common/base/log.h"
#include "common/base/siphash.h"
#include "common/base/text.h"

#include <errno.h>
#include <string.h>

#define CONSISTENT_FOR_US  (10 * USEC_PER_SEC) /* after a post; replicas follow within a second */
#define ACTIVITY_PAGES_MAX 4u                  /* of 1 MB each: some 10,000 items */

struct dynamodb_read {
    struct dynamodb_store *store;
    struct dynamodb_read *next;
    struct link_call *call;
    uint64_t deadline_us;
    void *userdata;
    const char *operation; /* under way */
    /* What to do with the answer; and how to end, on error without anything to give. */
    int (*take)(struct dynamodb_read *read, const struct dynamodb_result *result);
    void (*finish)(struct dynamodb_read *read, int error, const char *what);
    union {
        store_list_done list;
        store_stats_done stats;
        store_secret_done secret;
        store_check_done check;
    } done;

    struct walk walk;
    bool is_latest, consistent;
    uint64_t known, version;

    struct store_stats stats;
    unsigned pages;

    uint8_t secret[STORE_SECRET_BYTES];
    bool secret_lost; /* to another one that was put before */
};

enum { READ_ON = 0, READ_DONE = 1 }; /* what |take| says, besides errors */

static void read_end(struct dynamodb_read *read, int error, const char *what)
{
    struct dynamodb_store *store = read->store;

    for (struct dynamodb_read **p = &store->reads; *p; p = &(*p)->next)
        if (*p == read) {
            *p = read->next;
            break;
        }
    store->n_reads--;
    read->finish(read, error, what);
    walk_done(&read->walk);
    explicit_bzero(read->secret, sizeof(read->secret));
    free(read);
}

static void read_on_result(const struct dynamodb_result *result, void *userdata)
{
    struct dynamodb_read *read = userdata;
    char reason[LINK_REASON_MAX];
    struct dynamodb_result told = *result;
    int r;

    read->call = NULL;
    r = read->take(read, result);
    if (r == READ_ON)
        return;
    if (r == READ_DONE) {
        read_end(read, 0, "");
        return;
    }
    told.error = r;
    dynamodb_store_log(read->store, read->operation, &told);
    read_end(read, r, link_reason(reason, &told));
}

/* The next request. READ_ON or an error. */
static int read_send(struct dynamodb_read *read, const char *operation, struct buffer *take_body)
{
    read->operation = operation;
    return link_call(read->store->link, operation, take_body, read->deadline_us, read_on_result,
                     read, &read->call);
}

/* |send| begins it. */
static int read_start(struct dynamodb_read *take_read, int (*send)(struct dynamodb_read *read))
{
    struct dynamodb_store *store = take_read->store;
    int r = store->n_reads >= STORE_DYNAMODB_READS_MAX ? -ENOBUFS : send(take_read);

    if (r < 0) {
        walk_done(&take_read->walk);
        free(take_read);
        return r;
    }
    take_read->next = store->reads;
    store->reads = take_read;
    store->n_reads++;
    return 0;
}

static struct dynamodb_read *read_new(struct store *base, void *userdata)
{
    struct dynamodb_read *read = calloc(1, sizeof(*read));

    if (!read)
        return NULL;
    read->store = (struct dynamodb_store *) base;
    read->deadline_us = clock_monotonic_us() + STORE_DEADLINE_US;
    read->userdata = userdata;
    return read;
}

/* --- lists ----------------------------------------------------------------------------------- */

static int list_send(struct dynamodb_read *read)
{
    const struct items *items = &read->store->items;
    struct walk *walk = &read->walk;
    struct buffer body;

    buffer_init(&body, STORE_BODY_MAX);
    if (walk->step == WALK_MESSAGES)
        items_query_messages(&body, items, walk->day, walk->before, walk->wanted, read->consistent);
    else
        items_query_days(&body, items, walk->day, read->consistent);
    return read_send(read, "Query", &body);
}

static double units_of(const struct json_object *answer)
{
    struct json_object *capacity, *units;

    if (!json_object_object_get_ex(answer, "ConsumedCapacity", &capacity) ||
        !json_object_is_type(capacity, json_type_object) ||
        !json_object_object_get_ex(capacity, "CapacityUnits", &units))
        return 0;
    return json_object_get_double(units);
}

static int list_take(struct dynamodb_read *read, const struct dynamodb_result *result)
{
    int r = result->error;

    if (r < 0)
        return r;
    read->walk.read_units += units_of(result->answer);
    r = walk_take(&read->walk, result->answer);
    if (r < 0)
        return r;
    return read->walk.step == WALK_DONE ? READ_DONE : list_send(read);
}

/* What the list consists of: messages don't change. */
static uint64_t list_digest(const struct walk *walk)
{
    uint64_t digest = message_list_count(walk->list) * 2 + walk->more;

    for (size_t i = 0; i < message_list_count(walk->list); i++) {
        const struct message message = message_list_get(walk->list, i);

        digest = siphash(&(struct siphash_key){digest, i}, message.id, strlen(message.id));
    }
    return digest;
}

/* Whether the newest messages are those of the last time. If not, other nodes have written, and the
 * version tells those that still have an older list. */
static void list_compare(struct dynamodb_read *read)
{
    struct dynamodb_store *store = read->store;
    uint64_t digest = list_digest(&read->walk);

    if (digest == store->digest) {
        if (read->known == read->version && read->version == store->version)
            read->walk.list = message_list_free(read->walk.list);
        return;
    }
    store->digest = digest;
    if (read->version == store->version)
        read->version = ++store->version;
}

static void note_broken(struct dynamodb_store *store, unsigned broken)
{
    uint64_t silent;

    store->broken_items += broken;
    if (broken > 0 && log_pace_allows(&store->broken, &silent))
        log_warning("Skipped %u items of table %s that are no messages as we know them (%llu in "
                    "all so far)",
                    broken, store->table, (unsigned long long) store->broken_items);
}

static void list_finish(struct dynamodb_read *read, int error, const char *what)
{
    char next[STORE_POSITION_MAX] = "";

    read->store->read_units += read->walk.read_units;
    note_broken(read->store, read->walk.broken);
    if (error < 0) {
        read->done.list(error, NULL, STORE_VERSION_NONE, next, read->userdata);
        return;
    }
    log_debug("A list of %zu messages took %u queries and %.1f read units",
              message_list_count(read->walk.list), read->walk.queries + 1, read->walk.read_units);
    if (read->is_latest)
        list_compare(read);
    if (read->walk.list)
        (void) walk_position(&read->walk, next);
    read->done.list(0, TAKE(read->walk.list), read->version, next, read->userdata);
}

static int list_start(struct store *base, const char *position, size_t limit, uint64_t known,
                      store_list_done done, void *userdata)
{
    struct dynamodb_read *read = read_new(base, userdata);
    const struct dynamodb_store *store = (const struct dynamodb_store *) base;
    int r;

    if (!read)
        return -ENOMEM;
    read->take = list_take;
    read->finish = list_finish;
    read->done.list = done;
    read->is_latest = !position;
    read->known = known;
    read->version = store->version;
    read->consistent =
        store->posted_at_us > 0 && clock_monotonic_us() - store->posted_at_us < CONSISTENT_FOR_US;
    r = walk_begin(&read->walk, &store->items, position, MAX(1u, MIN(limit, MESSAGE_LIST_MAX)),
                   store_now_s());
    if (r < 0) {
        free(read);
        return r;
    }
    return read_start(read, list_send);
}

int dynamodb_latest(struct store *base, size_t limit, uint64_t known, store_list_done done,
                    void *userdata)
{
    return list_start(base, NULL, limit, known, done, userdata);
}

int dynamodb_older(struct store *base, const char *position, size_t limit, store_list_done done,
                   void *userdata)
{
    return list_start(base, position, limit, STORE_VERSION_NONE, done, userdata);
}

/* --- stats ----------------------------------------------------------------------------------- */

static int activity_take(struct dynamodb_read *read, const struct dynamodb_result *result);

static int activity_send(struct dynamodb_read *read, const char *from)
{
    struct buffer body;

    buffer_init(&body, STORE_BODY_MAX);
    items_query_activity(&body, &read->store->items, from, store_now_s());
    read->take = activity_take;
    return read_send(read, "Query", &body);
}

static int activity_take(struct dynamodb_read *read, const struct dynamodb_result *result)
{
    struct json_object *items;
    const char *last_key;
    int r = result->error, more;

    if (r >= 0)
        r = dynamodb_get_items(result->answer, &items);
    if (r < 0)
        return r;
    read->store->read_units += units_of(result->answer);
    for (size_t i = 0; i < json_object_array_length(items); i++) {
        const struct json_object *item = json_object_array_get_idx(items, i);
        const char *instance;
        uint64_t count;

        if (dynamodb_get_string(item, "instanceId", &instance) == 0 &&
            dynamodb_get_number(item, "n", &count) == 0)
            store_stats_add(&read->stats, instance, count);
        else
            note_broken(read->store, 1);
    }
    more = dynamodb_get_last_key(result->answer, "sk", &last_key);
    if (more < 0)
        return more;
    if (more > 0 && ++read->pages < ACTIVITY_PAGES_MAX)
        return activity_send(read, last_key);
    store_stats_sort(&read->stats);
    return READ_DONE;
}

/* A shard that can't be read makes the total wrong, which is no total. */
static int counter_take(struct dynamodb_read *read, const struct dynamodb_result *result)
{
    struct json_object *items;
    int r = result->error;

    if (r >= 0)
        r = dynamodb_get_items(result->answer, &items);
    if (r < 0)
        return r;
    read->store->read_units += units_of(result->answer);
    for (size_t i = 0; i < json_object_array_length(items); i++) {
        uint64_t count;

        if (dynamodb_get_number(json_object_array_get_idx(items, i), "n", &count) < 0)
            return -EBADMSG;
        read->stats.total += count;
    }
    return activity_send(read, "");
}

static int counter_send(struct dynamodb_read *read)
{
    struct buffer body;

    buffer_init(&body, STORE_BODY_MAX);
    items_query_counter(&body, &read->store->items);
    read->take = counter_take;
    return read_send(read, "Query", &body);
}

static void stats_finish(struct dynamodb_read *read, int error, const char *what)
{
    read->done.stats(error, error < 0 ? NULL : &read->stats, read->userdata);
}

int dynamodb_stats(struct store *base, store_stats_done done, void *userdata)
{
    struct dynamodb_read *read = read_new(base, userdata);

    if (!read)
        return -ENOMEM;
    read->finish = stats_finish;
    read->done.stats = done;
    return read_start(read, counter_send);
}

/* --- the secret ------------------------------------------------------------------------------ */

static int secret_take(struct dynamodb_read *read, const struct dynamodb_result *result);

static int secret_send(struct dynamodb_read *read)
{
    struct buffer body;

    buffer_init(&body, STORE_BODY_MAX);
    items_get_secret(&body, &read->store->items, true);
    read->take = secret_take;
    return read_send(read, "GetItem", &body);
}

/* Ours is in force if it was the first; else the first one's is read again, once. */
static int secret_put_take(struct dynamodb_read *read, const struct dynamodb_result *result)
{
    if (result->error == 0)
        return READ_DONE;
    if (result->error != -EEXIST)
        return result->error;
    read->secret_lost = true;
    return secret_send(read);
}

static int secret_put(struct dynamodb_read *read)
{
    struct buffer body;

    for (size_t i = 0; i < STORE_SECRET_BYTES; i += sizeof(uint64_t)) {
        uint64_t random = random_u64();

        memcpy(read->secret + i, &random, sizeof(random));
    }
    buffer_init(&body, STORE_BODY_MAX);
    items_put_secret(&body, &read->store->items, read->secret);
    read->take = secret_put_take;
    return read_send(read, "PutItem", &body);
}

static int secret_take(struct dynamodb_read *read, const struct dynamodb_result *result)
{
    struct json_object *item;

    if (result->error < 0)
        return result->error;
    if (!json_object_object_get_ex(result->answer, "Item", &item))
        return read->secret_lost ? -EBADMSG : secret_put(read);
    return items_parse_secret(item, read->secret) < 0 ? -EBADMSG : READ_DONE;
}

static void secret_finish(struct dynamodb_read *read, int error, const char *what)
{
    read->done.secret(error, error < 0 ? NULL : read->secret, read->userdata);
}

int dynamodb_secret(struct store *base, store_secret_done done, void *userdata)
{
    struct dynamodb_read *read = read_new(base, userdata);

    if (!read)
        return -ENOMEM;
    read->finish = secret_finish;
    read->done.secret = done;
    return read_start(read, secret_send);
}

/* --- the check ------------------------------------------------------------------------------- */

static int check_take(struct dynamodb_read *read, const struct dynamodb_result *result)
{
    return result->error < 0 ? result->error : READ_DONE;
}

/* Any item will do, also one that isn't there. */
static int check_send(struct dynamodb_read *read)
{
    struct buffer body;

    buffer_init(&body, STORE_BODY_MAX);
    items_get_secret(&body, &read->store->items, false);
    read->take = check_take;
    return read_send(read, "GetItem", &body);
}

static void check_finish(struct dynamodb_read *read, int error, const char *what)
{
    read->done.check(error, what, read->userdata);
}

int dynamodb_check(struct store *base, store_check_done done, void *userdata)
{
    struct dynamodb_read *read = read_new(base, userdata);

    if (!read)
        return -ENOMEM;
    read->finish = check_finish;
    read->done.check = done;
    return read_start(read, check_send);
}

void dynamodb_reads_free(struct dynamodb_store *store)
{
    while (store->reads) {
        struct dynamodb_read *read = store->reads;

        if (read->call)
            link_cancel(TAKE(read->call));
        read_end(read, -ECANCELED, "");
    }
}

/* SPDX-License-Identifier: Apache-2.0 */
/* The SQLite store's reads: each is a job of the reading thread. */
#include "apps/visitor-board/store-sqlite-internal.h"
#include "apps/visitor-board/store-sqlite.h"

#include "common/base/text.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

struct read {
    struct offload_job job;
    struct sqlite_store *store;
    int (*read)(struct sqlite_store *store, struct read *read); /* on the thread */
    void (*answer)(struct read *read);                          /* on the loop */
    union {
        store_list_done list;
        store_stats_done stats;
        store_secret_done secret;
        store_check_done check;
    } done;
    void *userdata;
    int error;

    size_t limit;
    int64_t before; /* sequence */
    uint64_t known, version;
    struct message_list *list;
    int64_t next;
    struct store_stats stats;
    uint8_t secret[STORE_SECRET_BYTES];
};

static void run_read(struct offload_job *job)
{
    struct read *read = (struct read *) job;
    struct sqlite_store *store = read->store;

    read->error = read->read(store, read);
    if (read->error < 0) {
        read->version = store->read_version = STORE_VERSION_NONE;
        sqlite_after_error(&store->reader, read->error);
    }
}

static void on_read(struct offload_job *job)
{
    struct read *read = (struct read *) job;

    read->answer(read);
    explicit_bzero(read->secret, sizeof(read->secret));
    free(read);
}

/* A read with its job filled in. */
static struct read *read_new(struct store *base,
                             int (*function)(struct sqlite_store *store, struct read *read),
                             void (*answer)(struct read *read), void *userdata)
{
    struct read *read = calloc(1, sizeof(*read));

    if (!read)
        return NULL;
    read->job = (struct offload_job){.run = run_read, .done = on_read};
    read->store = (struct sqlite_store *) base;
    read->read = function;
    read->answer = answer;
    read->userdata = userdata;
    read->error = -ECANCELED;
    return read;
}

static int read_submit(struct read *take_read)
{
    int r = offload_submit(take_read->store->reading, &take_read->job);

    if (r >= 0)
        return 0;
    free(take_read);
    return r == -EBUSY ? -ENOBUFS : r;
}

/* --- lists ----------------------------------------------------------------------------------- */

static int read_list(struct sqlite_store *store, struct read *read)
{
    CLEANUP(message_list_freep) struct message_list *list = NULL;
    char oldest[CLOCK_TEXT_MAX];
    int r = message_list_new(&list);

    if (r >= 0)
        r = database_list(store->reader, read->before, read->limit, sqlite_oldest(store, oldest),
                          list, &read->next);
    if (r < 0)
        return r;
    read->list = TAKE(list);
    return 0;
}

/* Both numbers are noted before the query: what is committed in between is then seen once more
 * rather than never. */
static int read_latest(struct sqlite_store *store, struct read *read)
{
    int64_t data_version;
    uint64_t version;
    int r;

    (void) generation_follow(store->generation);
    version = generation_read(store->generation);
    if (store->reader && !database_is_current(store->reader))
        store->read_version = STORE_VERSION_NONE;
    r = sqlite_ensure_open(store, &store->reader, false);
    if (r >= 0)
        r = database_data_version(store->reader, &data_version);
    if (r < 0)
        return r;
    read->version = version;
    if (version != STORE_VERSION_NONE && read->known == version && store->read_version == version &&
        store->read_data_version == data_version && store->read_limit == read->limit)
        return 0;
    r = read_list(store, read);
    if (r < 0)
        return r;
    store->read_version = version;
    store->read_data_version = data_version;
    store->read_limit = read->limit;
    return 0;
}

static int read_older(struct sqlite_store *store, struct read *read)
{
    int r = sqlite_ensure_open(store, &store->reader, false);

    read->version = generation_read(store->generation);
    return r < 0 ? r : read_list(store, read);
}

static void answer_list(struct read *read)
{
    char next[STORE_POSITION_MAX] = "";

    if (read->next > 0)
        snprintf(next, sizeof(next), "%" PRId64, read->next);
    read->done.list(read->error, read->list, read->version, next, read->userdata);
}

static int start_list(struct read *read, size_t limit, int64_t before, store_list_done done)
{
    if (!read)
        return -ENOMEM;
    read->limit = MAX(1u, MIN(limit, MESSAGE_LIST_MAX));
    read->before = before;
    read->done.list = done;
    return read_submit(read);
}

int sqlite_latest(struct store *base, size_t limit, uint64_t known, store_list_done done,
                  void *userdata)
{
    struct read *read = read_new(base, read_latest, answer_list, userdata);

    if (read)
        read->known = known;
    return start_list(read, limit, INT64_MAX, done);
}

int sqlite_older(struct store *base, const char *position, size_t limit, store_list_done done,
                 void *userdata)
{
    uint64_t before;

    if (text_parse_u64(position, 1, INT64_MAX, &before) < 0)
        return -EINVAL;
    return start_list(read_new(base, read_older, answer_list, userdata), limit, (int64_t) before,
                      done);
}

/* --- the rest -------------------------------------------------------------------------------- */

static int read_stats(struct sqlite_store *store, struct read *read)
{
    int r = sqlite_ensure_open(store, &store->reader, false);

    return r < 0 ? r
                 : database_stats(store->reader, (int64_t) (clock_realtime_us() / USEC_PER_SEC),
                                  &read->stats);
}

static void answer_stats(struct read *read)
{
    read->done.stats(read->error, read->error < 0 ? NULL : &read->stats, read->userdata);
}

int sqlite_stats(struct store *base, store_stats_done done, void *userdata)
{
    struct read *read = read_new(base, read_stats, answer_stats, userdata);

    if (!read)
        return -ENOMEM;
    read->done.stats = done;
    return read_submit(read);
}

static int read_secret(struct sqlite_store *store, struct read *read)
{
    int r = sqlite_ensure_open(store, &store->reader, false);

    return r < 0 ? r : database_secret(store->reader, read->secret);
}

static void answer_secret(struct read *read)
{
    read->done.secret(read->error, read->error < 0 ? NULL : read->secret, read->userdata);
}

int sqlite_secret(struct store *base, store_secret_done done, void *userdata)
{
    struct read *read = read_new(base, read_secret, answer_secret, userdata);

    if (!read)
        return -ENOMEM;
    read->done.secret = done;
    return read_submit(read);
}

static void answer_check(struct read *read)
{
    read->done.check(read->error, read->error < 0 ? strerror(-read->error) : "", read->userdata);
}

/* The secret's row is as good as any other: it shows that the file is there and has our tables. */
int sqlite_check(struct store *base, store_check_done done, void *userdata)
{
    struct read *read = read_new(base, read_secret, answer_check, userdata);

    if (!read)
        return -ENOMEM;
    read->done.check = done;
    return read_submit(read);
}

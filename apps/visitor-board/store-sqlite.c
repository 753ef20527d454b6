/* SPDX-License-Identifier: Apache-2.0 */
/* The SQLite store's life and its posts: one transaction at a time, on the writing thread, for all
 * that have come meanwhile. */
#include "apps/visitor-board/store-sqlite.h"

#include "apps/visitor-board/store-sqlite-internal.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#define TURN_PAUSE_NS     1000000L /* how long a writer leaves the lock to those who wait for it */
#define PRUNE_INTERVAL_US (60 * USEC_PER_SEC)
#define SECONDS_PER_DAY   UINT64_C(86400)

static void on_waiting(bool waiting, void *userdata)
{
    struct sqlite_store *store = userdata;

    generation_set_waiting(store->generation, waiting);
}

int sqlite_ensure_open(struct sqlite_store *store, struct database **database, bool writes)
{
    struct database_options options = {.lock_wait_us = DATABASE_LOCK_WAIT_US};

    if (writes) {
        options.on_waiting = on_waiting;
        options.userdata = store;
    }
    if (*database && !database_is_current(*database))
        *database = database_free(*database);
    return *database ? 0 : database_open(database, store->path, &options);
}

void sqlite_after_error(struct database **database, int error)
{
    if (error < 0 && error != -ENOSPC && error != -EBUSY)
        *database = database_free(*database);
}

/* --- posts ----------------------------------------------------------------------------------- */

const char *sqlite_oldest(const struct sqlite_store *store, char buffer[CLOCK_TEXT_MAX])
{
    uint64_t now_us = clock_realtime_us();
    uint64_t kept_us = store->retention_days * SECONDS_PER_DAY * USEC_PER_SEC;

    buffer[0] = '\0';
    return kept_us == 0 || kept_us > now_us ? buffer
                                            : clock_format_iso8601(buffer, now_us - kept_us);
}

/* The message, unless its key was used before. */
static int commit_post(struct sqlite_store *store, struct post *post, int64_t now_s)
{
    CLEANUP(message_list_freep) struct message_list *earlier = NULL;
    int r = 0;

    if (post->key) {
        r = message_list_new(&earlier);
        if (r >= 0)
            r = database_find_key(store->writer, post->key, now_s - (int64_t) STORE_KEY_LIFETIME_S,
                                  earlier);
        if (r > 0)
            post->earlier = TAKE(earlier);
        else if (r == 0)
            r = database_add_key(store->writer, post->key, now_s, &post->message);
    }
    if (r < 0 || post->earlier)
        return r;
    return database_add(store->writer, &post->message);
}

/* Deletes a bounded number of what has expired, once a minute or as long as there is more. */
static int commit_prune(struct sqlite_store *store, int64_t now_s)
{
    uint64_t now_us = clock_monotonic_us();
    char oldest[CLOCK_TEXT_MAX];
    int r;

    if (now_us < store->prune_at_us)
        return 0;
    r = database_prune(store->writer, sqlite_oldest(store, oldest), now_s);
    if (r == 0)
        store->prune_at_us = now_us + PRUNE_INTERVAL_US;
    return r;
}

/* It waits for the lock as long as the post that has waited longest still may. */
static int commit_begin(struct sqlite_store *store, uint64_t deadline_us)
{
    uint64_t now_us = clock_monotonic_us();

    database_set_lock_wait(store->writer, deadline_us > now_us ? deadline_us - now_us : 0);
    return database_begin(store->writer);
}

static int commit_posts(struct sqlite_store *store, const struct post_queue *posts)
{
    int64_t now_s = (int64_t) (clock_realtime_us() / USEC_PER_SEC);
    int r = sqlite_ensure_open(store, &store->writer, true);

    if (r >= 0)
        r = commit_begin(store, posts->first->deadline_us);
    for (struct post *post = posts->first; r >= 0 && post; post = post->next)
        r = commit_post(store, post, now_s);
    if (r >= 0)
        r = commit_prune(store, now_s);
    if (r >= 0)
        r = database_commit(store->writer);
    return r;
}

/* Lets the writers of other processes go first, when some have waited while we had the lock. It
 * delays our next transaction, not the answers to the last one. */
static void yield_lock(const struct sqlite_store *store)
{
    const struct timespec pause = {.tv_nsec = TURN_PAUSE_NS};

    if (generation_is_awaited(store->generation))
        nanosleep(&pause, NULL);
}

static void run_commit(struct offload_job *job)
{
    struct commit *commit = (struct commit *) job;
    struct sqlite_store *store = commit->store;

    yield_lock(store);
    commit->error = commit_posts(store, &commit->posts);
    if (commit->error < 0) {
        sqlite_after_error(&store->writer, commit->error);
        return;
    }
    /* If the file was replaced, some may still have the old one and some the new one. */
    generation_advance(store->generation);
    if (generation_follow(store->generation) > 0)
        generation_advance(store->generation);
}

static void start_commit(struct sqlite_store *store);

static void on_commit(struct offload_job *job)
{
    struct commit *commit = (struct commit *) job;
    struct sqlite_store *store = commit->store;
    struct post_queue posts;
    int error = commit->error;

    post_queue_move(&posts, &commit->posts);
    store->committing = false;
    if (!store->closing)
        start_commit(store);
    post_queue_answer(&posts, error);
}

static void start_commit(struct sqlite_store *store)
{
    int r;

    if (store->committing || store->pending.count == 0)
        return;
    store->commit = (struct commit){
        .job = {.run = run_commit, .done = on_commit},
        .store = store,
        .error = -ECANCELED,
    };
    post_queue_move(&store->commit.posts, &store->pending);
    store->committing = true;
    r = offload_submit(store->writing, &store->commit.job);
    assert(r >= 0); /* the queue has a place for this one job */
    (void) r;
}

static int sqlite_post(struct store *base, const struct message *message, const char *key,
                       store_post_done done, void *userdata)
{
    struct sqlite_store *store = (struct sqlite_store *) base;
    struct post *post;
    int r;

    if (store->pending.count >= STORE_SQLITE_PENDING_MAX)
        return -ENOBUFS;
    r = post_new(&post, message, key, done, userdata);
    if (r < 0)
        return r;
    post_queue_add(&store->pending, post);
    start_commit(store);
    return 0;
}

static uint64_t sqlite_version(const struct store *base)
{
    return generation_read(((const struct sqlite_store *) base)->generation);
}

/* --- life cycle ------------------------------------------------------------------------------ */

static struct store *sqlite_free(struct store *base)
{
    struct sqlite_store *store = (struct sqlite_store *) base;

    store->closing = true;
    offload_free(store->writing);
    offload_free(store->reading);
    post_queue_answer(&store->pending, -ECANCELED);
    database_free(store->writer);
    database_free(store->reader);
    generation_free(store->generation);
    free(store->path);
    free(store);
    return NULL;
}

static const struct store_operations sqlite_operations = {
    .name = "sqlite",
    .version = sqlite_version,
    .post = sqlite_post,
    .latest = sqlite_latest,
    .older = sqlite_older,
    .stats = sqlite_stats,
    .secret = sqlite_secret,
    .check = sqlite_check,
    .free = sqlite_free,
};

static int open_generation(struct sqlite_store *store)
{
    CLEANUP_FREE char *path = NULL;

    if (asprintf(&path, "%s.generation", store->path) < 0) {
        path = NULL;
        return -ENOMEM;
    }
    return generation_open(&store->generation, path);
}

static bool is_passing(int error)
{
    return error == -ENOSPC || error == -EBUSY || error == -EIO;
}

int store_sqlite_open(struct store **ret, sd_event *event, const char *path,
                      unsigned retention_days)
{
    struct sqlite_store *store = calloc(1, sizeof(*store));
    CLEANUP(store_freep) struct store *base = NULL;
    int r;

    if (!store)
        return -ENOMEM;
    base = &store->store;
    base->operations = &sqlite_operations;
    post_queue_init(&store->pending);
    store->retention_days = retention_days;
    store->path = strdup(path);
    if (!store->path)
        return -ENOMEM;
    r = sqlite_ensure_open(store, &store->reader, false);
    if (r < 0 && !is_passing(r))
        return r;
    r = open_generation(store);
    if (r >= 0)
        r = offload_new(&store->reading, event, 1, STORE_SQLITE_READS_MAX);
    if (r >= 0)
        r = offload_new(&store->writing, event, 1, 1);
    if (r < 0)
        return r;
    *ret = TAKE(base);
    return 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who touches what: the loop owns the queue of posts; the reading thread owns |reader|, the writing
 * thread |writer|; the generation may be used by all.
 */
#include "apps/visitor-board/store-sqlite.h"

#include "apps/visitor-board/database.h"
#include "apps/visitor-board/generation.h"
#include "common/net/offload.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#define TURN_PAUSE_NS 1000000L /* how long a writer leaves the lock to those who wait for it */

struct post {
    struct post *next;
    store_post_done done;
    void *userdata;
    struct message message; /* into |bytes| */
    char bytes[];
};

struct post_queue {
    struct post *first;
    struct post **last; /* where the next one goes */
    size_t count;
};

struct sqlite_store;

struct commit {
    struct offload_job job;
    struct sqlite_store *store;
    struct post_queue posts;
    int error;
};

struct sqlite_store {
    struct store store;
    char *path;
    struct generation *generation;
    struct offload *reading;
    struct offload *writing;
    bool closing;

    struct post_queue pending; /* the loop's */
    struct commit commit;      /* one at a time */
    bool committing;

    struct database *reader; /* NULL after an error, until the next use */
    uint64_t read_version;   /* what the last list was read at */
    int64_t read_data_version;

    struct database *writer;
};

struct latest {
    struct offload_job job;
    struct sqlite_store *store;
    size_t limit;
    uint64_t known;
    store_latest_done done;
    void *userdata;
    struct message_list *list;
    uint64_t version;
    int error;
};

static void queue_init(struct post_queue *queue)
{
    *queue = (struct post_queue){.last = &queue->first};
}

static void queue_add(struct post_queue *queue, struct post *post)
{
    post->next = NULL;
    *queue->last = post;
    queue->last = &post->next;
    queue->count++;
}

/* Empties |from| into |to|, which is empty. */
static void queue_move(struct post_queue *to, struct post_queue *from)
{
    queue_init(to);
    if (from->first) {
        *to = *from;
        queue_init(from);
    }
}

/* Answers all with |error|. A callback may add to the store's queue, not to this one. */
static void queue_answer(struct post_queue *queue, int error)
{
    struct post *post = queue->first;

    queue_init(queue);
    while (post) {
        struct post *next = post->next;

        post->done(error, post->userdata);
        free(post);
        post = next;
    }
}

static void on_waiting(bool waiting, void *userdata)
{
    struct sqlite_store *store = userdata;

    generation_set_waiting(store->generation, waiting);
}

/* An open connection to the file that the path leads to now. */
static int ensure_open(struct sqlite_store *store, struct database **database, bool writes)
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

/* A full disk or a busy lock says nothing against the connection; after anything else it is opened
 * anew. */
static void after_error(struct database **database, int error)
{
    if (error < 0 && error != -ENOSPC && error != -EBUSY)
        *database = database_free(*database);
}

/* --- posts ----------------------------------------------------------------------------------- */

static int commit_posts(struct sqlite_store *store, const struct post_queue *posts)
{
    int r = ensure_open(store, &store->writer, true);

    if (r >= 0)
        r = database_begin(store->writer);
    for (const struct post *post = posts->first; r >= 0 && post; post = post->next)
        r = database_add(store->writer, &post->message);
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
        after_error(&store->writer, commit->error);
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

    queue_move(&posts, &commit->posts);
    store->committing = false;
    if (!store->closing)
        start_commit(store);
    queue_answer(&posts, error);
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
    queue_move(&store->commit.posts, &store->pending);
    store->committing = true;
    r = offload_submit(store->writing, &store->commit.job);
    assert(r >= 0); /* the queue has a place for this one job */
    (void) r;
}

static char *copy_string(char **target, const char *string)
{
    size_t size = strlen(string) + 1;
    char *copy = memcpy(*target, string, size);

    *target += size;
    return copy;
}

static int sqlite_post(struct store *base, const struct message *message, store_post_done done,
                       void *userdata)
{
    struct sqlite_store *store = (struct sqlite_store *) base;
    size_t size = strlen(message->id) + strlen(message->text) + strlen(message->timestamp) +
                  strlen(message->instance) + 4;
    struct post *post;
    char *bytes;

    if (store->pending.count >= STORE_SQLITE_PENDING_MAX)
        return -ENOBUFS;
    post = malloc(sizeof(*post) + size);
    if (!post)
        return -ENOMEM;
    bytes = post->bytes;
    post->done = done;
    post->userdata = userdata;
    post->message.id = copy_string(&bytes, message->id);
    post->message.text = copy_string(&bytes, message->text);
    post->message.timestamp = copy_string(&bytes, message->timestamp);
    post->message.instance = copy_string(&bytes, message->instance);
    queue_add(&store->pending, post);
    start_commit(store);
    return 0;
}

/* --- the newest messages --------------------------------------------------------------------- */

/* Both numbers are noted before the query: what is committed in between is then seen once more
 * rather than never. */
static int read_latest(struct sqlite_store *store, struct latest *latest)
{
    CLEANUP(message_list_freep) struct message_list *list = NULL;
    int64_t data_version;
    uint64_t version;
    int r;

    (void) generation_follow(store->generation);
    version = generation_read(store->generation);
    if (store->reader && !database_is_current(store->reader))
        store->read_version = STORE_VERSION_NONE;
    r = ensure_open(store, &store->reader, false);
    if (r >= 0)
        r = database_data_version(store->reader, &data_version);
    if (r < 0)
        return r;
    latest->version = version;
    if (version != STORE_VERSION_NONE && latest->known == version &&
        store->read_version == version && store->read_data_version == data_version)
        return 0;
    r = message_list_new(&list);
    if (r >= 0)
        r = database_latest(store->reader, latest->limit, list);
    if (r < 0)
        return r;
    store->read_version = version;
    store->read_data_version = data_version;
    latest->list = TAKE(list);
    return 0;
}

static void run_latest(struct offload_job *job)
{
    struct latest *latest = (struct latest *) job;
    struct sqlite_store *store = latest->store;

    latest->error = read_latest(store, latest);
    if (latest->error < 0) {
        latest->version = STORE_VERSION_NONE;
        store->read_version = STORE_VERSION_NONE;
        after_error(&store->reader, latest->error);
    }
}

static void on_latest(struct offload_job *job)
{
    struct latest *latest = (struct latest *) job;

    latest->done(latest->error, latest->list, latest->version, latest->userdata);
    free(latest);
}

static int sqlite_latest(struct store *base, size_t limit, uint64_t known, store_latest_done done,
                         void *userdata)
{
    struct sqlite_store *store = (struct sqlite_store *) base;
    struct latest *latest = calloc(1, sizeof(*latest));
    int r;

    if (!latest)
        return -ENOMEM;
    *latest = (struct latest){
        .job = {.run = run_latest, .done = on_latest},
        .store = store,
        .limit = limit < MESSAGE_LIST_MAX ? limit : MESSAGE_LIST_MAX,
        .known = known,
        .done = done,
        .userdata = userdata,
        .error = -ECANCELED,
    };
    r = offload_submit(store->reading, &latest->job);
    if (r < 0) {
        free(latest);
        return r == -EBUSY ? -ENOBUFS : r;
    }
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
    queue_answer(&store->pending, -ECANCELED);
    database_free(store->writer);
    database_free(store->reader);
    generation_free(store->generation);
    free(store->path);
    free(store);
    return NULL;
}

static const struct store_operations sqlite_operations = {
    .version = sqlite_version,
    .post = sqlite_post,
    .latest = sqlite_latest,
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

int store_sqlite_open(struct store **ret, sd_event *event, const char *path)
{
    struct sqlite_store *store = calloc(1, sizeof(*store));
    CLEANUP(store_freep) struct store *base = NULL;
    int r;

    if (!store)
        return -ENOMEM;
    base = &store->store;
    base->operations = &sqlite_operations;
    queue_init(&store->pending);
    store->path = strdup(path);
    if (!store->path)
        return -ENOMEM;
    r = ensure_open(store, &store->reader, false);
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

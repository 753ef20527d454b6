/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where messages are kept, as an interface. Everything comes back as an event on the loop; nothing
 * here blocks, and every operation ends within STORE_DEADLINE_US.
 *
 * Freshness: a store has a version, a number that changes whenever an acknowledged message might be
 * missing from what was read before. A list carries the version that was noted before it was read;
 * while store_version() still says the same, the list shows every message that any process of this
 * node has acknowledged by then. Writers that the version doesn't know of (a shell on the file;
 * other nodes, where store_is_shared()) are found only by asking store_latest() again.
 *
 * Errors: -ETIMEDOUT the deadline; -EAGAIN throttled; -ENOKEY no credentials; -EACCES not
 * permitted; -ENOENT the table or the file is missing; -ENOSPC, -EBUSY, -EROFS, -EIO, -EBADMSG
 * (damaged) as they say; -EHOSTUNREACH the service can't be reached; -EINVAL a position that is
 * none; -ENOBUFS too many wait; -ECANCELED the store is freed.
 */
#pragma once

#include "apps/visitor-board/message.h"

#include <stdbool.h>
#include <stdint.h>

#define STORE_VERSION_NONE  0    /* no store ever has this version */
#define STORE_POSITION_MAX  128u /* bytes with NUL, of [A-Za-z0-9:.#_-] */
#define STORE_KEY_MAX       65u  /* bytes with NUL, of [A-Za-z0-9_-]: a client's idempotency key */
#define STORE_SECRET_BYTES  32u
#define STORE_INSTANCES_MAX 32u
#define STORE_INSTANCE_MAX  256u /* bytes with NUL */

#define STORE_DEADLINE_US       UINT64_C(5000000)
#define STORE_KEY_LIFETIME_S    86400u /* how long a repeated key is known */
#define STORE_ACTIVITY_BUCKET_S 300u
#define STORE_ACTIVITY_BUCKETS  12u /* the last hour: 55 to 60 minutes */

struct store;

struct store_stats {
    uint64_t total;     /* messages ever posted, exact */
    size_t n_instances; /* of the last hour, most first */
    struct store_instance {
        char name[STORE_INSTANCE_MAX];
        uint64_t count;
    } instances[STORE_INSTANCES_MAX];
    uint64_t others; /* messages of instances that found no place */
};

/* |error| 0: stored durably: |stored| is what is there; |repeated|: by an earlier post with the
 * same key. Else nothing was stored; or, after -EIO and -ETIMEDOUT, it may have been, as a power
 * cut may leave it too. */
typedef void (*store_post_done)(int error, const struct message *stored, bool repeated,
                                void *userdata);

/* |error| 0: |take_list|, newest first, with its version; or NULL if nothing changed since |known|
 * (|next| is "" then: the caller still has it). |next|: the position for store_older() behind the
 * list's last message, "" if there is none behind it. Else a negative errno, no list, and |version|
 * is STORE_VERSION_NONE. */
typedef void (*store_list_done)(int error, struct message_list *take_list, uint64_t version,
                                const char *next, void *userdata);

/* |stats| and |secret|: for the callback only; NULL on error. */
typedef void (*store_stats_done)(int error, const struct store_stats *stats, void *userdata);
typedef void (*store_secret_done)(int error, const uint8_t secret[STORE_SECRET_BYTES],
                                  void *userdata);

/* |what|: a plain reason, "" if there is none. */
typedef void (*store_check_done)(int error, const char *what, void *userdata);

struct store_operations {
    const char *name;
    bool is_shared;
    uint64_t (*version)(const struct store *store);
    void (*expect)(struct store *store); /* NULL: nothing to do */
    int (*post)(struct store *store, const struct message *message, const char *key,
                store_post_done done, void *userdata);
    int (*latest)(struct store *store, size_t limit, uint64_t known, store_list_done done,
                  void *userdata);
    int (*older)(struct store *store, const char *position, size_t limit, store_list_done done,
                 void *userdata);
    int (*stats)(struct store *store, store_stats_done done, void *userdata);
    int (*secret)(struct store *store, store_secret_done done, void *userdata);
    int (*check)(struct store *store, store_check_done done, void *userdata);
    struct store *(*free)(struct store *store);
};

struct store { /* the first member of each kind of store */
    const struct store_operations *operations;
};

/* Calls every callback that is still due, with -ECANCELED where the answer is not known. */
static inline struct store *store_free(struct store *store)
{
    return store ? store->operations->free(store) : NULL;
}
DEFINE_CLEANUP(struct store *, store_free)

static inline const char *store_name(const struct store *store) /* "sqlite", "dynamodb" */
{
    return store->operations->name;
}

/* Other nodes write too: store_version() can't tell of their messages. */
static inline bool store_is_shared(const struct store *store)
{
    return store->operations->is_shared;
}

/* A read of memory, for each request. */
static inline uint64_t store_version(const struct store *store)
{
    return store->operations->version(store);
}

/* Some other process is known to have posted just now: reads that begin from now on see that. (A
 * read of replicas, which is cheaper, might not.) */
static inline void store_expect(struct store *store)
{
    if (store->operations->expect)
        store->operations->expect(store);
}

/* All below: 0, then |done| is called later, exactly once; or -ENOBUFS when too many wait, -EINVAL
 * or -ENOMEM, and there is no call. */

/* Copies |message| and |key| (NULL: none). A key that was used within STORE_KEY_LIFETIME_S stores
 * nothing more and gives the message of that time. */
static inline int store_post(struct store *store, const struct message *message, const char *key,
                             store_post_done done, void *userdata)
{
    return store->operations->post(store, message, key, done, userdata);
}

/* The newest |limit| (1 to MESSAGE_LIST_MAX). |known|: the version of a list that the caller still
 * has, or STORE_VERSION_NONE. */
static inline int store_latest(struct store *store, size_t limit, uint64_t known,
                               store_list_done done, void *userdata)
{
    return store->operations->latest(store, limit, known, done, userdata);
}

/* The newest |limit| of those behind |position|, which some list gave as its |next|, in whatever
 * process. -EINVAL for what is no position. */
static inline int store_older(struct store *store, const char *position, size_t limit,
                              store_list_done done, void *userdata)
{
    return store->operations->older(store, position, limit, done, userdata);
}

static inline int store_stats(struct store *store, store_stats_done done, void *userdata)
{
    return store->operations->stats(store, done, userdata);
}

/* Random bytes that all processes and nodes of one board share, made by who needs them first. */
static inline int store_secret(struct store *store, store_secret_done done, void *userdata)
{
    return store->operations->secret(store, done, userdata);
}

/* Whether the store can be read now: goes all the way to it. */
static inline int store_check(struct store *store, store_check_done done, void *userdata)
{
    return store->operations->check(store, done, userdata);
}

/* For the kinds of store: adds one instance's |count|, and sorts at the end. */
void store_stats_add(struct store_stats *stats, const char *instance, uint64_t count);
void store_stats_sort(struct store_stats *stats);

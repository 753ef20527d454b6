/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where messages are kept, as an interface. Everything comes back as an event on the loop; nothing
 * here blocks.
 *
 * Freshness: a store has a version, a number that changes whenever an acknowledged message might be
 * missing from what was read before. A list carries the version that was noted before it was read;
 * while store_version() still says the same, the list shows every message that any process has
 * acknowledged by then. Writers that go round the store (a shell on its file) don't change the
 * version: only asking store_latest() again finds those.
 */
#pragma once

#include "apps/visitor-board/message.h"

#include <stdint.h>

#define STORE_VERSION_NONE 0 /* no store ever has this version */

struct store;

/* |error| 0: stored durably. Else nothing was stored (-ENOSPC, -EBUSY, -EROFS, ...); after -EIO it
 * may have been, as a power cut may leave it too. */
typedef void (*store_post_done)(int error, void *userdata);

/* |error| 0: |take_list|, newest first, with its version; or NULL if nothing changed since |known|.
 * Else a negative errno, no list, and |version| is STORE_VERSION_NONE. */
typedef void (*store_latest_done)(int error, struct message_list *take_list, uint64_t version,
                                  void *userdata);

struct store_operations {
    uint64_t (*version)(const struct store *store);
    int (*post)(struct store *store, const struct message *message, store_post_done done,
                void *userdata);
    int (*latest)(struct store *store, size_t limit, uint64_t known, store_latest_done done,
                  void *userdata);
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

/* A read of memory, for each request. */
static inline uint64_t store_version(const struct store *store)
{
    return store->operations->version(store);
}

/* Copies |message|. 0, then |done| is called later, exactly once; -ENOBUFS when too many wait, or
 * -ENOMEM. */
static inline int store_post(struct store *store, const struct message *message,
                             store_post_done done, void *userdata)
{
    return store->operations->post(store, message, done, userdata);
}

/*
 * The newest |limit| (up to MESSAGE_LIST_MAX). |known|: the version of a list that the caller still
 * has, or STORE_VERSION_NONE. 0, then |done| is called later, exactly once; -ENOBUFS when too many
 * wait, or -ENOMEM.
 */
static inline int store_latest(struct store *store, size_t limit, uint64_t known,
                               store_latest_done done, void *userdata)
{
    return store->operations->latest(store, limit, known, done, userdata);
}

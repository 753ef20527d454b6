/* SPDX-License-Identifier: Apache-2.0 */
/* What the writing and the reading side of the SQLite store share. */
#pragma once

#include "apps/visitor-board/database.h"
#include "apps/visitor-board/generation.h"
#include "apps/visitor-board/post-queue.h"
#include "common/base/clock.h"
#include "common/net/offload.h"

struct sqlite_store;

struct commit {
    struct offload_job job;
    struct sqlite_store *store;
    struct post_queue posts;
    int error;
};

/* The loop owns the queue of posts; the reading thread what is behind |reader|, the writing thread
 * what is behind |writer|; the generation may be used by all. */
struct sqlite_store {
    struct store store;
    char *path;
    unsigned retention_days;
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
    size_t read_limit;

    struct database *writer;
    uint64_t prune_at_us; /* when there may be something to delete again */
};

/* An open connection to the file that the path leads to now. */
int sqlite_ensure_open(struct sqlite_store *store, struct database **database, bool writes);
/* A full disk or a busy lock says nothing against the connection; after anything else it is opened
 * anew. */
void sqlite_after_error(struct database **database, int error);
/* The timestamp that messages must have to be shown; "" without retention. Returns |buffer|. */
const char *sqlite_oldest(const struct sqlite_store *store, char buffer[CLOCK_TEXT_MAX]);

/* Operations of the reading side. */
int sqlite_latest(struct store *base, size_t limit, uint64_t known, store_list_done done,
                  void *userdata);
int sqlite_older(struct store *base, const char *position, size_t limit, store_list_done done,
                 void *userdata);
int sqlite_stats(struct store *base, store_stats_done done, void *userdata);
int sqlite_secret(struct store *base, store_secret_done done, void *userdata);
int sqlite_check(struct store *base, store_check_done done, void *userdata);

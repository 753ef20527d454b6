/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The board's SQLite file: the one module that knows SQLite. Blocks; for the offload threads. One
 * connection is used by one thread at a time.
 *
 * Many processes share one file: WAL, so that readers and the writer don't wait for each other;
 * synchronous=FULL, so that a commit has reached the disk when it returns; transactions that write
 * begin as IMMEDIATE, because one that upgrades later gets BUSY at once.
 *
 * Errors: -ENOSPC, -EBUSY (the lock was not free for |lock_wait_us|), -EIO (also a limit on the
 * file's size), -EBADMSG (no database, damaged, or of a later schema), -EROFS, -EACCES, -ENOENT,
 * -ENOMEM.
 */
#pragma once

#include "apps/visitor-board/message.h"

#include <stdbool.h>
#include <stdint.h>

#define DATABASE_LOCK_WAIT_US UINT64_C(5000000)

/* Newest first: the primary key is the order of arrival, so this walks it backwards and stops at
 * the limit. The cuts bound what a row written by others can bring in. */
#define DATABASE_LATEST_SQL                                                                        \
    "SELECT substr(id, 1, 36), substr(message, 1, 500), substr(timestamp, 1, 32),"                 \
    " substr(instance_id, 1, 255) FROM messages ORDER BY sequence DESC LIMIT ?1"

struct database;

struct database_options {
    uint64_t lock_wait_us; /* how long a writer waits for the others */
    /* Optional: told true each time that the lock was not free, and false when the wait is over. */
    void (*on_waiting)(bool waiting, void *userdata);
    void *userdata;
};

/* Opens the file; makes it and its table if they aren't there, also when several processes do so at
 * once. Copies |options|. */
int database_open(struct database **ret, const char *path, const struct database_options *options);
struct database *database_free(struct database *database);
DEFINE_CLEANUP(struct database *, database_free)

/* Whether its path still leads to the file that was opened. */
bool database_is_current(const struct database *database);

/* One transaction: |begin|, |add| each, |commit|. All are stored or none; after an error the
 * transaction is gone. */
int database_begin(struct database *database);
int database_add(struct database *database, const struct message *message);
int database_commit(struct database *database);

/* Appends the newest |limit| to |list|. */
int database_latest(struct database *database, size_t limit, struct message_list *list);

/* A number that changes when another connection has committed. */
int database_data_version(struct database *database, int64_t *ret);

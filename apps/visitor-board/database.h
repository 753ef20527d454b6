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
 *
 * Schema 2: messages as in schema 1, which is migrated in place; facts (the total, the secret);
 * activity by 5 minutes and instance; idempotency keys. Triggers keep total and activity, so that
 * they are right whoever inserts: a shell, or a worker of an older version that still runs.
 */
#pragma once

#include "apps/visitor-board/store.h"

#define DATABASE_LOCK_WAIT_US UINT64_C(5000000)

/* Newest first: the primary key is the order of arrival, so this walks it backwards and stops at
 * the limit ?1. ?2: only those before it. The cuts bound what a row written by others can bring in.
 */
#define DATABASE_LATEST_SQL                                                                        \
    "SELECT substr(id, 1, 36), substr(message, 1, 500), substr(timestamp, 1, 32),"                 \
    " substr(instance_id, 1, 255), sequence FROM messages WHERE sequence < ?2"                     \
    " ORDER BY sequence DESC LIMIT ?1"

#define DATABASE_PRUNE_MESSAGES 200 /* deleted in one transaction at most */
#define DATABASE_PRUNE_KEYS     200

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

/* From now on, instead of what the options said. */
void database_set_lock_wait(struct database *database, uint64_t lock_wait_us);

/* One transaction: |begin|, any of the others, |commit|. All is stored or nothing; after an error
 * the transaction is gone. */
int database_begin(struct database *database);
/* Counts it too: in the total and in the activity of its instance, now. */
int database_add(struct database *database, const struct message *message);
/* Appends the message that |key| was used for at |since_s| or later to |list|. 1, or 0: none. */
int database_find_key(struct database *database, const char *key, int64_t since_s,
                      struct message_list *list);
int database_add_key(struct database *database, const char *key, int64_t now_s,
                     const struct message *message);
/* Deletes messages with a timestamp before |before| ("": none), those that came first first, and
 * keys and activity of no more use. Returns whether there may be more to delete, or an errno. */
int database_prune(struct database *database, const char *before, int64_t now_s);
int database_commit(struct database *database);

/* Appends the newest |limit| before sequence |before| (INT64_MAX: of all) to |list|, up to one with
 * a timestamp before |oldest| ("": none is). |ret_next|: the |before| for those behind them, 0 if
 * there are none. */
int database_list(struct database *database, int64_t before, size_t limit, const char *oldest,
                  struct message_list *list, int64_t *ret_next);

int database_stats(struct database *database, int64_t now_s, struct store_stats *ret);
int database_secret(struct database *database, uint8_t ret[STORE_SECRET_BYTES]);

/* A number that changes when another connection has committed. */
int database_data_version(struct database *database, int64_t *ret);

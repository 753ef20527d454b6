/* SPDX-License-Identifier: Apache-2.0 */
#include "apps/visitor-board/database.h"

#include "common/base/clock.h"

#include <errno.h>
#include <sqlite3.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#define SCHEMA_VERSION    1
#define SCHEMA_VERSION_S  "1"
#define LOCK_POLL_US      250u  /* SQLite's own steps grow to 100 ms, far above a commit's time */
#define LOCK_POLL_SLOW_US 1000u /* after LOCK_POLL_FAST tries */
#define LOCK_POLL_FAST    40
#define WAL_LIMIT_BYTES   "4194304"

enum statement {
    STATEMENT_BEGIN,
    STATEMENT_COMMIT,
    STATEMENT_ROLLBACK,
    STATEMENT_ADD,
    STATEMENT_LATEST,
    STATEMENT_DATA_VERSION,
    STATEMENTS,
};

static const char *const statement_sql[STATEMENTS] = {
    [STATEMENT_BEGIN] = "BEGIN IMMEDIATE",
    [STATEMENT_COMMIT] = "COMMIT",
    [STATEMENT_ROLLBACK] = "ROLLBACK",
    [STATEMENT_ADD] = "INSERT INTO messages (id, message, timestamp, instance_id)"
                      " VALUES (?1, ?2, ?3, ?4)",
    [STATEMENT_LATEST] = DATABASE_LATEST_SQL,
    [STATEMENT_DATA_VERSION] = "PRAGMA data_version",
};

struct database {
    sqlite3 *handle;
    sqlite3_stmt *statements[STATEMENTS];
    struct database_options options;
    uint64_t waiting_since_us;
    char *path;
    dev_t device;
    ino_t inode;
};

/* What SQLite says, as an errno. The operating system's own number is better where there is one. */
static int error_of(struct database *database, int code)
{
    int system_errno = database->handle ? sqlite3_system_errno(database->handle) : 0;

    switch (code & 0xff) {
    case SQLITE_OK:
    case SQLITE_ROW:
    case SQLITE_DONE:
        return 0;
    case SQLITE_FULL:
        return -ENOSPC;
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
        return -EBUSY;
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
    case SQLITE_ERROR: /* the table isn't what we expect */
        return -EBADMSG;
    case SQLITE_READONLY:
        return -EROFS;
    case SQLITE_NOMEM:
        return -ENOMEM;
    case SQLITE_PERM:
    case SQLITE_AUTH:
        return -EACCES;
    case SQLITE_CANTOPEN:
        return system_errno > 0 ? -system_errno : -ENOENT;
    default:
        return system_errno > 0 ? -system_errno : -EIO;
    }
}

static int on_busy(void *userdata, int count)
{
    struct database *database = userdata;
    unsigned pause_us = count < LOCK_POLL_FAST ? LOCK_POLL_US : LOCK_POLL_SLOW_US;
    struct timespec pause = {.tv_nsec = (long) pause_us * 1000};
    uint64_t now_us = clock_monotonic_us();

    if (count == 0)
        database->waiting_since_us = now_us;
    else if (now_us - database->waiting_since_us >= database->options.lock_wait_us)
        return 0;
    if (database->options.on_waiting)
        database->options.on_waiting(true, database->options.userdata);
    nanosleep(&pause, NULL);
    return 1;
}

static int run_sql(struct database *database, const char *sql)
{
    return error_of(database, sqlite3_exec(database->handle, sql, NULL, NULL, NULL));
}

static int get_number(struct database *database, const char *sql, int64_t *ret)
{
    sqlite3_stmt *statement = NULL;
    int code = sqlite3_prepare_v2(database->handle, sql, -1, &statement, NULL);

    if (code == SQLITE_OK)
        code = sqlite3_step(statement);
    if (code == SQLITE_ROW)
        *ret = sqlite3_column_int64(statement, 0);
    sqlite3_finalize(statement);
    return error_of(database, code);
}

/* Several processes may find the file empty at once: who gets the lock first makes the table. */
static int make_schema(struct database *database)
{
    int64_t version = 0;
    int r = get_number(database, "PRAGMA user_version", &version);

    if (r < 0 || version == SCHEMA_VERSION)
        return r;
    if (version > SCHEMA_VERSION)
        return -EBADMSG;
    r = run_sql(database, "BEGIN IMMEDIATE;"
                          "CREATE TABLE IF NOT EXISTS messages ("
                          " sequence INTEGER PRIMARY KEY,"
                          " id TEXT NOT NULL,"
                          " message TEXT NOT NULL,"
                          " timestamp TEXT NOT NULL,"
                          " instance_id TEXT NOT NULL) STRICT;"
                          "PRAGMA user_version = " SCHEMA_VERSION_S ";"
                          "COMMIT");
    if (r < 0)
        (void) sqlite3_exec(database->handle, "ROLLBACK", NULL, NULL, NULL);
    return r;
}

/* The change to WAL does not wait for other processes that are in it too: SQLite takes that for a
 * deadlock and says BUSY at once. */
static int set_wal(struct database *database)
{
    int count = 0;
    int r;

    while ((r = run_sql(database, "PRAGMA journal_mode = WAL")) == -EBUSY)
        if (!on_busy(database, count++))
            break;
    return r;
}

static int set_up(struct database *database)
{
    struct stat status;
    int r = set_wal(database);

    if (r >= 0)
        r = run_sql(database, "PRAGMA synchronous = FULL; PRAGMA cache_size = -512;"
                              "PRAGMA journal_size_limit = " WAL_LIMIT_BYTES);
    if (r >= 0)
        r = make_schema(database);
    for (size_t i = 0; r >= 0 && i < STATEMENTS; i++)
        r = error_of(database,
                     sqlite3_prepare_v3(database->handle, statement_sql[i], -1,
                                        SQLITE_PREPARE_PERSISTENT, &database->statements[i], NULL));
    if (r < 0)
        return r;
    if (sqlite3_db_readonly(database->handle, "main")) /* SQLite falls back to it by itself */
        return -EROFS;
    if (stat(database->path, &status) < 0)
        return -errno;
    database->device = status.st_dev;
    database->inode = status.st_ino;
    return 0;
}

int database_open(struct database **ret, const char *path, const struct database_options *options)
{
    CLEANUP(database_freep) struct database *database = calloc(1, sizeof(*database));
    int code, r;

    if (!database)
        return -ENOMEM;
    database->options = *options;
    database->path = strdup(path);
    if (!database->path)
        return -ENOMEM;
    code = sqlite3_open_v2(path, &database->handle,
                           SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX |
                               SQLITE_OPEN_EXRESCODE,
                           NULL);
    if (code != SQLITE_OK)
        return error_of(database, code);
    sqlite3_busy_handler(database->handle, on_busy, database);
    r = set_up(database);
    if (r < 0)
        return r;
    *ret = TAKE(database);
    return 0;
}

struct database *database_free(struct database *database)
{
    if (!database)
        return NULL;
    for (size_t i = 0; i < STATEMENTS; i++)
        sqlite3_finalize(database->statements[i]);
    (void) sqlite3_close(database->handle);
    free(database->path);
    free(database);
    return NULL;
}

bool database_is_current(const struct database *database)
{
    struct stat status;

    return stat(database->path, &status) == 0 && status.st_dev == database->device &&
           status.st_ino == database->inode;
}

/* Runs a statement that gives no rows. */
static int run(struct database *database, enum statement which)
{
    sqlite3_stmt *statement = database->statements[which];
    int r = error_of(database, sqlite3_step(statement));

    (void) sqlite3_reset(statement); /* repeats the step's error */
    return r;
}

/* Some errors end the transaction by themselves; then there is nothing to roll back. */
static void roll_back(struct database *database)
{
    if (!sqlite3_get_autocommit(database->handle))
        (void) run(database, STATEMENT_ROLLBACK);
}

int database_begin(struct database *database)
{
    int r = run(database, STATEMENT_BEGIN);

    if (r >= 0 && database->options.on_waiting)
        database->options.on_waiting(false, database->options.userdata);
    return r;
}

int database_add(struct database *database, const struct message *message)
{
    sqlite3_stmt *statement = database->statements[STATEMENT_ADD];
    const char *const values[] = {message->id, message->text, message->timestamp,
                                  message->instance};
    int code = SQLITE_OK;
    int r;

    for (int i = 0; i < (int) ARRAY_SIZE(values) && code == SQLITE_OK; i++)
        code = sqlite3_bind_text(statement, i + 1, values[i], -1, SQLITE_STATIC);
    r = code == SQLITE_OK ? run(database, STATEMENT_ADD) : error_of(database, code);
    (void) sqlite3_clear_bindings(statement);
    if (r < 0)
        roll_back(database);
    return r;
}

int database_commit(struct database *database)
{
    int r = run(database, STATEMENT_COMMIT);

    if (r < 0)
        roll_back(database);
    return r;
}

static const char *column_text(sqlite3_stmt *statement, int column)
{
    const char *text = (const char *) sqlite3_column_text(statement, column);

    return text ? text : "";
}

int database_latest(struct database *database, size_t limit, struct message_list *list)
{
    sqlite3_stmt *statement = database->statements[STATEMENT_LATEST];
    int code = sqlite3_bind_int64(statement, 1, (int64_t) limit);
    int r = 0;

    while (code == SQLITE_OK || code == SQLITE_ROW) {
        code = sqlite3_step(statement);
        if (code != SQLITE_ROW)
            break;
        r = message_list_add(list, &(struct message){
                                       .id = column_text(statement, 0),
                                       .text = column_text(statement, 1),
                                       .timestamp = column_text(statement, 2),
                                       .instance = column_text(statement, 3),
                                   });
        if (r < 0)
            break;
    }
    if (r >= 0)
        r = error_of(database, code);
    (void) sqlite3_reset(statement); /* ends the read transaction */
    return r;
}

int database_data_version(struct database *database, int64_t *ret)
{
    sqlite3_stmt *statement = database->statements[STATEMENT_DATA_VERSION];
    int code = sqlite3_step(statement);
    int r = error_of(database, code);

    if (code == SQLITE_ROW)
        *ret = sqlite3_column_int64(statement, 0);
    (void) sqlite3_reset(statement);
    return r;
}

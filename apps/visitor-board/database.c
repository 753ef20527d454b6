/* SPDX-License-Identifier: Apache-2.0 */
#include "apps/visitor-board/database.h"

#include "common/base/clock.h"
#include "common/base/text.h"

#include <errno.h>
#include <sqlite3.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#define SCHEMA_VERSION    2
#define SCHEMA_VERSION_S  "2"
#define STRINGIFY_(x)     #x
#define STRINGIFY(x)      STRINGIFY_(x)
#define SCHEMA_SQL_MAX    4096u
#define LOCK_POLL_US      250u  /* SQLite's own steps grow to 100 ms, far above a commit's time */
#define LOCK_POLL_SLOW_US 1000u /* after LOCK_POLL_FAST tries */
#define LOCK_POLL_FAST    40
#define WAL_LIMIT_BYTES   "4194304"

enum statement {
    STATEMENT_BEGIN,
    STATEMENT_COMMIT,
    STATEMENT_ROLLBACK,
    STATEMENT_ADD,
    STATEMENT_FIND_KEY,
    STATEMENT_ADD_KEY,
    STATEMENT_PRUNE_MESSAGES,
    STATEMENT_PRUNE_KEYS,
    STATEMENT_PRUNE_ACTIVITY,
    STATEMENT_LIST,
    STATEMENT_TOTAL,
    STATEMENT_ACTIVITY,
    STATEMENT_SECRET,
    STATEMENT_DATA_VERSION,
    STATEMENTS,
};

static const char *const statement_sql[STATEMENTS] = {
    [STATEMENT_BEGIN] = "BEGIN IMMEDIATE",
    [STATEMENT_COMMIT] = "COMMIT",
    [STATEMENT_ROLLBACK] = "ROLLBACK",
    [STATEMENT_ADD] = "INSERT INTO messages (id, message, timestamp, instance_id)"
                      " VALUES (?1, ?2, ?3, ?4)",
    [STATEMENT_FIND_KEY] = "SELECT id, message, timestamp, instance_id FROM keys"
                           " WHERE key = ?1 AND created_s >= ?2",
    [STATEMENT_ADD_KEY] = "INSERT OR REPLACE INTO keys"
                          " (id, message, timestamp, instance_id, key, created_s)"
                          " VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
    [STATEMENT_PRUNE_MESSAGES] =
        "DELETE FROM messages WHERE timestamp < ?1 AND sequence IN"
        " (SELECT sequence FROM messages ORDER BY sequence LIMIT " STRINGIFY(
            DATABASE_PRUNE_MESSAGES) ")",
    [STATEMENT_PRUNE_KEYS] = "DELETE FROM keys WHERE key IN (SELECT key FROM keys"
                             " WHERE created_s < ?1 LIMIT " STRINGIFY(DATABASE_PRUNE_KEYS) ")",
    [STATEMENT_PRUNE_ACTIVITY] = "DELETE FROM activity WHERE bucket <= ?1",
    [STATEMENT_LIST] = DATABASE_LATEST_SQL,
    [STATEMENT_TOTAL] = "SELECT value FROM facts WHERE name = 'total'",
    [STATEMENT_ACTIVITY] =
        "SELECT substr(instance_id, 1, 255), sum(count) FROM activity WHERE bucket > ?1"
        " GROUP BY instance_id ORDER BY 2 DESC",
    [STATEMENT_SECRET] = "SELECT value FROM facts WHERE name = 'secret'",
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

/* What brings schema 1 to 2, and may be run twice. The highest sequence is how many there ever
 * were, as schema 1 deleted none. */
static int format_schema(char sql[SCHEMA_SQL_MAX], bool is_new)
{
    int length = snprintf(
        sql, SCHEMA_SQL_MAX,
        "BEGIN IMMEDIATE;%s"
        "CREATE TABLE IF NOT EXISTS facts (name TEXT PRIMARY KEY, value ANY)"
        " STRICT, WITHOUT ROWID;"
        "INSERT OR IGNORE INTO facts VALUES"
        " ('total', (SELECT coalesce(max(sequence), 0) FROM messages)),"
        " ('secret', x'%016llx%016llx%016llx%016llx');"
        "CREATE TABLE IF NOT EXISTS activity (bucket INTEGER, instance_id TEXT,"
        " count INTEGER NOT NULL, PRIMARY KEY (bucket, instance_id)) STRICT, WITHOUT ROWID;"
        "CREATE TABLE IF NOT EXISTS keys (key TEXT PRIMARY KEY, created_s INTEGER NOT NULL,"
        " id TEXT NOT NULL, message TEXT NOT NULL, timestamp TEXT NOT NULL,"
        " instance_id TEXT NOT NULL) STRICT, WITHOUT ROWID;"
        "CREATE INDEX IF NOT EXISTS keys_by_age ON keys (created_s);"
        "CREATE TRIGGER IF NOT EXISTS count_message AFTER INSERT ON messages BEGIN"
        " UPDATE facts SET value = value + 1 WHERE name = 'total';"
        " INSERT INTO activity VALUES"
        "  (strftime('%%s', 'now') / %u, substr(NEW.instance_id, 1, 255), 1)"
        "  ON CONFLICT DO UPDATE SET count = count + 1;"
        "END;"
        "PRAGMA user_version = " SCHEMA_VERSION_S ";"
        "COMMIT",
        is_new ? "CREATE TABLE IF NOT EXISTS messages ("
                 " sequence INTEGER PRIMARY KEY,"
                 " id TEXT NOT NULL,"
                 " message TEXT NOT NULL,"
                 " timestamp TEXT NOT NULL,"
                 " instance_id TEXT NOT NULL) STRICT;"
               : "",
        (unsigned long long) random_u64(), (unsigned long long) random_u64(),
        (unsigned long long) random_u64(), (unsigned long long) random_u64(),
        STORE_ACTIVITY_BUCKET_S);

    return length < (int) SCHEMA_SQL_MAX ? 0 : -ENOBUFS;
}

/* Several processes may find the file empty or old at once: who gets the lock first makes the
 * tables. */
static int make_schema(struct database *database)
{
    char sql[SCHEMA_SQL_MAX];
    int64_t version = 0;
    int r = get_number(database, "PRAGMA user_version", &version);

    if (r < 0 || version == SCHEMA_VERSION)
        return r;
    if (version < 0 || version > SCHEMA_VERSION)
        return -EBADMSG;
    r = format_schema(sql, version == 0);
    if (r >= 0)
        r = run_sql(database, sql);
    if (r < 0)
        (void) sqlite3_exec(database->handle, "ROLLBACK", NULL, NULL, NULL);
    explicit_bzero(sql, sizeof(sql));
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

void database_set_lock_wait(struct database *database, uint64_t lock_wait_us)
{
    database->options.lock_wait_us = lock_wait_us;
}

int database_begin(struct database *database)
{
    int r = run(database, STATEMENT_BEGIN);

    if (r >= 0 && database->options.on_waiting)
        database->options.on_waiting(false, database->options.userdata);
    return r;
}

static int bind_message(sqlite3_stmt *statement, const struct message *message)
{
    const char *const values[] = {message->id, message->text, message->timestamp,
                                  message->instance};
    int code = SQLITE_OK;

    for (int i = 0; i < (int) ARRAY_SIZE(values) && code == SQLITE_OK; i++)
        code = sqlite3_bind_text(statement, i + 1, values[i], -1, SQLITE_STATIC);
    return code;
}

/* Runs a statement of a transaction, whose bindings gave |code|. */
static int run_bound(struct database *database, enum statement which, int code)
{
    int r = code == SQLITE_OK ? run(database, which) : error_of(database, code);

    (void) sqlite3_clear_bindings(database->statements[which]);
    if (r < 0)
        roll_back(database);
    return r;
}

int database_add(struct database *database, const struct message *message)
{
    return run_bound(database, STATEMENT_ADD,
                     bind_message(database->statements[STATEMENT_ADD], message));
}

int database_add_key(struct database *database, const char *key, int64_t now_s,
                     const struct message *message)
{
    sqlite3_stmt *statement = database->statements[STATEMENT_ADD_KEY];
    int code = bind_message(statement, message);

    if (code == SQLITE_OK)
        code = sqlite3_bind_text(statement, 5, key, -1, SQLITE_STATIC);
    if (code == SQLITE_OK)
        code = sqlite3_bind_int64(statement, 6, now_s);
    return run_bound(database, STATEMENT_ADD_KEY, code);
}

/* Deletes by one bound and says how many went. */
static int prune(struct database *database, enum statement which, int code)
{
    int r = run_bound(database, which, code);

    return r < 0 ? r : sqlite3_changes(database->handle);
}

int database_prune(struct database *database, const char *before, int64_t now_s)
{
    sqlite3_stmt **statements = database->statements;
    int messages = 0, keys, r;

    if (*before)
        messages = prune(
            database, STATEMENT_PRUNE_MESSAGES,
            sqlite3_bind_text(statements[STATEMENT_PRUNE_MESSAGES], 1, before, -1, SQLITE_STATIC));
    if (messages < 0)
        return messages;
    keys = prune(database, STATEMENT_PRUNE_KEYS,
                 sqlite3_bind_int64(statements[STATEMENT_PRUNE_KEYS], 1,
                                    now_s - (int64_t) STORE_KEY_LIFETIME_S));
    if (keys < 0)
        return keys;
    r = prune(database, STATEMENT_PRUNE_ACTIVITY,
              sqlite3_bind_int64(statements[STATEMENT_PRUNE_ACTIVITY], 1,
                                 now_s / STORE_ACTIVITY_BUCKET_S - STORE_ACTIVITY_BUCKETS));
    if (r < 0)
        return r;
    return messages == DATABASE_PRUNE_MESSAGES || keys == DATABASE_PRUNE_KEYS;
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

/* Valid until the statement's next step. */
static struct message row_message(sqlite3_stmt *statement)
{
    return (struct message){
        .id = column_text(statement, 0),
        .text = column_text(statement, 1),
        .timestamp = column_text(statement, 2),
        .instance = column_text(statement, 3),
    };
}

int database_find_key(struct database *database, const char *key, int64_t since_s,
                      struct message_list *list)
{
    sqlite3_stmt *statement = database->statements[STATEMENT_FIND_KEY];
    int code = sqlite3_bind_text(statement, 1, key, -1, SQLITE_STATIC);
    int r;

    if (code == SQLITE_OK)
        code = sqlite3_bind_int64(statement, 2, since_s);
    if (code == SQLITE_OK)
        code = sqlite3_step(statement);
    r = error_of(database, code);
    if (code == SQLITE_ROW) {
        const struct message message = row_message(statement);

        r = message_list_add(list, &message);
        r = r < 0 ? r : 1;
    }
    (void) sqlite3_reset(statement);
    (void) sqlite3_clear_bindings(statement);
    if (r < 0)
        roll_back(database);
    return r;
}

/* One row more than wanted is asked for: it tells whether there is anything behind the list. */
int database_list(struct database *database, int64_t before, size_t limit, const char *oldest,
                  struct message_list *list, int64_t *ret_next)
{
    sqlite3_stmt *statement = database->statements[STATEMENT_LIST];
    int code = sqlite3_bind_int64(statement, 1, (int64_t) limit + 1);
    int64_t last = 0;
    int r = 0;

    *ret_next = 0;
    if (code == SQLITE_OK)
        code = sqlite3_bind_int64(statement, 2, before);
    for (size_t count = 0; code == SQLITE_OK || code == SQLITE_ROW; count++) {
        struct message message;

        code = sqlite3_step(statement);
        if (code != SQLITE_ROW)
            break;
        message = row_message(statement);
        if (*oldest && strcmp(message.timestamp, oldest) < 0)
            break;
        if (count == limit) {
            *ret_next = last;
            break;
        }
        last = sqlite3_column_int64(statement, 4);
        r = message_list_add(list, &message);
        if (r < 0)
            break;
    }
    if (r >= 0)
        r = error_of(database, code);
    (void) sqlite3_reset(statement); /* ends the read transaction */
    return r;
}

int database_stats(struct database *database, int64_t now_s, struct store_stats *ret)
{
    sqlite3_stmt *total = database->statements[STATEMENT_TOTAL];
    sqlite3_stmt *activity = database->statements[STATEMENT_ACTIVITY];
    int code = sqlite3_step(total);
    int r = code == SQLITE_DONE ? -EBADMSG : error_of(database, code);

    *ret = (struct store_stats){0};
    if (code == SQLITE_ROW)
        ret->total = (uint64_t) sqlite3_column_int64(total, 0);
    (void) sqlite3_reset(total);
    if (r < 0)
        return r;
    code =
        sqlite3_bind_int64(activity, 1, now_s / STORE_ACTIVITY_BUCKET_S - STORE_ACTIVITY_BUCKETS);
    if (code == SQLITE_OK)
        while ((code = sqlite3_step(activity)) == SQLITE_ROW)
            store_stats_add(ret, column_text(activity, 0),
                            (uint64_t) sqlite3_column_int64(activity, 1));
    r = error_of(database, code);
    (void) sqlite3_reset(activity);
    store_stats_sort(ret);
    return r;
}

int database_secret(struct database *database, uint8_t ret[STORE_SECRET_BYTES])
{
    sqlite3_stmt *statement = database->statements[STATEMENT_SECRET];
    int code = sqlite3_step(statement);
    int r = error_of(database, code);

    if (code == SQLITE_ROW && sqlite3_column_bytes(statement, 0) == (int) STORE_SECRET_BYTES)
        memcpy(ret, sqlite3_column_blob(statement, 0), STORE_SECRET_BYTES);
    else if (r >= 0)
        r = -EBADMSG;
    (void) sqlite3_reset(statement);
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

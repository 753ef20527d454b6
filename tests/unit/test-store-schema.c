/* SPDX-License-Identifier: Apache-2.0 */
/* SQLite files of schema 1 that are brought up to date, and what is deleted in time. */
#include "tests/unit/store-harness.h"
#include "tests/unit/unit.h"

#include "apps/visitor-board/database.h"
#include "apps/visitor-board/store-sqlite.h"

#include <sqlite3.h>
#include <stdbool.h>
#include <sys/wait.h>

#define ROUNDS_START 10
#define STARTERS     3

struct fixture {
    char directory[PATH_MAX];
    char path[PATH_MAX + 16];
    sd_event *event;
    struct store *store, *other;
};

static int open_store(struct fixture *fixture, struct store **ret)
{
    return store_sqlite_open(ret, fixture->event, fixture->path, 0);
}

static int setup(void **state)
{
    struct fixture *fixture = calloc(1, sizeof(*fixture));

    unit_directory_make(fixture->directory);
    snprintf(fixture->path, sizeof(fixture->path), "%s/board.db", fixture->directory);
    assert_true(sd_event_new(&fixture->event) >= 0);
    *state = fixture;
    return 0;
}

static void close_stores(struct fixture *fixture)
{
    fixture->store = store_free(fixture->store);
    fixture->other = store_free(fixture->other);
}

static int teardown(void **state)
{
    struct fixture *fixture = *state;

    close_stores(fixture);
    sd_event_unref(fixture->event);
    unit_directory_remove(fixture->directory);
    free(fixture);
    return 0;
}

static int post(struct fixture *fixture, const char *text)
{
    return harness_post(fixture->store, fixture->event, text);
}

static void assert_newest(struct fixture *fixture, struct store *store, const char *wanted)
{
    struct harness_latest answer;

    assert_int_equal(harness_latest(store, fixture->event, 50, STORE_VERSION_NONE, &answer), 0);
    assert_string_equal(harness_newest(answer.list), wanted);
    message_list_free(answer.list);
}

/* SQL on the file by a connection of the test's own. */
static void run_sql(const char *path, const char *sql)
{
    sqlite3 *database;

    assert_int_equal(sqlite3_open(path, &database), SQLITE_OK);
    assert_int_equal(sqlite3_exec(database, sql, NULL, NULL, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_close(database), SQLITE_OK);
}

static int64_t count_messages(const struct fixture *fixture)
{
    sqlite3 *database;
    sqlite3_stmt *statement;
    int64_t count;

    assert_int_equal(sqlite3_open(fixture->path, &database), SQLITE_OK);
    assert_int_equal(
        sqlite3_prepare_v2(database, "SELECT count(*) FROM messages", -1, &statement, NULL),
        SQLITE_OK);
    assert_int_equal(sqlite3_step(statement), SQLITE_ROW);
    count = sqlite3_column_int64(statement, 0);
    sqlite3_finalize(statement);
    assert_int_equal(sqlite3_close(database), SQLITE_OK);
    return count;
}

/* In the child: opens when the gate is closed, posts once. */
static void start_one(struct fixture *fixture, const int gate[2])
{
    char byte;
    int r;

    close(gate[1]);
    (void) !read(gate[0], &byte, 1);
    r = sd_event_new(&fixture->event); /* the parent's is of no use here */
    if (r >= 0)
        r = open_store(fixture, &fixture->store);
    if (r >= 0)
        r = post(fixture, "started");
    _exit(-r); /* an errno fits into the status */
}

/* --- files of schema 1, and retention --------------------------------------------------------- */

#define SCHEMA_1                                                                                   \
    "CREATE TABLE messages (sequence INTEGER PRIMARY KEY, id TEXT NOT NULL,"                       \
    " message TEXT NOT NULL, timestamp TEXT NOT NULL, instance_id TEXT NOT NULL) STRICT;"          \
    "PRAGMA user_version = 1;"
#define INSERT_OLD                                                                                 \
    "INSERT INTO messages (id, message, timestamp, instance_id) VALUES ('%s', '%s', '%s', "        \
    "'i-old')"

static uint64_t total(struct fixture *fixture)
{
    struct store_stats stats;

    assert_int_equal(harness_stats(fixture->store, fixture->event, &stats), 0);
    return stats.total;
}

static void insert_old(const struct fixture *fixture, const char *id, const char *timestamp)
{
    char sql[512];

    snprintf(sql, sizeof(sql), INSERT_OLD, id, id, timestamp);
    run_sql(fixture->path, sql);
}

/* It is brought up to date in place: all is there, all was counted, also what was deleted since. */
static void test_schema_1(void **state)
{
    struct fixture *fixture = *state;

    run_sql(fixture->path, SCHEMA_1);
    insert_old(fixture, "first", "2026-01-01T00:00:00.000Z");
    insert_old(fixture, "spam", "2026-01-01T00:00:01.000Z");
    insert_old(fixture, "third", "2026-01-01T00:00:02.000Z");
    run_sql(fixture->path, "DELETE FROM messages WHERE id = 'spam'");
    assert_int_equal(open_store(fixture, &fixture->store), 0);
    assert_int_equal(open_store(fixture, &fixture->other), 0);
    assert_newest(fixture, fixture->store, "third");
    assert_true(total(fixture) == 3);
    assert_int_equal(post(fixture, "fourth"), 0);
    /* A worker of the old version that still has it open inserts as this does. */
    insert_old(fixture, "fifth", "2026-01-01T00:00:04.000Z");
    assert_true(total(fixture) == 5);
    assert_newest(fixture, fixture->other, "fifth");
    close_stores(fixture);
    assert_int_equal(open_store(fixture, &fixture->store), 0); /* again: nothing to do */
    assert_true(total(fixture) == 5);
}

/* Workers of the new version that start at the same moment on an old file. */
static void test_schema_1_at_once(void **state)
{
    struct fixture *fixture = *state;

    for (unsigned round = 0; round < ROUNDS_START; round++) {
        pid_t pids[STARTERS];
        int gate[2], status;

        run_sql(fixture->path, SCHEMA_1);
        insert_old(fixture, "first", "2026-01-01T00:00:00.000Z");
        assert_int_equal(pipe(gate), 0);
        for (unsigned i = 0; i < STARTERS; i++) {
            pids[i] = fork();
            assert_true(pids[i] >= 0);
            if (pids[i] == 0)
                start_one(fixture, gate);
        }
        close(gate[0]);
        close(gate[1]);
        for (unsigned i = 0; i < STARTERS; i++) {
            assert_int_equal(waitpid(pids[i], &status, 0), pids[i]);
            assert_true(WIFEXITED(status));
            assert_int_equal(WEXITSTATUS(status), 0);
        }
        assert_int_equal(open_store(fixture, &fixture->store), 0);
        assert_true(total(fixture) == 1 + STARTERS);
        close_stores(fixture);
        unit_directory_remove(fixture->directory);
        unit_directory_make(fixture->directory);
        snprintf(fixture->path, sizeof(fixture->path), "%s/board.db", fixture->directory);
    }
}

/* What is too old is not shown; and deleted, some at a time, as others are stored. The total stays.
 */
static void test_retention(void **state)
{
    const int old = 2 * DATABASE_PRUNE_MESSAGES + 10;
    struct fixture *fixture = *state;
    struct harness_latest answer;
    char sql[512];

    assert_int_equal(store_sqlite_open(&fixture->store, fixture->event, fixture->path, 7), 0);
    snprintf(sql, sizeof(sql),
             "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < %d)"
             " INSERT INTO messages (id, message, timestamp, instance_id)"
             " SELECT i, 'old', '2020-01-01T00:00:00.000Z', 'i' FROM n",
             old);
    run_sql(fixture->path, sql);
    assert_int_equal(
        harness_latest(fixture->store, fixture->event, 50, STORE_VERSION_NONE, &answer), 0);
    assert_int_equal(message_list_count(answer.list), 0);
    assert_string_equal(answer.next, "");
    message_list_free(answer.list);
    for (int i = 1; i <= 4; i++) {
        int left = old - i * DATABASE_PRUNE_MESSAGES;

        assert_int_equal(post(fixture, "new"), 0);
        assert_int_equal(count_messages(fixture), (left > 0 ? left : 0) + i);
    }
    assert_true(total(fixture) == (uint64_t) old + 4);
    assert_int_equal(
        harness_latest(fixture->store, fixture->event, 50, STORE_VERSION_NONE, &answer), 0);
    assert_int_equal(message_list_count(answer.list), 4);
    message_list_free(answer.list);
}

/* A key of yesterday is free again, and goes. */
static void test_old_keys(void **state)
{
    struct fixture *fixture = *state;
    struct message message = harness_message("first");
    struct harness_posted posted;

    assert_int_equal(open_store(fixture, &fixture->store), 0);
    assert_int_equal(harness_post_key(fixture->store, fixture->event, &message, "key", &posted), 0);
    run_sql(fixture->path, "UPDATE keys SET created_s = created_s - 86500");
    message = harness_message("second");
    assert_int_equal(harness_post_key(fixture->store, fixture->event, &message, "key", &posted), 0);
    assert_false(posted.repeated);
    message = harness_message("third");
    assert_int_equal(harness_post_key(fixture->store, fixture->event, &message, "key", &posted), 0);
    assert_true(posted.repeated);
    assert_string_equal(posted.text, "second");
}

int main(void)
{
#define SCHEMA_TEST(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
    const struct CMUnitTest tests[] = {
        SCHEMA_TEST(test_schema_1),
        SCHEMA_TEST(test_schema_1_at_once),
        SCHEMA_TEST(test_retention),
        SCHEMA_TEST(test_old_keys),
    };
#undef SCHEMA_TEST

    return cmocka_run_group_tests(tests, NULL, NULL);
}

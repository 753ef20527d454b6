/* SPDX-License-Identifier: Apache-2.0 */
/* The lock's times and the query's cost; the rest of the module is tested through the store. */
#include "tests/unit/store-harness.h"
#include "tests/unit/unit.h"

#include "apps/visitor-board/database.h"
#include "common/base/clock.h"

#include <errno.h>
#include <sqlite3.h>

/* The state is the path of a file in a directory of the test's own. */
static int setup(void **state)
{
    char directory[PATH_MAX], *path;

    unit_directory_make(directory);
    assert_true(asprintf(&path, "%s/board.db", directory) > 0);
    *state = path;
    return 0;
}

static int teardown(void **state)
{
    char *path = *state;

    *strrchr(path, '/') = '\0';
    unit_directory_remove(path);
    free(path);
    return 0;
}

static void note_waiting(bool waiting, void *userdata)
{
    unsigned *waits = userdata;

    *waits += waiting;
}

/* A writer waits for the lock as long as it is told and not less; readers don't wait at all. */
static void test_lock(void **state)
{
    const char *path = *state;
    const struct message message = harness_message("behind the lock");
    struct database *holder, *waiter;
    struct message_list *list;
    int64_t next;
    unsigned waits = 0;
    uint64_t begin_us;

    assert_int_equal(database_open(&holder, path, &(struct database_options){.lock_wait_us = 0}),
                     0);
    assert_int_equal(database_open(&waiter, path,
                                   &(struct database_options){.lock_wait_us = 50 * USEC_PER_MSEC,
                                                              .on_waiting = note_waiting,
                                                              .userdata = &waits}),
                     0);
    waits = 0;
    assert_int_equal(database_begin(holder), 0);
    begin_us = clock_monotonic_us();
    assert_int_equal(database_begin(waiter), -EBUSY);
    assert_true(clock_monotonic_us() - begin_us >= 50 * USEC_PER_MSEC);
    assert_true(waits > 0);
    database_set_lock_wait(waiter, 0);
    waits = 0;
    assert_int_equal(database_begin(waiter), -EBUSY);
    assert_int_equal(waits, 1);
    database_set_lock_wait(waiter, 50 * USEC_PER_MSEC);
    assert_int_equal(message_list_new(&list), 0);
    assert_int_equal(database_list(waiter, INT64_MAX, 50, "", list, &next), 0);
    assert_int_equal(database_add(holder, &message), 0);
    assert_int_equal(database_commit(holder), 0);
    assert_int_equal(database_begin(waiter), 0);
    assert_int_equal(database_add(waiter, &message), 0);
    assert_int_equal(database_commit(waiter), 0);
    assert_int_equal(database_list(waiter, INT64_MAX, 50, "", list, &next), 0);
    assert_int_equal(message_list_count(list), 2);
    message_list_free(list);
    database_free(holder);
    database_free(waiter);
}

/* It walks the primary key and stops: no sorting, and as many steps for many rows as for few. */
static void test_query_cost(void **state)
{
    const char *path = *state;
    struct database *made;
    sqlite3 *database;
    sqlite3_stmt *statement;
    int rows = 0;

    assert_int_equal(database_open(&made, path, &(struct database_options){0}), 0);
    database_free(made);
    assert_int_equal(sqlite3_open(path, &database), SQLITE_OK);
    assert_int_equal(
        sqlite3_exec(
            database,
            "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 20000)"
            " INSERT INTO messages (id, message, timestamp, instance_id)"
            " SELECT '', i, '', '' FROM n",
            NULL, NULL, NULL),
        SQLITE_OK);
    assert_int_equal(sqlite3_prepare_v2(database, "EXPLAIN QUERY PLAN " DATABASE_LATEST_SQL, -1,
                                        &statement, NULL),
                     SQLITE_OK);
    while (sqlite3_step(statement) == SQLITE_ROW) {
        const char *detail = (const char *) sqlite3_column_text(statement, 3);

        print_message("plan: %s\n", detail);
        assert_null(strstr(detail, "TEMP B-TREE"));
    }
    sqlite3_finalize(statement);

    assert_int_equal(sqlite3_prepare_v2(database, DATABASE_LATEST_SQL, -1, &statement, NULL),
                     SQLITE_OK);
    sqlite3_bind_int(statement, 1, MESSAGE_LIST_MAX);
    sqlite3_bind_int64(statement, 2, INT64_MAX);
    while (sqlite3_step(statement) == SQLITE_ROW)
        assert_int_equal(sqlite3_column_int(statement, 1), 20000 - rows++);
    assert_int_equal(rows, MESSAGE_LIST_MAX);
    assert_int_equal(sqlite3_stmt_status(statement, SQLITE_STMTSTATUS_SORT, 0), 0);
    assert_in_range(sqlite3_stmt_status(statement, SQLITE_STMTSTATUS_VM_STEP, 0), 1,
                    MESSAGE_LIST_MAX * 40);
    sqlite3_finalize(statement);
    assert_int_equal(sqlite3_close(database), SQLITE_OK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_lock, setup, teardown),
        cmocka_unit_test_setup_teardown(test_query_cost, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

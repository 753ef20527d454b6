/* SPDX-License-Identifier: Apache-2.0 */
/* Runs each kind of store through the contract. */
#include "tests/unit/store-contract.h"
#include "tests/unit/store-harness.h"
#include "tests/unit/unit.h"

#include "apps/visitor-board/create-table.h"
#include "apps/visitor-board/store-sqlite.h"
#include "common/schema/contract.h"

#include <sqlite3.h>

static void sqlite_path(char path[PATH_MAX], const char *directory)
{
    snprintf(path, PATH_MAX, "%.4000s/board.db", directory);
}

static int sqlite_open(struct store **ret, sd_event *event, const char *directory)
{
    char path[PATH_MAX];

    sqlite_path(path, directory);
    return store_sqlite_open(ret, event, path, 0);
}

static size_t sqlite_all_texts(const char *directory, char ***ret)
{
    char path[PATH_MAX], **texts = NULL;
    sqlite3 *database;
    sqlite3_stmt *statement;
    size_t count = 0;

    sqlite_path(path, directory);
    assert_int_equal(sqlite3_open(path, &database), SQLITE_OK);
    assert_int_equal(sqlite3_prepare_v2(database, "SELECT message FROM messages ORDER BY sequence",
                                        -1, &statement, NULL),
                     SQLITE_OK);
    while (sqlite3_step(statement) == SQLITE_ROW) {
        texts = realloc(texts, (count + 1) * sizeof(*texts));
        texts[count++] = strdup((const char *) sqlite3_column_text(statement, 0));
    }
    sqlite3_finalize(statement);
    assert_int_equal(sqlite3_close(database), SQLITE_OK);
    *ret = texts;
    return count;
}

/* --- DynamoDB: where the environment has a table's name, as the integration tests set it -------
 */

struct dynamodb_place { /* each directory has a table of its own */
    char table[DYNAMODB_TABLE_NAME_MAX];
    struct store_settings settings;
};

static void dynamodb_place(struct dynamodb_place *place, const char *directory)
{
    assert_int_equal(store_settings_read(&place->settings, NULL, NULL), 0);
    snprintf(place->table, sizeof(place->table), "%.100s%.100s", place->settings.dynamodb.table,
             strrchr(directory, '/') + 1);
    place->settings.dynamodb.table = place->table;
}

static void dynamodb_prepare(const char *directory)
{
    struct dynamodb_place place;

    dynamodb_place(&place, directory);
    assert_int_equal(create_table(&place.settings), EXIT_CODE_OK);
}

static int dynamodb_open(struct store **ret, sd_event *event, const char *directory)
{
    struct dynamodb_place place;

    dynamodb_place(&place, directory);
    return store_open(ret, event, &place.settings);
}

static size_t dynamodb_all_texts(const char *directory, char ***ret)
{
    sd_event *event;
    struct store *store;
    int count;

    assert_true(sd_event_new(&event) >= 0);
    assert_int_equal(dynamodb_open(&store, event, directory), 0);
    count = harness_all_texts(store, event, MESSAGE_LIST_MAX, ret);
    assert_true(count >= 0);
    for (int i = 0; i < count / 2; i++) { /* oldest first */
        char *text = (*ret)[i];

        (*ret)[i] = (*ret)[count - 1 - i];
        (*ret)[count - 1 - i] = text;
    }
    store_free(store);
    sd_event_unref(event);
    return (size_t) count;
}

int main(void)
{
    static const struct store_kind sqlite_kind = {"sqlite", false, NULL, sqlite_open,
                                                  sqlite_all_texts};
    static const struct store_kind dynamodb_kind = {"dynamodb", true, dynamodb_prepare,
                                                    dynamodb_open, dynamodb_all_texts};

    return store_contract_run(getenv("TABLE_NAME") ? &dynamodb_kind : &sqlite_kind);
}

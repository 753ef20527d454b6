/* SPDX-License-Identifier: Apache-2.0 */
/* Runs each kind of store through the contract. */
#include "tests/unit/store-contract.h"
#include "tests/unit/unit.h"

#include "apps/visitor-board/store-sqlite.h"

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

int main(void)
{
    static const struct store_kind sqlite_kind = {"sqlite", sqlite_open, sqlite_all_texts};

    return store_contract_run(&sqlite_kind);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Cells: what goes in comes out clean, clipped and in its columns. */
#include "ctl/grid.h"

#include "tests/unit/unit.h"

#include <locale.h>

static void check(const struct grid *grid, const char *wanted)
{
    struct buffer out;

    buffer_init(&out, 65536);
    grid_print(grid, &out);
    assert_string_equal(out.data, wanted);
    buffer_done(&out);
}

static struct grid make(unsigned columns, unsigned rows)
{
    struct grid grid;

    assert_int_equal(grid_init(&grid, columns, rows), 0);
    return grid;
}

static void test_put(void **state)
{
    struct grid grid = make(10, 3);

    assert_int_equal(grid_put(&grid, 0, 1, 20, 3, "hello"), 5);
    assert_int_equal(grid_put(&grid, 1, 6, 20, 0, "too long"), 4);
    assert_int_equal(grid_put(&grid, 1, 0, 3, 0, "abcd"), 3);
    assert_int_equal(grid_printf(&grid, 2, 0, 9, 0, "%d of %s", 3, "5"), 6);
    check(&grid, " hello\nab~   too~\n3 of 5\n");
    assert_int_equal(grid_at(&grid, 0, 1)->style, 3);
    assert_int_equal(grid_at(&grid, 0, 6)->style, 0);
    grid_restyle(&grid, 0, 0, 100, 7);
    assert_int_equal(grid_at(&grid, 0, 9)->style, 7);
    grid_put_right(&grid, 0, 4, 6, 1, "right");
    check(&grid, " hellright\nab~   too~\n3 of 5\n");
    grid_clear(&grid);
    check(&grid, "\n\n\n");
    grid_done(&grid);
}

static void test_outside(void **state)
{
    struct grid grid = make(4, 1), nothing = make(0, 0), huge = make(100000, 100000);

    assert_int_equal(grid_put(&grid, 1, 0, 4, 0, "x"), 0);
    assert_int_equal(grid_put(&grid, 0, 4, 4, 0, "x"), 0);
    assert_int_equal(grid_put(&grid, 0, UINT32_MAX, 4, 0, "x"), 0);
    assert_int_equal(grid_put(&grid, 0, 0, 0, 0, "x"), 0);
    assert_null(grid_at(&grid, 0, 4));
    assert_int_equal(grid_put(&nothing, 0, 0, 1, 0, "x"), 0);
    check(&grid, "\n");
    assert_int_equal(huge.columns, GRID_COLUMNS_MAX);
    assert_int_equal(huge.rows, GRID_ROWS_MAX);
    assert_int_equal(grid_put(&huge, GRID_ROWS_MAX - 1, GRID_COLUMNS_MAX - 1, 9, 0, "xx"), 1);
    grid_done(&grid);
    grid_done(&nothing);
    grid_done(&huge);
}

/* Nothing that a terminal would obey ever is in a cell. */
static void test_hostile(void **state)
{
    struct grid grid = make(20, 2);

    grid_put(&grid, 0, 0, 20, 0,
             "\x1b[31mred\x07\x9b"
             "2J\n\xe2\x80\xae"
             "x");
    check(&grid, "[31mred?2J x\n\n");
    grid_put(&grid, 1, 0, 20, 0,
             "\xff\xfe"
             "e\xcc\x81\xcc\x81\xcc\x81\xcc\x81\xcc\x81\xcc\x81\xcc\x81\xcc\x81\xcc\x81!");
    for (unsigned row = 0; row < 2; row++)
        for (unsigned column = 0; column < 20; column++)
            assert_true(strlen(grid_at(&grid, row, column)->text) < GRID_CELL_BYTES);
    assert_string_equal(grid_at(&grid, 1, 3)->text, "!");
    grid_done(&grid);
}

/* Wide glyphs take two cells, are never cut in half, and leave blanks where they are written over.
 */
static void test_wide(void **state)
{
    struct grid grid = make(6, 1);

    assert_int_equal(grid_put(&grid, 0, 0, 6, 0, "漢字x"), 5);
    assert_string_equal(grid_at(&grid, 0, 1)->text, "");
    check(&grid, "漢字x\n");
    grid_put(&grid, 0, 1, 1, 0, "a");
    check(&grid, " a字x\n");
    grid_put(&grid, 0, 2, 1, 0, "b");
    check(&grid, " ab x\n");
    assert_int_equal(grid_put(&grid, 0, 5, 6, 0, "漢"), 1);
    check(&grid, " ab x~\n");
    grid_done(&grid);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_put),
        cmocka_unit_test(test_outside),
        cmocka_unit_test(test_hostile),
        cmocka_unit_test(test_wide),
    };

    setlocale(LC_CTYPE, "C.UTF-8");
    return cmocka_run_group_tests(tests, NULL, NULL);
}

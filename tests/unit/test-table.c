/* SPDX-License-Identifier: Apache-2.0 */
#include "ctl/table.h"

#include "tests/unit/unit.h"

#include <errno.h>
#include <locale.h>

static const struct table_column columns[] = {
    {"NAME", .shrink = true},
    {"N", .right = true},
    {"STATE"},
};

static void print(struct table *table, unsigned width, bool color, unsigned indent,
                  const char *want)
{
    struct display display = {.columns = width, .color = color};
    struct buffer out;

    buffer_init(&out, 65536);
    assert_int_equal(table_print(table, &display, indent, &out), 0);
    assert_string_equal(out.data, want);
    buffer_done(&out);
}

static void test_align(void **state)
{
    CLEANUP(table_freep) struct table *table = NULL;

    assert_int_equal(table_new(&table, columns, ARRAY_SIZE(columns)), 0);
    print(table, 80, false, 0, "NAME  N  STATE\n");
    table_add(table, PAINT_NONE, "%s", "board");
    table_add(table, PAINT_NONE, "%d", 1234);
    table_add(table, PAINT_GOOD, "ready");
    table_end_row(table);
    table_add(table, PAINT_NONE, "x");
    table_end_row(table); /* short: the rest is empty */
    table_note(table, "status: %s", "all\nis\033 well");
    print(table, 80, false, 2,
          "  NAME      N  STATE\n"
          "  board  1234  ready\n"
          "  x\n"
          "      status: all is well\n");
}

static void test_color(void **state)
{
    CLEANUP(table_freep) struct table *table = NULL;

    assert_int_equal(table_new(&table, columns, 2), 0);
    table_add(table, PAINT_BAD, "a");
    table_add(table, PAINT_NONE, "5");
    print(table, 80, true, 0, "\033[2mNAME\033[0m  \033[2mN\033[0m\n\033[31ma\033[0m     5\n");
}

static void test_shrink(void **state)
{
    CLEANUP(table_freep) struct table *table = NULL;

    assert_int_equal(table_new(&table, columns, ARRAY_SIZE(columns)), 0);
    table_add(table, PAINT_NONE, "a-rather-long-name");
    table_add(table, PAINT_NONE, "1");
    table_add(table, PAINT_NONE, "ready");
    print(table, 24, false, 0,
          "NAME            N  STATE\n"
          "a-rather-long~  1  ready\n");
}

static void test_wide_letters(void **state)
{
    CLEANUP(table_freep) struct table *table = NULL;

    assert_int_equal(table_new(&table, columns, 2), 0);
    table_add(table, PAINT_NONE, "\xe6\xbc\xa2\xe5\xad\x97\xe6\xbc\xa2");
    table_add(table, PAINT_NONE, "1");
    table_add(table, PAINT_NONE, "abc");
    table_add(table, PAINT_NONE, "22");
    print(table, 80, false, 0,
          "NAME     N\n"
          "\xe6\xbc\xa2\xe5\xad\x97\xe6\xbc\xa2   1\n"
          "abc     22\n");
}

static void test_limits(void **state)
{
    CLEANUP(table_freep) struct table *table = NULL;
    struct display display = {.columns = 80};
    struct buffer out;

    assert_int_equal(table_new(&table, columns, 1), 0);
    for (unsigned i = 0; i < TABLE_ROWS_MAX + 1; i++)
        table_add(table, PAINT_NONE, "%u", i);
    buffer_init(&out, 1 << 20);
    assert_int_equal(table_print(table, &display, 0, &out), -ENOMEM);
    buffer_done(&out);

    table = table_free(table);
    assert_int_equal(table_new(&table, columns, 1), 0);
    table_note(table, "a note without a row is dropped");
    table_add(table, PAINT_NONE, "%01000d", 1); /* cut, not overrun */
    for (unsigned i = 0; i < 2 * TABLE_NOTES_MAX; i++)
        table_note(table, "note");
    buffer_init(&out, 16);
    assert_int_equal(table_print(table, &display, 0, &out), -ENOBUFS);
    buffer_done(&out);
}

static int set_locale(void **state)
{
    return setlocale(LC_CTYPE, "C.UTF-8") ? 0 : -1;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_align),  cmocka_unit_test(test_color),
        cmocka_unit_test(test_shrink), cmocka_unit_test(test_wide_letters),
        cmocka_unit_test(test_limits),
    };

    return cmocka_run_group_tests(tests, set_locale, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "ctl/display.h"

#include "common/base/macro.h"
#include "tests/unit/unit.h"

#include <locale.h>

#define OUT_LIMIT 65536

static void check_clean(const char *text, size_t columns, const char *want, unsigned want_columns)
{
    struct buffer out;
    unsigned used;

    buffer_init(&out, OUT_LIMIT);
    buffer_append_string(&out, "");
    used = display_clean(&out, text, columns);
    assert_string_equal(out.data ? out.data : "", want);
    assert_int_equal(used, want_columns);
    buffer_done(&out);
}

static void test_clean(void **state)
{
    static const struct {
        const char *text;
        size_t columns;
        const char *want;
        unsigned want_columns;
    } cases[] = {
        {"", SIZE_MAX, "", 0},
        {"plain text", SIZE_MAX, "plain text", 10},
        {"plain text", 10, "plain text", 10},
        {"plain text", 9, "plain te~", 9},
        {"plain text", 1, "~", 1},
        {"plain text", 0, "", 0},
        /* escapes, bells and such lose what makes them work */
        {"\033[31mred\033[0m", SIZE_MAX, "[31mred[0m", 10},
        {"\033]0;title\007", SIZE_MAX, "]0;title", 8},
        {"a\bb\x7f"
         "c",
         SIZE_MAX, "abc", 3},
        {"one\ntwo\tthree\r", SIZE_MAX, "one two three ", 14},
        {"c1 \xc2\x9b"
         "31m",
         SIZE_MAX, "c1 31m", 6},
        /* direction, joiners, byte order mark, tags */
        {"a\xe2\x80\xae"
         "b\xe2\x81\xa6"
         "c\xe2\x80\x8b"
         "d\xef\xbb\xbf"
         "e",
         SIZE_MAX, "abcde", 5},
        /* bad UTF-8: overlong, cut, surrogate, lone */
        {"\xc0\x80|\xe2\x82|\xed\xa0\x80|\xff", SIZE_MAX, "\?\?|\?\?|\?\?\?|\?", 11},
        {"\xe2\x82", SIZE_MAX, "\?\?", 2},
        /* wide and combining */
        {"\xe6\xbc\xa2\xe5\xad\x97", SIZE_MAX, "\xe6\xbc\xa2\xe5\xad\x97", 4},
        {"\xe6\xbc\xa2\xe5\xad\x97", 3, "\xe6\xbc\xa2~", 3},
        {"\xe6\xbc\xa2\xe5\xad\x97", 2, "~", 1},
        {"e\xcc\x81t\xc3\xa9", 3, "e\xcc\x81t\xc3\xa9", 3},
    };

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
        check_clean(cases[i].text, cases[i].columns, cases[i].want, cases[i].want_columns);
}

/* Where the locale has no such letters, they must not go out as raw bytes. */
static void test_clean_in_c_locale(void **state)
{
    assert_non_null(setlocale(LC_CTYPE, "C"));
    check_clean("t\xc3\xa9t", SIZE_MAX, "t?t", 3);
    assert_non_null(setlocale(LC_CTYPE, "C.UTF-8"));
}

static void test_wrap(void **state)
{
    static const struct {
        const char *text;
        unsigned start, indent, columns;
        const char *want;
    } cases[] = {
        {"", 0, 0, 40, "\n"},
        {"one two three", 0, 0, 40, "one two three\n"},
        {"one two three", 0, 0, 13, "one two three\n"},
        {"one two three", 0, 0, 12, "one two\nthree\n"},
        {"one two three", 8, 2, 15, "one two\n  three\n"},
        {"one two three", 10, 2, 14, "one\n  two three\n"},
        {"one  two\nthree", 0, 0, 40, "one two three\n"},
        {"abcdefghijklmnopqrstuvwxyz", 0, 2, 13, "abcdefghijk\n  lmnopqrstuv\n  wxyz\n"},
    };

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct buffer out;

        buffer_init(&out, OUT_LIMIT);
        display_wrap(&out, cases[i].text, cases[i].start, cases[i].indent, cases[i].columns);
        assert_string_equal(out.data, cases[i].want);
        buffer_done(&out);
    }
}

/* Whatever the text: no line passes the columns, nothing that a terminal obeys comes through. */
static void test_wrap_holds(void **state)
{
    unsigned seed = 1;

    for (unsigned round = 0; round < 2000; round++) {
        char text[200];
        struct buffer out;
        unsigned columns = 20 + round % 60, indent = round % 9, start = round % 15;
        unsigned column = start;

        for (size_t i = 0; i < sizeof(text) - 1; i++) {
            seed = seed * 1103515245u + 12345u;
            text[i] = (char) (seed >> 16);
            if (i % 7 == 0 || !text[i])
                text[i] = ' ';
        }
        text[sizeof(text) - 1] = '\0';
        buffer_init(&out, OUT_LIMIT);
        display_wrap(&out, text, start, indent, columns);
        for (char *line = out.data, *end; *line; line = end + 1) {
            end = strchr(line, '\n');
            assert_non_null(end);
            *end = '\0';
            assert_true(column + display_width(line) <= columns);
            for (const char *byte = line; *byte; byte++)
                assert_true((unsigned char) *byte >= 0x20 && *byte != 0x7f);
            column = 0;
        }
        buffer_done(&out);
    }
}

static void test_paint(void **state)
{
    struct display plain = {.columns = 80}, colored = {.columns = 80, .color = true};
    struct buffer out;

    buffer_init(&out, OUT_LIMIT);
    display_paint(&plain, &out, PAINT_BAD, "x\033");
    display_paint(&colored, &out, PAINT_BAD, "y");
    display_paint(&colored, &out, PAINT_NONE, "z");
    display_paint(&colored, &out, PAINT_BAD, "");
    assert_string_equal(out.data, "x\033[31my\033[0mz");
    buffer_done(&out);
}

static void test_init(void **state)
{
    static const struct {
        const char *columns;
        unsigned want;
    } cases[] = {
        {NULL, 80}, {"120", 120}, {"10", 40}, {"100000", 500}, {"", 80}, {"x", 80}, {"-5", 80},
    };
    struct display display;
    int fds[2];

    assert_int_equal(pipe(fds), 0);
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        unsetenv("COLUMNS");
        if (cases[i].columns)
            setenv("COLUMNS", cases[i].columns, 1);
        display_init(&display, fds[1], false);
        assert_int_equal(display.columns, cases[i].want);
        assert_false(display.terminal);
        assert_false(display.color);
    }
    close(fds[0]);
    close(fds[1]);
}

static int set_locale(void **state)
{
    return setlocale(LC_CTYPE, "C.UTF-8") ? 0 : -1;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_clean), cmocka_unit_test(test_clean_in_c_locale),
        cmocka_unit_test(test_wrap),  cmocka_unit_test(test_wrap_holds),
        cmocka_unit_test(test_paint), cmocka_unit_test(test_init),
    };

    return cmocka_run_group_tests(tests, set_locale, NULL);
}

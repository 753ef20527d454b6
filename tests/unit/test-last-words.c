/* SPDX-License-Identifier: Apache-2.0 */
/* The last lines of a log, whatever is in it. */
#include "agent/supervise/last-words.h"

#include "common/base/macro.h"
#include "tests/unit/unit.h"

#include <fcntl.h>

#define TEXT(text) text, sizeof(text) - 1

static void test_take(void **state)
{
    static const struct {
        const char *data;
        size_t length;
        bool cut;
        unsigned lines;
        const char *text;
    } cases[] = {
        {TEXT(""), false, 0, ""},
        {TEXT("one"), false, 1, "one\n"},
        {TEXT("one\n"), false, 1, "one\n"},
        {TEXT("one\ntwo\n"), false, 2, "one\ntwo\n"},
        {TEXT("one\n\nthree"), false, 3, "one\n\nthree\n"},
        {TEXT("ut off\nwhole\n"), true, 1, "whole\n"},
        {TEXT("all of it is cut off"), true, 0, ""},
        {TEXT("all of it is cut off\n"), true, 0, ""},
        {TEXT("\x1b[31mred\x1b[0m\ttab\r\n"), false, 1, "?[31mred?[0m?tab?\n"},
        {TEXT("nul\0inside\n"), false, 1, "nul?inside\n"},
        {TEXT("caf\xc3\xa9\nbad \xff\xc3\n"), false, 2, "caf\xc3\xa9\nbad ??\n"},
    };

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        char text[EVENT_DETAIL_BYTES];
        CLEANUP_FREE char *copy = malloc(cases[i].length + 1); /* exactly its bytes */

        memcpy(copy, cases[i].data, cases[i].length);
        unsigned lines = last_words_take(copy, cases[i].length, cases[i].cut, text);
        if (lines != cases[i].lines || strcmp(text, cases[i].text) != 0)
            fail_msg("case %zu: %u lines: %s", i, lines, text);
    }
}

static void test_many_and_long(void **state)
{
    enum { LINES = 50, WIDTH = 400 };
    static char data[LINES * (WIDTH + 1)];
    char text[EVENT_DETAIL_BYTES];

    for (int i = 0; i < LINES; i++) {
        memset(data + i * (WIDTH + 1), 'a' + i % 26, WIDTH);
        data[i * (WIDTH + 1) + WIDTH] = '\n';
    }
    assert_int_equal(last_words_take(data, sizeof(data), true, text), LAST_WORDS_LINES);
    assert_int_equal(strlen(text), LAST_WORDS_LINES * (LAST_WORDS_WIDTH + 1));
    assert_int_equal(text[0], 'a' + (LINES - LAST_WORDS_LINES) % 26);
    assert_int_equal(text[strlen(text) - 2], 'a' + (LINES - 1) % 26);

    /* Not in the middle of a character. */
    memset(data, 'x', LAST_WORDS_WIDTH - 1);
    strcpy(data + LAST_WORDS_WIDTH - 1, "\xc3\xa9 and more");
    assert_int_equal(last_words_take(data, strlen(data), false, text), 1);
    assert_int_equal(strlen(text), LAST_WORDS_WIDTH); /* with its newline */
    assert_int_equal(text[LAST_WORDS_WIDTH - 2], 'x');
}

static void write_text(const char *path, const char *words, int flags)
{
    CLEANUP_CLOSE int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC | flags, 0600);

    assert_int_equal(write(fd, words, strlen(words)), strlen(words));
}

/* A file that goes on over several workers, and is cut between. */
static void test_file(void **state)
{
    char directory[PATH_MAX], path[PATH_MAX + 8], link[PATH_MAX + 8], text[EVENT_DETAIL_BYTES];
    uint64_t from = 0;

    unit_directory_make(directory);
    snprintf(path, sizeof(path), "%s/a.log", directory);
    snprintf(link, sizeof(link), "%s/b.log", directory);
    assert_int_equal(last_words_read(path, &from, text), 0);
    write_text(path, "first dies\n", O_APPEND);
    assert_int_equal(last_words_read(path, &from, text), 1);
    assert_string_equal(text, "first dies\n");
    assert_int_equal(last_words_read(path, &from, text), 0); /* the second said nothing */
    write_text(path, "third\nthird dies\n", O_APPEND);
    assert_int_equal(last_words_read(path, &from, text), 2);
    assert_string_equal(text, "third\nthird dies\n");
    write_text(path, "cut\n", O_TRUNC);
    assert_int_equal(last_words_read(path, &from, text), 1);
    assert_string_equal(text, "cut\n");
    assert_int_equal(symlink(path, link), 0);
    from = 0;
    assert_int_equal(last_words_read(link, &from, text), 0); /* a worker's trick */
    unit_directory_remove(directory);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_take),
        cmocka_unit_test(test_many_and_long),
        cmocka_unit_test(test_file),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/unit.h"

#include "apps/visitor-board/cursor.h"

#include <errno.h>

static struct seal key = {.board = "main"};

static int setup(void **state)
{
    for (size_t i = 0; i < sizeof(key.secret); i++)
        key.secret[i] = (uint8_t) (i * 37 + 1);
    return 0;
}

static void test_round_trip(void **state)
{
    char position[STORE_POSITION_MAX] = "", cursor[CURSOR_SIZE], back[STORE_POSITION_MAX];

    for (size_t length = 1; length < STORE_POSITION_MAX; length++) {
        position[length - 1] = "0123456789ABCDEFabcdef:.#_-"[length % 27];
        assert_ptr_equal(cursor_make(cursor, &key, position), cursor);
        assert_true(strlen(cursor) < CURSOR_SIZE);
        assert_int_equal(strspn(cursor, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
                                        "0123456789-_"),
                         strlen(cursor));
        assert_int_equal(cursor_read(cursor, &key, back), 0);
        assert_string_equal(back, position);
    }
}

/* Written down once: a node of another version must read what this one makes. */
static void test_stays(void **state)
{
    char cursor[CURSOR_SIZE];

    assert_string_equal(cursor_make(cursor, &key, "12345"), "eRbgQmmmibLvz4Wuj2quxDEyMzQ1");
}

static void assert_refused(const char *cursor)
{
    char position[STORE_POSITION_MAX] = "untouched";

    if (cursor_read(cursor, &key, position) != -EBADMSG)
        fail_msg("taken: %s", cursor);
    assert_string_equal(position, "untouched");
}

static void test_tampered(void **state)
{
    static const char characters[] = "Ab0-_=+/ \x80.";
    char cursor[CURSOR_SIZE], bad[CURSOR_SIZE * 2];
    size_t length;

    length = strlen(cursor_make(cursor, &key, "2026-11-25#0123:x"));
    for (size_t i = 0; i < length; i++)
        for (size_t c = 0; c < sizeof(characters); c++) { /* its NUL too: cut */
            memcpy(bad, cursor, sizeof(cursor));
            bad[i] = characters[c];
            if (characters[c] != cursor[i])
                assert_refused(bad);
        }
    snprintf(bad, sizeof(bad), "%sA", cursor);
    assert_refused(bad);
    snprintf(bad, sizeof(bad), "%s=", cursor);
    assert_refused(bad);
    snprintf(bad, sizeof(bad), "%s%s", cursor, cursor);
    assert_refused(bad);
    memset(bad, 'A', sizeof(bad) - 1);
    bad[sizeof(bad) - 1] = '\0';
    assert_refused(bad);
    assert_refused("");
    assert_refused("12345");
}

static void test_foreign(void **state)
{
    struct seal other = key;
    char cursor[CURSOR_SIZE];

    strcpy(other.board, "other");
    assert_refused(cursor_make(cursor, &other, "1"));
    /* The name's end is signed: a board "mai" can't lend its "n1". */
    strcpy(other.board, "mai");
    assert_refused(cursor_make(cursor, &other, "n1"));
    other = key;
    other.secret[0] ^= 1;
    assert_refused(cursor_make(cursor, &other, "1"));
    other = key;
    other.secret[STORE_SECRET_BYTES - 1] ^= 1;
    assert_refused(cursor_make(cursor, &other, "1"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_round_trip),
        cmocka_unit_test(test_stays),
        cmocka_unit_test(test_tampered),
        cmocka_unit_test(test_foreign),
    };

    return cmocka_run_group_tests(tests, setup, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "common/base/text.h"

#include "common/base/macro.h"
#include "tests/unit/unit.h"

#include <errno.h>

static void test_parse_u64(void **state)
{
    static const struct {
        const char *text;
        uint64_t min, max;
        int r;
        uint64_t number;
    } cases[] = {
        {"0", 0, 0, 0, 0},
        {"007", 0, 10, 0, 7},
        {"8080", 1, 65535, 0, 8080},
        {"65535", 1, 65535, 0, 65535},
        {"18446744073709551615", 0, UINT64_MAX, 0, UINT64_MAX},
        {"65536", 1, 65535, -ERANGE, 0},
        {"0", 1, 65535, -ERANGE, 0},
        {"18446744073709551616", 0, UINT64_MAX, -ERANGE, 0},
        {"99999999999999999999999999", 0, UINT64_MAX, -ERANGE, 0},
        {"", 0, 9, -EINVAL, 0},
        {"-1", 0, 9, -EINVAL, 0},
        {"+1", 0, 9, -EINVAL, 0},
        {" 1", 0, 9, -EINVAL, 0},
        {"1 ", 0, 9, -EINVAL, 0},
        {"1\n", 0, 9, -EINVAL, 0},
        {"0x1", 0, 9, -EINVAL, 0},
        {"1e3", 0, 9999, -EINVAL, 0},
        {"99999999999999999999999999x", 0, UINT64_MAX, -EINVAL, 0},
        {"\xd9\xa1", 0, 9, -EINVAL, 0}, /* a digit, but not one of ours */
    };

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        uint64_t number = 42;
        int r = text_parse_u64(cases[i].text, cases[i].min, cases[i].max, &number);

        if (r != cases[i].r || number != (r < 0 ? 42 : cases[i].number))
            fail_msg("\"%s\": %d, %ju", cases[i].text, r, (uintmax_t) number);
    }
}

static void test_parse_size(void **state)
{
    static const struct {
        const char *text;
        int r;
        uint64_t bytes;
    } cases[] = {
        {"0", 0, 0},
        {"4096", 0, 4096},
        {"1K", 0, 1024},
        {"8M", 0, 8 << 20},
        {"3G", 0, UINT64_C(3) << 30},
        {"17179869183G", 0, UINT64_C(17179869183) << 30},
        {"17179869184G", -ERANGE, 0},
        {"18446744073709551615", 0, UINT64_MAX},
        {"18446744073709551615K", -ERANGE, 0},
        {"18446744073709551616", -ERANGE, 0},
        {"", -EINVAL, 0},
        {"K", -EINVAL, 0},
        {"1k", -EINVAL, 0},
        {"1KB", -EINVAL, 0},
        {"1KK", -EINVAL, 0},
        {"1 K", -EINVAL, 0},
        {"1T", -EINVAL, 0},
        {"-1K", -EINVAL, 0},
        {"1.5M", -EINVAL, 0},
    };

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        uint64_t bytes = 42;
        int r = text_parse_size(cases[i].text, &bytes);

        if (r != cases[i].r || bytes != (r < 0 ? 42 : cases[i].bytes))
            fail_msg("\"%s\": %d, %ju", cases[i].text, r, (uintmax_t) bytes);
    }
}

static void test_utf8(void **state)
{
    static const struct {
        const char *text;
        bool good;
    } cases[] = {
        {"", true},
        {"plain", true},
        {"\x7f", true},
        {"gr\xc3\xbc\xc3\x9f", true},
        {"\xe2\x82\xac", true},
        {"\xf0\x9f\x98\x80!", true},
        {"\xed\x9f\xbf\xee\x80\x80", true}, /* around the surrogates */
        {"\xf4\x8f\xbf\xbf", true},         /* U+10FFFF */
        {"\xef\xbb\xbf", true},
        {"\x80", false},
        {"a\xbf", false},
        {"\xc0\x80", false}, /* overlong */
        {"\xc1\xbf", false},
        {"\xe0\x9f\xbf", false},
        {"\xf0\x8f\xbf\xbf", false},
        {"\xed\xa0\x80", false}, /* surrogates */
        {"\xed\xbf\xbf", false},
        {"\xf4\x90\x80\x80", false}, /* past the end */
        {"\xf5\x80\x80\x80", false},
        {"\xff", false},
        {"\xc3", false}, /* cut off */
        {"\xe2\x82", false},
        {"\xf0\x9f\x98", false},
        {"\xe2\x28\xa1", false},
        {"\xe2\x82\x28", false},
        {"\xf0\x9f\x98\x28", false},
    };

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        size_t length = strlen(cases[i].text);
        /* A copy of the exact size, so that the sanitizer sees a read past the end. */
        char *copy = memcpy(malloc(length + (length == 0)), cases[i].text, length);

        if (text_is_utf8(copy, length) != cases[i].good)
            fail_msg("case %zu", i);
        free(copy);
    }
    assert_true(text_is_utf8("a\0b", 3));
    assert_int_equal(text_utf8_sequence("\xe2\x82\xac", 3), 3);
    assert_int_equal(text_utf8_sequence("\xe2\x82\xac", 2), 0);
    assert_int_equal(text_utf8_sequence("a", 0), 0);
}

static void test_copy(void **state)
{
    char target[4];

    assert_true(text_copy(target, sizeof(target), "abc"));
    assert_string_equal(target, "abc");
    assert_false(text_copy(target, sizeof(target), "wxyz"));
    assert_string_equal(target, "wxy");
    assert_true(text_copy(target, sizeof(target), ""));
    assert_string_equal(target, "");
    assert_false(text_copy(target, 1, "a"));
    assert_string_equal(target, "");
    target[0] = 'x';
    assert_false(text_copy(target, 0, ""));
    assert_int_equal(target[0], 'x');
}

static void test_replace_controls(void **state)
{
    static const struct {
        const char *text, *replaced;
    } cases[] = {
        {"", ""},
        {"plain", "plain"},
        {"a\nb\x7f\x1b[2J", "a?b??[2J"},
        {"\xc2\x80\xc2\x9b\xc2\x9f", "??????"},
        {"\xc2\xa0\xc3\x9b\xe2\x82\x9b", "\xc2\xa0\xc3\x9b\xe2\x82\x9b"}, /* none of them */
        {"\xc2", "\xc2"},
    };

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        char text[32];

        strcpy(text, cases[i].text);
        text_replace_controls(text, '?');
        assert_string_equal(text, cases[i].replaced);
    }
}

static void test_random(void **state)
{
    uint64_t ones = 0, zeros = 0;

    for (int i = 0; i < 64; i++) {
        uint64_t value = random_u64();

        ones |= value;
        zeros |= ~value;
    }
    /* Each bit was both; by chance it fails once in 2^56 runs. */
    assert_true(ones == UINT64_MAX && zeros == UINT64_MAX);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_parse_u64), cmocka_unit_test(test_parse_size),
        cmocka_unit_test(test_utf8),      cmocka_unit_test(test_copy),
        cmocka_unit_test(test_random),    cmocka_unit_test(test_replace_controls),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

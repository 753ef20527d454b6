/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/unit.h"

#include "common/aws/sigv4-canonical.h"
#include "common/aws/sigv4.h"

#include <errno.h>

#define LIMIT 4096

static void test_encode(void **state)
{
    static const struct {
        const char *text;
        bool keep_slash;
        const char *encoded;
    } CASES[] = {
        {"", false, ""},
        {"azAZ09-._~", false, "azAZ09-._~"},
        {" a+b=c&d", false, "%20a%2Bb%3Dc%26d"},
        {"a/b", false, "a%2Fb"},
        {"a/b", true, "a/b"},
        {"%2B", false, "%252B"},
        {"\xc3\xa9\x7f\x01*", false, "%C3%A9%7F%01%2A"},
    };

    for (size_t i = 0; i < ARRAY_SIZE(CASES); i++) {
        CLEANUP(buffer_done) struct buffer out;

        buffer_init(&out, LIMIT);
        assert_int_equal(buffer_append(&out, "x", 1), 0);
        assert_int_equal(sigv4_encode(&out, CASES[i].text, CASES[i].keep_slash), 0);
        assert_string_equal(out.data + 1, CASES[i].encoded);
    }
}

static void test_encode_is_whole_or_nothing(void **state)
{
    CLEANUP(buffer_done) struct buffer out;

    buffer_init(&out, 6);
    assert_int_equal(sigv4_encode(&out, "ab", false), 0);
    assert_int_equal(sigv4_encode(&out, "cd ", false), -ENOBUFS);
    assert_string_equal(out.data, "ab");
    assert_int_equal(out.length, 2);
}

static void test_path(void **state)
{
    static const struct {
        const char *path, *canonical, *s3; /* NULL: refused */
    } CASES[] = {
        {"", "/", "/"},
        {"/", "/", "/"},
        {"//", "/", "//"},
        {"/a", "/a", "/a"},
        {"/a/", "/a/", "/a/"},
        {"//a//b//", "/a/b/", "//a//b//"},
        {"/./a/./", "/a/", "/./a/./"},
        {"/a/.", "/a", "/a/."},
        {"/a/b/../c", "/a/c", "/a/b/../c"},
        {"/a/b/..", "/a", "/a/b/.."},
        {"/a/../", "/", "/a/../"},
        {"/..", "/", "/.."},
        {"/../../a", "/a", "/../../a"},
        {"/a/..b/.../c.", "/a/..b/.../c.", "/a/..b/.../c."},
        {"/a%20b", "/a%2520b", "/a%20b"},
        {"/a%2Fb", "/a%252Fb", "/a%2Fb"},
        {"/a b", "/a%20b", "/a b"},
        {"/~a*b", "/~a%2Ab", "/~a*b"},
        {"/\xe1\x88\xb4", "/%E1%88%B4", "/\xe1\x88\xb4"},
        {"a/b", NULL, NULL},
        {"/a?b", NULL, NULL},
        {"/a#b", NULL, NULL},
    };

    for (size_t i = 0; i < ARRAY_SIZE(CASES); i++)
        for (int s3 = 0; s3 <= 1; s3++) {
            const char *canonical = s3 ? CASES[i].s3 : CASES[i].canonical;
            CLEANUP(buffer_done) struct buffer out;

            buffer_init(&out, LIMIT);
            assert_int_equal(buffer_append(&out, "x/y", 3), 0); /* which stays */
            assert_int_equal(sigv4_canonical_path(&out, CASES[i].path, s3),
                             canonical ? 0 : -EINVAL);
            if (canonical)
                assert_string_equal(out.data + 3, canonical);
        }
}

static void test_query(void **state)
{
    static const struct {
        const char *query, *sorted, *unsorted;
    } CASES[] = {
        {NULL, "", ""},
        {"", "", ""},
        {"a", "a=", "a="},
        {"a=", "a=", "a="},
        {"b=1&a=2", "a=2&b=1", "b=1&a=2"},
        {"a=2&a=1&a", "a=&a=1&a=2", "a=2&a=1&a="},
        {"a=10&a=2&a=1", "a=1&a=10&a=2", "a=10&a=2&a=1"},
        /* By name first: '-' and '%' stand before '=', but a prefix before all. */
        {"ab=1&a-=1&a%20=1&a=9", "a=9&a%20=1&a-=1&ab=1", "ab=1&a-=1&a%20=1&a=9"},
        {"B=1&a=1&A=1", "A=1&B=1&a=1", "B=1&a=1&A=1"},
        {"%e1=1&%E1=1&a=1", "%E1=1&%e1=1&a=1", "%e1=1&%E1=1&a=1"},
        {"a=%2B&b=+", "a=%2B&b=%2B", "a=%2B&b=%2B"},
        {"a=b=c", "a=b%3Dc", "a=b%3Dc"},
        {"a=b/c:d", "a=b%2Fc%3Ad", "a=b%2Fc%3Ad"},
        {"a=%&b=%2&c=%zz&d=%2G", "a=%25&b=%252&c=%25zz&d=%252G", "a=%25&b=%252&c=%25zz&d=%252G"},
        {"\xe1\x88\xb4=bar", "%E1%88%B4=bar", "%E1%88%B4=bar"},
        {"&&a=1&&", "a=1", "a=1"},
        {"=", "=", "="},
        {"=v&a", "=v&a=", "=v&a="},
    };

    for (size_t i = 0; i < ARRAY_SIZE(CASES); i++)
        for (int sorted = 0; sorted <= 1; sorted++) {
            CLEANUP(buffer_done) struct buffer out;

            buffer_init(&out, LIMIT);
            assert_int_equal(sigv4_canonical_query(&out, CASES[i].query, sorted), 0);
            assert_string_equal(out.data, sorted ? CASES[i].sorted : CASES[i].unsorted);
        }
}

static void test_query_limit(void **state)
{
    char query[2 * SIGV4_PARAMETERS_MAX + 3];

    for (size_t n = SIGV4_PARAMETERS_MAX; n <= SIGV4_PARAMETERS_MAX + 1; n++) {
        CLEANUP(buffer_done) struct buffer out;

        for (size_t i = 0; i < n; i++)
            memcpy(query + 2 * i, "a&", 2);
        query[2 * n] = '\0';
        buffer_init(&out, LIMIT);
        assert_int_equal(sigv4_canonical_query(&out, query, true),
                         n <= SIGV4_PARAMETERS_MAX ? 0 : -EINVAL);
    }
}

static void test_headers(void **state)
{
    static const struct {
        const char *lines[5], *canonical, *names;
    } CASES[] = {
        {{"Host: a"}, "host:a\n", "host"},
        {{"b:1", "A: 2"}, "a:2\nb:1\n", "a;b"},
        {{"X:  a   b\t c  "}, "x:a b c\n", "x"},
        {{"X:a\r\n  b\n\tc"}, "x:a b c\n", "x"},
        {{"X:"}, "x:\n", "x"},
        {{"X: \t"}, "x:\n", "x"},
        {{"X: a:b"}, "x:a:b\n", "x"},
        {{"X:3", "a:0", "x:1", "X:2"}, "a:0\nx:3,1,2\n", "a;x"},
        {{"X:", "X:a", "x: "}, "x:,a,\n", "x"},
        /* A name that starts as another; '-' and '_' stand before and after ':'. */
        {{"x-amz-target-b:1", "x-amz:2", "x-amz-target:3", "x_amz:4"},
         "x-amz:2\nx-amz-target:3\nx-amz-target-b:1\nx_amz:4\n",
         "x-amz;x-amz-target;x-amz-target-b;x_amz"},
        {{"X:\"a  b\""}, "x:\"a b\"\n", "x"},
        {{"X:\xc3\xa9 \xc2\xa0"}, "x:\xc3\xa9 \xc2\xa0\n", "x"},
    };

    for (size_t i = 0; i < ARRAY_SIZE(CASES); i++) {
        struct sigv4_header headers[5];
        CLEANUP(buffer_done) struct buffer out;
        CLEANUP(buffer_done) struct buffer names;
        size_t n = 0;

        buffer_init(&out, LIMIT);
        buffer_init(&names, LIMIT);
        for (; n < ARRAY_SIZE(headers) && CASES[i].lines[n]; n++)
            assert_int_equal(sigv4_header_parse(CASES[i].lines[n], &headers[n]), 0);
        assert_int_equal(sigv4_canonical_headers(&out, &names, headers, n), 0);
        assert_string_equal(out.data, CASES[i].canonical);
        assert_string_equal(names.data, CASES[i].names);
    }
}

static void test_bad_headers(void **state)
{
    static const char *const CASES[] = {"",      "a",      ":",         ": a",     "a b: c",
                                        " a: b", "a : b",  "a\n: b",    "(a): b",  "a;b: c",
                                        "a,b:c", "a\"b:c", "\xc3\xa9:", "a\x7f: b"};

    for (size_t i = 0; i < ARRAY_SIZE(CASES); i++) {
        struct sigv4_header header;

        if (sigv4_header_parse(CASES[i], &header) != -EINVAL)
            fail_msg("taken: %s", CASES[i]);
    }
}

/* At every length that a limit may cut: an error, and never more than the limit. */
static void test_limits(void **state)
{
    for (size_t limit = 0; limit < 60; limit++) {
        struct sigv4_header headers[3];
        CLEANUP(buffer_done) struct buffer out;
        CLEANUP(buffer_done) struct buffer names;
        int r;

        buffer_init(&out, limit);
        buffer_init(&names, limit);
        sigv4_header_parse("Some-Name: with a value", &headers[0]);
        sigv4_header_parse("some-name: and another", &headers[1]);
        sigv4_header_parse("last: one", &headers[2]);
        r = sigv4_canonical_headers(&out, &names, headers, 3);
        assert_int_equal(
            r, limit < strlen("last:one\nsome-name:with a value,and another\n") ? -ENOBUFS : 0);
        buffer_clear(&out);
        r = sigv4_canonical_query(&out, "b=c%20&a=\xc3", true);
        assert_int_equal(r, limit < strlen("a=%C3&b=c%20") ? -ENOBUFS : 0);
        buffer_clear(&out);
        r = sigv4_canonical_path(&out, "/one/../two%20", false);
        assert_int_equal(r, limit < strlen("/two%2520") ? -ENOBUFS : 0);
        assert_true(out.length <= limit);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_encode),      cmocka_unit_test(test_encode_is_whole_or_nothing),
        cmocka_unit_test(test_path),        cmocka_unit_test(test_query),
        cmocka_unit_test(test_query_limit), cmocka_unit_test(test_headers),
        cmocka_unit_test(test_bad_headers), cmocka_unit_test(test_limits),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

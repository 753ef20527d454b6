/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/unit.h"

#include "common/base/macro.h"
#include "common/net/http-check.h"
#include "common/net/http-server.h"

#include <errno.h>

static void test_percent_decode(void **state)
{
    static const struct {
        const char *text;
        const char *decoded; /* NULL: refused */
    } CASES[] = {
        {"", ""},
        {"/plain/path", "/plain/path"},
        {"/a%20b", "/a b"},
        {"%2f%2F", "//"},
        {"%41%5a%7A", "AZz"},
        {"100%25", "100%"},
        {"%2525", "%25"}, /* once, not twice */
        {"%C3%A9", "\xc3\xa9"},
        {"\xc3\xa9", "\xc3\xa9"},
        {"%F0%9F%98%80", "\xf0\x9f\x98\x80"},
        {"%0a", "\n"},
        {"%", NULL},
        {"%4", NULL},
        {"a%4", NULL},
        {"%zz", NULL},
        {"%4g", NULL},
        {"%g4", NULL},
        {"% 4", NULL},
        {"%+4", NULL},
        {"%%41", NULL},
        {"%00", NULL},
        {"a%00b", NULL},
        {"%u0041", NULL},
        {"%c3", NULL},       /* a cut sequence */
        {"%c0%af", NULL},    /* '/' in two bytes */
        {"%ed%a0%80", NULL}, /* a surrogate */
        {"%f4%90%80%80", NULL},
        {"\xff", NULL},
    };

    for (size_t i = 0; i < ARRAY_SIZE(CASES); i++) {
        char text[64];
        long r;

        strcpy(text, CASES[i].text);
        r = http_percent_decode(text);
        if (!CASES[i].decoded) {
            assert_int_equal(r, -EINVAL);
            continue;
        }
        assert_string_equal(text, CASES[i].decoded);
        assert_int_equal(r, strlen(CASES[i].decoded));
    }
}

static void test_path(void **state)
{
    static const struct {
        const char *path;
        bool sound;
    } CASES[] = {
        {"/", true},      {"/a b", true},       {"/\xc3\xa9", true},         {"", false},
        {"a", false},     {"*", false},         {"http://host/path", false}, {"/a\nb", false},
        {"/\x7f", false}, {"/a\x1b[0m", false},
    };

    for (size_t i = 0; i < ARRAY_SIZE(CASES); i++)
        assert_int_equal(http_path_is_sound(CASES[i].path), CASES[i].sound);
    assert_true(http_path_matches("/health", "/health"));
    assert_false(http_path_matches("/health", "/health/"));
    assert_false(http_path_matches("/health", "/heal"));
    assert_true(http_path_matches("/health/*", "/health/board"));
    assert_true(http_path_matches("/health/*", "/health/"));
    assert_false(http_path_matches("/health/*", "/health"));
    assert_true(http_path_matches("*", "/any"));
}

struct header {
    const char *name, *value;
};

static void test_head(void **state)
{
    static const struct {
        const char *version;
        struct header headers[4];
        bool sound;
        bool has_body;
    } CASES[] = {
        {"HTTP/1.1", {{"Host", "a"}}, true, false},
        {"HTTP/1.0", {{"Host", "a"}}, true, false},
        {"HTTP/1.1", {{"Host", ""}}, true, false},
        {"HTTP/1.1", {{"HOST", "a"}, {"content-length", "4"}}, true, true},
        {"HTTP/1.1", {{"Host", "a"}, {"Content-Length", "0"}}, true, false},
        {"HTTP/1.1", {{"Host", "a"}, {"Transfer-Encoding", "Chunked"}}, true, true},
        {"HTTP/1.1", {{"Host", "a"}, {"Cookie", NULL}}, true, false},
        {"HTTP/1.1", {{NULL}}, false, false},
        {"HTTP/1.1", {{"Host", "a"}, {"host", "a"}}, false, false},
        {"HTTP/1.1",
         {{"Host", "a"}, {"Content-Length", "4"}, {"Content-Length", "4"}},
         false,
         true},
        {"HTTP/1.1",
         {{"Host", "a"}, {"Content-Length", "4"}, {"Transfer-Encoding", "chunked"}},
         false,
         true},
        {"HTTP/1.1",
         {{"Host", "a"}, {"Transfer-Encoding", "chunked"}, {"Transfer-Encoding", "chunked"}},
         false,
         true},
        {"HTTP/1.1", {{"Host", "a"}, {"Transfer-Encoding", "gzip, chunked"}}, false, true},
        {"HTTP/1.1", {{"Host", "a"}, {"Transfer-Encoding", "identity"}}, false, true},
        {"HTTP/1.1", {{"Host", "a"}, {"Transfer-Encoding", "\vchunked"}}, false, true},
        {"HTTP/1.1", {{"Host", "a"}, {"Transfer-Encoding", ""}}, false, true},
        {"HTTP/1.0", {{"Host", "a"}, {"Transfer-Encoding", "chunked"}}, false, true},
        {"HTTP/1.1", {{"Host", "a"}, {"Content-Length ", "4"}}, false, false},
        {"HTTP/1.1", {{"Host", "a"}, {"X Y", "4"}}, false, false},
        {"HTTP/1.1", {{"Host", "a"}, {"", "4"}}, false, false},
        {"HTTP/1.1", {{"Host", "a"}, {"X\x80", "4"}}, false, false},
        {"HTTP/1.1", {{"Host", "a"}, {"X", "a\rY: b"}}, false, false},
        {"HTTP/1.1", {{"Host", "a"}, {"X", "a\tb \xff"}}, true, false},
        {"HTTP/1.1", {{"Host", "a"}, {"Content-Length", "+4"}}, false, false},
        {"HTTP/1.1", {{"Host", "a"}, {"Content-Length", "-1"}}, false, false},
        {"HTTP/1.1", {{"Host", "a"}, {"Content-Length", "0x4"}}, false, false},
        {"HTTP/1.1", {{"Host", "a"}, {"Content-Length", "4, 4"}}, false, false},
        {"HTTP/1.1", {{"Host", "a"}, {"Content-Length", "4 "}}, false, false},
        {"HTTP/1.1", {{"Host", "a"}, {"Content-Length", ""}}, false, false},
        {"HTTP/1.1", {{"Host", "a"}, {"Content-Length", "99999999999999999999"}}, false, false},
        {"HTTP/2.0", {{"Host", "a"}}, false, false},
        {"HTTP/1.10", {{"Host", "a"}}, false, false},
        {"HTTP/1.", {{"Host", "a"}}, false, false},
        {"", {{"Host", "a"}}, false, false},
        {"http/1.1", {{"Host", "a"}}, false, false},
    };

    for (size_t i = 0; i < ARRAY_SIZE(CASES); i++) {
        struct http_head head;
        unsigned n = 0;

        http_head_begin(&head, CASES[i].version);
        for (const struct header *h = CASES[i].headers; n < 4 && h->name; h++, n++)
            http_head_add(&head, h->name, h->value);
        if (http_head_is_sound(&head, CASES[i].version) != CASES[i].sound)
            fail_msg("case %zu", i);
        assert_int_equal(http_head_has_body(&head), CASES[i].has_body);
        assert_int_equal(head.n_headers, n);
    }
}

/* Heads as libmicrohttpd leaves them: '|' is the NUL that it puts for CR, LF, colon and blank. */
static void test_layout(void **state)
{
    static const struct {
        const char *text;
        const char *names[2], *values[2]; /* found by text */
        bool has_gap;
    } CASES[] = {
        {"GET|/|HTTP/1.1||A| b||C|  d||||", {"A|", "C|"}, {"b||C", "d||||"}, false},
        {"GET|/|HTTP/1.1||A|b||C|d||||", {"A|b", "C|d"}, {"b||", "d||"}, false},
        {"GET|/|HTTP/1.1||A|b|C|d||||", {"A|b", "C|d"}, {"b|C", "d||"}, true},
        {"GET|/|HTTP/1.1||A|b|x||C|d||||", {"A|b", "C|d"}, {"b|x", "d||"}, true},
        {"GET|/|HTTP/1.1|A|b||C|d||||", {"A|b", "C|d"}, {"b||", "d||"}, true},
        {"GET|/|HTTP/1.1||A|b||C|d|||", {"A|b", "C|d"}, {"b||", "d||"}, true},
        {"GET|/|HTTP/1.1||A|b||C|d||| x||", {"A|b", "C|d"}, {"b||", "d||"}, true},
    };

    for (size_t i = 0; i < ARRAY_SIZE(CASES); i++) {
        char text[64];
        size_t length = strlen(CASES[i].text);
        struct http_head head;

        for (size_t j = 0; j <= length; j++)
            text[j] = (char) (CASES[i].text[j] == '|' ? '\0' : CASES[i].text[j]);
        http_head_begin(&head, text + 6);
        for (size_t j = 0; j < 2; j++)
            http_head_add(&head, text + (strstr(CASES[i].text, CASES[i].names[j]) - CASES[i].text),
                          text + (strstr(CASES[i].text, CASES[i].values[j]) - CASES[i].text));
        http_head_end(&head, text, length);
        if (head.has_gap != CASES[i].has_gap)
            fail_msg("case %zu", i);
        if (!head.has_gap)
            assert_int_equal(http_head_length(&head, text), length);
    }
}

/* Before 0.9.74 the length of a head was not known, but whether its last line was empty. */
static void test_old_layout(void **state)
{
    static const struct {
        char text[40];
        bool has_gap;
    } CASES[] = {
        {"GET\0/\0HTTP/1.1\0\0A\0 b\0\0\0\0GET", false},
        {"GET\0/\0HTTP/1.1\0\0A\0 b\0\0\0GET", true},    /* a bare LF at the end */
        {"GET\0/\0HTTP/1.1\0\0A\0 b\0xx\0\0\0\0", true}, /* a NUL in the value */
        {"GET\0/\0HTTP/1.1\0A\0 b\0\0\0\0GET", true},
    };

    for (size_t i = 0; i < ARRAY_SIZE(CASES); i++) {
        const char *name = CASES[i].text + 15 + (CASES[i].text[15] == '\0');
        struct http_head head;

        http_head_begin(&head, CASES[i].text + 6);
        http_head_add(&head, name, name + 3);
        http_head_end(&head, CASES[i].text, HTTP_HEAD_BYTES_OLD);
        if (head.has_gap != CASES[i].has_gap)
            fail_msg("case %zu", i);
        http_head_end(&head, CASES[i].text, (size_t) -5); /* the last line was not empty */
        assert_true(head.has_gap);
    }
}

static void test_methods(void **state)
{
    char allow[HTTP_ALLOW_MAX];

    assert_int_equal(http_method_from_string("GET"), HTTP_GET);
    assert_int_equal(http_method_from_string("HEAD"), HTTP_GET);
    assert_int_equal(http_method_from_string("DELETE"), HTTP_DELETE);
    assert_int_equal(http_method_from_string("get"), 0);
    assert_int_equal(http_method_from_string("PATCH"), 0);
    assert_int_equal(http_method_from_string(""), 0);
    assert_string_equal(http_format_allow(allow, HTTP_GET), "GET, HEAD");
    assert_string_equal(http_format_allow(allow, HTTP_POST), "POST");
    assert_string_equal(http_format_allow(allow, HTTP_GET | HTTP_POST | HTTP_PUT | HTTP_DELETE),
                        "GET, HEAD, POST, PUT, DELETE");
    assert_string_equal(http_format_allow(allow, 0), "");
}

static void test_copy_printable(void **state)
{
    char text[8];

    http_copy_printable(text, sizeof(text), "Root=1-2345");
    assert_string_equal(text, "Root=1-");
    http_copy_printable(text, sizeof(text),
                        "a\nb\x1b\xc3\xa9"
                        "c");
    assert_string_equal(text, "abc");
    http_copy_printable(text, sizeof(text), NULL);
    assert_string_equal(text, "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_percent_decode), cmocka_unit_test(test_path),
        cmocka_unit_test(test_head),           cmocka_unit_test(test_layout),
        cmocka_unit_test(test_old_layout),     cmocka_unit_test(test_methods),
        cmocka_unit_test(test_copy_printable),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

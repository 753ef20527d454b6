/* SPDX-License-Identifier: Apache-2.0 */
#include "common/base/json.h"

#include "tests/unit/unit.h"

#include <errno.h>
#include <math.h>

static void test_parse(void **state)
{
    static const struct {
        const char *text;
        int r;
    } cases[] = {
        {"{}", 0},
        {" [1, 2.5, \"x\", true, false, null, {\"a\": {}}] \r\n\t", 0},
        {"123", 0},
        {"-1.5e3", 0},
        {"\"gr\xc3\xbc\xc3\x9f\"", 0},
        {"true", 0},
        {"null", 0},
        {"", -EBADMSG},
        {"   ", -EBADMSG},
        {"{", -EBADMSG},
        {"{\"a\":1", -EBADMSG},
        {"{\"a\" 1}", -EBADMSG},
        {"{a:1}", -EBADMSG},
        {"{'a':1}", -EBADMSG},
        {"{\"a\":1,}", -EBADMSG},
        {"[1,]", -EBADMSG},
        {"[1 2]", -EBADMSG},
        {"{}{}", -EBADMSG},
        {"{} x", -EBADMSG},
        {"1 2", -EBADMSG},
        {"12x", -EBADMSG},
        {"tru", -EBADMSG},
        {"TRUE", -EBADMSG},
        {"nul", -EBADMSG},
        {"\"open", -EBADMSG},
        {"\"\\x\"", -EBADMSG},
        {"/* no */ 1", -EBADMSG},
        {"NaN", -EBADMSG},
        {"[NaN]", -EBADMSG},
        {"{\"a\":[Infinity]}", -EBADMSG},
        {"-Infinity", -EBADMSG},
        {"\"\\u20AC\\n\\/\"", 0},
        {"0", 0},
        {"-0.0E-1", 0},
        {"01", -EBADMSG},
        {"-", -EBADMSG},
        {"+1", -EBADMSG},
        {"1.", -EBADMSG},
        {".5", -EBADMSG},
        {"1e", -EBADMSG},
        {"0x10", -EBADMSG},
        {"\"\n\"", -EBADMSG},
        {"\"\\u12\"", -EBADMSG},
        {"\"\\u12g4\"", -EBADMSG},
        {"\"\\", -EBADMSG},
        {"{\"a\\u0000b\":1}", -EBADMSG},
        {"{\"a\"", -EBADMSG},
        {"[,1]", -EBADMSG},
        {"[1}", -EBADMSG},
        {"trueish", -EBADMSG},
        {"\v1", -EBADMSG},
        {"\"\xc3\x28\"", -EBADMSG},
        {"\"\xed\xa0\x80\"", -EBADMSG},
        {"\xef\xbb\xbf{}", -EBADMSG},
        {"]", -EBADMSG},
    };

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        CLEANUP_JSON struct json_object *object = NULL;
        size_t length = strlen(cases[i].text);
        /* Of the exact size and without a NUL: nothing may be read behind the length. */
        CLEANUP_FREE char *copy = memcpy(malloc(length + (length == 0)), cases[i].text, length);
        int r = json_parse(copy, length, &object);

        if (r != cases[i].r)
            fail_msg("%s: %d", cases[i].text, r);
        if (r < 0)
            assert_null(object);
    }
}

static void test_parse_nul(void **state)
{
    struct json_object *object = NULL;

    assert_int_equal(json_parse("{}\0", 3, &object), -EBADMSG);
    assert_int_equal(json_parse("{\"a\0b\":1}", 9, &object), -EBADMSG);
    assert_int_equal(json_parse("1\0", 2, &object), -EBADMSG);
    assert_null(object);
}

static void test_depth(void **state)
{
    static const struct {
        int depth;
        const char *inside;
        int r;
    } cases[] = {
        {1, "1", 0},
        {JSON_DEPTH_MAX, "", 0},
        {JSON_DEPTH_MAX, "1", 0},
        {JSON_DEPTH_MAX - 1, "{\"k\":1}", 0},
        {JSON_DEPTH_MAX, "{}", -E2BIG},
        {JSON_DEPTH_MAX + 1, "", -E2BIG},
        {JSON_DEPTH_MAX + 1, "1", -E2BIG},
        {JSON_DEPTH_MAX + 2, "", -E2BIG},
        {10000, "1", -E2BIG},
    };

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        CLEANUP_JSON struct json_object *object = NULL;
        struct buffer text;

        buffer_init(&text, 100000);
        for (int j = 0; j < cases[i].depth; j++)
            buffer_append_string(&text, "[");
        buffer_append_string(&text, cases[i].inside);
        for (int j = 0; j < cases[i].depth; j++)
            buffer_append_string(&text, "]");
        if (json_parse(text.data, text.length, &object) != cases[i].r)
            fail_msg("case %zu: %s", i, text.data);
        buffer_done(&text);
    }
}

static void test_members(void **state)
{
    static const char text[] =
        "{\"s\":\"text\",\"i\":-5,\"big\":9223372036854775807,\"over\":9223372036854775808,"
        "\"least\":-9223372036854775807,\"d\":1.0,\"b\":true,\"o\":{},\"a\":[],\"n\":null,"
        "\"nul\":\"a\\u0000b\",\"esc\":\"\\u20ac\\\"\"}";
    CLEANUP_JSON struct json_object *object = NULL;
    struct json_object *member = NULL;
    const char *string = NULL;
    int64_t number = 42;
    bool answer = false;

    assert_int_equal(json_parse(text, strlen(text), &object), 0);
    assert_int_equal(json_get_string(object, "s", &string), 0);
    assert_string_equal(string, "text");
    assert_int_equal(json_get_string(object, "esc", &string), 0);
    assert_string_equal(string, "\xe2\x82\xac\"");
    assert_int_equal(json_get_string(object, "nul", &string), -EBADMSG);
    assert_int_equal(json_get_string(object, "i", &string), -EBADMSG);
    assert_int_equal(json_get_string(object, "n", &string), -ENOENT);
    assert_int_equal(json_get_string(object, "absent", &string), -ENOENT);
    assert_int_equal(json_get_int64(object, "over", &number), -EBADMSG);
    assert_int_equal(json_get_int64(object, "d", &number), -EBADMSG);
    assert_int_equal(json_get_int64(object, "s", &number), -EBADMSG);
    assert_int_equal(number, 42);
    assert_int_equal(json_get_int64(object, "i", &number), 0);
    assert_int_equal(number, -5);
    assert_int_equal(json_get_int64(object, "big", &number), 0);
    assert_true(number == INT64_MAX);
    assert_int_equal(json_get_int64(object, "least", &number), 0);
    assert_true(number == INT64_MIN + 1);
    assert_int_equal(json_get_bool(object, "b", &answer), 0);
    assert_true(answer);
    assert_int_equal(json_get_bool(object, "i", &answer), -EBADMSG);
    assert_int_equal(json_get_array(object, "a", &member), 0);
    assert_int_equal(json_get_array(object, "o", &member), -EBADMSG);
    assert_int_equal(json_get_string(member, "s", &string), -EBADMSG); /* an array has no members */
    assert_int_equal(json_get_string(NULL, "s", &string), -EBADMSG);
}

/* Out of 64 bits: refused at parsing or at reading, by the version of json-c; never cut silently.
 */
static void test_huge_numbers(void **state)
{
    static const char *const cases[] = {
        "{\"n\":-9223372036854775809}",
        "{\"n\":-99999999999999999999999999}",
        "{\"n\":18446744073709551616}",
        "{\"n\":99999999999999999999999999}",
    };

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        CLEANUP_JSON struct json_object *object = NULL;
        int64_t number;
        int r = json_parse(cases[i], strlen(cases[i]), &object);

        if (r == 0)
            r = json_get_int64(object, "n", &number);
        assert_int_equal(r, -EBADMSG);
    }
}

static void print_and_free(struct json_object *take_object, bool pretty, const char *wanted)
{
    struct buffer text;

    buffer_init(&text, 4096);
    assert_int_equal(json_print(take_object, pretty, &text), 0);
    assert_string_equal(text.data, wanted);
    buffer_done(&text);
    json_object_put(take_object);
}

static void test_print(void **state)
{
    struct json_object *object = json_object_new_object();
    struct json_object *array = json_object_new_array();

    json_add_string(object, "s", "a/b \"q\" \n");
    json_add_string(object, "null", NULL);
    json_add_u64(object, "u", UINT64_MAX);
    json_add_double(object, "d", 2.0 / 3, 3);
    json_add_double(object, "whole", 5, 0);
    json_add_double(object, "nan", NAN, 2);
    json_add_double(object, "inf", -INFINITY, 2);
    json_add_bool(object, "b", false);
    json_object_array_add(array, json_object_new_int(1));
    json_add(object, "a", array);
    print_and_free(object, false,
                   "{\"s\":\"a/b \\\"q\\\" \\n\",\"null\":null,\"u\":18446744073709551615,"
                   "\"d\":0.667,\"whole\":5,\"nan\":null,\"inf\":null,\"b\":false,\"a\":[1]}");

    object = json_object_new_object();
    json_add_u64(object, "a", 1);
    json_add_bool(object, "b", true);
    print_and_free(object, true, "{\n  \"a\": 1,\n  \"b\": true\n}");
    print_and_free(NULL, false, "null");
}

/* Whatever bytes come in, what we print is JSON. */
static void test_bad_utf8(void **state)
{
    static const struct {
        const char *value, *wanted;
    } cases[] = {
        {"", ""},
        {"ok \xc3\xbc", "ok \xc3\xbc"},
        {"\xff", "\xef\xbf\xbd"},
        {"a\xe2\x82z", "a\xef\xbf\xbd\xef\xbf\xbdz"},
        {"\xc0\x80\xc3\xbc", "\xef\xbf\xbd\xef\xbf\xbd\xc3\xbc"},
        {"cut \xf0\x9f\x98", "cut \xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd"},
    };

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        CLEANUP_JSON struct json_object *object = json_object_new_object();
        CLEANUP_JSON struct json_object *again = NULL;
        const char *string;
        struct buffer text;

        buffer_init(&text, 1000);
        json_add_string(object, "k", cases[i].value);
        assert_int_equal(json_print(object, false, &text), 0);
        assert_int_equal(json_parse(text.data, text.length, &again), 0);
        assert_int_equal(json_get_string(again, "k", &string), 0);
        assert_string_equal(string, cases[i].wanted);
        buffer_done(&text);
    }
}

static void test_extremes(void **state)
{
    CLEANUP_JSON struct json_object *object = json_object_new_object();
    struct buffer text;

    json_add_double(object, "d", -1.7976931348623157e308, 400);
    buffer_init(&text, 20);
    assert_int_equal(json_print(object, false, &text), -ENOBUFS);
    assert_true(text.failed && text.length == 0);
    buffer_done(&text);
    buffer_init(&text, 400);
    assert_int_equal(json_print(object, false, &text), 0);
    assert_int_equal(text.length, strlen("{\"d\":}") + 1 + 309 + 1 + 15);
    buffer_done(&text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_parse),        cmocka_unit_test(test_parse_nul),
        cmocka_unit_test(test_depth),        cmocka_unit_test(test_members),
        cmocka_unit_test(test_huge_numbers), cmocka_unit_test(test_print),
        cmocka_unit_test(test_bad_utf8),     cmocka_unit_test(test_extremes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

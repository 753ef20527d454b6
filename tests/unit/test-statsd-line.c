/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/observe/statsd-line.h"

#include "common/base/macro.h"
#include "tests/unit/unit.h"

#include <errno.h>
#include <math.h>

#define LITERAL(text) (text), sizeof(text) - 1

static void test_metrics(void **state)
{
    static const struct {
        const char *line;
        enum statsd_kind kind;
        const char *name, *values, *tags;
        double weight;
    } cases[] = {
        {"hits:1|c", STATSD_COUNTER, "hits", "1", "", 1},
        {"hits:-3|c", STATSD_COUNTER, "hits", "-3", "", 1},
        {"hits:1|c|@0.1", STATSD_COUNTER, "hits", "1", "", 10},
        {"hits:1|c|@1e-6", STATSD_COUNTER, "hits", "1", "", 1e6},
        {"hits:1|c|#route:/a,b|@0.5", STATSD_COUNTER, "hits", "1", "route:/a,b", 2},
        {"level:+4|g", STATSD_GAUGE, "level", "+4", "", 1},
        {"time:12.5|ms", STATSD_TIMER, "time", "12.5", "", 1},
        {"time:1:2:3|ms|@0.5", STATSD_TIMER, "time", "1:2:3", "", 2},
        {"size:1e3|h", STATSD_HISTOGRAM, "size", "1e3", "", 1},
        {"size:.5|d", STATSD_HISTOGRAM, "size", ".5", "", 1},
        {"users:a:b c|s", STATSD_SET, "users", "a:b c", "", 1},
        {"hits:1|c|#a:b|c:ci-0123|T1656581400|e:it-1|card:low|", STATSD_COUNTER, "hits", "1", "a:b",
         1},
        {" hits:1|c\r", STATSD_COUNTER, "hits", "1", "", 1},
        {"my hits/s {x}:1|c", STATSD_COUNTER, "my hits/s {x}", "1", "", 1},
        {"h\xc3\xa9t\xe2\x82\xac\xff\x01\x1b[m:1|c", STATSD_COUNTER, "h_t____[m", "1", "", 1},
        {"hits:1|c|#", STATSD_COUNTER, "hits", "1", "", 1},
    };

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct statsd_line line;

        if (statsd_line_parse(cases[i].line, strlen(cases[i].line), &line) != STATSD_LINE_METRIC)
            fail_msg("%s", cases[i].line);
        assert_int_equal(line.kind, cases[i].kind);
        assert_string_equal(line.name, cases[i].name);
        assert_int_equal(line.values.length, strlen(cases[i].values));
        assert_memory_equal(line.values.data, cases[i].values, line.values.length);
        assert_int_equal(line.tags.length, strlen(cases[i].tags));
        if (line.tags.length > 0)
            assert_memory_equal(line.tags.data, cases[i].tags, line.tags.length);
        assert_true(fabs(line.weight - cases[i].weight) < 1e-6 * cases[i].weight);
    }
}

static void test_no_metrics(void **state)
{
    static const struct {
        const char *line;
        size_t length;
        enum statsd_line_type type;
    } cases[] = {
        {LITERAL(""), STATSD_LINE_EMPTY},
        {LITERAL(" \t\r"), STATSD_LINE_EMPTY},
        {LITERAL("_e{5,4}:title|text|#a:b"), STATSD_LINE_OTHER},
        {LITERAL("_sc|name|0"), STATSD_LINE_OTHER},
        {LITERAL("hits:1|m"), STATSD_LINE_OTHER},
        {LITERAL("hits:1|kv"), STATSD_LINE_OTHER},
        {LITERAL("hits"), STATSD_LINE_BAD},
        {LITERAL("hits:1"), STATSD_LINE_BAD},
        {LITERAL("hits|c"), STATSD_LINE_BAD},
        {LITERAL("hits:|c"), STATSD_LINE_BAD},
        {LITERAL("hits:1|"), STATSD_LINE_BAD},
        {LITERAL("hits:1|C"), STATSD_LINE_BAD},
        {LITERAL("hits:1|longesttype"), STATSD_LINE_BAD},
        {LITERAL(":1|c"), STATSD_LINE_BAD},
        {LITERAL("  :1|c"), STATSD_LINE_BAD},
        {LITERAL("|:|"), STATSD_LINE_BAD},
        {LITERAL("a:b:1|c"), STATSD_LINE_BAD}, /* a name has no ':' */
        {LITERAL("users:|s"), STATSD_LINE_BAD},
        {LITERAL("time:1::3|ms"), STATSD_LINE_BAD},
        {LITERAL("time:1:2x|ms"), STATSD_LINE_BAD}, /* not the half of it */
        {LITERAL("hits:nan|c"), STATSD_LINE_BAD},
        {LITERAL("hits:NaN|g"), STATSD_LINE_BAD},
        {LITERAL("hits:inf|c"), STATSD_LINE_BAD},
        {LITERAL("hits:-Infinity|g"), STATSD_LINE_BAD},
        {LITERAL("hits:1e400|c"), STATSD_LINE_BAD},
        {LITERAL("hits:1e100|c"), STATSD_LINE_BAD}, /* CloudWatch's range */
        {LITERAL("hits:0x10|c"), STATSD_LINE_BAD},
        {LITERAL("hits: 1|c"), STATSD_LINE_BAD},
        {LITERAL("hits:1,5|c"), STATSD_LINE_BAD},
        {LITERAL("hits:1\0|c"), STATSD_LINE_BAD},
        {LITERAL("hits:1\0001|c"), STATSD_LINE_BAD},
        {LITERAL("hits:1e|c"), STATSD_LINE_BAD},
        {LITERAL("hits:.|c"), STATSD_LINE_BAD},
        {LITERAL("hits:+|g"), STATSD_LINE_BAD},
        {LITERAL("hits:--1|g"), STATSD_LINE_BAD},
        {LITERAL("hits:1|c|@0"), STATSD_LINE_BAD},
        {LITERAL("hits:1|c|@2"), STATSD_LINE_BAD},
        {LITERAL("hits:1|c|@-0.1"), STATSD_LINE_BAD},
        {LITERAL("hits:1|c|@nan"), STATSD_LINE_BAD},
        {LITERAL("hits:1|c|@"), STATSD_LINE_BAD},
        {LITERAL("hits:1|c|@1e-300"), STATSD_LINE_BAD},
    };

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct statsd_line line;
        enum statsd_line_type type = statsd_line_parse(cases[i].line, cases[i].length, &line);

        if (type != cases[i].type)
            fail_msg("%s: %d", cases[i].line, (int) type);
    }
}

static void test_numbers(void **state)
{
    static const struct {
        const char *text;
        double value;
        bool has_sign;
    } cases[] = {
        {"0", 0, false},
        {"999999999999999", 999999999999999, false},
        {"12345678901234567890", 12345678901234567890.0, false},
        {"-7", -7, true},
        {"+7", 7, true},
        {"0.25", 0.25, false},
        {"-2.5E-1", -0.25, true},
        {"1.", 1, false},
        {"1e-400", 0, false}, /* below what a double, or CloudWatch, can hold */
        {"1e-200", 0, false},
        {"1e84", 1e84, false},
        {"00012", 12, false},
    };

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct statsd_text text = {cases[i].text, strlen(cases[i].text)};
        double value;
        bool has_sign;

        if (!statsd_number_parse(&text, &value, &has_sign) || value != cases[i].value)
            fail_msg("%s", cases[i].text);
        assert_int_equal(has_sign, cases[i].has_sign);
    }
}

/* Any length is taken or refused, never cut. */
static void test_lengths(void **state)
{
    char line[10000];
    struct statsd_line parsed;

    memset(line, 'n', sizeof(line));
    assert_int_equal(statsd_line_parse(line, sizeof(line), &parsed), STATSD_LINE_BAD);
    memcpy(line + STATSD_NAME_MAX, ":1|c", 4);
    assert_int_equal(statsd_line_parse(line, STATSD_NAME_MAX + 4, &parsed), STATSD_LINE_METRIC);
    assert_int_equal(strlen(parsed.name), STATSD_NAME_MAX);
    memset(line, 'n', sizeof(line));
    memcpy(line + STATSD_NAME_MAX + 1, ":1|c", 4);
    assert_int_equal(statsd_line_parse(line, STATSD_NAME_MAX + 5, &parsed), STATSD_LINE_BAD);

    memset(line, '1', sizeof(line)); /* a value of 100 digits, and one of thousands */
    memcpy(line, "n:", 2);
    memcpy(line + 102, "|c", 2);
    assert_int_equal(statsd_line_parse(line, 104, &parsed), STATSD_LINE_BAD);
    memset(line + 2, '1', sizeof(line) - 2);
    memcpy(line + sizeof(line) - 2, "|c", 2);
    assert_int_equal(statsd_line_parse(line, sizeof(line), &parsed), STATSD_LINE_BAD);
}

static void test_clean(void **state)
{
    static const struct {
        const char *text;
        size_t length;
        const char *clean;
    } cases[] = {
        {LITERAL("plain"), "plain"},
        {LITERAL(" two words "), "two words"},
        {LITERAL("a\tb\nc\x7f"), "a_b_c_"},
        {LITERAL("\xf0\x9f\x98\x80!"), "_!"},
        {LITERAL("\xf0\x9f\x98"), "___"},
        {LITERAL("\xc0\xaf"), "__"},
        {LITERAL("a\0b"), "a_b"},
        {LITERAL("   "), ""},
        {LITERAL(""), ""},
    };
    struct statsd_text five = {"12345", 5};
    char clean[16];

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct statsd_text text = {cases[i].text, cases[i].length};
        int r = statsd_clean(&text, clean, sizeof(clean));

        assert_string_equal(clean, cases[i].clean);
        assert_int_equal(r, strlen(cases[i].clean));
    }
    assert_int_equal(statsd_clean(&five, clean, 6), 5);
    assert_int_equal(statsd_clean(&five, clean, 5), -ENOSPC);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_metrics), cmocka_unit_test(test_no_metrics),
        cmocka_unit_test(test_numbers), cmocka_unit_test(test_lengths),
        cmocka_unit_test(test_clean),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

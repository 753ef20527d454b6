/* SPDX-License-Identifier: Apache-2.0 */
#include "ctl/humanize.h"

#include "common/base/macro.h"
#include "tests/unit/unit.h"

#include <math.h>

static void test_count(void **state)
{
    static const struct {
        uint64_t count;
        const char *text;
    } cases[] = {
        {0, "0"},           {9999, "9999"},        {10000, "10.0k"}, {12345, "12.3k"},
        {99949, "99.9k"},   {99951, "100k"},       {999499, "999k"}, {999501, "1.00M"},
        {1234567, "1.23M"}, {UINT64_MAX, "18.4E"},
    };
    char text[HUMANIZE_MAX];

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
        assert_string_equal(humanize_count(text, cases[i].count), cases[i].text);
}

static void test_metric(void **state)
{
    static const struct {
        double value;
        const char *unit;
        const char *text;
    } cases[] = {
        {12.34, "Percent", "12.3 %"},
        {0, "Percent", "0.00 %"},
        {100, "Percent", "100 %"},
        {NAN, "Percent", "-"},
        {INFINITY, "Bytes", "-"},
        {0, "Bytes", "0 B"},
        {999, "Bytes", "999 B"},
        {1536, "Bytes", "1.50 KiB"},
        {4.2 * 1024 * 1024, "Bytes", "4.20 MiB"},
        {1023.9 * 1024, "Bytes", "1.00 MiB"},
        {0, "Milliseconds", "0.00 ms"},
        {0.0045, "Milliseconds", "4.50 us"},
        {0.0999, "Milliseconds", "99.9 us"},
        {0.123, "Milliseconds", "0.12 ms"},
        {12.3, "Milliseconds", "12.3 ms"},
        {999.9, "Milliseconds", "1.00 s"},
        {1500, "Milliseconds", "1.50 s"},
        {125000, "Milliseconds", "125 s"},
        {3, "Count", "3"},
        {0.5, "Count", "0.50"},
        {102.4, "Count", "102"},
        {54321, "Count", "54.3k"},
        {7, "Gibberish", "7"},
    };
    char text[HUMANIZE_MAX];

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
        assert_string_equal(humanize_metric(text, cases[i].value, cases[i].unit), cases[i].text);
}

static void test_seconds(void **state)
{
    static const struct {
        uint64_t seconds;
        const char *text;
    } cases[] = {
        {0, "0 s"},    {59, "59 s"},        {60, "1 min"},   {3599, "59 min"},
        {3600, "1 h"}, {47 * 3600, "47 h"}, {172800, "2 d"}, {86400 * 400, "400 d"},
    };
    char text[HUMANIZE_MAX];

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
        assert_string_equal(humanize_seconds(text, cases[i].seconds), cases[i].text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_count),
        cmocka_unit_test(test_metric),
        cmocka_unit_test(test_seconds),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

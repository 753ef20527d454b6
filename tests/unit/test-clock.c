/* SPDX-License-Identifier: Apache-2.0 */
#include "common/base/clock.h"

#include "common/base/macro.h"
#include "tests/unit/unit.h"

#include <errno.h>

static void test_parse_duration(void **state)
{
    static const struct {
        const char *text;
        int r;
        uint64_t us;
    } cases[] = {
        {"0", 0, 0},
        {"30", 0, 30 * USEC_PER_SEC},
        {"500ms", 0, 500 * USEC_PER_MSEC},
        {"7us", 0, 7},
        {"30s", 0, 30 * USEC_PER_SEC},
        {"10m", 0, 600 * USEC_PER_SEC},
        {"10min", 0, 600 * USEC_PER_SEC},
        {"1h", 0, 3600 * USEC_PER_SEC},
        {"2d", 0, 2 * 86400 * USEC_PER_SEC},
        {"1h30m", 0, 5400 * USEC_PER_SEC},
        {"1m1ms1min", 0, 120 * USEC_PER_SEC + USEC_PER_MSEC},
        {"365d", 0, 365 * 86400 * USEC_PER_SEC},
        {"000000000000000000000000000001s", 0, USEC_PER_SEC},
        {"365d1us", -ERANGE, 0},
        {"31536001", -ERANGE, 0},
        {"99999999999999999999s", -ERANGE, 0},
        {"18446744073709551615d", -ERANGE, 0},
        {"18446744073709551616s1s", -ERANGE, 0},
        {"200d200d", -ERANGE, 0},
        {"", -EINVAL, 0},
        {"s", -EINVAL, 0},
        {" 1s", -EINVAL, 0},
        {"1s ", -EINVAL, 0},
        {"1 s", -EINVAL, 0},
        {"-1s", -EINVAL, 0},
        {"+1s", -EINVAL, 0},
        {"1.5s", -EINVAL, 0},
        {"1h30", -EINVAL, 0}, /* a bare number is seconds only alone */
        {"1x", -EINVAL, 0},
        {"1S", -EINVAL, 0},
        {"1mins", -EINVAL, 0},
        {"99999999999999999999x", -EINVAL, 0},
        {"inf", -EINVAL, 0},
        {"0x10s", -EINVAL, 0},
    };

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        uint64_t us = 42;
        int r = clock_parse_duration(cases[i].text, &us);
        uint64_t wanted = cases[i].r < 0 ? 42 : cases[i].us; /* untouched on failure */

        if (r != cases[i].r || us != wanted)
            fail_msg("\"%s\": %d, %ju", cases[i].text, r, (uintmax_t) us);
    }
}

static void test_format_duration(void **state)
{
    static const struct {
        uint64_t us;
        const char *text;
    } cases[] = {
        {0, "0 ms"},
        {999, "0 ms"},
        {350 * USEC_PER_MSEC, "350 ms"},
        {USEC_PER_SEC - 1, "999 ms"},
        {USEC_PER_SEC, "1 s"},
        {12900 * USEC_PER_MSEC, "12 s"},
        {60 * USEC_PER_SEC, "1 min"},
        {185 * USEC_PER_SEC, "3 min 5 s"},
        {7800 * USEC_PER_SEC, "2 h 10 min"},
        {3601 * USEC_PER_SEC, "1 h"},
        {(5 * 86400 + 3 * 3600 + 59) * USEC_PER_SEC, "5 d 3 h"},
        {UINT64_MAX, "213503982 d 8 h"},
    };
    char buffer[CLOCK_TEXT_MAX];

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
        assert_string_equal(clock_format_duration(buffer, cases[i].us), cases[i].text);
}

static void test_format_iso8601(void **state)
{
    static const struct {
        uint64_t us;
        const char *text;
    } cases[] = {
        {0, "1970-01-01T00:00:00.000Z"},
        {999, "1970-01-01T00:00:00.000Z"},
        {UINT64_C(951782399999999), "2000-02-28T23:59:59.999Z"},
        {UINT64_C(951782400000000), "2000-02-29T00:00:00.000Z"},
        {UINT64_C(1795299916123000), "2026-11-21T22:25:16.123Z"},
        {UINT64_MAX, "586524-01-19T08:01:49.551Z"},
    };
    char buffer[CLOCK_TEXT_MAX];

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
        assert_string_equal(clock_format_iso8601(buffer, cases[i].us), cases[i].text);
}

static void test_clocks_run(void **state)
{
    uint64_t before_us = clock_monotonic_us();

    usleep(2000);
    assert_true(clock_monotonic_us() - before_us >= 2000);
    assert_true(clock_realtime_us() > UINT64_C(1577836800) * USEC_PER_SEC); /* after 2020 */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_parse_duration),
        cmocka_unit_test(test_format_duration),
        cmocka_unit_test(test_format_iso8601),
        cmocka_unit_test(test_clocks_run),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

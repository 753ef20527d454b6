/* SPDX-License-Identifier: Apache-2.0 */
/* The waits between cores, with a clock of the test's own. */
#include "common/base/restart.h"

#include "tests/unit/unit.h"

#define SECOND_US UINT64_C(1000000)
#define START_US  (1000 * SECOND_US)

static void test_working_cores_restart_at_once(void **state)
{
    struct restart restart = {0};

    for (unsigned i = 0; i < RESTART_BURST; i++)
        assert_int_equal(restart_wait_us(&restart, true, START_US), 0);
    assert_int_equal(restart_wait_us(&restart, true, START_US), SECOND_US);
    assert_int_equal(restart_wait_us(&restart, true, START_US + SECOND_US), SECOND_US);
    assert_int_equal(restart_wait_us(&restart, true, START_US + 9 * SECOND_US / 4),
                     3 * SECOND_US / 4);
    /* One is refilled a second, and no more than the burst. */
    assert_int_equal(restart_wait_us(&restart, true, START_US + 4 * SECOND_US), 0);
    for (unsigned i = 0; i < RESTART_BURST; i++)
        assert_int_equal(restart_wait_us(&restart, true, START_US + 3600 * SECOND_US), 0);
    assert_true(restart_wait_us(&restart, true, START_US + 3600 * SECOND_US) > 0);
}

/* A death each half second for ever: never faster than one a second in the long run. */
static void test_rate_in_the_long_run(void **state)
{
    struct restart restart = {0};
    uint64_t now_us = START_US;
    unsigned restarts = 0;

    for (; now_us < START_US + 1000 * SECOND_US; restarts++)
        now_us += SECOND_US / 2 + restart_wait_us(&restart, true, now_us);
    assert_in_range(restarts, 1000, 1000 + 2 * RESTART_BURST);
}

static void test_failing_cores_back_off(void **state)
{
    static const uint64_t waits_ms[] = {100, 200, 400, 800, 1600, 3200, 5000, 5000};
    struct restart restart = {0};

    for (size_t i = 0; i < sizeof(waits_ms) / sizeof(waits_ms[0]); i++)
        assert_int_equal(restart_wait_us(&restart, false, START_US), waits_ms[i] * 1000);
    for (unsigned i = 0; i < 100000; i++)
        assert_int_equal(restart_wait_us(&restart, false, START_US), RESTART_WAIT_MAX_US);
    assert_int_equal(restart_wait_us(&restart, true, START_US), 0);
    assert_int_equal(restart_wait_us(&restart, false, START_US), RESTART_WAIT_MIN_US);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_working_cores_restart_at_once),
        cmocka_unit_test(test_rate_in_the_long_run),
        cmocka_unit_test(test_failing_cores_back_off),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

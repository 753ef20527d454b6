/* SPDX-License-Identifier: Apache-2.0 */
#include "ctl/load-pace.h"

#include "common/base/clock.h"
#include "common/base/macro.h"
#include "tests/unit/unit.h"

#define START_US (UINT64_C(5) * USEC_PER_SEC)

/* Whoever asks at each moment gets each request at its own, and as many as were planned. */
static void test_on_time(void **state)
{
    static const struct {
        uint64_t rate, for_us, planned;
    } cases[] = {
        {50, 30 * USEC_PER_SEC, 1500}, {1, 1 * USEC_PER_SEC, 1}, {1, 1500 * USEC_PER_MSEC, 2},
        {3, 1 * USEC_PER_SEC, 3},      {7, 1234567, 9},          {10000, 1 * USEC_PER_SEC, 10000},
    };

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct load_pace pace;
        uint64_t intended_us = 0, n = 0, next_us;

        load_pace_init(&pace, cases[i].rate, START_US, cases[i].for_us);
        assert_int_equal(pace.planned, cases[i].planned);
        while ((next_us = load_pace_next_us(&pace)) != UINT64_MAX) {
            assert_true(next_us < START_US + cases[i].for_us);
            assert_int_equal(next_us, START_US + n * USEC_PER_SEC / cases[i].rate);
            assert_false(load_pace_take(&pace, next_us - 1, &intended_us));
            assert_int_equal(load_pace_waiting(&pace, next_us - 1), 0);
            assert_int_equal(load_pace_waiting(&pace, next_us), 1);
            load_pace_skip(&pace, next_us, 10);
            assert_true(load_pace_take(&pace, next_us, &intended_us));
            assert_int_equal(intended_us, next_us);
            n++;
        }
        assert_int_equal(n, cases[i].planned);
        assert_int_equal(pace.taken, n);
        assert_int_equal(pace.unsent, 0);
        assert_false(load_pace_take(&pace, START_US + 2 * cases[i].for_us, &intended_us));
    }
}

/* Who comes late gets all that were due, each with the moment that it was meant for. */
static void test_late(void **state)
{
    struct load_pace pace;
    uint64_t intended_us = 0, now_us = START_US + 500 * USEC_PER_MSEC;

    load_pace_init(&pace, 100, START_US, USEC_PER_SEC);
    load_pace_skip(&pace, now_us, USEC_PER_SEC);
    assert_int_equal(load_pace_waiting(&pace, now_us), 51);
    for (unsigned k = 0; k <= 50; k++) {
        assert_true(load_pace_take(&pace, now_us, &intended_us));
        assert_int_equal(intended_us, START_US + k * 10 * USEC_PER_MSEC);
    }
    assert_false(load_pace_take(&pace, now_us, &intended_us));
}

static void test_skip(void **state)
{
    struct load_pace pace;
    uint64_t intended_us = 0, now_us = START_US + 300 * USEC_PER_MSEC;

    load_pace_init(&pace, 100, START_US, USEC_PER_SEC);
    assert_true(load_pace_take(&pace, START_US, &intended_us));
    /* Those of 10 to 200 ms have waited for 100 ms; the one of 210 ms not yet. */
    load_pace_skip(&pace, now_us, 100 * USEC_PER_MSEC);
    assert_int_equal(pace.unsent, 20);
    load_pace_skip(&pace, now_us, 100 * USEC_PER_MSEC);
    assert_int_equal(pace.unsent, 20);
    assert_true(load_pace_take(&pace, now_us, &intended_us));
    assert_int_equal(intended_us, START_US + 210 * USEC_PER_MSEC);
    load_pace_skip(&pace, START_US + 100 * USEC_PER_SEC, 100 * USEC_PER_MSEC);
    assert_int_equal(pace.taken + pace.unsent, 100);
    assert_int_equal(load_pace_next_us(&pace), UINT64_MAX);
    /* A clock that is younger than the limit. */
    load_pace_init(&pace, 100, 5, USEC_PER_SEC);
    load_pace_skip(&pace, 1000, USEC_PER_SEC);
    assert_int_equal(pace.unsent, 0);
}

static void test_stop(void **state)
{
    struct load_pace pace;
    uint64_t intended_us = 0, now_us = START_US + 95 * USEC_PER_MSEC;

    load_pace_init(&pace, 100, START_US, USEC_PER_SEC);
    assert_true(load_pace_take(&pace, now_us, &intended_us));
    load_pace_stop(&pace, now_us);
    assert_int_equal(pace.taken, 1);
    assert_int_equal(pace.unsent, 9);
    assert_int_equal(pace.planned, 10);
    assert_int_equal(load_pace_next_us(&pace), UINT64_MAX);
    assert_false(load_pace_take(&pace, START_US + USEC_PER_SEC, &intended_us));
    load_pace_stop(&pace, now_us + USEC_PER_SEC);
    assert_int_equal(pace.unsent, 9);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_on_time),
        cmocka_unit_test(test_late),
        cmocka_unit_test(test_skip),
        cmocka_unit_test(test_stop),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

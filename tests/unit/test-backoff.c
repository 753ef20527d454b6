/* SPDX-License-Identifier: Apache-2.0 */
#include "common/base/backoff.h"

#include "common/base/macro.h"
#include "tests/unit/unit.h"

static void test_bound(void **state)
{
    static const struct {
        struct backoff backoff;
        unsigned attempt;
        uint64_t bound_us;
    } cases[] = {
        {{100, 30000}, 0, 100},
        {{100, 30000}, 1, 200},
        {{100, 30000}, 8, 25600},
        {{100, 30000}, 9, 30000},
        {{100, 30000}, 63, 30000},
        {{100, 30000}, 64, 30000},
        {{100, 30000}, UINT32_MAX, 30000},
        {{100, 25600}, 8, 25600},
        {{100, 50}, 0, 50},
        {{0, 50}, 0, 0},
        {{0, 50}, 100, 0},
        {{1, UINT64_MAX}, 63, UINT64_C(1) << 63},
        {{1, UINT64_MAX}, 64, UINT64_MAX},
        {{3, UINT64_MAX}, 63, UINT64_MAX},
        {{UINT64_MAX, UINT64_MAX}, 1, UINT64_MAX},
        {{5, 0}, 3, 0},
    };

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
        if (backoff_bound_us(&cases[i].backoff, cases[i].attempt) != cases[i].bound_us)
            fail_msg("case %zu", i);
}

/* The wait reaches both ends of [0, bound] and spreads evenly between them. */
static void test_wait(void **state)
{
    const struct backoff backoff = {100, 1600}, widest = {UINT64_MAX, UINT64_MAX};
    unsigned tenths[10] = {0};

    assert_int_equal(backoff_wait_us(&backoff, 2, 0), 0);
    assert_int_equal(backoff_wait_us(&backoff, 2, UINT64_MAX), 400);
    assert_int_equal(backoff_wait_us(&backoff, 50, UINT64_MAX), 1600);
    assert_int_equal(backoff_wait_us(&backoff, 0, UINT64_C(1) << 63), 50);
    assert_true(backoff_wait_us(&widest, 0, UINT64_MAX) == UINT64_MAX);
    for (uint64_t i = 0; i < 10000; i++) {
        uint64_t wait_us = backoff_wait_us(&backoff, 4, i * (UINT64_MAX / 10000));

        assert_true(wait_us <= 1600);
        tenths[MIN(wait_us / 160, UINT64_C(9))]++;
    }
    for (size_t i = 0; i < ARRAY_SIZE(tenths); i++)
        assert_in_range(tenths[i], 980, 1020);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bound),
        cmocka_unit_test(test_wait),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/unit.h"

#include "common/base/macro.h"
#include "common/net/drain.h"

static void test_drain(void **state)
{
    static const struct {
        uint64_t requests_us, idle_us, elapsed_us;
        unsigned connections, in_flight;
        bool over;
    } CASES[] = {
        {30, 65, 0, 0, 0, true}, /* nothing left: at once */
        {30, 65, 0, 1, 0, false},  {30, 65, 0, 1, 1, false},
        {30, 65, 64, 1, 0, false}, /* an idle one may still speak */
        {30, 65, 65, 1, 0, true},  {30, 65, 29, 1, 1, false},
        {30, 65, 30, 1, 1, true},  /* only a late request is left */
        {30, 65, 30, 2, 1, false}, /* and an idle one, whose time is not over */
        {30, 65, 65, 2, 1, true},  {30, 0, 0, 5, 0, true}, /* idle ones have no time */
        {30, 0, 0, 5, 1, false},   {30, 0, 29, 5, 1, false},
        {30, 0, 30, 5, 1, true},   {65, 30, 30, 2, 1, false},
        {65, 30, 65, 2, 1, true},  {0, 0, 0, 3, 3, true},
    };
    const uint64_t begin = 1000;

    for (size_t i = 0; i < ARRAY_SIZE(CASES); i++) {
        struct drain drain = {begin, CASES[i].requests_us, CASES[i].idle_us};

        if (drain_is_over(&drain, begin + CASES[i].elapsed_us, CASES[i].connections,
                          CASES[i].in_flight) != CASES[i].over)
            fail_msg("case %zu", i);
    }
    /* A clock that lags behind the beginning ends nothing. */
    assert_false(drain_is_over(&(struct drain){begin, 1, 1}, 0, 1, 0));
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_drain)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}

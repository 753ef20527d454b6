/* SPDX-License-Identifier: Apache-2.0 */
/* Tiers add up, each to its own end. */
#include "common/schema/prices.h"

#include "common/base/macro.h"
#include "tests/unit/unit.h"

#include <math.h>

static void test_metrics(void **state)
{
    static const struct {
        uint64_t metrics;
        double usd;
    } cases[] = {
        {0, 0},          {1, 0.30},          {10000, 3000},    {10001, 3000.10},
        {250000, 27000}, {250001, 27000.05}, {1000000, 64500}, {1000100, 64502},
    };

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
        assert_true(fabs(prices_metrics_usd(cases[i].metrics) - cases[i].usd) < 0.001);
}

static void test_requests(void **state)
{
    assert_true(fabs(prices_requests_usd(43800) - 0.438) < 0.0001);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_metrics),
        cmocka_unit_test(test_requests),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/unit.h"

#include "apps/visitor-board/rate-limit.h"
#include "common/base/macro.h"
#include "common/base/clock.h"

#define START_US (1000 * USEC_PER_SEC)

static uint64_t take(struct rate_limit *limit, unsigned client, uint64_t now_us)
{
    return rate_limit_take(limit, &client, sizeof(client), now_us);
}

static void test_bucket(void **state)
{
    struct rate_limit *limit;
    uint64_t now_us = START_US;

    assert_int_equal(rate_limit_new(&limit, 30), 0);
    for (unsigned i = 0; i < 30; i++)
        assert_int_equal(take(limit, 1, now_us), 0);
    /* The next token is there in two seconds, and asking costs none. */
    for (unsigned i = 0; i < 5; i++)
        assert_int_equal(take(limit, 1, now_us), 2 * USEC_PER_SEC);
    assert_int_equal(take(limit, 1, now_us + 1999999), 1);
    assert_int_equal(take(limit, 2, now_us), 0); /* others have their own */
    now_us += 2 * USEC_PER_SEC;
    assert_int_equal(take(limit, 1, now_us), 0);
    assert_int_equal(take(limit, 1, now_us), 2 * USEC_PER_SEC);
    /* A minute fills it, an hour not more. */
    now_us += 3600 * USEC_PER_SEC;
    for (unsigned i = 0; i < 30; i++)
        assert_int_equal(take(limit, 1, now_us), 0);
    assert_int_not_equal(take(limit, 1, now_us), 0);
    rate_limit_free(limit);
}

static void test_rates(void **state)
{
    static const unsigned rates[] = {1, 7, 60, RATE_LIMIT_MAX};

    for (size_t i = 0; i < ARRAY_SIZE(rates); i++) {
        struct rate_limit *limit;
        unsigned taken = 0;

        assert_int_equal(rate_limit_new(&limit, rates[i]), 0);
        while (take(limit, 1, START_US) == 0)
            taken++;
        assert_int_equal(taken, rates[i]);
        rate_limit_free(limit);
    }
}

/* More clients than places: nobody gets less than is his, and who has emptied his bucket is
 * forgotten by those alone that have emptied theirs as well. */
static void test_full_table(void **state)
{
    enum { OTHERS = RATE_LIMIT_CLIENTS * 8 };
    struct rate_limit *limit;

    assert_int_equal(rate_limit_new(&limit, 30), 0);
    while (take(limit, 0, START_US) == 0)
        ;
    for (unsigned i = 1; i <= OTHERS; i++)
        assert_int_equal(take(limit, i, START_US), 0);
    assert_int_not_equal(take(limit, 0, START_US), 0);
    rate_limit_free(limit);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bucket),
        cmocka_unit_test(test_rates),
        cmocka_unit_test(test_full_table),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* The ring of what agentctl top draws: its grid, its gaps, its rates. */
#include "agent/observe/history.h"

#include "tests/unit/unit.h"

#include <math.h>

static void assert_near(double value, double wanted, double slack)
{
    assert_true(fabs(value - wanted) <= slack);
}

#define SECOND UINT64_C(1000000)
#define START  (100 * SECOND)

static struct history *make(void)
{
    struct history *history = NULL;

    assert_int_equal(history_new(&history), 0);
    return history;
}

/* |n| requests of |us| each, |errors| of them 5xx. */
static struct tally requests(uint64_t n, uint64_t errors, uint64_t us)
{
    struct tally tally = {.bytes_sent = 0};

    tally.requests[SCOREBOARD_2XX] = n - errors;
    tally.requests[SCOREBOARD_5XX] = errors;
    histogram_add(&tally.latency, us, n);
    return tally;
}

static double newest(const struct history *history, enum history_series series)
{
    return history_value(history, series, HISTORY_POINTS - 1);
}

static void close_at(struct history *history, uint64_t at_us, const struct tally *total)
{
    assert_true(history_due(history, at_us));
    history_close(history, at_us, total);
}

static void test_empty(void **state)
{
    struct history *history = make();

    assert_true(history_due(history, 0));
    assert_int_equal(history_number(history), 0);
    for (int series = 0; series < HISTORY_SERIES_; series++) {
        assert_non_null(history_series_to_string(series));
        for (size_t i = 0; i <= HISTORY_POINTS; i++)
            assert_true(isnan(history_value(history, series, i)));
    }
    history_free(history);
}

static void test_means_and_rates(void **state)
{
    struct history *history = make();
    struct tally total = requests(1000, 10, 2000);

    close_at(history, START, &total); /* what came before is nobody's rate */
    assert_int_equal(history_number(history), 0);
    history_observe(history, HISTORY_CPU, 20);
    history_observe(history, HISTORY_CPU, (double) NAN);
    history_observe(history, HISTORY_CPU, 40);
    assert_false(history_due(history, START + 4 * SECOND));
    total = requests(1500, 20, 2000);
    close_at(history, START + 5 * SECOND, &total);
    assert_int_equal(history_number(history), 1);
    assert_near(newest(history, HISTORY_CPU), 30, 1e-9);
    assert_true(isnan(newest(history, HISTORY_MEMORY)));
    assert_near(newest(history, HISTORY_REQUESTS), 100, 1e-9);
    assert_near(newest(history, HISTORY_ERRORS), 2, 1e-9);
    assert_near(newest(history, HISTORY_P99_MS), 2, 2 * 0.016);
    assert_true(isnan(history_value(history, HISTORY_CPU, HISTORY_POINTS - 2)));

    /* The next one begins anew, and without requests there is no latency. */
    close_at(history, START + 10 * SECOND, &total);
    assert_true(isnan(newest(history, HISTORY_CPU)));
    assert_near(newest(history, HISTORY_REQUESTS), 0, 1e-9);
    assert_true(isnan(newest(history, HISTORY_P99_MS)));
    assert_near(history_value(history, HISTORY_CPU, HISTORY_POINTS - 2), 30, 1e-9);
    history_free(history);
}

/* Apps come and go, and with them their counts. */
static void test_totals_that_are_not_there(void **state)
{
    struct history *history = make();
    struct tally total = requests(50, 5, 100);

    close_at(history, START, NULL);
    close_at(history, START + 5 * SECOND, NULL);
    assert_true(isnan(newest(history, HISTORY_REQUESTS)));
    close_at(history, START + 10 * SECOND, &total); /* the first: since when is not known */
    assert_true(isnan(newest(history, HISTORY_REQUESTS)));
    total = requests(10, 1, 100);
    close_at(history, START + 15 * SECOND, &total);
    assert_near(newest(history, HISTORY_REQUESTS), 0, 1e-9);
    assert_near(newest(history, HISTORY_ERRORS), 0, 1e-9);
    assert_true(isnan(newest(history, HISTORY_P99_MS)));
    history_free(history);
}

/* Samples that jitter must not move the grid. */
static void test_grid(void **state)
{
    struct history *history = make();

    close_at(history, START, NULL);
    for (uint64_t i = 1; i <= 3 * HISTORY_POINTS; i++) {
        uint64_t at_us = START + i * 5 * SECOND + (i % 2 ? 100000 : -100000);

        assert_false(history_due(history, at_us - SECOND));
        history_observe(history, HISTORY_CPU, (double) i);
        close_at(history, at_us, NULL);
        assert_int_equal(history_number(history), i);
    }
    for (size_t i = 0; i < HISTORY_POINTS; i++)
        assert_near(history_value(history, HISTORY_CPU, i), (double) (2 * HISTORY_POINTS + 1 + i),
                    1e-9);
    history_free(history);
}

static void test_gaps(void **state)
{
    struct history *history = make();
    struct tally total = requests(0, 0, 1);

    /* Samples 10 s apart: each stands for two points. */
    close_at(history, START, &total);
    history_observe(history, HISTORY_CPU, 7);
    total = requests(100, 0, 1);
    close_at(history, START + 10 * SECOND, &total);
    assert_int_equal(history_number(history), 2);
    for (size_t i = HISTORY_POINTS - 2; i < HISTORY_POINTS; i++) {
        assert_near(history_value(history, HISTORY_CPU, i), 7, 1e-9);
        assert_near(history_value(history, HISTORY_REQUESTS, i), 10, 1e-9);
    }
    /* The host slept. */
    history_observe(history, HISTORY_CPU, 9);
    close_at(history, START + 60 * SECOND, &total);
    assert_int_equal(history_number(history), 12);
    assert_near(newest(history, HISTORY_CPU), 9, 1e-9);
    for (size_t i = 2; i <= 10; i++)
        assert_true(isnan(history_value(history, HISTORY_CPU, HISTORY_POINTS - i)));
    assert_near(history_value(history, HISTORY_CPU, HISTORY_POINTS - 11), 7, 1e-9);
    /* For a year: bounded work, and the grid goes on. */
    close_at(history, START + 365 * 86400 * SECOND, &total);
    assert_int_equal(history_number(history), 12 + HISTORY_POINTS);
    assert_false(history_due(history, START + 365 * 86400 * SECOND + 4 * SECOND));
    history_free(history);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_empty),
        cmocka_unit_test(test_means_and_rates),
        cmocka_unit_test(test_totals_that_are_not_there),
        cmocka_unit_test(test_grid),
        cmocka_unit_test(test_gaps),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

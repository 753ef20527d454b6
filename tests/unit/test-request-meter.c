/* SPDX-License-Identifier: Apache-2.0 */
/* Totals over workers that live, die and lie. */
#include "agent/observe/request-meter.h"

#include "common/base/clock.h"
#include "tests/unit/unit.h"

#include <errno.h>
#include <math.h>

/* A board that has answered |n| requests: all 2xx but a 4xx and a 5xx, each of 100 us. */
static struct tally board(uint64_t n)
{
    struct tally tally = {.bytes_sent = n * 1000, .latency_sum_us = n * 100};

    tally.requests[SCOREBOARD_4XX] = n > 0;
    tally.requests[SCOREBOARD_5XX] = n > 1;
    tally.requests[SCOREBOARD_2XX] =
        n - tally.requests[SCOREBOARD_4XX] - tally.requests[SCOREBOARD_5XX];
    histogram_add(&tally.latency, 100, n);
    return tally;
}

static int update(struct request_meter *meter, uint64_t serial, uint64_t n)
{
    struct tally tally = board(n);

    return request_meter_update(meter, serial, &tally);
}

static uint64_t total(const struct request_meter *meter)
{
    return tally_requests(request_meter_total(meter));
}

static uint64_t close_window(struct request_meter *meter)
{
    struct tally delta;

    request_meter_close(meter, &delta);
    assert_int_equal(histogram_count(&delta.latency), tally_requests(&delta));
    assert_int_equal(delta.bytes_sent, 1000 * tally_requests(&delta));
    return tally_requests(&delta);
}

static struct request_meter *make(void)
{
    struct request_meter *meter = NULL;

    assert_int_equal(request_meter_new(&meter, NULL, NULL), 0);
    return meter;
}

static void test_totals(void **state)
{
    struct request_meter *meter = make();
    struct tally delta;

    assert_int_equal(update(meter, 1, 10), 0);
    assert_int_equal(update(meter, 2, 5), 0);
    assert_int_equal(update(meter, 1, 30), 0);
    assert_int_equal(total(meter), 35);
    request_meter_close(meter, &delta);
    assert_int_equal(delta.requests[SCOREBOARD_2XX], 31);
    assert_int_equal(delta.requests[SCOREBOARD_4XX], 2);
    assert_int_equal(delta.requests[SCOREBOARD_5XX], 2);
    assert_int_equal(delta.bytes_sent, 35000);
    assert_int_equal(delta.latency_sum_us, 3500);

    /* Not committed: it is given again, with what has come since. */
    assert_int_equal(update(meter, 1, 31), 0);
    assert_int_equal(close_window(meter), 36);
    request_meter_commit(meter);
    assert_int_equal(close_window(meter), 0);
    assert_int_equal(update(meter, 2, 6), 0);
    assert_int_equal(close_window(meter), 1);
    /* What comes between a close and its commit belongs to the next. */
    assert_int_equal(update(meter, 2, 16), 0);
    request_meter_commit(meter);
    assert_int_equal(close_window(meter), 10);
    request_meter_free(meter);
}

static void test_death(void **state)
{
    struct request_meter *meter = make();

    assert_int_equal(update(meter, 1, 10), 0);
    assert_int_equal(update(meter, 2, 5), 0);
    request_meter_fold(meter, 1);
    request_meter_fold(meter, 1);  /* it is none any more */
    request_meter_fold(meter, 77); /* never was */
    assert_int_equal(total(meter), 15);
    assert_int_equal(tally_requests(request_meter_dead(meter)), 10);
    assert_int_equal(update(meter, 3, 4), 0); /* the next one begins at 0 */
    assert_int_equal(total(meter), 19);
    assert_int_equal(close_window(meter), 19);
    request_meter_free(meter);
}

/* The core dies after |committed| windows: the next one gives out exactly the rest. */
static void test_next_core(void **state)
{
    struct request_meter *meter = make(), *next = NULL;
    struct tally dead, baseline;

    assert_int_equal(update(meter, 1, 10), 0);
    assert_int_equal(update(meter, 2, 5), 0);
    request_meter_fold(meter, 1);
    assert_int_equal(close_window(meter), 15);
    request_meter_commit(meter);
    dead = *request_meter_dead(meter);
    baseline = *request_meter_closing(meter);
    assert_int_equal(update(meter, 2, 8), 0); /* dies with the core's memory */
    request_meter_free(meter);

    assert_int_equal(request_meter_new(&next, &dead, &baseline), 0);
    assert_int_equal(total(next), 10);
    assert_int_equal(update(next, 2, 9), 0);
    assert_int_equal(update(next, 3, 1), 0);
    assert_int_equal(total(next), 20);
    assert_int_equal(close_window(next), 5);
    request_meter_free(next);
}

/* Before the boards were read again, the total is below the baseline: nothing is made of it. */
static void test_below_baseline(void **state)
{
    struct request_meter *meter = NULL;
    struct tally baseline = board(50);

    assert_int_equal(request_meter_new(&meter, NULL, &baseline), 0);
    assert_int_equal(update(meter, 1, 20), 0);
    assert_int_equal(close_window(meter), 0);
    request_meter_commit(meter);
    assert_int_equal(update(meter, 1, 23), 0);
    assert_int_equal(close_window(meter), 3);
    request_meter_free(meter);
}

static void scribble_back(struct tally *tally)
{
    tally->requests[SCOREBOARD_3XX] = 0;
    tally->requests[SCOREBOARD_2XX] -= 1;
}

static void scribble_huge(struct tally *tally)
{
    tally->requests[SCOREBOARD_5XX] = UINT64_MAX;
}

static void scribble_jump(struct tally *tally)
{
    tally->bytes_sent += REQUEST_METER_PLAUSIBLE_GAIN + 1;
}

static void scribble_bucket(struct tally *tally)
{
    tally->latency.counts[HISTOGRAM_BUCKETS - 1] = UINT64_C(1) << 63;
}

static void scribble_bucket_back(struct tally *tally)
{
    memset(&tally->latency, 0, sizeof(tally->latency));
}

static void test_hostile(void **state)
{
    void (*const scribbles[])(struct tally *) = {
        scribble_back, scribble_huge, scribble_jump, scribble_bucket, scribble_bucket_back, NULL};

    for (size_t i = 0; i < ARRAY_SIZE(scribbles); i++) {
        struct request_meter *meter = make();
        struct tally tally = board(10);

        assert_int_equal(update(meter, 1, 10), 0);
        assert_int_equal(update(meter, 2, 100), 0);
        if (scribbles[i])
            scribbles[i](&tally);
        /* NULL at the end of the table: the header is garbage. */
        assert_int_equal(request_meter_update(meter, 1, scribbles[i] ? &tally : NULL),
                         REQUEST_METER_FROZEN);
        assert_int_equal(total(meter), 110);
        /* Told once; and nothing that it shows counts any more, not even if it is sane. */
        assert_int_equal(request_meter_update(meter, 1, &tally), 0);
        assert_int_equal(update(meter, 1, 1000), 0);
        assert_int_equal(update(meter, 2, 105), 0);
        assert_int_equal(total(meter), 115);
        assert_int_equal(close_window(meter), 115);
        request_meter_fold(meter, 1);
        assert_int_equal(total(meter), 115);
        assert_int_equal(tally_requests(request_meter_dead(meter)), 10);
        request_meter_free(meter);
    }
}

/* The first reading after the core's own start may be as large as months make it. */
static void test_long_lived(void **state)
{
    struct request_meter *meter = make();
    struct tally tally = {.bytes_sent = REQUEST_METER_PLAUSIBLE_GAIN * 8};

    tally.requests[SCOREBOARD_2XX] = REQUEST_METER_PLAUSIBLE_GAIN * 2;
    assert_int_equal(request_meter_update(meter, 1, &tally), 0);
    tally.bytes_sent = REQUEST_METER_PLAUSIBLE + 1;
    assert_int_equal(request_meter_update(meter, 2, &tally), REQUEST_METER_FROZEN);
    assert_int_equal(total(meter), REQUEST_METER_PLAUSIBLE_GAIN * 2);
    request_meter_free(meter);
}

static void test_too_many(void **state)
{
    struct request_meter *meter = make();

    for (uint64_t serial = 1; serial <= REQUEST_METER_BOARDS_MAX; serial++)
        assert_int_equal(update(meter, serial, 2), 0);
    assert_int_equal(update(meter, 9999, 2), -ENOSPC);
    assert_int_equal(total(meter), 2 * REQUEST_METER_BOARDS_MAX);
    request_meter_fold(meter, 7);
    assert_int_equal(update(meter, 9999, 2), 0);
    assert_int_equal(total(meter), 2 * REQUEST_METER_BOARDS_MAX + 2);
    request_meter_free(meter);
}

static void test_rate(void **state)
{
    struct request_meter *meter = make();
    uint64_t n = 0;

    assert_true(request_meter_rate_per_s(meter) == 0);
    request_meter_tick(meter, 5 * USEC_PER_SEC);
    assert_true(request_meter_rate_per_s(meter) == 0);
    /* 20 a second in ticks of 100 ms: it looks at the whole seconds. */
    for (unsigned tick = 1; tick <= 300; tick++) {
        assert_int_equal(update(meter, 1, n += 2), 0);
        request_meter_tick(meter, 5 * USEC_PER_SEC + tick * USEC_PER_SEC / 10);
        if (tick >= 9)
            assert_true(fabs(request_meter_rate_per_s(meter) - 20) < 1e-9);
    }
    /* 10 s of silence later it has forgotten them. */
    for (unsigned second = 1; second <= 11; second++) {
        request_meter_tick(meter, (35 + second) * USEC_PER_SEC);
        if (second == 5)
            assert_true(fabs(request_meter_rate_per_s(meter) - 10) < 1.2);
    }
    assert_true(request_meter_rate_per_s(meter) == 0);
    request_meter_free(meter);
}

static void test_quantiles(void **state)
{
    struct request_meter *meter = make();
    struct tally tally = {0};

    assert_true(isnan(request_meter_quantile_ms(meter, 500)));
    histogram_add(&tally.latency, 1000, 98);
    histogram_add(&tally.latency, 50000, 2);
    tally.requests[SCOREBOARD_2XX] = 100;
    assert_int_equal(request_meter_update(meter, 1, &tally), 0);
    assert_true(isnan(request_meter_quantile_ms(meter, 500))); /* no window was closed */
    request_meter_close(meter, &tally);
    request_meter_commit(meter);
    assert_true(fabs(request_meter_quantile_ms(meter, 500) - 1) < 0.02);
    assert_true(fabs(request_meter_quantile_ms(meter, 990) - 50) < 1);
    request_meter_close(meter, &tally);
    assert_true(isnan(request_meter_quantile_ms(meter, 990))); /* nothing came in the last one */
    request_meter_free(meter);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_totals),    cmocka_unit_test(test_death),
        cmocka_unit_test(test_next_core), cmocka_unit_test(test_below_baseline),
        cmocka_unit_test(test_hostile),   cmocka_unit_test(test_long_lived),
        cmocka_unit_test(test_too_many),  cmocka_unit_test(test_rate),
        cmocka_unit_test(test_quantiles),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

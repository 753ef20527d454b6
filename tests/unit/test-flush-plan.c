/* SPDX-License-Identifier: Apache-2.0 */
/* The flush plan on an injected clock: pace, urgency, throttles, failures, backlog. */
#include "agent/publish/flush-plan.h"

#include "common/base/clock.h"
#include "tests/unit/unit.h"

#include <math.h>

#define EPOCH_US (UINT64_C(1763760000) * USEC_PER_SEC) /* a full minute */
#define START_US UINT64_C(1000)                        /* monotonic at EPOCH_US */
#define HALF     (UINT64_MAX / 2 + 1)

static uint64_t realtime(uint64_t now_us)
{
    return EPOCH_US + now_us - START_US;
}

static struct flush_plan new_plan(unsigned flush_s, uint64_t node)
{
    const struct flush_plan_settings settings = {
        .flush_s = flush_s, .window_s = 10, .scaling_target_percent = 50, .node = node};
    struct flush_plan plan;

    flush_plan_init(&plan, &settings);
    return plan;
}

static void window(struct flush_plan *plan, double cpu_percent, uint64_t now_us)
{
    flush_plan_window(plan, cpu_percent, now_us, realtime(now_us));
}

static void ended(struct flush_plan *plan, enum flush_outcome outcome, uint64_t now_us)
{
    flush_plan_ended(plan, FLUSH_FRESH, outcome, false, 0, HALF, now_us, realtime(now_us));
}

/* Where a window that closes at |at_s| past a full minute is sent, in seconds past that minute. */
static void test_own_moment(void **state)
{
    static const struct {
        unsigned flush_s;
        uint64_t node, at_s, sent_s;
    } cases[] = {
        {0, 0, 10, 60},
        {0, 0, 60, 60},
        {0, 17 * USEC_PER_SEC, 10, 17},
        {0, 17 * USEC_PER_SEC, 20, 77},
        {30, 7 * USEC_PER_SEC, 10, 37},
        {30, 7 * USEC_PER_SEC, 5, 7},
        {10, 3 * USEC_PER_SEC, 10, 13},
        {300, 250 * USEC_PER_SEC, 10, 250},
    };

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct flush_plan plan = new_plan(cases[i].flush_s, cases[i].node);
        uint64_t start_us = START_US;

        /* 1763760000 is a multiple of 300. */
        assert_true(flush_plan_fresh_us(&plan) == FLUSH_NEVER);
        window(&plan, 5, start_us + cases[i].at_s * USEC_PER_SEC);
        assert_int_equal(flush_plan_fresh_us(&plan), start_us + cases[i].sent_s * USEC_PER_SEC);
    }
}

static void test_urgency(void **state)
{
    struct flush_plan plan = new_plan(0, 250000); /* 0.25 s into a window's end */
    /* CPU of one window after another, and whether each is sent at once. */
    static const struct {
        double cpu_percent;
        bool urgent;
    } cases[] = {
        {10, false}, {20, false},   {36, true}, /* a jump by 16 */
        {30, true},  {30, true},    {30, true}, /* held for three more */
        {30, false}, {39.9, false}, {40, true}, /* within 10 points of 50 */
        {95, true},  {20, true},                /* a jump down */
        {20, true},  {20, true},    {20, true}, {20, false}, {NAN, false}, {21, false},
    };
    uint64_t now_us = START_US + 1 * USEC_PER_SEC;

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        window(&plan, cases[i].cpu_percent, now_us);
        if (cases[i].urgent)
            assert_int_equal(flush_plan_fresh_us(&plan), now_us + 250000);
        else
            assert_true(flush_plan_fresh_us(&plan) > now_us + FLUSH_JITTER_US);
        ended(&plan, FLUSH_SUCCEEDED, now_us + 300000);
        assert_true(flush_plan_fresh_us(&plan) == FLUSH_NEVER);
        now_us += 10 * USEC_PER_SEC;
        if ((now_us - START_US) % (60 * USEC_PER_SEC) < USEC_PER_SEC)
            now_us += 10 * USEC_PER_SEC; /* its own moment is never near a window's end here */
    }
}

/* With a fixed pace nothing is urgent. */
static void test_fixed(void **state)
{
    struct flush_plan plan = new_plan(60, 30 * USEC_PER_SEC);

    window(&plan, 99, START_US + 10 * USEC_PER_SEC);
    assert_int_equal(flush_plan_fresh_us(&plan), START_US + 30 * USEC_PER_SEC);
}

static void test_failures(void **state)
{
    struct flush_plan plan = new_plan(0, 0);
    uint64_t now_us = START_US, bound_us = FLUSH_RETRY_BASE_US;

    window(&plan, 10, now_us);
    for (unsigned i = 0; i < 12; i++) {
        flush_plan_ended(&plan, FLUSH_FRESH, FLUSH_FAILED, true, 0, UINT64_MAX, now_us,
                         realtime(now_us));
        assert_true(flush_plan_fresh_us(&plan) > now_us);
        assert_true(flush_plan_fresh_us(&plan) <= now_us + bound_us);
        assert_true(flush_plan_backlog_us(&plan) == FLUSH_NEVER);
        bound_us = MIN(bound_us * 2, FLUSH_RETRY_CAP_US);
        now_us = flush_plan_fresh_us(&plan);
    }
    ended(&plan, FLUSH_SUCCEEDED, now_us);
    assert_int_equal(plan.failures, 0);
    /* The backlog doesn't come along at once. */
    assert_true(flush_plan_backlog_us(&plan) > now_us);
    assert_true(flush_plan_backlog_us(&plan) <= now_us + 2 * FLUSH_BACKLOG_US);
}

/* A service's wish is kept, also if it is longer than ours. */
static void test_retry_after(void **state)
{
    struct flush_plan plan = new_plan(0, 0);

    window(&plan, 10, START_US);
    flush_plan_ended(&plan, FLUSH_FRESH, FLUSH_THROTTLED, true, 90 * USEC_PER_SEC, 0, START_US,
                     realtime(START_US));
    assert_true(flush_plan_fresh_us(&plan) >= START_US + 90 * USEC_PER_SEC);
}

/* Throttles stretch the pace, up to a bound; successes take it back. */
static void test_stretch(void **state)
{
    struct flush_plan plan = new_plan(10, 0);
    uint64_t now_us = START_US;
    unsigned successes = 0;

    for (unsigned i = 0; i < 20; i++)
        flush_plan_ended(&plan, FLUSH_FRESH, FLUSH_THROTTLED, true, 0, HALF, now_us,
                         realtime(now_us));
    assert_true(plan.stretch == FLUSH_STRETCH_MAX);
    assert_int_equal(flush_plan_fresh_us(&plan),
                     now_us + (uint64_t) (10 * FLUSH_STRETCH_MAX) * USEC_PER_SEC);
    while (plan.stretch > 1 && successes < 1000) {
        now_us = flush_plan_fresh_us(&plan);
        ended(&plan, FLUSH_SUCCEEDED, now_us);
        window(&plan, 10, now_us);
        successes++;
    }
    assert_in_range(successes, 300, 500);
    ended(&plan, FLUSH_SUCCEEDED, now_us);
    window(&plan, 10, now_us + USEC_PER_SEC);
    assert_int_equal(flush_plan_fresh_us(&plan),
                     now_us / (10 * USEC_PER_SEC) * (10 * USEC_PER_SEC) + START_US +
                         10 * USEC_PER_SEC);
}

static void test_backlog(void **state)
{
    struct flush_plan plan = new_plan(0, 0);
    uint64_t now_us = START_US;

    /* Not before a first success. */
    assert_true(flush_plan_backlog_us(&plan) == FLUSH_NEVER);
    ended(&plan, FLUSH_SUCCEEDED, now_us);
    assert_int_equal(flush_plan_backlog_us(&plan), now_us + FLUSH_BACKLOG_US / 2);
    for (unsigned i = 0; i < 30; i++) {
        flush_plan_ended(&plan, FLUSH_BACKLOG, FLUSH_SUCCEEDED, true, 0, HALF, now_us,
                         realtime(now_us));
        assert_true(flush_plan_backlog_us(&plan) >= now_us + FLUSH_BACKLOG_LEAST_US);
        now_us = flush_plan_backlog_us(&plan);
    }
    assert_int_equal(plan.backlog_us, FLUSH_BACKLOG_LEAST_US);
    for (unsigned i = 0; i < 30; i++) {
        flush_plan_ended(&plan, FLUSH_BACKLOG, FLUSH_FAILED, true, 0, HALF, now_us,
                         realtime(now_us));
        now_us = flush_plan_backlog_us(&plan);
    }
    assert_int_equal(plan.backlog_us, FLUSH_BACKLOG_MOST_US);
    /* A failing backlog doesn't hold up what is fresh. */
    window(&plan, 10, now_us);
    assert_true(flush_plan_fresh_us(&plan) <= now_us + 60 * USEC_PER_SEC);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_own_moment),  cmocka_unit_test(test_urgency),
        cmocka_unit_test(test_fixed),       cmocka_unit_test(test_failures),
        cmocka_unit_test(test_retry_after), cmocka_unit_test(test_stretch),
        cmocka_unit_test(test_backlog),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

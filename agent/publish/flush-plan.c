/* SPDX-License-Identifier: Apache-2.0 */
/* Arithmetic of moments; see the header. */
#include "agent/publish/flush-plan.h"

#include "common/base/backoff.h"
#include "common/base/clock.h"

#include <math.h>

#define STRETCH_GROWTH   2.0
#define STRETCH_RECOVERY 0.99 /* a success; back from 2 in 70 of them */
#define STRETCH_NEAR_ONE 1.01
#define BACKLOG_GROWTH   2u
#define BACKLOG_RECOVERY 0.9 /* a success */
#define RANDOM_BITS_USED 53  /* what a double keeps */

/* Uniform in [0, 1). */
static double fraction(uint64_t random)
{
    return (double) (random >> (64 - RANDOM_BITS_USED)) /
           (double) (UINT64_C(1) << RANDOM_BITS_USED);
}

/* |us| times a factor of 0.75 to 1.25: an interval that no two nodes share. */
static uint64_t blurred(uint64_t us, uint64_t random)
{
    return (uint64_t) ((double) us * (0.75 + fraction(random) / 2));
}

static unsigned period_s(const struct flush_plan *plan)
{
    return plan->settings.flush_s ?: FLUSH_CALM_S;
}

/* The next moment of this node's own, from |now| on, at multiples of its period and its phase. */
static uint64_t next_own_moment(const struct flush_plan *plan, uint64_t now_us,
                                uint64_t now_realtime_us)
{
    uint64_t period_us = period_s(plan) * USEC_PER_SEC;
    uint64_t phase_us = plan->settings.node % period_us;
    uint64_t into_us = (now_realtime_us + period_us - phase_us) % period_us;

    return now_us + (period_us - into_us) % period_us;
}

void flush_plan_init(struct flush_plan *plan, const struct flush_plan_settings *settings)
{
    *plan = (struct flush_plan){
        .settings = *settings,
        .last_cpu_percent = (double) NAN,
        .stretch = 1, /* not healthy yet: the backlog waits for a first success */
        .fresh_at_us = FLUSH_NEVER,
        .backlog_us = FLUSH_BACKLOG_US,
    };
}

void flush_plan_configure(struct flush_plan *plan, const struct flush_plan_settings *settings)
{
    plan->settings = *settings;
}

static bool is_urgent(struct flush_plan *plan, double cpu_percent)
{
    double last = plan->last_cpu_percent;
    bool moved = isfinite(last) && fabs(cpu_percent - last) >= FLUSH_JUMP_POINTS;
    bool near = cpu_percent >= plan->settings.scaling_target_percent - FLUSH_NEAR_POINTS;

    if (!isfinite(cpu_percent))
        return false;
    plan->last_cpu_percent = cpu_percent;
    if (moved || near) {
        plan->hold_windows = FLUSH_HOLD_WINDOWS;
        return true;
    }
    if (plan->hold_windows == 0)
        return false;
    plan->hold_windows--;
    return true;
}

/* Where in a window a node sends whose pace was stretched: anywhere but in its first moments, which
 * are for those that still meet there. */
static uint64_t stretched_phase_us(const struct flush_plan *plan)
{
    uint64_t window_us = plan->settings.window_s * USEC_PER_SEC;

    return FLUSH_JITTER_US + plan->settings.node % (window_us - FLUSH_JITTER_US);
}

void flush_plan_window(struct flush_plan *plan, double cpu_percent, uint64_t now_us,
                       uint64_t now_realtime_us)
{
    bool urgent = is_urgent(plan, cpu_percent) && plan->settings.flush_s == 0;
    uint64_t jitter_us =
        plan->stretch > 1 ? stretched_phase_us(plan) : plan->settings.node % FLUSH_JITTER_US;
    uint64_t at_us = urgent ? now_us + jitter_us : next_own_moment(plan, now_us, now_realtime_us);

    plan->fresh_at_us = MIN(plan->fresh_at_us, at_us);
}

uint64_t flush_plan_fresh_us(const struct flush_plan *plan)
{
    return plan->fresh_at_us == FLUSH_NEVER ? FLUSH_NEVER
                                            : MAX(plan->fresh_at_us, plan->not_before_us);
}

uint64_t flush_plan_backlog_us(const struct flush_plan *plan)
{
    return plan->healthy ? MAX(plan->backlog_at_us, plan->not_before_us) : FLUSH_NEVER;
}

/* Some windows from now; how many differs, or a whole fleet would meet again. */
static void keep_distance(struct flush_plan *plan, uint64_t random, uint64_t now_us,
                          uint64_t now_realtime_us)
{
    uint64_t window_us = plan->settings.window_s * USEC_PER_SEC;
    uint64_t pace_us = MIN(period_s(plan) * USEC_PER_SEC, window_us), wait_us, into_us;

    if (plan->stretch <= 1)
        return;
    wait_us = blurred((uint64_t) ((double) pace_us * plan->stretch), random);
    plan->not_before_us = now_us + wait_us;
    if (plan->settings.flush_s != 0)
        return; /* spread over its period already */
    into_us = (now_realtime_us + wait_us) % window_us;
    plan->not_before_us += (stretched_phase_us(plan) + window_us - into_us) % window_us;
}

/* From half the bound to all of it: a service that is down is not asked more often than that. */
static uint64_t retry_wait_us(unsigned failures, uint64_t random)
{
    static const struct backoff backoff = {FLUSH_RETRY_BASE_US, FLUSH_RETRY_CAP_US};
    uint64_t half_us = backoff_bound_us(&backoff, failures) / 2;

    return half_us + (uint64_t) (fraction(random) * (double) half_us);
}

static void fresh_ended(struct flush_plan *plan, enum flush_outcome outcome, uint64_t random,
                        uint64_t now_us, uint64_t now_realtime_us)
{
    /* After an outage all nodes come back together: none brings its backlog along at once. */
    if (outcome == FLUSH_SUCCEEDED && !plan->healthy)
        plan->backlog_at_us = now_us + (uint64_t) (fraction(random) * (double) plan->backlog_us);
    plan->healthy = outcome == FLUSH_SUCCEEDED;
    if (outcome == FLUSH_SUCCEEDED) {
        plan->failures = 0;
        plan->stretch = plan->stretch * STRETCH_RECOVERY < STRETCH_NEAR_ONE
                            ? 1
                            : plan->stretch * STRETCH_RECOVERY;
        plan->not_before_us = now_us;
        keep_distance(plan, random, now_us, now_realtime_us);
        return;
    }
    plan->not_before_us = now_us + retry_wait_us(plan->failures++, random);
    if (outcome == FLUSH_THROTTLED) {
        plan->stretch = fmin(plan->stretch * STRETCH_GROWTH, FLUSH_STRETCH_MAX);
        keep_distance(plan, random, now_us, now_realtime_us);
    }
}

static void backlog_ended(struct flush_plan *plan, enum flush_outcome outcome, uint64_t random,
                          uint64_t now_us)
{
    if (outcome == FLUSH_SUCCEEDED)
        plan->backlog_us =
            MAX((uint64_t) ((double) plan->backlog_us * BACKLOG_RECOVERY), FLUSH_BACKLOG_LEAST_US);
    else
        plan->backlog_us = MIN(plan->backlog_us * BACKLOG_GROWTH, FLUSH_BACKLOG_MOST_US);
    plan->backlog_at_us = now_us + blurred(plan->backlog_us, random);
}

void flush_plan_ended(struct flush_plan *plan, enum flush_kind kind, enum flush_outcome outcome,
                      bool more, uint64_t retry_after_us, uint64_t random, uint64_t now_us,
                      uint64_t now_realtime_us)
{
    if (kind == FLUSH_FRESH) {
        fresh_ended(plan, outcome, random, now_us, now_realtime_us);
        if (outcome != FLUSH_SUCCEEDED)
            plan->fresh_at_us = now_us; /* at once, that is when not_before_us allows it */
        else
            plan->fresh_at_us = more ? next_own_moment(plan, now_us, now_realtime_us) : FLUSH_NEVER;
        if (outcome != FLUSH_SUCCEEDED)
            plan->backlog_us = MAX(plan->backlog_us, FLUSH_BACKLOG_US);
    } else {
        backlog_ended(plan, outcome, random, now_us);
        if (outcome == FLUSH_THROTTLED)
            plan->stretch = fmin(plan->stretch * STRETCH_GROWTH, FLUSH_STRETCH_MAX);
    }
    plan->not_before_us = MAX(plan->not_before_us, now_us + retry_after_us);
}

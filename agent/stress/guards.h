/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The stress guards: what must not go on beside a stress, and is no moment to begin one. Pure.
 *
 *   node      it does not serve: starting, drained, leaving            at once
 *   workers   an app has no ready worker                               at once
 *   latency   an app's p99 is over stress.latency_ms                   in two intervals in a row
 *   steal     CPUSteal is over stress.steal_percent on average         in two intervals in a row
 *
 * Intervals are five seconds, counted by themselves: a window of the metrics may be a minute, and
 * it has requests from before the stress. They are counted without a stress as well, so that an
 * order is refused while a guard stands. Requests that have not been answered have no latency yet.
 */
#pragma once

#include "agent/core/snapshot.h"

#define STRESS_INTERVAL_US UINT64_C(5000000)
#define STRESS_INTERVALS   2u /* in a row */
#define STRESS_TROUBLE_MAX 120u

struct stress_guard_limits { /* 0: none */
    unsigned latency_ms, steal_percent;
};

struct stress_guards {
    uint64_t began_at_us;           /* the interval; 0: the first look is still to come */
    struct tally *before[APPS_MAX]; /* at its beginning; by the ledger's index */
    double steal_sum;
    unsigned n_steal;
    struct stress_over {
        unsigned intervals; /* in a row */
        double value;       /* in the last one */
    } latency[APPS_MAX], steal;
};

void stress_guards_done(struct stress_guards *guards);

/* Looks at a snapshot, after each sample. */
void stress_guards_look(struct stress_guards *guards, const struct snapshot *snapshot,
                        const struct stress_guard_limits *limits);

/* What stands against a stress now, in one line; "": nothing. Returns |text|. */
const char *stress_guards_trouble(const struct stress_guards *guards,
                                  const struct snapshot *snapshot,
                                  const struct stress_guard_limits *limits,
                                  char text[STRESS_TROUBLE_MAX]);

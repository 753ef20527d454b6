/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The flush plan: when a node sends. Pure: time and chance are given.
 *
 * Two kinds of requests. Fresh ones carry the newest windows and set the pace; the backlog (what
 * could not be sent earlier) follows at a rate of its own, and only while fresh ones succeed.
 *
 *     fixed       every flush_s, at the node's own moment within it
 *     adaptive    once a minute, at the node's own moment within it; but at a window's end, within
 *                 FLUSH_JITTER_US, while the CPU is within FLUSH_NEAR_POINTS of the scaling target
 *                 or above, or has moved by FLUSH_JUMP_POINTS, and for FLUSH_HOLD_WINDOWS after it
 *
 * The moment comes from the node's name, so that a fleet spreads itself evenly and a node doesn't
 * wander. CloudWatch's quota is of an account and Region (500 requests a second): a node that is
 * throttled stretches its pace, gives up meeting the others at a window's end, and takes both back
 * slowly while all goes well. A request that failed
 * otherwise is tried again with backoff.
 */
#pragma once

#include "common/base/macro.h"

#include <stdbool.h>
#include <stdint.h>

#define FLUSH_CALM_S        60u
#define FLUSH_JITTER_US     UINT64_C(1000000)
#define FLUSH_NEAR_POINTS   10.0
#define FLUSH_JUMP_POINTS   15.0
#define FLUSH_HOLD_WINDOWS  3u
#define FLUSH_STRETCH_MAX   64.0
#define FLUSH_RETRY_BASE_US UINT64_C(10000000)
#define FLUSH_RETRY_CAP_US  UINT64_C(60000000)
/* Between requests of the backlog: begins with the first, goes down to the least while they
 * succeed. */
#define FLUSH_BACKLOG_US       UINT64_C(60000000)
#define FLUSH_BACKLOG_LEAST_US UINT64_C(10000000)
#define FLUSH_BACKLOG_MOST_US  UINT64_C(600000000)
#define FLUSH_NEVER            UINT64_MAX

struct flush_plan_settings {
    unsigned flush_s; /* 0: adaptive */
    unsigned window_s;
    unsigned scaling_target_percent;
    uint64_t node; /* a hash of the node's name */
};

struct flush_plan { /* plain value */
    struct flush_plan_settings settings;
    double last_cpu_percent; /* NAN: none yet */
    unsigned hold_windows;   /* urgent for so many more */
    double stretch;          /* 1: at its own pace */
    unsigned failures;       /* of fresh requests in a row */
    bool healthy;            /* the last fresh request succeeded */
    uint64_t fresh_at_us;    /* monotonic; FLUSH_NEVER: nothing to send */
    uint64_t not_before_us;  /* after a failure, a throttle or while stretched */
    uint64_t backlog_us;     /* the present interval */
    uint64_t backlog_at_us;
};

void flush_plan_init(struct flush_plan *plan, const struct flush_plan_settings *settings);
/* Other settings, the same state. */
void flush_plan_configure(struct flush_plan *plan, const struct flush_plan_settings *settings);

/* A window has closed. |cpu_percent|: the host's mean in it; NAN: not known. */
void flush_plan_window(struct flush_plan *plan, double cpu_percent, uint64_t now_us,
                       uint64_t now_realtime_us);

/* When the next fresh request is due (monotonic, may be past), and the next of the backlog if there
 * is any. FLUSH_NEVER: not before something else happens. */
uint64_t flush_plan_fresh_us(const struct flush_plan *plan);
uint64_t flush_plan_backlog_us(const struct flush_plan *plan);

enum flush_kind { FLUSH_FRESH, FLUSH_BACKLOG };
enum flush_outcome {
    FLUSH_SUCCEEDED,
    FLUSH_THROTTLED,
    FLUSH_FAILED,
};

/*
 * A request has ended. |more|: fresh records wait already. |retry_after_us|: the service's wish; 0:
 * none.
 */
void flush_plan_ended(struct flush_plan *plan, enum flush_kind kind, enum flush_outcome outcome,
                      bool more, uint64_t retry_after_us, uint64_t random, uint64_t now_us,
                      uint64_t now_realtime_us);

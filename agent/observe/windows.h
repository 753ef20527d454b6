/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Windows: what was observed, summed up between boundaries of the wall clock. Pure: all time is
 * given by the caller.
 *
 * One window is open. Each round the caller asks windows_due():
 *
 *     WINDOW_RUNNING   observe
 *     WINDOW_DUE       observe (what happened up to the boundary), then close
 *     WINDOW_OVERDUE   close, then observe: the boundary is long past (the host was suspended, the
 *                      agent stopped, or the clock stepped forwards), so what is seen now belongs
 *                      to the next window
 *
 * The first window starts where the agent does, within its boundaries: it is labelled with its
 * boundary, and that it is partial shows in its sample counts. So does any that was cut short.
 *
 * When the wall clock steps, these hold:
 *  - No two windows have the same start. One that would repeat a start (the clock went back over
 *    boundaries that are used, or a window was closed early) gets the next free second inside its
 *    boundaries instead; CloudWatch adds it to the right period all the same.
 *  - None is open longer than its length and WINDOW_SLACK_US, by the monotonic clock. A step back
 *    out of the open window closes it.
 *  - Nothing is dropped: each observation is in exactly one window.
 */
#pragma once

#include "agent/core/snapshot.h"
#include "agent/observe/host-sampler.h"
#include "common/base/histogram.h"
#include "common/base/macro.h"
#include "common/schema/contract.h"
#include "common/schema/metrics.h"

#include <stdbool.h>
#include <stdint.h>

#define WINDOW_NO_APP   (-1) /* for metrics of the host and the agent */
#define WINDOW_SLACK_US UINT64_C(1000000)

struct window_series { /* in the metric's unit */
    uint64_t count;    /* 0: nothing was observed, the rest means nothing */
    double sum, minimum, maximum;
};

struct window {
    uint64_t start_realtime_us;
    uint64_t length_us; /* between boundaries; it may have been open for less */
    struct window_series host[METRIC_COUNT_]; /* and agent */
    struct window_series apps[APPS_MAX][METRIC_COUNT_];
    /* NULL, or all zero where the series' count is 0 */
    struct histogram *distributions[APPS_MAX][METRIC_COUNT_];
};

enum window_due { WINDOW_RUNNING, WINDOW_DUE, WINDOW_OVERDUE };

struct windows;

/*
 * Opens the first one. |last_start_realtime_us| is the start of the last window of an earlier core,
 * 0 if not known: it is not used again. 0, -EINVAL for length_s = 0, -ENOMEM.
 */
int windows_new(struct windows **ret, unsigned length_s, uint64_t last_start_realtime_us,
                uint64_t now_us, uint64_t now_realtime_us);
struct windows *windows_free(struct windows *windows);
DEFINE_CLEANUP(struct windows *, windows_free)

/* One sample of a gauge, an addition to a counter (0 makes it present), an addition to a
 * distribution. The metric must be of that kind and of that scope; |app| is an index below APPS_MAX
 * or WINDOW_NO_APP. A value that is no finite number is passed over: absent. */
void windows_observe(struct windows *windows, enum metric metric, int app, double value);
void windows_count(struct windows *windows, enum metric metric, int app, double value);
/* 0 or -ENOMEM (then it is not added). */
int windows_distribution(struct windows *windows, enum metric metric, int app,
                         const struct histogram *delta);

/* All that a host sample has. */
void windows_observe_host(struct windows *windows, const struct host_sample *sample);

/* The boundary at which the open window ends. */
uint64_t windows_end_realtime_us(const struct windows *windows);

enum window_due windows_due(const struct windows *windows, uint64_t now_us,
                            uint64_t now_realtime_us);

/*
 * Closes the open window, due or not, and opens the next. What it returns is never NULL and stays
 * until the next close.
 */
const struct window *windows_close(struct windows *windows, uint64_t now_us,
                                   uint64_t now_realtime_us);

/* The newest value and the last closed window of one series. */
void windows_view(const struct windows *windows, enum metric metric, int app,
                  struct sample_view *ret);

/* The index |app| now means another app (or none): forgets what both windows have of it. Close the
 * open one first. */
void windows_forget_app(struct windows *windows, int app);

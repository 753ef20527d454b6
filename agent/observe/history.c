/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A ring a series, and the point that is open: sums of the gauges and where the requests stood.
 *
 * The points lie on a grid of the monotonic clock. A sample that comes a little early for its
 * point's end (timers jitter) ends it all the same, else every point after it would be a sample
 * late.
 */
#include "agent/observe/history.h"

#include <assert.h>
#include <errno.h>
#include <math.h>

#define EARLY_US   (HISTORY_INTERVAL_US / 20)
#define SPREAD_MAX 3u /* intervals that one point may stand for */

struct history {
    bool begun, has_total;
    uint64_t number;
    uint64_t opened_us, end_us;
    double sum[HISTORY_GAUGES_];
    unsigned samples[HISTORY_GAUGES_];
    struct tally total; /* when the open point began */
    double values[HISTORY_SERIES_][HISTORY_POINTS];
};

const char *history_series_to_string(enum history_series series)
{
    static const char *const names[HISTORY_SERIES_] = {
        [HISTORY_CPU] = "cpu",       [HISTORY_STRESS] = "stress",
        [HISTORY_MEMORY] = "memory", [HISTORY_REQUESTS] = "requests_per_second",
        [HISTORY_P99_MS] = "p99_ms", [HISTORY_ERRORS] = "errors_per_second",
    };

    return names[series];
}

int history_new(struct history **ret)
{
    struct history *history = calloc(1, sizeof(*history));

    if (!history)
        return -ENOMEM;
    for (int series = 0; series < HISTORY_SERIES_; series++)
        for (size_t i = 0; i < HISTORY_POINTS; i++)
            history->values[series][i] = (double) NAN;
    *ret = history;
    return 0;
}

struct history *history_free(struct history *history)
{
    free(history);
    return NULL;
}

void history_observe(struct history *history, enum history_series gauge, double value)
{
    assert(gauge < HISTORY_GAUGES_);
    if (!isfinite(value))
        return;
    history->sum[gauge] += value;
    history->samples[gauge]++;
}

bool history_due(const struct history *history, uint64_t now_us)
{
    return !history->begun || now_us + EARLY_US >= history->end_us;
}

static void open_point(struct history *history, uint64_t now_us, const struct tally *total)
{
    for (int gauge = 0; gauge < HISTORY_GAUGES_; gauge++) {
        history->sum[gauge] = 0;
        history->samples[gauge] = 0;
    }
    history->opened_us = now_us;
    history->has_total = total;
    if (total)
        history->total = *total;
}

static void push(struct history *history, const double point[HISTORY_SERIES_])
{
    for (int series = 0; series < HISTORY_SERIES_; series++)
        history->values[series][history->number % HISTORY_POINTS] = point[series];
    history->number++;
}

/* What came in since the point began. An app that was taken away takes its counts with it: then
 * some of it is missed, and nothing becomes negative. */
static void measure_requests(const struct history *history, uint64_t now_us,
                             const struct tally *total, double point[HISTORY_SERIES_])
{
    double seconds = (double) (now_us - history->opened_us) / 1e6;
    uint64_t before = tally_requests(&history->total), after = tally_requests(total);
    uint64_t errors_before = history->total.requests[SCOREBOARD_5XX];
    uint64_t errors_after = total->requests[SCOREBOARD_5XX];
    struct histogram latency = total->latency;

    point[HISTORY_REQUESTS] = (double) (after - MIN(before, after)) / seconds;
    point[HISTORY_ERRORS] = (double) (errors_after - MIN(errors_before, errors_after)) / seconds;
    histogram_subtract(&latency, &history->total.latency);
    if (histogram_count(&latency) > 0)
        point[HISTORY_P99_MS] = (double) histogram_quantile_us(&latency, 990) / 1e3;
}

void history_close(struct history *history, uint64_t now_us, const struct tally *total)
{
    double point[HISTORY_SERIES_], unknown[HISTORY_SERIES_];
    uint64_t intervals;

    if (!history->begun) {
        history->begun = true;
        history->end_us = now_us + HISTORY_INTERVAL_US;
        open_point(history, now_us, total);
        return;
    }
    for (int series = 0; series < HISTORY_SERIES_; series++)
        point[series] = unknown[series] = (double) NAN;
    for (int gauge = 0; gauge < HISTORY_GAUGES_; gauge++)
        if (history->samples[gauge] > 0)
            point[gauge] = history->sum[gauge] / history->samples[gauge];
    if (total && history->has_total && now_us > history->opened_us)
        measure_requests(history, now_us, total, point);
    intervals = 1;
    if (now_us + EARLY_US > history->end_us)
        intervals += (now_us + EARLY_US - history->end_us) / HISTORY_INTERVAL_US;
    history->end_us += intervals * HISTORY_INTERVAL_US;
    for (uint64_t i = MIN(intervals, (uint64_t) HISTORY_POINTS); i > 0; i--)
        push(history, i == 1 || intervals <= SPREAD_MAX ? point : unknown);
    open_point(history, now_us, total);
}

uint64_t history_number(const struct history *history)
{
    return history->number;
}

double history_value(const struct history *history, enum history_series series, size_t index)
{
    uint64_t behind = HISTORY_POINTS - 1 - index; /* the newest one */

    if (index >= HISTORY_POINTS || behind >= history->number)
        return (double) NAN;
    return history->values[series][(history->number - 1 - behind) % HISTORY_POINTS];
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The last ten minutes for who looks: a ring of points, 5 s each, of the host and of all apps
 * together. Pure: values and times are the caller's.
 *
 * It is for eyes (agentctl top), not for sums: it lives in the core and is lost with it. What
 * counts goes through windows.h.
 */
#pragma once

#include "common/base/macro.h"
#include "common/base/scoreboard.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define HISTORY_POINTS      120u
#define HISTORY_INTERVAL_US UINT64_C(5000000)

enum history_series {
    HISTORY_CPU, /* percent; the gauges come first */
    HISTORY_STRESS,
    HISTORY_MEMORY,
    HISTORY_GAUGES_,
    HISTORY_REQUESTS = HISTORY_GAUGES_, /* a second */
    HISTORY_P99_MS,
    HISTORY_ERRORS, /* 5xx a second */
    HISTORY_SERIES_,
};
/* As /v1/history names it. */
const char *history_series_to_string(enum history_series series);

struct history;

/* 0 or -ENOMEM. */
int history_new(struct history **ret);
struct history *history_free(struct history *history);
DEFINE_CLEANUP(struct history *, history_free)

/* One sample of a gauge (below HISTORY_GAUGES_); a point is the mean of its samples. NAN is passed
 * over. */
void history_observe(struct history *history, enum history_series gauge, double value);

/* Whether the open point ends now. True before the first history_close(), which begins it all. */
bool history_due(const struct history *history, uint64_t now_us);

/*
 * Ends the open point. |total|: all requests of all apps ever; NULL where none has scoreboards. A
 * point that was open for several intervals (samples are up to 10 s apart) counts for each of them;
 * after a longer silence those before the last are not known.
 */
void history_close(struct history *history, uint64_t now_us, const struct tally *total);

/* Points ever made: two answers are put side by side by it. */
uint64_t history_number(const struct history *history);

/* |index| 0 is the oldest, HISTORY_POINTS - 1 the newest; NAN: not known. */
double history_value(const struct history *history, enum history_series series, size_t index);

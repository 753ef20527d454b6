/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What goes wrong, counted, and told to StatsD each second: one datagram with what has changed. It
 * never blocks and keeps nothing: what can't be sent is added to the next one.
 */
#pragma once

#include "common/base/macro.h"

#include <systemd/sd-event.h>

enum counter {
    COUNT_STORE_TIMEOUT,     /* no answer in time */
    COUNT_STORE_THROTTLED,   /* the table's or account's limit */
    COUNT_STORE_CREDENTIALS, /* none, or not permitted */
    COUNT_STORE_MISSING,     /* the table or file is not there */
    COUNT_STORE_UNREACHABLE,
    COUNT_STORE_FULL, /* disk full or read-only */
    COUNT_STORE_BUSY, /* our own queue, or the file's lock */
    COUNT_STORE_OTHER,
    COUNT_DEADLINE,     /* requests answered by DEADLINE_US and not by the store */
    COUNT_OVERLOAD,     /* requests refused because too many wait */
    COUNT_RATE_LIMITED, /* posts */
    COUNT_CROSS_ORIGIN, /* posts from other sites' pages */
    COUNT_INVALID,      /* posts with a bad body, key or text */
    COUNT_BAD_CURSOR,   /* made up, damaged, foreign */
    COUNTERS,
};

/* "throttled": for logs, and as the metric's name behind its prefix. */
const char *counter_name(enum counter counter);
/* Which COUNT_STORE_ a store's error is. */
enum counter counter_of_error(int error);

struct counters;

/* |host| and |port|: StatsD's, as numbers; NULL: counts for nobody. 0 or a negative errno. */
int counters_new(struct counters **ret, sd_event *event, const char *host, unsigned port);
struct counters *counters_free(struct counters *counters);
DEFINE_CLEANUP(struct counters *, counters_free)

void counters_add(struct counters *counters, enum counter counter);
uint64_t counters_get(const struct counters *counters, enum counter counter); /* since the start */

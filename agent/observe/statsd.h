/* SPDX-License-Identifier: Apache-2.0 */
/*
 * StatsD: what apps say of themselves, one datagram at a time, summed up in a window. Pure: parsing
 * and arithmetic; the socket and the window's end are agent/core/'s.
 *
 *     name:value|type[|@rate][|#tag:value,...]        several lines a datagram
 *
 *     c     counter    value / rate is added; a window has its sum
 *     g     gauge      the last value; +n and -n change it (from 0 on); a window has each value
 *     ms    timer      milliseconds, a distribution (Values and Counts), rate counts it 1 / rate
 *                      times
 *     h, d  histogram  the same without a unit
 *     s     set        how many different values
 *
 * Also DogStatsD's several values ("name:1:2:3|ms"); its |c: and |T are read over, and what else
 * stands behind the type. Events (_e{), service checks (_sc) and types that are not known are
 * passed over, counted. A tag becomes a dimension if its name is in the list allowed; others are
 * dropped, so that they can't make series without end. What CloudWatch would refuse is cleaned
 * (names: printable ASCII) or refused (values beyond its range), for it refuses the whole request.
 * A line counts whole or not at all. One name with two types is two series.
 */
#pragma once

#include "agent/publish/record.h"
#include "common/schema/config.h" /* STATSD_DIMENSIONS_MAX */

#define STATSD_DATAGRAM_MAX  8192u
#define STATSD_NAME_MAX      255u /* CloudWatch's */
#define STATSD_TAG_NAME_MAX  64u
#define STATSD_TAG_VALUE_MAX 200u
#define STATSD_SET_MAX       1024u /* different values of a set a window; then it stays */
#define STATSD_IDLE_S        600u  /* silent for longer, a series loses its place; */
#define STATSD_IDLE_GAUGE_S  3600u /* a gauge, whose next line may be relative, later */
#define STATSD_BAD_LINE_MAX  79u

struct statsd;

struct statsd_counts {        /* since the start */
    uint64_t lines;           /* taken */
    uint64_t bad_lines;       /* no StatsD */
    uint64_t passed_over;     /* events, service checks, types that are not known */
    uint64_t over_series_max; /* lines whose series found no place */
    uint64_t tags_dropped;    /* not in the list, without a value, repeated, or too long */
    size_t series;            /* now */
    char last_bad_line[STATSD_BAD_LINE_MAX + 1]; /* its beginning, printable; "": none yet */
};

/* |dimensions|: names of tags allowed, NULL at the end; copied. AutoScalingGroupName and InstanceId
 * are the node's own and never allowed. -EINVAL for more than STATSD_DIMENSIONS_MAX. */
int statsd_new(struct statsd **ret, const char *const dimensions[], size_t series_max);
struct statsd *statsd_free(struct statsd *statsd);
DEFINE_CLEANUP(struct statsd *, statsd_free)

/* Another configuration; if it differs, every series is forgotten: close the window first. Counts
 * go on. On failure nothing has changed. */
int statsd_configure(struct statsd *statsd, const char *const dimensions[], size_t series_max);

/* One datagram; |data| need not end with a NUL and may be anything. */
void statsd_feed(struct statsd *statsd, const char *data, size_t length);
/* The beginning of one that was too long: its whole lines. The last may be half of one, "hits:1" of
 * "hits:100|c", and is a bad line. */
void statsd_feed_cut(struct statsd *statsd, const char *data, size_t length);

/*
 * Closes the window: a line (record.h) for each series that saw something, appended to records that
 * |next| hands out (a new one when the last is full; NULL ends it, the rest is counted as dropped
 * in |ret_dropped|). Series that saw nothing for a while lose their place.
 */
typedef struct buffer *(*statsd_next_record)(void *userdata);
void statsd_close(struct statsd *statsd, uint64_t start_realtime_us, uint64_t window_us,
                  statsd_next_record next, void *userdata, uint64_t *ret_dropped);

void statsd_counts(const struct statsd *statsd, struct statsd_counts *ret);

/* For views: each series with its last closed window. */
struct statsd_view {
    const char *name, *unit;
    const char *dimensions; /* "route=/,method=GET" */
    uint64_t count;
    double sum, minimum, maximum;
};
void statsd_each(const struct statsd *statsd,
                 void (*each)(const struct statsd_view *view, void *userdata), void *userdata);

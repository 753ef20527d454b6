/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One line of StatsD as its parts. Pure, allocates nothing; what it hands out points into the line.
 *
 * Strict where a wrong guess would make a wrong number (values, sample rates, a line that was cut),
 * lenient where nothing depends on it (fields after the type that are not known).
 */
#pragma once

#include "agent/observe/statsd.h"

#include <stdbool.h>

/* CloudWatch takes magnitudes from 2^-360 to 2^360, and refuses a whole request for one beyond.
 * From this one on even the sum of a window's lines stays below. */
#define STATSD_MAGNITUDE_MAX 0x1p280
#define STATSD_MAGNITUDE_MIN 0x1p-360 /* smaller is 0 */
#define STATSD_RATE_MIN      1e-6     /* a line can't count for more than a million */

enum statsd_kind {
    STATSD_COUNTER,
    STATSD_GAUGE,
    STATSD_TIMER,     /* ms */
    STATSD_HISTOGRAM, /* h, d */
    STATSD_SET,
    STATSD_KINDS_,
};

enum statsd_line_type {
    STATSD_LINE_EMPTY,
    STATSD_LINE_METRIC,
    STATSD_LINE_OTHER, /* an event, a service check, a type that is not known */
    STATSD_LINE_BAD,
};

struct statsd_text {
    const char *data;
    size_t length;
};

struct statsd_line {
    enum statsd_kind kind;
    double weight; /* 1 / sample rate */
    char name[STATSD_NAME_MAX + 1];
    struct statsd_text values; /* one or more, ':' between them; a set has one, with any bytes */
    struct statsd_text tags;   /* ',' between them; may be empty */
};

/* |data| has no newline in it, and else any bytes. *ret is whole for a metric only: then each of
 * its values is good. */
enum statsd_line_type statsd_line_parse(const char *data, size_t length, struct statsd_line *ret);

/* Cuts the next part off |rest|, up to |separator|. False when nothing is left. */
bool statsd_text_next(struct statsd_text *rest, char separator, struct statsd_text *ret);

/* A decimal number: no hexadecimal, no NaN, no infinity, no blanks, within CloudWatch's range.
 * |ret_has_sign|: begins with + or -, which changes a gauge instead of setting it. */
bool statsd_number_parse(const struct statsd_text *text, double *ret, bool *ret_has_sign);

/* Copies what CloudWatch takes in a name: printable ASCII, no blanks at the ends; '_' stands for
 * each other character. Bytes, 0 if nothing is left, or -ENOSPC for |size| or more. */
int statsd_clean(const struct statsd_text *text, char *target, size_t size);

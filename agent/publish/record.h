/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Records: a closed window as text, in the form in which it waits to be sent. Pure.
 *
 * One line a datum: its own dimensions (JSON objects with commas between them; may be empty), a
 * tab, and the datum's other members without braces. The node's dimensions (AutoScalingGroupName,
 * InstanceId) and the namespace are not in it: they may not be known yet when a window closes, and
 * body.h adds them when it is sent. A JSON string has neither tab nor newline in it, so the form is
 * safe.
 *
 *     {"Name":"App","Value":"board"}\t"MetricName":"RequestCount","Timestamp":1763760000,...\n
 *
 * Gauges and counters go out as StatisticValues, distributions as Values and Counts (percentiles
 * need them).
 */
#pragma once

#include "agent/observe/windows.h"
#include "common/base/buffer.h"

#include <stddef.h>

/* CloudWatch's limits: unique values in a datum, dimensions of a datum. */
#define RECORD_VALUES_MAX     150u
#define RECORD_DIMENSIONS_MAX 30u
#define RECORD_LINE_MAX       32768u /* of all that can be configured none is so long */

/* What a line is made of; text is escaped here. */
struct record_dimension {
    const char *name, *value;
};

struct record_datum {
    const char *name;
    const char *unit;
    const struct record_dimension *dimensions;
    size_t n_dimensions;
    uint64_t start_realtime_us;
    uint64_t window_us; /* shorter than 60 s: StorageResolution 1 */
    /* Either statistics (count > 0) ... */
    uint64_t count;
    double sum, minimum, maximum;
    /* ... or a distribution: |n_values| > 0; up to RECORD_VALUES_MAX. */
    const double *values;
    const uint64_t *counts;
    size_t n_values;
};

/* Appends the line. 0; -EINVAL for numbers that are not finite, no values at all or a line
 * too long (nothing is appended); or buffer_append()'s errors. */
int record_append(struct buffer *record, const struct record_datum *datum);

/* All series of a window that hold something. |app_names|: NULL leaves an app out. 0 or
 * buffer_append()'s errors. */
int record_append_window(struct buffer *record, const struct window *window,
                         const char *const app_names[APPS_MAX]);

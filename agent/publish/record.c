/* SPDX-License-Identifier: Apache-2.0 */
/* Prints datums as lines. The process's locale is "C", so the point is a point. */
#include "agent/publish/record.h"

#include "common/base/clock.h"
#include "common/base/json.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <string.h>

#define HIGH_RESOLUTION_S 60u /* shorter windows than this ask for 1 s storage resolution */

/* Exact in a double, so that it may be printed as an integer. */
#define EXACT_INTEGER_MAX 9007199254740992.0

/* 15 digits, which every double keeps and which don't show how 0.1 is stored. Whole numbers are
 * exact. */
static void append_number(struct buffer *out, double value)
{
    if (value == trunc(value) && fabs(value) <= EXACT_INTEGER_MAX)
        buffer_printf(out, "%" PRId64, (int64_t) value);
    else
        buffer_printf(out, "%.15g", value);
}

static void append_statistics(struct buffer *out, const struct record_datum *datum)
{
    buffer_printf(out, "\"StatisticValues\":{\"SampleCount\":%" PRIu64 ",\"Sum\":", datum->count);
    append_number(out, datum->sum);
    buffer_append_string(out, ",\"Minimum\":");
    append_number(out, datum->minimum);
    buffer_append_string(out, ",\"Maximum\":");
    append_number(out, datum->maximum);
    buffer_append_string(out, "}");
}

static void append_values(struct buffer *out, const struct record_datum *datum)
{
    buffer_append_string(out, "\"Values\":[");
    for (size_t i = 0; i < datum->n_values; i++) {
        if (i > 0)
            buffer_append_string(out, ",");
        append_number(out, datum->values[i]);
    }
    buffer_append_string(out, "],\"Counts\":[");
    for (size_t i = 0; i < datum->n_values; i++)
        buffer_printf(out, "%s%" PRIu64, i == 0 ? "" : ",", datum->counts[i]);
    buffer_append_string(out, "]");
}

static bool is_printable(const struct record_datum *datum)
{
    if (datum->n_values == 0)
        return datum->count > 0 && isfinite(datum->sum) && isfinite(datum->minimum) &&
               isfinite(datum->maximum);
    for (size_t i = 0; i < datum->n_values; i++)
        if (!isfinite(datum->values[i]))
            return false;
    return datum->n_values <= RECORD_VALUES_MAX;
}

int record_append(struct buffer *record, const struct record_datum *datum)
{
    uint64_t start_ms = datum->start_realtime_us / USEC_PER_MSEC;
    bool high_resolution = datum->window_us < HIGH_RESOLUTION_S * USEC_PER_SEC;
    size_t start = record->length;

    if (!is_printable(datum) || datum->n_dimensions > RECORD_DIMENSIONS_MAX)
        return -EINVAL;
    for (size_t i = 0; i < datum->n_dimensions; i++) {
        buffer_append_string(record, i == 0 ? "{\"Name\":" : ",{\"Name\":");
        json_append_string(record, datum->dimensions[i].name);
        buffer_append_string(record, ",\"Value\":");
        json_append_string(record, datum->dimensions[i].value);
        buffer_append(record, "}", 1);
    }
    buffer_append_string(record, "\t\"MetricName\":");
    json_append_string(record, datum->name);
    buffer_printf(record, ",\"Timestamp\":%" PRIu64, start_ms / 1000);
    if (start_ms % 1000 != 0)
        buffer_printf(record, ".%03" PRIu64, start_ms % 1000);
    buffer_printf(record, ",\"StorageResolution\":%d,\"Unit\":\"%s\",", high_resolution ? 1 : 60,
                  datum->unit);
    if (datum->n_values > 0)
        append_values(record, datum);
    else
        append_statistics(record, datum);
    buffer_append(record, "\n", 1);
    if (!record->failed && record->length - start <= RECORD_LINE_MAX)
        return 0;
    if (record->data) { /* nothing of half a line stays */
        record->length = start;
        record->data[start] = '\0';
    }
    return record->failed ? -ENOBUFS : -EINVAL;
}

/* --- a window -----------------------------------------------------------------------------------
 */

/* The next filled bucket from |bucket| on, HISTOGRAM_BUCKETS if there is none. */
static size_t next_filled(const struct histogram *histogram, size_t bucket)
{
    while (bucket < HISTOGRAM_BUCKETS && histogram->counts[bucket] == 0)
        bucket++;
    return bucket;
}

/* Several datums of the same name and time where there are more values than one may have. */
static int append_distribution(struct buffer *record, struct record_datum *datum,
                               const struct histogram *histogram)
{
    double values[RECORD_VALUES_MAX];
    uint64_t counts[RECORD_VALUES_MAX];
    size_t bucket = next_filled(histogram, 0);
    int r = 0;

    datum->values = values;
    datum->counts = counts;
    while (bucket < HISTOGRAM_BUCKETS && r == 0) {
        for (datum->n_values = 0; bucket < HISTOGRAM_BUCKETS && datum->n_values < RECORD_VALUES_MAX;
             bucket = next_filled(histogram, bucket + 1)) {
            values[datum->n_values] =
                (double) histogram_bucket_middle_us(bucket) / (double) USEC_PER_MSEC;
            counts[datum->n_values++] = histogram->counts[bucket];
        }
        r = record_append(record, datum);
    }
    return r;
}

static int append_series(struct buffer *record, const struct window *window, enum metric metric,
                         const struct window_series *series, const struct histogram *histogram,
                         const char *app)
{
    const struct metric_info *info = metric_info(metric);
    const struct record_dimension dimension = {.name = "App", .value = app};
    struct record_datum datum = {
        .name = info->name,
        .unit = info->unit,
        .dimensions = &dimension,
        .n_dimensions = app ? 1 : 0,
        .start_realtime_us = window->start_realtime_us,
        .window_us = window->length_us,
        .count = series->count,
        .sum = series->sum,
        .minimum = series->minimum,
        .maximum = series->maximum,
    };
    int r;

    if (series->count == 0)
        return 0;
    if (info->kind == METRIC_DISTRIBUTION)
        return histogram ? append_distribution(record, &datum, histogram) : 0;
    r = record_append(record, &datum);
    return r == -EINVAL ? 0 : r; /* an overflowed sum: absent */
}

int record_append_window(struct buffer *record, const struct window *window,
                         const char *const app_names[APPS_MAX])
{
    int r = 0;

    for (enum metric metric = 0; metric < METRIC_COUNT_ && r == 0; metric++)
        if (metric_info(metric)->scope != METRIC_APP)
            r = append_series(record, window, metric, &window->host[metric], NULL, NULL);
    for (size_t app = 0; app < APPS_MAX; app++)
        for (enum metric metric = 0; app_names[app] && metric < METRIC_COUNT_ && r == 0; metric++)
            if (metric_info(metric)->scope == METRIC_APP)
                r = append_series(record, window, metric, &window->apps[app][metric],
                                  window->distributions[app][metric], app_names[app]);
    return r;
}

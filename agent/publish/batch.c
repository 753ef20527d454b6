/* SPDX-License-Identifier: Apache-2.0 */
/* Walks over series, sets of dimensions and chunks of values, and prints each as a datum. */
#include "agent/publish/batch.h"

#include "common/base/clock.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <string.h>

#define DATUM_LIMIT_BYTES (64u * 1024)
#define HIGH_RESOLUTION_S 60u /* shorter windows than this ask for 1 s storage resolution */
#define BODY_END          "]}"

/* Exact in a double, so that it may be printed as an integer. */
#define EXACT_INTEGER_MAX 9007199254740992.0

struct dimensions {
    bool group, instance;
};

static bool is_set(const char *text)
{
    return text && *text;
}

/* The length of the well-formed UTF-8 character at |text|, or 0 (RFC 3629). */
static size_t utf8_character(const unsigned char *text)
{
    static const struct {
        unsigned char first_low, first_high, second_low, second_high;
        size_t length;
    } forms[] = {
        {0xc2, 0xdf, 0x80, 0xbf, 2}, {0xe0, 0xe0, 0xa0, 0xbf, 3}, {0xe1, 0xec, 0x80, 0xbf, 3},
        {0xed, 0xed, 0x80, 0x9f, 3}, {0xee, 0xef, 0x80, 0xbf, 3}, {0xf0, 0xf0, 0x90, 0xbf, 4},
        {0xf1, 0xf3, 0x80, 0xbf, 4}, {0xf4, 0xf4, 0x80, 0x8f, 4},
    };

    if (text[0] < 0x80)
        return 1;
    for (size_t i = 0; i < ARRAY_SIZE(forms); i++) {
        if (text[0] < forms[i].first_low || text[0] > forms[i].first_high)
            continue;
        if (text[1] < forms[i].second_low || text[1] > forms[i].second_high)
            return 0;
        for (size_t k = 2; k < forms[i].length; k++)
            if (text[k] < 0x80 || text[k] > 0xbf)
                return 0;
        return forms[i].length;
    }
    return 0;
}

/* A JSON string; a byte that is not UTF-8 becomes U+FFFD. */
static void append_string(struct buffer *out, const char *text)
{
    const unsigned char *p = (const unsigned char *) (text ? text : "");

    buffer_append(out, "\"", 1);
    while (*p) {
        size_t length = utf8_character(p);

        if (length == 0)
            buffer_append_string(out, "\\ufffd");
        else if (*p == '"' || *p == '\\')
            buffer_printf(out, "\\%c", *p);
        else if (*p < 0x20 || *p == 0x7f)
            buffer_printf(out, "\\u%04x", *p);
        else
            buffer_append(out, p, length);
        p += MAX(length, (size_t) 1);
    }
    buffer_append(out, "\"", 1);
}

/* 15 digits, which every double keeps and which don't show how 0.1 is stored. Whole numbers are
 * exact. The process's locale is "C", so the point is a point. */
static void append_number(struct buffer *out, double value)
{
    if (value == trunc(value) && fabs(value) <= EXACT_INTEGER_MAX)
        buffer_printf(out, "%" PRId64, (int64_t) value);
    else
        buffer_printf(out, "%.15g", value);
}

static void append_dimension(struct buffer *out, const char *name, const char *value, bool *first)
{
    if (!is_set(value))
        return;
    buffer_printf(out, "%s{\"Name\":\"%s\",\"Value\":", *first ? "" : ",", name);
    append_string(out, value);
    buffer_append_string(out, "}");
    *first = false;
}

/* Sets |number| of 0, 1. False behind the last. */
static bool dimension_set(const struct batch_settings *settings, unsigned number,
                          struct dimensions *ret)
{
    bool has_group = is_set(settings->asg_name);

    if (number == 0) {
        *ret = (struct dimensions){.group = has_group, .instance = !has_group};
        return true;
    }
    *ret = (struct dimensions){.group = true, .instance = true};
    return number == 1 && has_group && settings->per_instance && is_set(settings->instance_id);
}

/* What every datum begins with: name, dimensions, time, resolution, unit. */
static void append_head(struct buffer *out, const struct batch *batch,
                        const struct metric_info *info, const char *app,
                        struct dimensions dimensions)
{
    const struct batch_settings *settings = batch->settings;
    uint64_t start_ms = batch->window->start_realtime_us / USEC_PER_MSEC;
    bool high_resolution = batch->window->length_us < HIGH_RESOLUTION_S * USEC_PER_SEC;
    bool first = true;

    buffer_printf(out, "{\"MetricName\":\"%s\",\"Dimensions\":[", info->name);
    append_dimension(out, "AutoScalingGroupName", dimensions.group ? settings->asg_name : NULL,
                     &first);
    append_dimension(out, "InstanceId", dimensions.instance ? settings->instance_id : NULL, &first);
    append_dimension(out, "App", app, &first);
    buffer_printf(out, "],\"Timestamp\":%" PRIu64, start_ms / 1000);
    if (start_ms % 1000 != 0)
        buffer_printf(out, ".%03" PRIu64, start_ms % 1000);
    buffer_printf(out, ",\"StorageResolution\":%d,\"Unit\":\"%s\",", high_resolution ? 1 : 60,
                  info->unit);
}

static void append_statistics(struct buffer *out, const struct window_series *series)
{
    buffer_printf(out, "\"StatisticValues\":{\"SampleCount\":%" PRIu64 ",\"Sum\":", series->count);
    append_number(out, series->sum);
    buffer_append_string(out, ",\"Minimum\":");
    append_number(out, series->minimum);
    buffer_append_string(out, ",\"Maximum\":");
    append_number(out, series->maximum);
    buffer_append_string(out, "}}");
}

/* The next filled bucket from |bucket| on, HISTOGRAM_BUCKETS if there is none. */
static size_t next_filled(const struct histogram *histogram, size_t bucket)
{
    while (bucket < HISTOGRAM_BUCKETS && histogram->counts[bucket] == 0)
        bucket++;
    return bucket;
}

/* Up to BATCH_VALUES_MAX buckets from |bucket| on. Returns where the next datum starts,
 * HISTOGRAM_BUCKETS if this was the last. */
static size_t append_values(struct buffer *out, const struct histogram *histogram, size_t bucket)
{
    size_t n = 0, end;

    buffer_append_string(out, "\"Values\":[");
    for (end = bucket; end < HISTOGRAM_BUCKETS && n < BATCH_VALUES_MAX;
         end = next_filled(histogram, end + 1)) {
        if (n++ > 0)
            buffer_append_string(out, ",");
        append_number(out, (double) histogram_bucket_middle_us(end) / (double) USEC_PER_MSEC);
    }
    buffer_append_string(out, "],\"Counts\":[");
    for (size_t k = bucket; k < end; k = next_filled(histogram, k + 1))
        buffer_printf(out, "%s%" PRIu64, k == bucket ? "" : ",", histogram->counts[k]);
    buffer_append_string(out, "]}");
    return end;
}

static bool is_printable(const struct window_series *series)
{
    return series->count > 0 && isfinite(series->sum) && isfinite(series->minimum) &&
           isfinite(series->maximum);
}

/* Moves the batch to the next series. */
static void next_series(struct batch *batch)
{
    batch->series++;
    batch->dimensions = 0;
    batch->bucket = 0;
}

/* Prints the datum that the batch stands at, and moves on. True if there was one to print there. */
static bool print_datum(struct batch *batch, struct buffer *out)
{
    enum metric metric = (enum metric)(batch->series % METRIC_COUNT_);
    size_t owner = batch->series / METRIC_COUNT_; /* 0: host and agent; then the apps */
    const struct metric_info *info = metric_info(metric);
    const struct window *window = batch->window;
    const struct window_series *series =
        owner == 0 ? &window->host[metric] : &window->apps[owner - 1][metric];
    const char *app = owner == 0 ? NULL : batch->settings->app_names[owner - 1];
    const struct histogram *histogram = NULL;
    struct dimensions dimensions;

    if (info->kind == METRIC_DISTRIBUTION && owner > 0)
        histogram = window->distributions[owner - 1][metric];
    if (histogram)
        batch->bucket = next_filled(histogram, batch->bucket);
    if (!is_printable(series) || (info->scope == METRIC_APP) != is_set(app) ||
        (info->kind == METRIC_DISTRIBUTION && (!histogram || batch->bucket >= HISTOGRAM_BUCKETS)) ||
        !dimension_set(batch->settings, batch->dimensions, &dimensions)) {
        next_series(batch);
        return false;
    }

    append_head(out, batch, info, app, dimensions);
    if (histogram)
        batch->bucket = append_values(out, histogram, batch->bucket);
    else
        append_statistics(out, series);
    if (!histogram || batch->bucket >= HISTOGRAM_BUCKETS) {
        batch->dimensions++;
        batch->bucket = 0;
    }
    return true;
}

void batch_init(struct batch *batch, const struct batch_settings *settings,
                const struct window *window)
{
    *batch = (struct batch){.settings = settings, .window = window};
}

/* Appends datums to |body| until a limit or the end. Returns their number or a negative errno. */
static int print_datums(struct batch *batch, struct buffer *body, struct buffer *datum,
                        size_t limit_bytes, size_t datums_max)
{
    size_t start = body->length, n = 0, end = METRIC_COUNT_ * (APPS_MAX + 1u);

    buffer_append_string(body, "{\"Namespace\":");
    append_string(body, batch->settings->namespace_);
    buffer_append_string(body, ",\"MetricData\":[");
    while (batch->series < end && n < datums_max) {
        struct batch before = *batch;

        buffer_clear(datum);
        if (!print_datum(batch, datum))
            continue;
        if (datum->failed) /* out of memory: none that can be configured is so long */
            return -ENOMEM;
        if (body->length - start + 1 + datum->length + strlen(BODY_END) > limit_bytes) {
            if (n == 0)
                continue;
            *batch = before;
            break;
        }
        if (n++ > 0)
            buffer_append(body, ",", 1);
        buffer_append(body, datum->data, datum->length);
    }
    buffer_append_string(body, BODY_END);
    return body->failed ? -ENOBUFS : (int) n;
}

int batch_next(struct batch *batch, struct buffer *body)
{
    const struct batch_settings *settings = batch->settings;
    struct batch before = *batch;
    size_t start = body->length;
    struct buffer datum;
    int n;

    buffer_init(&datum, DATUM_LIMIT_BYTES);
    n = print_datums(batch, body, &datum, settings->body_limit_bytes ?: BATCH_BODY_LIMIT_BYTES,
                     settings->datums_max ?: BATCH_DATUMS_MAX);
    buffer_done(&datum);
    if (n < 0)
        *batch = before;
    if (n <= 0 && body->data) { /* nothing of a half body stays */
        body->length = start;
        body->data[start] = '\0';
    }
    return n > 0 ? 1 : n;
}

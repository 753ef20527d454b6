/* SPDX-License-Identifier: Apache-2.0 */
/* Two windows, one open and one closed, that change places; and the memory of used starts. */
#include "agent/observe/windows.h"

#include "common/base/clock.h"

#include <assert.h>
#include <errno.h>
#include <math.h>
#include <string.h>

/*
 * Starts that were used, as sequences of one window's length apart. As long as the clock only goes
 * forwards there is a single one; each step back begins another. The oldest is forgotten first.
 */
#define SEQUENCES_MAX 16u

struct sequence {
    uint64_t first, last;
    bool used;
};

struct windows {
    uint64_t length_us;
    uint64_t end_realtime_us;
    uint64_t boundary_realtime_us; /* where the open one's period starts; its label may be later */
    uint64_t deadline_us;          /* monotonic: its end, had the clock not stepped */
    struct window *open, *closed;
    bool has_closed;
    double last_host[METRIC_COUNT_];
    double last_apps[APPS_MAX][METRIC_COUNT_];
    struct sequence sequences[SEQUENCES_MAX];
    unsigned newest;
};

static bool is_used(const struct windows *windows, uint64_t start)
{
    for (size_t i = 0; i < SEQUENCES_MAX; i++) {
        const struct sequence *sequence = &windows->sequences[i];

        if (sequence->used && start >= sequence->first && start <= sequence->last &&
            (start - sequence->first) % windows->length_us == 0)
            return true;
    }
    return false;
}

static void remember_start(struct windows *windows, uint64_t start)
{
    struct sequence *sequence = &windows->sequences[windows->newest];

    if (sequence->used && start == sequence->last + windows->length_us) {
        sequence->last = start;
        return;
    }
    if (sequence->used)
        windows->newest = (windows->newest + 1) % SEQUENCES_MAX;
    windows->sequences[windows->newest] =
        (struct sequence){.first = start, .last = start, .used = true};
}

/* The next start to try: the next second, and when the period has no more of them, the next
 * millisecond. */
static uint64_t next_candidate(uint64_t candidate, uint64_t end)
{
    return candidate + (candidate + USEC_PER_SEC < end ? USEC_PER_SEC : USEC_PER_MSEC);
}

static void open_window(struct windows *windows, uint64_t not_before_realtime_us, uint64_t now_us,
                        uint64_t now_realtime_us)
{
    uint64_t boundary = now_realtime_us - now_realtime_us % windows->length_us;
    uint64_t end = boundary + windows->length_us;
    uint64_t start = MAX(boundary, not_before_realtime_us);

    while (is_used(windows, start))
        start = next_candidate(start, end);
    remember_start(windows, start);
    windows->open->start_realtime_us = start;
    windows->open->length_us = windows->length_us;
    windows->boundary_realtime_us = boundary;
    windows->end_realtime_us = end;
    windows->deadline_us = now_us + (end - now_realtime_us);
}

static struct window *window_free(struct window *window)
{
    if (!window)
        return NULL;
    for (size_t app = 0; app < APPS_MAX; app++)
        for (size_t metric = 0; metric < METRIC_COUNT_; metric++)
            free(window->distributions[app][metric]);
    free(window);
    return NULL;
}

/* Empties one app's series, or the host's; keeps the histograms' memory. */
static void clear_app(struct window *window, size_t app)
{
    memset(window->apps[app], 0, sizeof(window->apps[app]));
    for (size_t metric = 0; metric < METRIC_COUNT_; metric++)
        if (window->distributions[app][metric])
            memset(window->distributions[app][metric], 0, sizeof(struct histogram));
}

static void clear_window(struct window *window)
{
    memset(window->host, 0, sizeof(window->host));
    for (size_t app = 0; app < APPS_MAX; app++)
        clear_app(window, app);
}

int windows_new(struct windows **ret, unsigned length_s, uint64_t last_start_realtime_us,
                uint64_t now_us, uint64_t now_realtime_us)
{
    CLEANUP(windows_freep) struct windows *windows = NULL;
    uint64_t boundary, not_before = 0;

    if (length_s == 0)
        return -EINVAL;
    windows = calloc(1, sizeof(*windows));
    if (!windows)
        return -ENOMEM;
    windows->open = calloc(1, sizeof(*windows->open));
    windows->closed = calloc(1, sizeof(*windows->closed));
    if (!windows->open || !windows->closed)
        return -ENOMEM;
    windows->length_us = length_s * USEC_PER_SEC;
    for (size_t metric = 0; metric < METRIC_COUNT_; metric++)
        windows->last_host[metric] = NAN;
    for (int app = 0; app < (int) APPS_MAX; app++)
        windows_forget_app(windows, app);

    /* The earlier core used some of the starts up to its last, in this very period. */
    boundary = now_realtime_us - now_realtime_us % windows->length_us;
    if (last_start_realtime_us >= boundary &&
        last_start_realtime_us < boundary + windows->length_us)
        not_before = next_candidate(last_start_realtime_us, boundary + windows->length_us);
    else if (last_start_realtime_us > 0)
        remember_start(windows, last_start_realtime_us);
    open_window(windows, not_before, now_us, now_realtime_us);
    *ret = TAKE(windows);
    return 0;
}

struct windows *windows_free(struct windows *windows)
{
    if (!windows)
        return NULL;
    window_free(windows->closed);
    window_free(windows->open);
    free(windows);
    return NULL;
}

static struct window_series *find_series(struct window *window, enum metric metric, int app)
{
    assert(metric < METRIC_COUNT_ && app >= WINDOW_NO_APP && app < (int) APPS_MAX);
    assert((metric_info(metric)->scope == METRIC_APP) == (app != WINDOW_NO_APP));
    return app == WINDOW_NO_APP ? &window->host[metric] : &window->apps[app][metric];
}

static double *find_last(struct windows *windows, enum metric metric, int app)
{
    return app == WINDOW_NO_APP ? &windows->last_host[metric] : &windows->last_apps[app][metric];
}

static void add_to_series(struct window_series *series, uint64_t count, double sum, double minimum,
                          double maximum)
{
    series->minimum = series->count == 0 ? minimum : fmin(series->minimum, minimum);
    series->maximum = series->count == 0 ? maximum : fmax(series->maximum, maximum);
    series->sum = series->count == 0 ? sum : series->sum + sum;
    series->count += count;
}

void windows_observe(struct windows *windows, enum metric metric, int app, double value)
{
    struct window_series *series = find_series(windows->open, metric, app);

    assert(metric_info(metric)->kind == METRIC_GAUGE);
    if (!isfinite(value))
        return;
    add_to_series(series, 1, value, value, value);
    *find_last(windows, metric, app) = value;
}

void windows_count(struct windows *windows, enum metric metric, int app, double value)
{
    struct window_series *series = find_series(windows->open, metric, app);

    assert(metric_info(metric)->kind == METRIC_COUNT);
    if (!isfinite(value))
        return;
    /* One number a window: how many there were in it. */
    series->sum = series->count == 0 ? value : series->sum + value;
    series->minimum = series->maximum = series->sum;
    series->count = 1;
    *find_last(windows, metric, app) = value;
}

int windows_distribution(struct windows *windows, enum metric metric, int app,
                         const struct histogram *delta)
{
    struct window_series *series = find_series(windows->open, metric, app);
    struct histogram **target;

    assert(metric_info(metric)->kind == METRIC_DISTRIBUTION && app != WINDOW_NO_APP);
    target = &windows->open->distributions[app][metric];
    if (!*target) {
        *target = calloc(1, sizeof(**target));
        if (!*target)
            return -ENOMEM;
    }
    for (size_t bucket = 0; bucket < HISTOGRAM_BUCKETS; bucket++) {
        double value_ms = (double) histogram_bucket_middle_us(bucket) / (double) USEC_PER_MSEC;
        uint64_t count = delta->counts[bucket];

        if (count == 0)
            continue;
        add_to_series(series, count, value_ms * (double) count, value_ms, value_ms);
        *find_last(windows, metric, app) = value_ms; /* the slowest of the newest */
    }
    histogram_merge(*target, delta);
    return 0;
}

void windows_observe_host(struct windows *windows, const struct host_sample *sample)
{
    for (enum metric metric = 0; metric < METRIC_COUNT_; metric++) {
        const struct metric_info *info = metric_info(metric);

        if (info->scope != METRIC_HOST)
            continue;
        if (info->kind == METRIC_GAUGE)
            windows_observe(windows, metric, WINDOW_NO_APP, sample->value[metric]);
        else
            windows_count(windows, metric, WINDOW_NO_APP, sample->value[metric]);
    }
}

uint64_t windows_end_realtime_us(const struct windows *windows)
{
    return windows->end_realtime_us;
}

enum window_due windows_due(const struct windows *windows, uint64_t now_us,
                            uint64_t now_realtime_us)
{
    if (now_realtime_us >= windows->end_realtime_us + WINDOW_SLACK_US ||
        now_us >= windows->deadline_us + WINDOW_SLACK_US)
        return WINDOW_OVERDUE;
    /* A step back by less than the slack may leave the period a little; the deadline bounds it. */
    if (now_realtime_us >= windows->end_realtime_us ||
        now_realtime_us + WINDOW_SLACK_US < windows->boundary_realtime_us)
        return WINDOW_DUE;
    return WINDOW_RUNNING;
}

const struct window *windows_close(struct windows *windows, uint64_t now_us,
                                   uint64_t now_realtime_us)
{
    struct window *closed = windows->open;

    windows->open = windows->closed;
    windows->closed = closed;
    windows->has_closed = true;
    clear_window(windows->open);
    open_window(windows, 0, now_us, now_realtime_us);
    return closed;
}

void windows_view(const struct windows *windows, enum metric metric, int app,
                  struct sample_view *ret)
{
    const struct window_series *series = find_series(windows->closed, metric, app);
    double last =
        app == WINDOW_NO_APP ? windows->last_host[metric] : windows->last_apps[app][metric];

    *ret = (struct sample_view){.present = !isnan(last), .last = last};
    if (!windows->has_closed || series->count == 0)
        return;
    ret->window_present = true;
    ret->window_count = series->count;
    ret->window_sum = series->sum;
    ret->window_minimum = series->minimum;
    ret->window_maximum = series->maximum;
}

void windows_forget_app(struct windows *windows, int app)
{
    assert(app >= 0 && app < (int) APPS_MAX);
    clear_app(windows->open, (size_t) app);
    clear_app(windows->closed, (size_t) app);
    for (size_t metric = 0; metric < METRIC_COUNT_; metric++)
        windows->last_apps[app][metric] = NAN;
}

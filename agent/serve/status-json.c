/* SPDX-License-Identifier: Apache-2.0 */
/* See the header. */
#include "agent/serve/status-json.h"

#include "agent/serve/verdict.h"
#include "common/base/clock.h"

#include "config.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include <syslog.h>

static struct json_object *new_versioned(void)
{
    struct json_object *object = json_object_new_object();

    json_add_u64(object, "schema_version", STATUS_SCHEMA_VERSION);
    return object;
}

/* JSON has no NaN: what is not known is null. */
static void add_number(struct json_object *object, const char *key, double value, unsigned decimals)
{
    if (isfinite(value))
        json_add_double(object, key, value, decimals);
    else
        json_add(object, key, NULL);
}

static void add_item(struct json_object *array, double value, unsigned decimals)
{
    char text[64];

    snprintf(text, sizeof(text), "%.*f", (int) decimals, value);
    json_object_array_add(array, isfinite(value) ? json_object_new_double_s(value, text) : NULL);
}

static void add_text_or_null(struct json_object *object, const char *key, const char *text)
{
    json_add_string(object, key, text[0] ? text : NULL);
}

static uint64_t age_s(const struct snapshot *snapshot, uint64_t since_us)
{
    return since_us && snapshot->taken_at_us > since_us
               ? (snapshot->taken_at_us - since_us) / USEC_PER_SEC
               : 0;
}

static struct json_object *worker_json(const struct snapshot *snapshot,
                                       const struct worker_view *worker)
{
    struct json_object *object = json_object_new_object();

    json_add_u64(object, "slot", worker->slot);
    json_add_u64(object, "pid", (uint64_t) worker->pid);
    json_add_string(object, "state", worker_state_to_string(worker->state));
    json_add_u64(object, "since_s", age_s(snapshot, worker->since_us));
    json_add_u64(object, "uptime_s", worker->pid ? age_s(snapshot, worker->started_at_us) : 0);
    json_add_u64(object, "restarts", worker->restarts);
    json_add_u64(object, "generation", worker->generation);
    json_add_u64(object, "in_flight", worker->in_flight);
    add_number(object, "cpu_percent", worker->cpu_percent, 1);
    add_number(object, "memory_bytes", worker->memory_bytes, 0);
    json_add_u64(object, "requests", worker->requests);
    add_text_or_null(object, "last_exit", worker->last_exit);
    add_text_or_null(object, "status", worker->status);
    return object;
}

static struct json_object *app_json(const struct snapshot *snapshot, const struct app_view *app)
{
    static const char *const classes[SCOREBOARD_CLASSES] = {"2xx", "3xx", "4xx", "5xx"};
    struct json_object *object = json_object_new_object(), *requests = json_object_new_object();
    struct json_object *latency = json_object_new_object(), *workers = json_object_new_array();

    json_add_string(object, "name", app->name);
    json_add_u64(object, "wanted", app->wanted);
    json_add_bool(object, "scaled", app->wanted != app->configured);
    json_add_u64(object, "ready", app->ready);
    json_add_bool(object, "crash_loop", app->crash_loop);
    add_text_or_null(object, "probe_failure", app->probe_failure);
    json_add_u64(object, "restarts", app->restarts);
    json_add_u64(object, "drain_kills", app->drain_kills);
    json_add_u64(object, "generation", app->generation);
    json_add_u64(object, "outdated", app->outdated);
    json_add_bool(object, "rolling", app->rolling);
    json_add_bool(object, "roll_queued", app->roll_queued);
    add_text_or_null(object, "roll_failed", app->roll_failed);
    json_add_u64(requests, "total", tally_requests(&app->total));
    for (size_t i = 0; i < SCOREBOARD_CLASSES; i++)
        json_add_u64(requests, classes[i], app->total.requests[i]);
    json_add(object, "requests", app->fed ? requests : (json_object_put(requests), NULL));
    add_number(object, "requests_per_second", app->fed ? app->requests_per_s : (double) NAN, 1);
    add_number(latency, "p50", app->p50_ms, 3);
    add_number(latency, "p99", app->p99_ms, 3);
    json_add(object, "latency_ms", latency);
    for (size_t i = 0; i < app->n_workers; i++)
        json_object_array_add(workers, worker_json(snapshot, &app->workers[i]));
    json_add(object, "workers", workers);
    return object;
}

/* The newest samples of what one looks at first; /v1/metrics has all. */
static struct json_object *host_json(const struct snapshot *snapshot)
{
    static const struct {
        const char *key;
        enum metric metric;
    } values[] = {
        {"cpu_percent", METRIC_CPU_UTILIZATION},
        {"steal_percent", METRIC_CPU_STEAL},
        {"memory_percent", METRIC_MEMORY_UTILIZATION},
        {"swap_percent", METRIC_SWAP_UTILIZATION},
        {"disk_percent", METRIC_DISK_UTILIZATION},
        {"pressure_cpu_percent", METRIC_PRESSURE_CPU},
        {"pressure_memory_percent", METRIC_PRESSURE_MEMORY},
        {"pressure_io_percent", METRIC_PRESSURE_IO},
    };
    struct json_object *object = json_object_new_object();

    for (size_t i = 0; i < ARRAY_SIZE(values); i++) {
        const struct sample_view *view = &snapshot->host[values[i].metric];

        add_number(object, values[i].key, view->present ? view->last : (double) NAN, 1);
    }
    return object;
}

static struct json_object *cloudwatch_json(const struct snapshot *snapshot)
{
    const struct publish_view *publish = &snapshot->publish;
    struct json_object *object = json_object_new_object(), *spool = json_object_new_object();
    struct json_object *codes = json_object_new_object();
    uint64_t success_us = publish->last_success_realtime_us, now_us = snapshot->taken_realtime_us;

    add_text_or_null(object, "waiting_for", publish->waiting_for);
    add_text_or_null(object, "region", publish->region);
    add_text_or_null(object, "asg_name", publish->asg_name);
    add_text_or_null(object, "credentials", publish->credentials);
    json_add(object, "last_success_age_s",
             success_us ? json_object_new_int64(
                              (int64_t) ((now_us - MIN(success_us, now_us)) / USEC_PER_SEC))
                        : NULL);
    json_add_u64(object, "calls_last_hour", publish->calls_last_hour);
    json_add_u64(object, "ambiguous", publish->ambiguous);
    json_add_u64(object, "dropped", publish->dropped);
    for (size_t i = 0; i < publish->n_codes; i++)
        json_add_u64(codes, publish->codes[i].code, publish->codes[i].count);
    json_add(object, "errors_by_code", codes);
    json_add_string(spool, "directory", publish->spool);
    json_add_u64(spool, "windows", publish->queued);
    json_add_u64(spool, "bytes", publish->queued_bytes);
    json_add_bool(spool, "in_memory", publish->spool_in_memory);
    json_add(object, "spool", spool);
    return object;
}

static struct json_object *publish_json(const struct snapshot *snapshot)
{
    const struct publish_view *publish = &snapshot->publish;
    static const char *const sinks[] = {[CONFIG_SINK_NONE] = "none",
                                        [CONFIG_SINK_FILE] = "file",
                                        [CONFIG_SINK_CLOUDWATCH] = "cloudwatch"};
    struct json_object *object = json_object_new_object();
    char time[CLOCK_TEXT_MAX];

    json_add_string(object, "sink", sinks[publish->sink]);
    add_text_or_null(object, "target", publish->target);
    json_add_u64(object, "windows_written", publish->windows_written);
    json_add_u64(object, "errors", publish->errors);
    json_add_string(object, "last_success",
                    publish->last_success_realtime_us
                        ? clock_format_iso8601(time, publish->last_success_realtime_us)
                        : NULL);
    add_text_or_null(object, "last_error", publish->last_error);
    if (publish->sink == CONFIG_SINK_CLOUDWATCH)
        json_add(object, "cloudwatch", cloudwatch_json(snapshot));
    return object;
}

static struct json_object *statsd_json(const struct statsd_totals *statsd)
{
    struct json_object *object = json_object_new_object();

    json_add_u64(object, "datagrams", statsd->datagrams);
    json_add_u64(object, "lines", statsd->lines);
    json_add_u64(object, "bad_lines", statsd->bad_lines);
    json_add_u64(object, "over_series_max", statsd->over_series_max);
    json_add_u64(object, "dropped", statsd->dropped);
    json_add_u64(object, "series", statsd->series);
    json_add_u64(object, "series_max", statsd->series_max);
    add_text_or_null(object, "last_bad_line", statsd->last_bad_line);
    return object;
}

struct json_object *stress_json(const struct snapshot *snapshot)
{
    const struct stress_view *stress = &snapshot->stress;
    struct json_object *object = json_object_new_object();
    bool on = stress->on;
    uint64_t left_us =
        stress->ends_at_us > snapshot->taken_at_us ? stress->ends_at_us - snapshot->taken_at_us : 0;
    char by[32];

    snprintf(by, sizeof(by), "uid %u", stress->uid);
    json_add_bool(object, "on", on);
    json_add_bool(object, "running", on && stress->running);
    json_add_bool(object, "alive", stress->pid > 0); /* also one that is about to end */
    json_add(object, "load", on ? json_object_new_int64(stress->load_percent) : NULL);
    json_add(object, "cores", on && stress->cores ? json_object_new_int64(stress->cores) : NULL);
    json_add_string(object, "priority", !on ? NULL : stress->normal_priority ? "normal" : "idle");
    json_add(object, "pid", on && stress->pid > 0 ? json_object_new_int64(stress->pid) : NULL);
    add_number(object, "seconds_left", on ? (double) left_us / USEC_PER_SEC : (double) NAN, 1);
    add_number(object, "share", stress->share_percent, 1);
    json_add_string(object, "started_by", on ? by : NULL);
    json_add_string(object, "last", stress->last);
    return object;
}

struct json_object *status_json(const struct snapshot *snapshot, const char *log_directory)
{
    struct json_object *object = new_versioned(), *holder = json_object_new_object();
    struct json_object *core = json_object_new_object(), *apps = json_object_new_array();
    enum verdict verdict = verdict_node(snapshot);
    char reason[APP_NAME_MAX + 64];

    json_add_string(object, "instance_id", snapshot->instance_id);
    json_add_string(object, "version", PACKAGE_VERSION);
    json_add_string(object, "state", node_state_to_string(snapshot->node));
    json_add(object, "drained_s",
             snapshot->drained_at_us
                 ? json_object_new_int64((int64_t) age_s(snapshot, snapshot->drained_at_us))
                 : NULL);
    json_add_bool(object, "healthy", verdict != VERDICT_FAIL);
    json_add_string(object, "status", verdict_to_string(verdict));
    json_add_string(object, "reason", verdict_reason(snapshot, NULL, reason, sizeof(reason)));
    json_add_u64(object, "uptime_s", age_s(snapshot, snapshot->unit_started_at_us));
    json_add_u64(holder, "pid", (uint64_t) snapshot->holder_pid);
    json_add(object, "holder", holder);
    json_add_u64(core, "pid", (uint64_t) snapshot->core_pid);
    json_add_u64(core, "starts", snapshot->core_starts);
    json_add_u64(core, "uptime_s", age_s(snapshot, snapshot->core_started_at_us));
    json_add(object, "core", core);
    json_add_string(object, "log_directory", log_directory);
    json_add(object, "host", host_json(snapshot));
    for (size_t i = 0; i < snapshot->n_apps; i++)
        json_object_array_add(apps, app_json(snapshot, &snapshot->apps[i]));
    json_add(object, "apps", apps);
    json_add(object, "publish", publish_json(snapshot));
    json_add(object, "stress", stress_json(snapshot));
    json_add(object, "statsd", snapshot->statsd.listens ? statsd_json(&snapshot->statsd) : NULL);
    return object;
}

/* --- history ------------------------------------------------------------------------------------
 */

struct json_object *history_json(const struct history *history)
{
    static const unsigned decimals[HISTORY_SERIES_] = {
        [HISTORY_CPU] = 1,      [HISTORY_STRESS] = 1, [HISTORY_MEMORY] = 1,
        [HISTORY_REQUESTS] = 1, [HISTORY_P99_MS] = 3, [HISTORY_ERRORS] = 1,
    };
    struct json_object *object = new_versioned(), *all = json_object_new_object();

    json_add_u64(object, "interval_seconds", HISTORY_INTERVAL_US / USEC_PER_SEC);
    json_add_u64(object, "points", HISTORY_POINTS);
    json_add_u64(object, "number", history_number(history));
    for (int series = 0; series < HISTORY_SERIES_; series++) {
        struct json_object *values = json_object_new_array();

        for (size_t i = 0; i < HISTORY_POINTS; i++)
            add_item(values, history_value(history, series, i), decimals[series]);
        json_add(all, history_series_to_string(series), values);
    }
    json_add(object, "series", all);
    return object;
}

/* --- metrics ------------------------------------------------------------------------------------
 */

static void add_metric(struct json_object *metrics, enum metric metric, const char *app,
                       const struct sample_view *view)
{
    static const char *const scopes[] = {
        [METRIC_HOST] = "host", [METRIC_APP] = "app", [METRIC_AGENT] = "agent"};
    const struct metric_info *info = metric_info(metric);
    struct json_object *object, *window = NULL;

    if (!view->present && !view->window_present)
        return;
    object = json_object_new_object();
    json_add_string(object, "name", info->name);
    json_add_string(object, "app", app);
    json_add_string(object, "unit", info->unit);
    json_add_string(object, "scope", scopes[info->scope]);
    add_number(object, "last", view->present ? view->last : (double) NAN, 3);
    if (view->window_present) {
        window = json_object_new_object();
        add_number(window, "minimum", view->window_minimum, 3);
        add_number(window, "maximum", view->window_maximum, 3);
        add_number(window, "sum", view->window_sum, 3);
        json_add_u64(window, "count", view->window_count);
    }
    json_add(object, "window", window);
    json_object_array_add(metrics, object);
}

static void add_statsd(const struct statsd_view *view, void *userdata)
{
    struct json_object *object = json_object_new_object(), *window = json_object_new_object();

    json_add_string(object, "name", view->name);
    json_add_string(object, "app", NULL);
    json_add_string(object, "dimensions", view->dimensions);
    json_add_string(object, "unit", view->unit);
    json_add_string(object, "scope", "statsd");
    json_add(object, "last", NULL);
    add_number(window, "minimum", view->minimum, 3);
    add_number(window, "maximum", view->maximum, 3);
    add_number(window, "sum", view->sum, 3);
    json_add_u64(window, "count", view->count);
    json_add(object, "window", view->count ? window : (json_object_put(window), NULL));
    json_object_array_add(userdata, object);
}

struct json_object *metrics_json(const struct snapshot *snapshot, unsigned window_s,
                                 const struct statsd *statsd)
{
    struct json_object *object = new_versioned(), *metrics = json_object_new_array();

    json_add_u64(object, "window_s", window_s);
    for (int metric = 0; metric < METRIC_COUNT_; metric++)
        if (metric_info(metric)->scope != METRIC_APP)
            add_metric(metrics, metric, NULL, &snapshot->host[metric]);
    for (size_t i = 0; i < snapshot->n_apps; i++)
        for (int metric = 0; metric < METRIC_COUNT_; metric++)
            if (metric_info(metric)->scope == METRIC_APP)
                add_metric(metrics, metric, snapshot->apps[i].name,
                           &snapshot->app_series[i][metric]);
    if (statsd)
        statsd_each(statsd, add_statsd, metrics);
    json_add(object, "metrics", metrics);
    return object;
}

/* --- events -------------------------------------------------------------------------------------
 */

/* Of a worker's log: what is no text for JSON has gone when it was taken. */
struct json_object *lines_json(const char *text)
{
    struct json_object *lines = json_object_new_array();

    while (*text) {
        size_t length = strcspn(text, "\n");

        json_object_array_add(lines, json_object_new_string_len(text, (int) length));
        text += length + (text[length] == '\n');
    }
    return lines;
}

/* |detail|: NULL, none. */
static struct json_object *event_json(const struct event *event, const char *detail)
{
    struct json_object *object = json_object_new_object();
    char time[CLOCK_TEXT_MAX];

    json_add_u64(object, "id", event->id);
    json_add_string(object, "time", clock_format_iso8601(time, event->realtime_us));
    json_add_string(object, "event", event->name);
    json_add_string(object, "severity",
                    event->level <= LOG_ERR       ? "error"
                    : event->level <= LOG_WARNING ? "warning"
                                                  : "info");
    add_text_or_null(object, "app", event->app);
    json_add(object, "slot", event->slot ? json_object_new_int64(event->slot) : NULL);
    json_add(object, "pid", event->pid ? json_object_new_int64(event->pid) : NULL);
    json_add_string(object, "text", event->text);
    if (detail)
        json_add(object, "lines", lines_json(detail));
    return object;
}

struct json_object *events_json(const struct event_ring *ring, uint64_t since, size_t limit)
{
    struct json_object *object = new_versioned(), *events = json_object_new_array();
    uint64_t last = ring->last_id, id = last >= limit ? MAX(since, last - limit) : since, lost = 0;
    struct event event;
    char detail[EVENT_DETAIL_BYTES];

    /* Of those above |since|; what |limit| leaves out is not lost. */
    if (since > 0 && events_next(ring, since, &event))
        lost = event.id - since - 1;
    json_add_u64(object, "last_id", last);
    json_add_u64(object, "lost", lost);
    for (; events_next(ring, id, &event); id = event.id)
        json_object_array_add(
            events, event_json(&event, events_detail(ring, event.id, detail) ? detail : NULL));
    json_add(object, "events", events);
    return object;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Family by family, as the format wants it: each with its samples of all apps. */
#include "agent/serve/prometheus.h"

#include "agent/serve/verdict.h"
#include "common/base/clock.h"
#include "common/base/macro.h"

#include "config.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#define PERCENT 0.01
#define SECONDS ((double) USEC_PER_SEC)

struct printer {
    struct buffer *out;
    const struct snapshot *snapshot;
    const char *name; /* of the family that is being printed, without the prefix */
    const char *type, *help;
    bool opened; /* a family without samples has no head */
};

static void begin_family(struct printer *printer, const char *name, const char *type,
                         const char *help)
{
    printer->name = name;
    printer->type = type;
    printer->help = help;
    printer->opened = false;
}

/* |quotes|: of a label's value; in a help text they stay. */
static void print_escaped(struct buffer *out, const char *text, bool quotes)
{
    for (; *text; text++)
        if (*text == '\n')
            buffer_append(out, "\\n", 2);
        else if (*text == '\\' || (quotes && *text == '"'))
            buffer_printf(out, "\\%c", *text);
        else
            buffer_append(out, text, 1);
}

static void open_family(struct printer *printer)
{
    if (printer->opened)
        return;
    printer->opened = true;
    buffer_printf(printer->out, "# HELP agentd_%s ", printer->name);
    print_escaped(printer->out, printer->help, false);
    buffer_printf(printer->out, "\n# TYPE agentd_%s %s\n", printer->name, printer->type);
}

static void print_label(struct buffer *out, const char *name, const char *value, const char *before)
{
    buffer_printf(out, "%s%s=\"", before, name);
    print_escaped(out, value, true);
    buffer_append(out, "\"", 1);
}

struct labels { /* NULL: not this one */
    const char *app;
    const char *name, *value;
};

static void print_head(struct printer *printer, const char *suffix, const struct labels *labels)
{
    struct buffer *out = printer->out;

    open_family(printer);
    buffer_printf(out, "agentd_%s%s", printer->name, suffix);
    if (labels->app)
        print_label(out, "app", labels->app, "{");
    if (labels->name)
        print_label(out, labels->name, labels->value, labels->app ? "," : "{");
    if (labels->app || labels->name)
        buffer_append(out, "}", 1);
}

static void print_number(struct printer *printer, const char *suffix, const struct labels *labels,
                         double value)
{
    if (!isfinite(value))
        return;
    print_head(printer, suffix, labels);
    buffer_printf(printer->out, " %.15g\n", value);
}

static void print_count(struct printer *printer, const char *suffix, const struct labels *labels,
                        uint64_t value)
{
    print_head(printer, suffix, labels);
    buffer_printf(printer->out, " %" PRIu64 "\n", value);
}

static const struct labels no_labels;

/* --- the same as in CloudWatch ------------------------------------------------------------------
 */

static const struct gauge {
    enum metric metric;
    const char *name;
    double scale; /* to base units */
} gauges[] = {
    {METRIC_CPU_UTILIZATION, "cpu_utilization_ratio", PERCENT},
    {METRIC_CPU_STEAL, "cpu_steal_ratio", PERCENT},
    {METRIC_MEMORY_UTILIZATION, "memory_utilization_ratio", PERCENT},
    {METRIC_SWAP_UTILIZATION, "swap_utilization_ratio", PERCENT},
    {METRIC_DISK_UTILIZATION, "disk_utilization_ratio", PERCENT},
    {METRIC_PRESSURE_CPU, "pressure_cpu_ratio", PERCENT},
    {METRIC_PRESSURE_MEMORY, "pressure_memory_ratio", PERCENT},
    {METRIC_PRESSURE_IO, "pressure_io_ratio", PERCENT},
    {METRIC_AGENT_MEMORY, "agent_memory_bytes", 1},
    {METRIC_AGENT_CPU, "agent_cpu_ratio", PERCENT},
    {METRIC_STRESS_LOAD, "stress_load_ratio", PERCENT},
    {METRIC_SPOOL_BYTES, "spool_bytes", 1},
    {METRIC_IN_FLIGHT, "app_requests_in_flight", 1},
    {METRIC_WORKERS_READY, "app_workers_ready", 1},
    {METRIC_APP_CPU, "app_cpu_ratio", PERCENT},
    {METRIC_APP_MEMORY, "app_memory_bytes", 1},
};

static void print_sample(struct printer *printer, const struct sample_view *view, double scale,
                         const char *app)
{
    if (view->present)
        print_number(printer, "", &(struct labels){.app = app}, view->last * scale);
}

static void print_gauge(struct printer *printer, const struct gauge *gauge)
{
    const struct snapshot *snapshot = printer->snapshot;
    const struct metric_info *info = metric_info(gauge->metric);

    begin_family(printer, gauge->name, "gauge", info->help);
    if (info->scope != METRIC_APP)
        print_sample(printer, &snapshot->host[gauge->metric], gauge->scale, NULL);
    for (size_t i = 0; i < snapshot->n_apps && info->scope == METRIC_APP; i++)
        print_sample(printer, &snapshot->app_series[i][gauge->metric], gauge->scale,
                     snapshot->apps[i].name);
}

/* --- agentd itself ------------------------------------------------------------------------------
 */

static void print_agent(struct printer *printer)
{
    const struct snapshot *snapshot = printer->snapshot;

    begin_family(printer, "build_info", "gauge", "Always 1; the version is a label.");
    print_count(printer, "", &(struct labels){.name = "version", .value = PACKAGE_VERSION}, 1);
    begin_family(printer, "uptime_seconds", "gauge", "Since agentd's start.");
    print_number(printer, "", &no_labels,
                 (double) (snapshot->taken_at_us - snapshot->unit_started_at_us) / SECONDS);
    begin_family(printer, "healthy", "gauge", "Whether /health says 200.");
    print_count(printer, "", &no_labels, verdict_node(snapshot) != VERDICT_FAIL);
    begin_family(printer, "node_state", "gauge", "1 for the state that the node is in.");
    for (int state = 0; state < NODE_STATES_; state++)
        print_count(printer, "",
                    &(struct labels){.name = "state", .value = node_state_to_string(state)},
                    snapshot->node == (enum node_state) state);
    begin_family(printer, "core_restarts_total", "counter",
                 "Cores that were replaced; the apps don't notice.");
    print_count(printer, "", &no_labels, snapshot->core_starts);
}

static void print_publisher(struct printer *printer)
{
    const struct publish_view *publish = &printer->snapshot->publish;

    if (publish->sink == CONFIG_SINK_NONE)
        return;
    begin_family(printer, "publish_windows_total", "counter",
                 "Windows of metrics that were written or sent, by this core.");
    print_count(printer, "", &no_labels, publish->windows_written);
    begin_family(printer, "publish_errors_total", "counter",
                 metric_info(METRIC_PUBLISH_ERRORS)->help);
    print_count(printer, "", &no_labels, publish->errors);
    begin_family(printer, "publish_last_success_timestamp_seconds", "gauge",
                 "When a window was last written or sent.");
    if (publish->last_success_realtime_us)
        print_number(printer, "", &no_labels, (double) publish->last_success_realtime_us / SECONDS);
    if (publish->sink != CONFIG_SINK_CLOUDWATCH)
        return;
    begin_family(printer, "publish_ambiguous_total", "counter",
                 metric_info(METRIC_PUBLISH_AMBIGUOUS)->help);
    print_count(printer, "", &no_labels, publish->ambiguous);
    begin_family(printer, "publish_dropped_total", "counter",
                 metric_info(METRIC_PUBLISH_DROPPED)->help);
    print_count(printer, "", &no_labels, publish->dropped);
    begin_family(printer, "publish_queued_windows", "gauge", "Windows that wait to be sent.");
    print_count(printer, "", &no_labels, publish->queued);
}

static void print_statsd(struct printer *printer)
{
    const struct statsd_totals *statsd = &printer->snapshot->statsd;

    if (!statsd->listens)
        return;
    begin_family(printer, "statsd_datagrams_total", "counter", "StatsD datagrams that were read.");
    print_count(printer, "", &no_labels, statsd->datagrams);
    begin_family(printer, "statsd_lines_total", "counter",
                 "StatsD lines: taken, no StatsD, or of a series that found no place.");
    print_count(printer, "", &(struct labels){.name = "result", .value = "taken"}, statsd->lines);
    print_count(printer, "", &(struct labels){.name = "result", .value = "bad"}, statsd->bad_lines);
    print_count(printer, "", &(struct labels){.name = "result", .value = "over_series_max"},
                statsd->over_series_max);
    begin_family(
        printer, "statsd_dropped_total", "counter",
        "StatsD datagrams that the kernel had no room for, and series that found none in a "
        "window.");
    print_count(printer, "", &no_labels, statsd->dropped);
    begin_family(printer, "statsd_series", "gauge", "StatsD series that have a place.");
    print_count(printer, "", &no_labels, statsd->series);
}

/* --- apps ---------------------------------------------------------------------------------------
 */

static void print_workers(struct printer *printer, const struct app_view *app)
{
    unsigned counts[WORKER_STATES_] = {0};

    for (size_t i = 0; i < app->n_workers; i++)
        counts[app->workers[i].state]++;
    for (int state = 0; state < WORKER_STATES_; state++)
        print_count(printer, "",
                    &(struct labels){app->name, "state", worker_state_to_string(state)},
                    counts[state]);
}

static void print_wanted(struct printer *printer, const struct app_view *app)
{
    print_count(printer, "", &(struct labels){.app = app->name}, app->wanted);
}

static void print_crash_loop(struct printer *printer, const struct app_view *app)
{
    print_count(printer, "", &(struct labels){.app = app->name}, app->crash_loop);
}

static void print_restarts(struct printer *printer, const struct app_view *app)
{
    print_count(printer, "", &(struct labels){.app = app->name}, app->restarts);
}

static void print_requests(struct printer *printer, const struct app_view *app)
{
    static const char *const classes[SCOREBOARD_CLASSES] = {
        [SCOREBOARD_2XX] = "2xx",
        [SCOREBOARD_3XX] = "3xx",
        [SCOREBOARD_4XX] = "4xx",
        [SCOREBOARD_5XX] = "5xx",
    };

    for (int class = 0; class < SCOREBOARD_CLASSES && app->fed; class ++)
        print_count(printer, "", &(struct labels){app->name, "class", classes[class]},
                    app->total.requests[class]);
}

static void print_bytes(struct printer *printer, const struct app_view *app)
{
    if (app->fed)
        print_count(printer, "", &(struct labels){.app = app->name}, app->total.bytes_sent);
}

/* Counts come from workers that nobody trusts. */
static uint64_t add_saturated(uint64_t a, uint64_t b)
{
    uint64_t sum;

    return __builtin_add_overflow(a, b, &sum) ? UINT64_MAX : sum;
}

/*
 * Bounds that a person would choose, of 600 fine buckets that are 3 % wide. One that a bound falls
 * into is on the side of its middle, so a request within 1.6 % of a bound may be on the other side.
 */
static void print_latency(struct printer *printer, const struct app_view *app)
{
    static const unsigned steps[] = {1, 2, 3, 5, 7};
    const struct tally *total = &app->total;
    const uint64_t first_us = 50, last_us = 100 * USEC_PER_SEC;
    uint64_t seen = 0;
    size_t bucket = 0;
    char bound[32];

    if (!app->fed)
        return;
    for (uint64_t power_us = 10; power_us <= last_us; power_us *= 10)
        for (size_t i = 0; i < ARRAY_SIZE(steps); i++) {
            uint64_t bound_us = steps[i] * power_us;

            if (bound_us < first_us || bound_us > last_us)
                continue;
            while (bucket < HISTOGRAM_BUCKETS && histogram_bucket_middle_us(bucket) <= bound_us)
                seen = add_saturated(seen, total->latency.counts[bucket++]);
            snprintf(bound, sizeof(bound), "%.10g", (double) bound_us / SECONDS);
            print_count(printer, "_bucket", &(struct labels){app->name, "le", bound}, seen);
        }
    seen = histogram_count(&total->latency);
    print_count(printer, "_bucket", &(struct labels){app->name, "le", "+Inf"}, seen);
    print_number(printer, "_sum", &(struct labels){.app = app->name},
                 (double) total->latency_sum_us / SECONDS);
    print_count(printer, "_count", &(struct labels){.app = app->name}, seen);
}

static const struct app_family {
    const char *name, *type;
    enum metric same_as; /* METRIC_COUNT_: none, it has a help of its own */
    const char *help;
    void (*print)(struct printer *printer, const struct app_view *app);
} app_families[] = {
    {"app_workers", "gauge", METRIC_COUNT_, "Worker processes by state.", print_workers},
    {"app_workers_wanted", "gauge", METRIC_COUNT_, "Worker processes that shall serve.",
     print_wanted},
    {"app_crash_loop", "gauge", METRIC_COUNT_, "1: a worker died 5 times within a minute.",
     print_crash_loop},
    {"app_worker_restarts_total", "counter", METRIC_WORKER_RESTARTS, NULL, print_restarts},
    {"app_requests_total", "counter", METRIC_REQUEST_COUNT, NULL, print_requests},
    {"app_response_bytes_total", "counter", METRIC_COUNT_, "Bodies of answers.", print_bytes},
    {"app_request_duration_seconds", "histogram", METRIC_REQUEST_LATENCY, NULL, print_latency},
};

static void print_app_family(struct printer *printer, const struct app_family *family)
{
    const struct snapshot *snapshot = printer->snapshot;

    begin_family(printer, family->name, family->type,
                 family->help ? family->help : metric_info(family->same_as)->help);
    for (size_t i = 0; i < snapshot->n_apps; i++)
        family->print(printer, &snapshot->apps[i]);
}

int prometheus_print(const struct snapshot *snapshot, struct buffer *out)
{
    struct printer printer = {.out = out, .snapshot = snapshot};

    print_agent(&printer);
    print_publisher(&printer);
    print_statsd(&printer);
    for (size_t i = 0; i < ARRAY_SIZE(gauges); i++)
        print_gauge(&printer, &gauges[i]);
    for (size_t i = 0; i < ARRAY_SIZE(app_families); i++)
        print_app_family(&printer, &app_families[i]);
    return out->failed ? -ENOBUFS : 0;
}

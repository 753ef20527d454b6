/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/serve/prometheus.h"

#include "common/base/clock.h"
#include "common/base/macro.h"
#include "tests/unit/unit.h"

#include <errno.h>
#include <math.h>

static struct snapshot *new_snapshot(size_t n_apps)
{
    struct snapshot *snapshot = calloc(1, sizeof(*snapshot));

    snapshot->taken_at_us = 100 * USEC_PER_SEC;
    snapshot->unit_started_at_us = 40 * USEC_PER_SEC;
    snapshot->node = NODE_SERVING;
    snapshot->n_apps = n_apps;
    for (size_t i = 0; i < n_apps; i++) {
        snprintf(snapshot->apps[i].name, sizeof(snapshot->apps[i].name), "app-%zu", i);
        snapshot->apps[i].fed = true;
        snapshot->apps[i].wanted = 2;
    }
    return snapshot;
}

static char *print(const struct snapshot *snapshot)
{
    struct buffer text;

    buffer_init(&text, PROMETHEUS_TEXT_MAX);
    assert_int_equal(prometheus_print(snapshot, &text), 0);
    return buffer_take(&text, NULL);
}

static void assert_line(const char *text, const char *line)
{
    const char *at = text;
    size_t length = strlen(line);

    while ((at = strstr(at, line)) && ((at != text && at[-1] != '\n') || at[length] != '\n'))
        at++;
    if (!at)
        fail_msg("no line \"%s\" in\n%s", line, text);
}

static void assert_absent(const char *text, const char *part)
{
    if (strstr(text, part))
        fail_msg("\"%s\" in\n%s", part, text);
}

static void set_sample(struct sample_view *view, double value)
{
    *view = (struct sample_view){.present = true, .last = value};
}

static void test_lines(void **state)
{
    static const char *const lines[] = {
        "# TYPE agentd_build_info gauge",
        "agentd_uptime_seconds 60",
        "agentd_node_state{state=\"serving\"} 1",
        "agentd_node_state{state=\"draining\"} 0",
        "agentd_core_restarts_total 3",
        "# HELP agentd_memory_utilization_ratio 1 - MemAvailable/MemTotal.",
        "# TYPE agentd_memory_utilization_ratio gauge",
        "agentd_memory_utilization_ratio 0.125",
        "agentd_agent_memory_bytes 123456789",
        "agentd_app_memory_bytes{app=\"app-1\"} 4096",
        "agentd_app_workers{app=\"app-0\",state=\"ready\"} 1",
        "agentd_app_workers{app=\"app-0\",state=\"backoff\"} 1",
        "agentd_app_workers{app=\"app-1\",state=\"ready\"} 0",
        "agentd_app_workers_wanted{app=\"app-1\"} 2",
        "agentd_app_worker_restarts_total{app=\"app-0\"} 7",
        "# TYPE agentd_app_requests_total counter",
        "agentd_app_requests_total{app=\"app-0\",class=\"5xx\"} 18446744073709551615",
        "agentd_app_response_bytes_total{app=\"app-0\"} 5",
        "agentd_publish_windows_total 11",
        "agentd_publish_dropped_total 4",
        "agentd_publish_queued_windows 5",
        "agentd_statsd_lines_total{result=\"bad\"} 6",
        "agentd_statsd_dropped_total 8",
        "agentd_publish_errors_total 2",
        "agentd_publish_last_success_timestamp_seconds 1763760000.5",
    };
    struct snapshot *snapshot = new_snapshot(2);

    snapshot->core_starts = 3;
    set_sample(&snapshot->host[METRIC_MEMORY_UTILIZATION], 12.5);
    set_sample(&snapshot->host[METRIC_AGENT_MEMORY], 123456789);
    set_sample(&snapshot->app_series[1][METRIC_APP_MEMORY], 4096);
    snapshot->apps[0].n_workers = 2;
    snapshot->apps[0].workers[0].state = WORKER_READY;
    snapshot->apps[0].workers[1].state = WORKER_BACKOFF;
    snapshot->apps[0].restarts = 7;
    snapshot->apps[0].total.requests[SCOREBOARD_5XX] = UINT64_MAX;
    snapshot->apps[0].total.bytes_sent = 5;
    snapshot->publish.sink = CONFIG_SINK_CLOUDWATCH;
    snapshot->publish.dropped = 4;
    snapshot->publish.queued = 5;
    snapshot->statsd = (struct statsd_totals){.listens = true, .bad_lines = 6, .dropped = 8};
    snapshot->publish.windows_written = 11;
    snapshot->publish.errors = 2;
    snapshot->publish.last_success_realtime_us = UINT64_C(1763760000500000);
    CLEANUP_FREE char *text = print(snapshot);
    for (size_t i = 0; i < ARRAY_SIZE(lines); i++)
        assert_line(text, lines[i]);
    free(snapshot);
}

static void test_what_is_not_known_is_left_out(void **state)
{
    struct snapshot *snapshot = new_snapshot(1);

    set_sample(&snapshot->host[METRIC_CPU_UTILIZATION], (double) NAN);
    set_sample(&snapshot->host[METRIC_CPU_STEAL], HUGE_VAL);
    snapshot->apps[0].fed = false;
    snapshot->publish.sink = CONFIG_SINK_NONE;
    CLEANUP_FREE char *text = print(snapshot);
    assert_absent(text, " nan");
    assert_absent(text, " inf");
    assert_absent(text, "cpu_utilization");
    assert_absent(text, "cpu_steal");
    assert_absent(text, "pressure");
    assert_absent(text, "requests_total");
    assert_absent(text, "duration");
    assert_absent(text, "publish");
    assert_absent(text, "statsd");
    free(snapshot);
}

static void test_escaping(void **state)
{
    struct snapshot *snapshot = new_snapshot(1);

    snprintf(snapshot->apps[0].name, sizeof(snapshot->apps[0].name), "a\"b\\c\nd\xc3\xa9");
    CLEANUP_FREE char *text = print(snapshot);
    assert_line(text, "agentd_app_workers_wanted{app=\"a\\\"b\\\\c\\nd\xc3\xa9\"} 2");
    free(snapshot);
}

/* Cumulative up to +Inf, which is the count; each request in the right bound. */
static void test_latency(void **state)
{
    static const char *const lines[] = {
        "# TYPE agentd_app_request_duration_seconds histogram",
        "agentd_app_request_duration_seconds_bucket{app=\"app-0\",le=\"5e-05\"} 1",
        "agentd_app_request_duration_seconds_bucket{app=\"app-0\",le=\"0.0001\"} 1",
        "agentd_app_request_duration_seconds_bucket{app=\"app-0\",le=\"0.007\"} 1",
        "agentd_app_request_duration_seconds_bucket{app=\"app-0\",le=\"0.01\"} 11",
        "agentd_app_request_duration_seconds_bucket{app=\"app-0\",le=\"70\"} 11",
        "agentd_app_request_duration_seconds_bucket{app=\"app-0\",le=\"100\"} 12",
        "agentd_app_request_duration_seconds_bucket{app=\"app-0\",le=\"+Inf\"} 13",
        "agentd_app_request_duration_seconds_sum{app=\"app-0\"} 1.5",
        "agentd_app_request_duration_seconds_count{app=\"app-0\"} 13",
    };
    struct snapshot *snapshot = new_snapshot(1);
    struct tally *total = &snapshot->apps[0].total;
    size_t buckets = 0;

    histogram_add(&total->latency, 20, 1);
    histogram_add(&total->latency, 9000, 10);
    histogram_add(&total->latency, 80 * USEC_PER_SEC, 1);
    histogram_add(&total->latency, 1000 * USEC_PER_SEC, 1);
    total->latency_sum_us = 1500000;
    CLEANUP_FREE char *text = print(snapshot);
    for (size_t i = 0; i < ARRAY_SIZE(lines); i++)
        assert_line(text, lines[i]);
    for (const char *at = text; (at = strstr(at, "_bucket{")); at++)
        buckets++;
    assert_int_equal(buckets, 34);
    free(snapshot);
}

/* Nothing that is sampled or counted is forgotten here when it is new in the table. */
static void test_every_gauge_has_a_name(void **state)
{
    struct snapshot *snapshot = new_snapshot(1);

    for (int metric = 0; metric < METRIC_COUNT_; metric++) {
        const struct metric_info *info = metric_info(metric);
        struct sample_view *view =
            info->scope == METRIC_APP ? &snapshot->app_series[0][metric] : &snapshot->host[metric];
        CLEANUP_FREE char *before = print(snapshot), *after = NULL;

        set_sample(view, 1);
        after = print(snapshot);
        if ((strlen(after) > strlen(before)) != (info->kind == METRIC_GAUGE))
            fail_msg("%s", info->name);
    }
    free(snapshot);
}

static void test_largest(void **state)
{
    struct snapshot *snapshot = new_snapshot(APPS_MAX);
    struct buffer small;

    for (int metric = 0; metric < METRIC_COUNT_; metric++) {
        set_sample(&snapshot->host[metric], -1.23456789012345e-300);
        for (size_t i = 0; i < APPS_MAX; i++)
            set_sample(&snapshot->app_series[i][metric], -1.23456789012345e-300);
    }
    for (size_t i = 0; i < APPS_MAX; i++) {
        memset(snapshot->apps[i].name, '"', APP_NAME_MAX);
        memset(&snapshot->apps[i].total, 0xff, sizeof(snapshot->apps[i].total));
    }
    CLEANUP_FREE char *text = print(snapshot);
    assert_true(strlen(text) < PROMETHEUS_TEXT_MAX / 2);
    buffer_init(&small, 1000);
    assert_int_equal(prometheus_print(snapshot, &small), -ENOBUFS);
    buffer_done(&small);
    free(snapshot);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_lines),
        cmocka_unit_test(test_what_is_not_known_is_left_out),
        cmocka_unit_test(test_escaping),
        cmocka_unit_test(test_latency),
        cmocka_unit_test(test_every_gauge_has_a_name),
        cmocka_unit_test(test_largest),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* What the control API shows of a fixed snapshot, to the letter: people and scripts read it. */
#include "agent/serve/status-json.h"

#include "common/base/clock.h"
#include "common/base/log.h"
#include "common/base/macro.h"
#include "tests/unit/unit.h"

#include "config.h"

#include <errno.h>
#include <math.h>
#include <syslog.h>

#define TEXT_LIMIT (1024 * 1024)

/* Prints |take_object|, checks that it parses again, and gives the text to free. */
static char *print(struct json_object *take_object)
{
    CLEANUP_JSON struct json_object *object = take_object, *parsed = NULL;
    struct buffer buffer;
    char *text;

    buffer_init(&buffer, TEXT_LIMIT);
    assert_int_equal(json_print(object, false, &buffer), 0);
    assert_int_equal(json_parse(buffer.data, buffer.length, &parsed), 0);
    text = strndup(buffer.data, buffer.length);
    assert_non_null(text);
    buffer_done(&buffer);
    return text;
}

static void check(struct json_object *take_object, const char *wanted)
{
    CLEANUP_FREE char *text = print(take_object);

    assert_string_equal(text, wanted);
}

/* One app as it is on a good day, one in trouble. */
static struct snapshot *make_snapshot(void)
{
    struct snapshot *snapshot = calloc(1, sizeof(*snapshot));
    struct app_view *app;

    assert_non_null(snapshot);
    snapshot->taken_at_us = 1000 * USEC_PER_SEC;
    snapshot->taken_realtime_us = UINT64_C(1795300000) * USEC_PER_SEC;
    strcpy(snapshot->instance_id, "i-0123456789abcdef0");
    snapshot->node = NODE_SERVING;
    snapshot->holder_pid = 100;
    snapshot->core_pid = 101;
    snapshot->core_starts = 2;
    snapshot->unit_started_at_us = 10 * USEC_PER_SEC;
    snapshot->core_started_at_us = 940 * USEC_PER_SEC;
    snapshot->publish.sink = CONFIG_SINK_FILE;
    strcpy(snapshot->publish.target, "/var/lib/agentd/metrics.jsonl");
    snapshot->publish.windows_written = 7;
    snapshot->publish.last_success_realtime_us = UINT64_C(1795300000123) * USEC_PER_MSEC;

    snapshot->n_apps = 2;
    app = &snapshot->apps[0];
    strcpy(app->name, "board");
    app->wanted = 2;
    app->configured = 4;
    app->ready = 1;
    app->generation = 4;
    app->outdated = 1;
    app->drain_kills = 1;
    strcpy(app->roll_failed, "worker 3: no");
    app->crash_loop = true;
    strcpy(app->probe_failure, "status 503");
    app->fed = true;
    app->restarts = 5;
    app->total.requests[SCOREBOARD_2XX] = 90;
    app->total.requests[SCOREBOARD_3XX] = 7;
    app->total.requests[SCOREBOARD_4XX] = 2;
    app->total.requests[SCOREBOARD_5XX] = 1;
    app->requests_per_s = 12.34;
    app->p50_ms = 1.5;
    app->p99_ms = 20.25;
    app->n_workers = 2;
    app->workers[0] = (struct worker_view){.slot = 1,
                                           .state = WORKER_READY,
                                           .pid = 200,
                                           .since_us = 990 * USEC_PER_SEC,
                                           .started_at_us = 985 * USEC_PER_SEC,
                                           .in_flight = 3,
                                           .cpu_percent = 42.06,
                                           .memory_bytes = 8192,
                                           .requests = 60,
                                           .generation = 3,
                                           .status = "serving"};
    app->workers[1] = (struct worker_view){.slot = 2,
                                           .state = WORKER_BACKOFF,
                                           .since_us = 999 * USEC_PER_SEC,
                                           .started_at_us = 998 * USEC_PER_SEC,
                                           .restarts = 5,
                                           .cpu_percent = (double) NAN,
                                           .last_exit = "killed by SIGKILL after 1 s"};
    app = &snapshot->apps[1];
    strcpy(app->name, "other");
    app->wanted = app->configured = 1;
    app->ready = 1;
    app->rolling = app->roll_queued = true;
    app->p50_ms = app->p99_ms = (double) NAN;
    return snapshot;
}

#define APPS_TEXT                                                                                  \
    "\"apps\":[{\"name\":\"board\",\"wanted\":2,\"scaled\":true,\"ready\":1,\"crash_loop\":true,"  \
    "\"probe_failure\":\"status "                                                                  \
    "503\",\"restarts\":5,\"drain_kills\":1,\"generation\":4,\"outdated\":1,\"rolling\":false,"    \
    "\"roll_queued\":"                                                                             \
    "false,"                                                                                       \
    "\"roll_failed\":\"worker 3: no\","                                                            \
    "\"requests\":{\"total\":100,\"2xx\":90,\"3xx\":7,\"4xx\":2,\"5xx\":1},"                       \
    "\"requests_per_second\":12.3,\"latency_ms\":{\"p50\":1.500,\"p99\":20.250},\"workers\":["     \
    "{\"slot\":1,\"pid\":200,\"state\":\"ready\",\"since_s\":10,\"uptime_s\":15,\"restarts\":0,"   \
    "\"generation\":3,"                                                                            \
    "\"in_flight\":3,\"cpu_percent\":42.1,\"memory_bytes\":8192,\"requests\":60,"                  \
    "\"last_exit\":null,\"status\":\"serving\"},"                                                  \
    "{\"slot\":2,\"pid\":0,\"state\":\"backoff\",\"since_s\":1,\"uptime_s\":0,\"restarts\":5,"     \
    "\"generation\":0,"                                                                            \
    "\"in_flight\":0,\"cpu_percent\":null,\"memory_bytes\":0,\"requests\":0,"                      \
    "\"last_exit\":\"killed by SIGKILL after 1 s\",\"status\":null}]},"                            \
    "{\"name\":\"other\",\"wanted\":1,\"scaled\":false,\"ready\":1,\"crash_loop\":false,"          \
    "\"probe_failure\":null,\"restarts\":0,\"drain_kills\":0,\"generation\":0,\"outdated\":0,"     \
    "\"rolling\":true,"                                                                            \
    "\"roll_queued\":true,"                                                                        \
    "\"roll_failed\":null,"                                                                        \
    "\"requests\":null,\"requests_per_second\":null,"                                              \
    "\"latency_ms\":{\"p50\":null,\"p99\":null},\"workers\":[]}]"

#define HOST_UNKNOWN                                                                               \
    "\"host\":{\"cpu_percent\":null,\"steal_percent\":null,\"memory_percent\":null,"               \
    "\"swap_percent\":null,\"disk_percent\":null,\"pressure_cpu_percent\":null,"                   \
    "\"pressure_memory_percent\":null,\"pressure_io_percent\":null},"

static void test_status(void **state)
{
    struct snapshot *snapshot = make_snapshot();

    check(status_json(snapshot, "/run/agentd/log"),
          "{\"schema_version\":1,\"instance_id\":\"i-0123456789abcdef0\","
          "\"version\":\"" PACKAGE_VERSION
          "\",\"state\":\"serving\",\"drained_s\":null,\"healthy\":true,"
          "\"status\":\"degraded\",\"reason\":null,\"uptime_s\":990,\"holder\":{\"pid\":100},"
          "\"core\":{\"pid\":101,\"starts\":2,\"uptime_s\":60},"
          "\"log_directory\":\"/run/agentd/log\"," HOST_UNKNOWN APPS_TEXT
          ",\"publish\":{\"sink\":\"file\",\"target\":\"/var/lib/agentd/metrics.jsonl\","
          "\"windows_written\":7,\"errors\":0,\"last_success\":\"2026-11-21T22:26:40.123Z\","
          "\"last_error\":null},\"stress\":{\"on\":false,\"running\":false,\"alive\":false,"
          "\"load\":null,\"cores\":null,\"priority\":null,\"pid\":null,"
          "\"seconds_left\":null,\"share\":0.0,\"started_by\":null,\"last\":\"\"},"
          "\"statsd\":null}");
    free(snapshot);
}

static void test_status_of_a_failing_node(void **state)
{
    struct snapshot *snapshot = make_snapshot();

    snapshot->node = NODE_DRAINING;
    snapshot->n_apps = 0;
    snapshot->publish = (struct publish_view){.sink = CONFIG_SINK_NONE, .errors = 3};
    strcpy(snapshot->publish.last_error, "can't write \"x\"");
    snapshot->unit_started_at_us = 2000 * USEC_PER_SEC; /* not yet: no huge age */
    check(status_json(snapshot, NULL),
          "{\"schema_version\":1,\"instance_id\":\"i-0123456789abcdef0\","
          "\"version\":\"" PACKAGE_VERSION
          "\",\"state\":\"draining\",\"drained_s\":null,\"healthy\":false,"
          "\"status\":\"fail\",\"reason\":\"agentd is "
          "stopping\",\"uptime_s\":0,\"holder\":{\"pid\":100},"
          "\"core\":{\"pid\":101,\"starts\":2,\"uptime_s\":60},\"log_directory\":null," HOST_UNKNOWN
          "\"apps\":[],"
          "\"publish\":{\"sink\":\"none\",\"target\":null,\"windows_written\":0,\"errors\":3,"
          "\"last_success\":null,\"last_error\":\"can't write \\\"x\\\"\"},"
          "\"stress\":{\"on\":false,\"running\":false,\"alive\":false,"
          "\"load\":null,\"cores\":null,\"priority\":null,\"pid\":null,"
          "\"seconds_left\":null,\"share\":0.0,\"started_by\":null,\"last\":\"\"},"
          "\"statsd\":null}");
    free(snapshot);
}

static void test_stress(void **state)
{
    struct snapshot *snapshot = make_snapshot();

    snapshot->stress = (struct stress_view){.on = true,
                                            .load_percent = 85,
                                            .normal_priority = true,
                                            .uid = 1000,
                                            .ends_at_us = snapshot->taken_at_us + 90500000,
                                            .share_percent = (double) NAN,
                                            .last = "ended after 10 min"};
    check(stress_json(snapshot),
          "{\"on\":true,\"running\":false,\"alive\":false,\"load\":85,\"cores\":null,"
          "\"priority\":\"normal\",\"pid\":null,\"seconds_left\":90.5,\"share\":null,"
          "\"started_by\":\"uid 1000\",\"last\":\"ended after 10 min\"}");
    snapshot->stress.running = true;
    snapshot->stress.pid = 4242;
    snapshot->stress.cores = 2;
    snapshot->stress.normal_priority = false;
    snapshot->stress.share_percent = 41.26;
    snapshot->stress.ends_at_us = 1; /* over, and not ended yet */
    check(stress_json(snapshot),
          "{\"on\":true,\"running\":true,\"alive\":true,\"load\":85,\"cores\":2,"
          "\"priority\":\"idle\",\"pid\":4242,\"seconds_left\":0.0,\"share\":41.3,"
          "\"started_by\":\"uid 1000\",\"last\":\"ended after 10 min\"}");
    free(snapshot);
}

/* What CloudWatch doesn't have yet, why, and what StatsD has lost. */
static void test_status_of_publishing(void **state)
{
    struct snapshot *snapshot = make_snapshot();
    struct publish_view *publish = &snapshot->publish;
    char *text;

    *publish = (struct publish_view){.sink = CONFIG_SINK_CLOUDWATCH,
                                     .windows_written = 5,
                                     .errors = 4,
                                     .ambiguous = 3,
                                     .dropped = 2,
                                     .queued = 7,
                                     .queued_bytes = 4096,
                                     .calls_last_hour = 60,
                                     .n_codes = 1,
                                     .codes = {{"Throttling", 4}}};
    strcpy(publish->waiting_for, "the Region is not known yet");
    publish->last_success_realtime_us = snapshot->taken_realtime_us - 9 * USEC_PER_SEC;
    snapshot->statsd = (struct statsd_totals){
        .listens = true, .lines = 10, .bad_lines = 1, .series = 2, .series_max = 500};
    text = print(status_json(snapshot, ""));
    assert_non_null(strstr(
        text, "\"cloudwatch\":{\"waiting_for\":\"the Region is not known yet\",\"region\":null,"
              "\"asg_name\":null,\"credentials\":null,\"last_success_age_s\":9,"
              "\"calls_last_hour\":60,\"ambiguous\":3,\"dropped\":2,"
              "\"errors_by_code\":{\"Throttling\":4},\"spool\":{\"directory\":\"\","
              "\"windows\":7,\"bytes\":4096,\"in_memory\":false}}"));
    assert_non_null(strstr(text, "\"statsd\":{\"datagrams\":0,\"lines\":10,\"bad_lines\":1,"
                                 "\"over_series_max\":0,\"dropped\":0,\"series\":2,"
                                 "\"series_max\":500,\"last_bad_line\":null}"));
    free(text);
    free(snapshot);
}

/* Whatever a worker says of itself, what we print parses (print() checks it). */
static void test_hostile_texts(void **state)
{
    struct snapshot *snapshot = make_snapshot();
    char *text;

    memset(snapshot->apps[0].workers[0].status, 0xff,
           sizeof(snapshot->apps[0].workers[0].status) - 1);
    strcpy(snapshot->apps[0].workers[1].last_exit, "\"},{\\ \x01 caf\xc3");
    snapshot->apps[0].requests_per_s = HUGE_VAL;
    snapshot->apps[0].p99_ms = (double) -NAN;
    text = print(status_json(snapshot, ""));
    assert_non_null(strstr(text, "\"requests_per_second\":null"));
    assert_non_null(strstr(text, "\"p99\":null"));
    assert_null(strstr(text, "nan"));
    free(text);
    free(snapshot);
}

static void test_status_of_the_host(void **state)
{
    struct snapshot *snapshot = make_snapshot();
    char *text;

    snapshot->host[METRIC_CPU_UTILIZATION] = (struct sample_view){.present = true, .last = 85.04};
    snapshot->host[METRIC_PRESSURE_IO] = (struct sample_view){.present = true, .last = 1.26};
    text = print(status_json(snapshot, ""));
    assert_non_null(strstr(text, "\"host\":{\"cpu_percent\":85.0,\"steal_percent\":null,"));
    assert_non_null(strstr(text, "\"pressure_io_percent\":1.3},"));
    free(text);
    free(snapshot);
}

/* null, and not a 0 that would be taken for a measurement. */
static void test_unknown_usage(void **state)
{
    struct snapshot *snapshot = make_snapshot();
    struct worker_view *worker = &snapshot->apps[0].workers[0];

    worker->cpu_percent = worker->memory_bytes = (double) NAN;
    char *text = print(status_json(snapshot, NULL));
    assert_non_null(strstr(text, "\"in_flight\":3,\"cpu_percent\":null,\"memory_bytes\":null,"));
    free(text);
    worker->memory_bytes = 4398046511104.0;
    text = print(status_json(snapshot, NULL));
    assert_non_null(strstr(text, "\"memory_bytes\":4398046511104,"));
    free(text);
    free(snapshot);
}

static void test_history(void **state)
{
    CLEANUP_JSON struct json_object *object = NULL;
    struct json_object *series = NULL, *values = NULL;
    struct history *history = NULL;
    char *text;

    assert_int_equal(history_new(&history), 0);
    history_close(history, 0, NULL);
    history_observe(history, HISTORY_CPU, 85.04);
    history_close(history, HISTORY_INTERVAL_US, NULL);
    text = print(history_json(history));
    assert_non_null(strstr(text, "{\"schema_version\":1,\"interval_seconds\":5,\"points\":120,"
                                 "\"number\":1,\"series\":{\"cpu\":[null,"));
    assert_non_null(strstr(text, "null,85.0],\"stress\":[null,"));
    free(text);
    object = history_json(history);
    assert_true(json_object_object_get_ex(object, "series", &series));
    assert_int_equal(json_object_object_length(series), HISTORY_SERIES_);
    for (int i = 0; i < HISTORY_SERIES_; i++) {
        assert_int_equal(json_get_array(series, history_series_to_string(i), &values), 0);
        assert_int_equal(json_object_array_length(values), HISTORY_POINTS);
    }
    history_free(history);
}

static void test_metrics(void **state)
{
    struct snapshot *snapshot = make_snapshot();

    snapshot->host[METRIC_CPU_UTILIZATION] = (struct sample_view){.present = true,
                                                                  .last = 12.5,
                                                                  .window_present = true,
                                                                  .window_minimum = 1,
                                                                  .window_maximum = 99.9994,
                                                                  .window_sum = 250,
                                                                  .window_count = 10};
    snapshot->host[METRIC_AGENT_MEMORY] = (struct sample_view){.present = true, .last = 5e6};
    snapshot->host[METRIC_REQUEST_COUNT].present = true; /* an app's: not looked for here */
    snapshot->app_series[1][METRIC_REQUEST_COUNT] = (struct sample_view){
        .last = 3, .window_present = true, .window_sum = 8, .window_maximum = 8, .window_count = 1};
    snapshot->app_series[0][METRIC_APP_CPU] =
        (struct sample_view){.present = true, .last = (double) NAN};
    check(metrics_json(snapshot, 10, NULL),
          "{\"schema_version\":1,\"window_s\":10,\"metrics\":["
          "{\"name\":\"CPUUtilization\",\"app\":null,\"unit\":\"Percent\",\"scope\":\"host\","
          "\"last\":12.500,\"window\":{\"minimum\":1.000,\"maximum\":99.999,\"sum\":250.000,"
          "\"count\":10}},"
          "{\"name\":\"AgentMemory\",\"app\":null,\"unit\":\"Bytes\",\"scope\":\"agent\","
          "\"last\":5000000.000,\"window\":null},"
          "{\"name\":\"AppCPU\",\"app\":\"board\",\"unit\":\"Percent\",\"scope\":\"app\","
          "\"last\":null,\"window\":null},"
          "{\"name\":\"RequestCount\",\"app\":\"other\",\"unit\":\"Count\",\"scope\":\"app\","
          "\"last\":null,\"window\":{\"minimum\":0.000,\"maximum\":8.000,\"sum\":8.000,"
          "\"count\":1}}]}");
    free(snapshot);
}

static void add_event(struct event_ring *ring, struct event event)
{
    events_add(ring, &event, UINT64_C(1795300000123) * USEC_PER_MSEC);
}

static void test_events(void **state)
{
    struct event_ring *ring = calloc(1, sizeof(*ring));

    assert_non_null(ring);
    check(events_json(ring, 0, 100),
          "{\"schema_version\":1,\"last_id\":0,\"lost\":0,\"events\":[]}");
    add_event(ring, (struct event){.level = LOG_NOTICE, .name = "agentd-started", .text = "on"});
    add_event(ring, (struct event){.level = LOG_WARNING,
                                   .app = "board",
                                   .slot = 2,
                                   .pid = 77,
                                   .name = "worker-died",
                                   .text = "killed"});
    add_event(ring, (struct event){.level = LOG_ERR, .app = "board", .name = "crash-loop"});
    check(events_json(ring, 0, 100),
          "{\"schema_version\":1,\"last_id\":3,\"lost\":0,\"events\":["
          "{\"id\":1,\"time\":\"2026-11-21T22:26:40.123Z\",\"event\":\"agentd-started\","
          "\"severity\":\"info\",\"app\":null,\"slot\":null,\"pid\":null,\"text\":\"on\"},"
          "{\"id\":2,\"time\":\"2026-11-21T22:26:40.123Z\",\"event\":\"worker-died\","
          "\"severity\":\"warning\",\"app\":\"board\",\"slot\":2,\"pid\":77,\"text\":\"killed\"},"
          "{\"id\":3,\"time\":\"2026-11-21T22:26:40.123Z\",\"event\":\"crash-loop\","
          "\"severity\":\"error\",\"app\":\"board\",\"slot\":null,\"pid\":null,\"text\":\"\"}]}");
    free(ring);
}

static void test_events_since_and_limit(void **state)
{
    static const struct {
        uint64_t since;
        size_t limit, count;
        int64_t first, lost;
    } cases[] = {
        {0, 256, 256, 45, 0}, /* who knows nothing has lost nothing */
        {0, 10, 10, 291, 0},   {299, 10, 1, 300, 0},      {300, 10, 0, 0, 0},
        {1000, 10, 0, 0, 0},   {UINT64_MAX, 10, 0, 0, 0}, {20, 256, 256, 45, 24},
        {44, 256, 256, 45, 0}, {0, 0, 0, 0, 0},
    };
    struct event_ring *ring = calloc(1, sizeof(*ring));

    assert_non_null(ring);
    for (unsigned i = 0; i < 300; i++)
        add_event(ring, (struct event){.level = LOG_INFO, .name = "worker-ready"});
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        CLEANUP_JSON struct json_object *object = events_json(ring, cases[i].since, cases[i].limit);
        struct json_object *events;
        int64_t number = 0;

        assert_int_equal(json_get_array(object, "events", &events), 0);
        assert_int_equal(json_object_array_length(events), cases[i].count);
        if (cases[i].count > 0)
            assert_int_equal(json_get_int64(json_object_array_get_idx(events, 0), "id", &number),
                             0);
        assert_int_equal(number, cases[i].first);
        assert_int_equal(json_get_int64(object, "lost", &number), 0);
        assert_int_equal(number, cases[i].lost);
        assert_int_equal(json_get_int64(object, "last_id", &number), 0);
        assert_int_equal(number, 300);
    }
    free(ring);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_status),
        cmocka_unit_test(test_status_of_a_failing_node),
        cmocka_unit_test(test_status_of_publishing),
        cmocka_unit_test(test_stress),
        cmocka_unit_test(test_status_of_the_host),
        cmocka_unit_test(test_unknown_usage),
        cmocka_unit_test(test_history),
        cmocka_unit_test(test_hostile_texts),
        cmocka_unit_test(test_metrics),
        cmocka_unit_test(test_events),
        cmocka_unit_test(test_events_since_and_limit),
    };

    log_set_level(LOG_EMERG);
    return cmocka_run_group_tests_name("status-json", tests, NULL, NULL);
}

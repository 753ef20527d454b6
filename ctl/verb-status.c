/* SPDX-License-Identifier: Apache-2.0 */
/*
 * agentctl status: the whole picture on one screen of 80 columns: the node, the sink, each app with
 * its requests and workers. The full numbers are in --json.
 */
#include "common/base/clock.h"
#include "ctl/fields.h"
#include "ctl/humanize.h"
#include "ctl/session.h"
#include "ctl/table.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

/* A count or a time; what is negative or absent is 0. */
static uint64_t amount(const struct json_object *object, const char *key)
{
    int64_t value = field_int(object, key, 0);

    return value > 0 ? (uint64_t) value : 0;
}

static const char *duration(char text[CLOCK_TEXT_MAX], const struct json_object *object,
                            const char *key)
{
    uint64_t seconds = MIN(amount(object, key), UINT64_C(1) << 40);

    return seconds ? clock_format_duration(text, seconds * USEC_PER_SEC) : "0 s";
}

/* At most |columns| of the text and two blanks, in one line's flow. */
static void put(struct session *session, enum paint paint, const char *text, size_t columns)
{
    CLEANUP(buffer_done) struct buffer clipped = {.data = NULL};

    buffer_init(&clipped, 1024);
    display_clean(&clipped, text, columns);
    display_paint(&session->display, &session->out, paint, clipped.data ? clipped.data : "");
    buffer_append_string(&session->out, "  ");
}

/* --- The node -------------------------------------------------------------------------------- */

static enum paint paint_of_status(const char *status)
{
    return strcmp(status, "pass") == 0       ? PAINT_GOOD
           : strcmp(status, "degraded") == 0 ? PAINT_WARNING
                                             : PAINT_BAD;
}

/* Two lines: who and how it is (and why, if it is not well), and the two processes. */
static void print_node(struct session *session, const struct json_object *body)
{
    const struct json_object *core = field_object(body, "core");
    const char *status = field_text(body, "status", "fail");
    const char *reason = field_text(body, "reason", NULL);
    struct buffer *out = &session->out;
    char text[CLOCK_TEXT_MAX];

    buffer_append_string(out, "agentd ");
    put(session, PAINT_NONE, field_text(body, "version", "?"), 12);
    put(session, PAINT_NONE, field_text(body, "instance_id", "?"), 22);
    put(session, PAINT_BOLD, field_text(body, "state", "?"), 8);
    put(session, paint_of_status(status), status, 8);
    buffer_printf(out, "up %s\n", duration(text, body, "uptime_s"));
    if (reason) {
        buffer_append_string(out, "  ");
        display_wrap(out, reason, 2, 4, session->display.columns);
    }
    buffer_printf(out, "holder pid %" PRIu64 "  core pid %" PRIu64 ", up %s, %" PRIu64 " %s\n",
                  amount(field_object(body, "holder"), "pid"), amount(core, "pid"),
                  duration(text, core, "uptime_s"), amount(core, "starts"),
                  amount(core, "starts") == 1 ? "restart" : "restarts");
}

/* What CloudWatch doesn't have yet, and why; then what went wrong so far. */
static void print_cloudwatch(struct session *session, const struct json_object *cloudwatch)
{
    const struct json_object *spool = field_object(cloudwatch, "spool");
    const struct json_object *codes = field_object(cloudwatch, "errors_by_code");
    const char *waiting = field_text(cloudwatch, "waiting_for", NULL);
    struct buffer *out = &session->out;
    char text[HUMANIZE_MAX];

    if (!cloudwatch)
        return;
    buffer_append_string(out, "  region ");
    display_clean(out, field_text(cloudwatch, "region", "not known yet"), 24);
    buffer_append_string(out, ", group ");
    display_clean(out, field_text(cloudwatch, "asg_name", "none"), 32);
    buffer_append_string(out, ", credentials from ");
    display_clean(out, field_text(cloudwatch, "credentials", "nowhere yet"), 24);
    buffer_printf(out, "\n  %s calls in the last hour",
                  humanize_count(text, amount(cloudwatch, "calls_last_hour")));
    buffer_printf(out, ", %s ambiguous", humanize_count(text, amount(cloudwatch, "ambiguous")));
    buffer_printf(out, ", %s dropped\n", humanize_count(text, amount(cloudwatch, "dropped")));
    buffer_printf(out, "  waiting %s windows, ", humanize_count(text, amount(spool, "windows")));
    buffer_printf(out, "%s ", humanize_bytes(text, (double) amount(spool, "bytes")));
    if (field_bool(spool, "in_memory"))
        display_paint(&session->display, out, PAINT_BAD, "in memory: the disk refuses them");
    else
        display_clean(out, field_text(spool, "directory", ""), 48);
    buffer_append_string(out, "\n");
    if (waiting && *waiting) {
        buffer_append_string(out, "  waiting for: ");
        display_wrap(out, waiting, 15, 4, session->display.columns);
    }
    if (!codes)
        return;
    json_object_object_foreach((struct json_object *) codes, code, count)
    {
        buffer_append_string(out, "  errors: ");
        display_clean(out, code, 40);
        buffer_printf(out, " %" PRId64 "\n", json_object_get_int64(count));
    }
}

/* A sink that fails is said here with its last error, because nothing else on the node shows it. */
static void print_publish(struct session *session, const struct json_object *publish)
{
    const char *sink = field_text(publish, "sink", "none");
    const char *error = field_text(publish, "last_error", NULL);
    struct buffer *out = &session->out;
    char windows[HUMANIZE_MAX];

    if (!publish || strcmp(sink, "none") == 0) {
        buffer_append_string(out, "metrics are not published (publish.sink is \"none\")\n");
        return;
    }
    buffer_append_string(out, "metrics to ");
    put(session, PAINT_NONE, sink, 12);
    buffer_printf(out, "%s windows, ", humanize_count(windows, amount(publish, "windows_written")));
    display_paint(&session->display, out, amount(publish, "errors") ? PAINT_BAD : PAINT_NONE,
                  humanize_count(windows, amount(publish, "errors")));
    buffer_append_string(out, " errors, last ");
    display_clean(out, field_text(publish, "last_success", "never"), 24);
    buffer_append_string(out, "\n  ");
    display_wrap(out, field_text(publish, "target", ""), 2, 4, session->display.columns);
    if (error && *error) {
        buffer_append_string(out, "  last error: ");
        display_wrap(out, error, 14, 4, session->display.columns);
    }
    print_cloudwatch(session, field_object(publish, "cloudwatch"));
}

/* Only while it is on: then it explains the CPU. */
static void print_stress(struct session *session, const struct json_object *stress)
{
    double share = field_double(stress, "share"), left_s = field_double(stress, "seconds_left");
    struct buffer *out = &session->out;
    char text[CLOCK_TEXT_MAX];

    if (!field_bool(stress, "on"))
        return;
    display_paint(&session->display, out, PAINT_WARNING, "stress on");
    buffer_printf(out, ", target %" PRIu64 " %%", amount(stress, "load"));
    if (isfinite(share))
        buffer_printf(out, ", makes %.1f %%", share);
    buffer_printf(out, ", ends in %s, by ",
                  left_s >= 1 ? clock_format_duration(text, (uint64_t) left_s * USEC_PER_SEC)
                              : "a moment");
    display_clean(out, field_text(stress, "started_by", "?"), 24);
    buffer_append_string(out, "\n");
}

/* Lines that are lost are somebody's missing metrics. */
static void print_statsd(struct session *session, const struct json_object *statsd)
{
    uint64_t lost =
        amount(statsd, "bad_lines") + amount(statsd, "over_series_max") + amount(statsd, "dropped");
    const char *bad = field_text(statsd, "last_bad_line", NULL);
    struct buffer *out = &session->out;
    char text[HUMANIZE_MAX];

    if (!statsd)
        return;
    buffer_printf(out, "statsd %s lines, ", humanize_count(text, amount(statsd, "lines")));
    display_paint(&session->display, out, lost ? PAINT_BAD : PAINT_NONE,
                  humanize_count(text, lost));
    buffer_printf(out, " lost, %" PRIu64 " of %" PRIu64 " series\n", amount(statsd, "series"),
                  amount(statsd, "series_max"));
    if (lost == 0)
        return;
    buffer_printf(out, "  lost: %" PRIu64 " no StatsD, %" PRIu64 " over statsd.series_max, ",
                  amount(statsd, "bad_lines"), amount(statsd, "over_series_max"));
    buffer_printf(out, "%" PRIu64 " dropped\n", amount(statsd, "dropped"));
    if (bad && *bad) {
        buffer_append_string(out, "  last bad line: ");
        display_wrap(out, bad, 17, 4, session->display.columns);
    }
}

/* --- An app ---------------------------------------------------------------------------------- */

static enum paint paint_of_state(const char *state)
{
    return strcmp(state, "ready") == 0     ? PAINT_GOOD
           : strcmp(state, "backoff") == 0 ? PAINT_BAD
                                           : PAINT_WARNING;
}

/* What a worker says of itself, and how the slot's last one ended, have no column: they are notes.
 */
static void add_worker(struct table *table, const struct json_object *worker, bool outdated)
{
    const char *state = field_text(worker, "state", "?");
    const char *status = field_text(worker, "status", "");
    const char *last_exit = field_text(worker, "last_exit", "");
    double cpu = field_double(worker, "cpu_percent");
    double memory = field_double(worker, "memory_bytes");
    char text[HUMANIZE_MAX];

    table_add(table, PAINT_NONE, "%" PRIu64, amount(worker, "slot"));
    table_add(table, paint_of_state(state), "%s", state);
    if (amount(worker, "pid") > 0)
        table_add(table, PAINT_NONE, "%" PRIu64, amount(worker, "pid"));
    else
        table_add(table, PAINT_NONE, "-");
    table_add(table, PAINT_NONE, "%s", humanize_seconds(text, amount(worker, "since_s")));
    table_add(table, PAINT_NONE, "%s", humanize_metric(text, cpu, "Percent"));
    table_add(table, PAINT_NONE, "%s", humanize_metric(text, memory, "Bytes"));
    table_add(table, PAINT_NONE, "%" PRIu64, amount(worker, "in_flight"));
    table_add(table, PAINT_NONE, "%s", humanize_count(text, amount(worker, "requests")));
    table_add(table, PAINT_NONE, "%s", humanize_count(text, amount(worker, "restarts")));
    table_end_row(table);
    if (outdated)
        table_note(table, "of an older generation");
    if (*status)
        table_note(table, "status: %s", status);
    if (*last_exit)
        table_note(table, "last exit: %s", last_exit);
}

/* Of all workers that the app ever had, so that a restart loses nothing. */
static void print_requests(struct session *session, const struct json_object *app)
{
    static const char *const classes[] = {"2xx", "3xx", "4xx", "5xx"};
    const struct json_object *requests = field_object(app, "requests");
    const struct json_object *latency = field_object(app, "latency_ms");
    struct buffer *out = &session->out;
    char text[HUMANIZE_MAX];

    if (!requests) {
        buffer_append_string(out, "  its requests are not counted: it has no scoreboard\n");
        return;
    }
    buffer_printf(out, "  %s requests", humanize_count(text, amount(requests, "total")));
    buffer_printf(out, ", %s/s",
                  humanize_metric(text, field_double(app, "requests_per_second"), "Count"));
    if (isfinite(field_double(latency, "p50"))) {
        buffer_printf(out, "  p50 %s", humanize_milliseconds(text, field_double(latency, "p50")));
        buffer_printf(out, "  p99 %s",
                      humanize_metric(text, field_double(latency, "p99"), "Milliseconds"));
    }
    buffer_append_string(out, "\n ");
    for (size_t i = 0; i < ARRAY_SIZE(classes); i++) {
        uint64_t count = amount(requests, classes[i]);
        bool bad = count > 0 && classes[i][0] == '5';

        buffer_printf(out, " %s ", classes[i]);
        display_paint(&session->display, out, bad ? PAINT_BAD : PAINT_NONE,
                      humanize_count(text, count));
        buffer_append_string(out, i + 1 < ARRAY_SIZE(classes) ? " " : "\n");
    }
}

/* A reload that failed after its first workers leaves two generations, until the next one. */
static bool is_mixed(const struct json_object *app)
{
    uint64_t outdated = amount(app, "outdated");

    return !field_bool(app, "rolling") && outdated > 0 && outdated < amount(app, "ready");
}

static void print_generations(struct session *session, const struct json_object *app)
{
    CLEANUP(buffer_done) struct buffer text = {.data = NULL};
    uint64_t outdated = amount(app, "outdated"), ready = amount(app, "ready");

    buffer_init(&text, 512);
    buffer_printf(&text,
                  "%" PRIu64 " of %" PRIu64
                  " ready workers %s of an older configuration or program; "
                  "mend the newest, then: agentctl reload --app %s",
                  outdated, ready, outdated == 1 ? "is" : "are", field_text(app, "name", "?"));
    buffer_append_string(&session->out, "  ");
    display_paint(&session->display, &session->out, PAINT_WARNING, "two generations serve: ");
    display_wrap(&session->out, text.data ? text.data : "", 25, 4, session->display.columns);
}

/* A title, the requests, a table of workers. */
static int print_app(struct session *session, const struct json_object *app)
{
    static const struct table_column columns[] = {
        {"SLOT", .right = true},   {"STATE", .shrink = true},   {"PID", .right = true},
        {"FOR", .right = true},    {"CPU", .right = true},      {"MEMORY", .right = true},
        {"ACTIVE", .right = true}, {"REQUESTS", .right = true}, {"RESTARTS", .right = true},
    };
    CLEANUP(table_freep) struct table *table = NULL;
    int64_t ready = field_int(app, "ready", 0), wanted = field_int(app, "wanted", 0);
    const char *failed = field_text(app, "roll_failed", NULL);
    struct buffer *out = &session->out;
    char text[64];
    int r = table_new(&table, columns, ARRAY_SIZE(columns));

    if (r < 0)
        return r;
    buffer_append_string(out, "\n");
    put(session, PAINT_BOLD, field_text(app, "name", "?"), APP_NAME_MAX);
    snprintf(text, sizeof(text), "%" PRId64 "/%" PRId64 " ready", ready, wanted);
    put(session,
        ready >= wanted ? PAINT_GOOD
        : ready > 0     ? PAINT_WARNING
                        : PAINT_BAD,
        text, sizeof(text));
    if (field_bool(app, "crash_loop"))
        put(session, PAINT_BAD, "crash loop", 10);
    if (field_text(app, "probe_failure", NULL)) {
        snprintf(text, sizeof(text), "probe fails: %.45s", field_text(app, "probe_failure", ""));
        put(session, PAINT_WARNING, text, sizeof(text));
    }
    if (field_bool(app, "scaled"))
        put(session, PAINT_WARNING, "scaled by hand", 14);
    if (field_bool(app, "rolling"))
        put(session, PAINT_WARNING, "replacing workers", 17);
    buffer_printf(out, "%" PRIu64 " %s\n", amount(app, "restarts"),
                  amount(app, "restarts") == 1 ? "restart" : "restarts");
    if (failed && *failed) {
        buffer_append_string(out, "  not replaced: ");
        display_wrap(out, failed, 16, 4, session->display.columns);
    }
    if (is_mixed(app))
        print_generations(session, app);
    print_requests(session, app);
    for (size_t i = 0; i < field_items(app, "workers"); i++) {
        const struct json_object *worker = field_item(app, "workers", i);

        add_worker(table, worker,
                   is_mixed(app) && strcmp(field_text(worker, "state", ""), "ready") == 0 &&
                       amount(worker, "generation") != amount(app, "generation"));
    }
    return field_items(app, "workers") ? table_print(table, &session->display, 2, out) : 0;
}

/* --- All ------------------------------------------------------------------------------------- */

/* APP and APP.SLOT, one a line, as the arguments of other verbs want them. */
static void print_names(struct session *session, const struct json_object *body)
{
    for (size_t i = 0; i < field_items(body, "apps"); i++) {
        const struct json_object *app = field_item(body, "apps", i);
        const char *name = field_text(app, "name", "");
        struct target target;

        if (target_parse(name, &target) < 0)
            continue;
        buffer_printf(&session->out, "%s\n", target.app);
        for (size_t w = 0; w < field_items(app, "workers"); w++)
            buffer_printf(&session->out, "%s.%" PRIu64 "\n", target.app,
                          amount(field_item(app, "workers", w), "slot"));
    }
}

enum exit_code verb_status(struct session *session)
{
    CLEANUP_JSON struct json_object *body = NULL;
    enum exit_code code = session_ask(session, "/v1/status", NULL, &body);
    int r = 0;

    if (code != EXIT_CODE_OK)
        return code;
    if (session_has(session, VERB_OPTION_NAMES)) {
        print_names(session, body);
        return session_flush(session);
    }
    if (session_has(session, VERB_OPTION_JSON))
        return session_print_json(session, body, false);
    print_node(session, body);
    print_publish(session, field_object(body, "publish"));
    print_statsd(session, field_object(body, "statsd"));
    print_stress(session, field_object(body, "stress"));
    for (size_t i = 0; r == 0 && i < field_items(body, "apps"); i++)
        r = print_app(session, field_item(body, "apps", i));
    if (r < 0)
        return session_fail(EXIT_CODE_FAILED, "out of memory");
    return session_flush(session);
}

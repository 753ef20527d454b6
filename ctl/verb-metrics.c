/* SPDX-License-Identifier: Apache-2.0 */
/*
 * agentctl metrics: every series, now and in its last full window, as the sink got it. Grouped: the
 * host, each app, what the apps send over StatsD, agentd itself. With --dry-run the bodies that
 * CloudWatch would get.
 */
#include "ctl/fields.h"
#include "ctl/humanize.h"
#include "ctl/session.h"
#include "ctl/table.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>
#include <strings.h>

/* A value in its unit, right-aligned by the table; "-" if there is none. */
static void add_value(struct table *table, double value, const char *unit)
{
    char text[HUMANIZE_MAX];

    table_add(table, PAINT_NONE, "%s", humanize_metric(text, value, unit));
}

/* The mean of a window is its sum by its samples; a metric that is counted has one sample a window.
 */
static void add_metric(struct table *table, const struct json_object *metric)
{
    const struct json_object *window = field_object(metric, "window");
    const char *unit = field_text(metric, "unit", "");
    double count = field_double(window, "count");
    char text[HUMANIZE_MAX];

    if (field_text(metric, "dimensions", "")[0])
        table_add(table, PAINT_NONE, "  %s %s", field_text(metric, "name", "?"),
                  field_text(metric, "dimensions", ""));
    else
        table_add(table, PAINT_NONE, "  %s", field_text(metric, "name", "?"));
    add_value(table, field_double(metric, "last"), unit);
    add_value(table, field_double(window, "minimum"), unit);
    add_value(table, count > 0 ? field_double(window, "sum") / count : NAN, unit);
    add_value(table, field_double(window, "maximum"), unit);
    table_add(table, PAINT_NONE, "%s",
              window ? humanize_count(text, (uint64_t) MAX(field_int(window, "count", 0), 0))
                     : "-");
    table_end_row(table);
}

/* A title, and the metrics of one app or (|app| NULL) those of one scope that belong to none. */
static void add_section(struct table *table, const struct json_object *body, const char *title,
                        const char *scope, const char *app)
{
    bool titled = false;

    for (size_t i = 0; i < field_items(body, "metrics"); i++) {
        const struct json_object *metric = field_item(body, "metrics", i);
        const char *of = field_text(metric, "app", NULL);

        if (app ? !of || strcmp(of, app) != 0
                : of || strcasecmp(field_text(metric, "scope", ""), scope) != 0)
            continue;
        if (!titled) {
            table_add(table, PAINT_BOLD, "%s", title);
            table_end_row(table);
            titled = true;
        }
        add_metric(table, metric);
    }
}

/* Whether the metric at |index| is the first one of its app. */
static bool begins_app(const struct json_object *body, size_t index, const char *app)
{
    for (size_t i = 0; i < index; i++)
        if (strcmp(field_text(field_item(body, "metrics", i), "app", ""), app) == 0)
            return false;
    return true;
}

static int print_metrics(struct session *session, const struct json_object *body)
{
    static const struct table_column columns[] = {
        {"METRIC", .shrink = true}, {"NOW", .right = true},     {"MINIMUM", .right = true},
        {"MEAN", .right = true},    {"MAXIMUM", .right = true}, {"SAMPLES", .right = true},
    };
    CLEANUP(table_freep) struct table *table = NULL;
    int r = table_new(&table, columns, ARRAY_SIZE(columns));

    if (r < 0)
        return r;
    buffer_printf(&session->out, "windows of %" PRId64 " s\n", field_int(body, "window_s", 0));
    add_section(table, body, "host", "host", NULL);
    for (size_t i = 0; i < field_items(body, "metrics"); i++) {
        const char *app = field_text(field_item(body, "metrics", i), "app", NULL);

        if (app && begins_app(body, i, app))
            add_section(table, body, app, NULL, app);
    }
    add_section(table, body, "StatsD", "statsd", NULL);
    add_section(table, body, "agentd", "agent", NULL);
    return table_print(table, &session->display, 0, &session->out);
}

enum exit_code verb_metrics(struct session *session)
{
    CLEANUP_JSON struct json_object *body = NULL;
    bool dry_run = session_has(session, VERB_OPTION_DRY_RUN);
    enum exit_code code =
        session_ask(session, dry_run ? "/v1/metrics/bodies" : "/v1/metrics", NULL, &body);

    if (code != EXIT_CODE_OK)
        return code;
    if (dry_run)
        return session_print_json(session, body, false);
    if (session_has(session, VERB_OPTION_JSON))
        return session_print_json(session, body, false);
    if (print_metrics(session, body) < 0)
        return session_fail(EXIT_CODE_FAILED, "out of memory");
    return session_flush(session);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* See the header. */
#include "ctl/watch-report.h"

#include "common/base/clock.h"
#include "ctl/humanize.h"
#include "ctl/table.h"

#include <inttypes.h>
#include <stdio.h>

#define HEAD_LINES 3u /* what is polled, how it went, the titles */
#define LINE_BYTES 512

static const char *name_of(const char *instance)
{
    return *instance ? instance : "(not named)";
}

static enum paint paint_of(unsigned status)
{
    return status >= 200 && status < 400 ? PAINT_GOOD : PAINT_BAD;
}

static const char *latency_text(char buffer[HUMANIZE_MAX], uint64_t latency_us)
{
    return humanize_milliseconds(buffer, (double) latency_us / (double) USEC_PER_MSEC);
}

bool watch_is_silent(const struct watch_state *state, const struct instance *instance)
{
    uint64_t rounds_us = WATCH_SILENT_ROUNDS * state->instances.n * state->interval_us;

    return state->now_us - instance->last_at_us > MAX(WATCH_SILENT_US, rounds_us);
}

/* --- The table ------------------------------------------------------------------------------- */

static void append_head(struct buffer *out, const char *url, const struct watch_state *state,
                        unsigned columns)
{
    CLEANUP(buffer_done) struct buffer line = {.data = NULL};
    const char *comma = ":";
    char interval[CLOCK_TEXT_MAX];

    buffer_init(&line, 16384);
    buffer_printf(&line, "each %s  %s", clock_format_duration(interval, state->interval_us), url);
    display_clean(out, line.data, columns);
    buffer_clear(&line);
    buffer_printf(&line, "%" PRIu64 " polls, %" PRIu64 " answered, %" PRIu64 " failed",
                  state->polls, state->answered, state->polls - state->answered);
    for (enum failure f = 0; f < FAILURES_; f++) {
        if (state->failures[f] == 0)
            continue;
        buffer_printf(&line, "%s %" PRIu64 " %s", comma, state->failures[f], failure_name(f));
        comma = ",";
    }
    if (state->left_out > 0)
        buffer_printf(&line, "; %" PRIu64 " left out, too many under way", state->left_out);
    buffer_append_string(out, "\n");
    display_clean(out, line.data, columns);
    buffer_append_string(out, "\n");
}

static void add_instance(struct table *table, const struct watch_state *state,
                         const struct instance *instance)
{
    bool silent = watch_is_silent(state, instance);
    char text[HUMANIZE_MAX];

    table_add(table, silent ? PAINT_FAINT : PAINT_NONE, "%s", name_of(instance->name));
    table_add(table, PAINT_NONE, "%" PRIu64, instance->count);
    table_add(table, PAINT_NONE, "%.1f %%", instances_share(&state->instances, instance->count));
    table_add(table, PAINT_NONE, "%s ago",
              humanize_seconds(text, (state->now_us - instance->last_at_us) / USEC_PER_SEC));
    table_add(table, paint_of(instance->last_status), "%u", instance->last_status);
    table_add(table, PAINT_NONE, "%s", latency_text(text, instance->last_latency_us));
    if (silent)
        table_add(table, PAINT_WARNING, "silent");
    table_end_row(table);
}

/* Those in the table from |first| on, and those that found no place in it. */
static void add_rest(struct table *table, const struct instances *instances, size_t first)
{
    uint64_t count = instances->others;

    for (size_t i = first; i < instances->n; i++)
        count += instances->list[i].count;
    if (count == 0)
        return;
    table_add(table, PAINT_NONE, "(all others)");
    table_add(table, PAINT_NONE, "%" PRIu64, count);
    table_add(table, PAINT_NONE, "%.1f %%", instances_share(instances, count));
    table_end_row(table);
}

int watch_report_table(struct buffer *out, const char *url, const struct watch_state *state,
                       const struct display *display, unsigned rows)
{
    static const struct table_column columns[] = {
        {"INSTANCE", .shrink = true},
        {"ANSWERS", .right = true},
        {"SHARE", .right = true},
        {"LAST", .right = true},
        {"STATUS", .right = true},
        {"LATENCY", .right = true},
        {"NOTE"},
    };
    const struct instances *instances = &state->instances;
    CLEANUP(table_freep) struct table *table = NULL;
    size_t room = rows > HEAD_LINES ? rows - HEAD_LINES : 1, shown = instances->n;
    int r = table_new(&table, columns, ARRAY_SIZE(columns));

    if (r < 0)
        return r;
    if (shown + (instances->others > 0) > room)
        shown = room - 1;
    append_head(out, url, state, display->columns);
    for (size_t i = 0; i < shown; i++)
        add_instance(table, state, &instances->list[i]);
    add_rest(table, instances, shown);
    return table_print(table, display, 0, out);
}

/* --- A poll ---------------------------------------------------------------------------------- */

/* "12:00:01  200  3.20 ms  i-0abc  new" or "12:00:01  refused: TEXT". UTC, as all our times. */
void watch_report_line(struct buffer *out, const struct watch_poll *poll, uint64_t realtime_us,
                       const struct display *display)
{
    char time[CLOCK_TEXT_MAX], latency[HUMANIZE_MAX], text[LINE_BYTES];

    clock_format_iso8601(time, realtime_us);
    buffer_printf(out, "%.8sZ  ", time + sizeof("2026-11-21T") - 1);
    if (poll->status == 0) {
        display_paint(display, out, PAINT_BAD, failure_name(poll->failure));
        snprintf(text, sizeof(text), ": %s", poll->text);
        display_clean(out, text, SIZE_MAX);
    } else {
        snprintf(text, sizeof(text), "%u", poll->status);
        display_paint(display, out, paint_of(poll->status), text);
        snprintf(text, sizeof(text), "  %7s  %s%s", latency_text(latency, poll->latency_us),
                 name_of(poll->instance), poll->is_new ? "  (new)" : "");
        display_clean(out, text, SIZE_MAX);
    }
    buffer_append_string(out, "\n");
}

struct json_object *watch_report_json(const struct watch_state *state,
                                      const struct watch_poll *poll, uint64_t realtime_us)
{
    struct json_object *object = json_object_new_object();
    char time[CLOCK_TEXT_MAX];
    bool answered = poll->status > 0;

    json_add_string(object, "time", clock_format_iso8601(time, realtime_us));
    json_add_u64(object, "poll", state->polls);
    json_add_string(object, "instance", *poll->instance ? poll->instance : NULL);
    json_add_bool(object, "new", poll->is_new);
    json_add(object, "status", answered ? json_object_new_int64(poll->status) : NULL);
    json_add_double(object, "latency_ms", (double) poll->latency_us / (double) USEC_PER_MSEC, 3);
    json_add_string(object, "failure", answered ? NULL : failure_key(poll->failure));
    json_add_string(object, "error", answered ? NULL : poll->text);
    json_add_u64(object, "instances", state->instances.n);
    return object;
}

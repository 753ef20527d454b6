/* SPDX-License-Identifier: Apache-2.0 */
/* See the header. */
#include "ctl/load-report.h"

#include "common/base/clock.h"
#include "ctl/humanize.h"
#include "ctl/table.h"

#include <inttypes.h>
#include <stdio.h>

#define LINE_MAX_BYTES 256

static const unsigned quantiles[] = {500, 900, 990}; /* permille */

static double milliseconds(uint64_t us)
{
    return (double) us / (double) USEC_PER_MSEC;
}

/* Of the whole load. A bucket's middle may lie above the slowest answer. */
static double quantile_ms(const struct load_tally *tally, unsigned permille)
{
    return milliseconds(MIN(histogram_quantile_us(&tally->latency, permille), tally->max_us));
}

static double per_second(uint64_t count, uint64_t span_us)
{
    return span_us > 0 ? (double) count * (double) USEC_PER_SEC / (double) span_us : 0;
}

static uint64_t elapsed_us(const struct load_state *state)
{
    return state->now_us - state->begun_at_us;
}

void load_report_plan(struct buffer *out, const struct load_options *options)
{
    char duration[CLOCK_TEXT_MAX];

    buffer_printf(out, "Sends %s to ", options->data ? "POST" : "GET");
    display_clean(out, options->url, SIZE_MAX);
    buffer_append_string(out, ": ");
    if (options->rate > 0)
        buffer_printf(out, "%" PRIu64 " requests/s over up to %u connections", options->rate,
                      options->connections);
    else
        buffer_printf(out, "%u connections, on each the next request after the answer",
                      options->connections);
    buffer_printf(out, "%s, for %s. Ctrl-C ends it.",
                  options->own_connections ? ", each request on a new one" : "",
                  clock_format_duration(duration, options->for_us));
}

/* --- The live line --------------------------------------------------------------------------- */

static void append_quantile(char *text, size_t size, const struct histogram *histogram,
                            unsigned permille)
{
    char number[HUMANIZE_MAX] = "-";

    if (histogram_count(histogram) > 0)
        humanize_milliseconds(number, milliseconds(histogram_quantile_us(histogram, permille)));
    snprintf(text, size, "p%u %s", permille / 10, number);
}

void load_report_line(struct buffer *out, const struct load_options *options,
                      const struct load_state *state, const struct display *display)
{
    const struct load_tally *tally = &state->tally;
    char line[LINE_MAX_BYTES], p50[48], p99[48], rest[96] = "";
    char rate[HUMANIZE_MAX], answered[HUMANIZE_MAX], failed[HUMANIZE_MAX];
    bool full = options->rate > 0 && state->in_flight >= options->connections;
    /* Else they are about to be sent. */
    uint64_t waiting = full ? load_pace_waiting(&state->pace, state->now_us) : 0;

    append_quantile(p50, sizeof(p50), &tally->lately.latency, 500);
    append_quantile(p99, sizeof(p99), &tally->lately.latency, 990);
    if (state->pace.unsent + waiting > 0)
        snprintf(rest, sizeof(rest), "  %" PRIu64 " late  %" PRIu64 " unsent", waiting,
                 state->pace.unsent);
    snprintf(line, sizeof(line), "%4" PRIu64 " s  %s/s  %s answered  %s failed%s  %s  %s  %u open",
             elapsed_us(state) / USEC_PER_SEC,
             humanize_number(rate, per_second(tally->lately.answered, state->lately_us)),
             humanize_count(answered, tally->answered),
             humanize_count(failed, load_tally_failed(tally)), rest, p50, p99, state->in_flight);
    display_clean(out, line, display->columns - 1);
    buffer_append_string(out, "\n");
}

/* --- The summary ----------------------------------------------------------------------------- */

static void append_statuses(struct buffer *out, const struct load_tally *tally)
{
    for (unsigned class = 1; class < LOAD_CLASSES; class ++)
        if (tally->statuses[class] > 0)
            buffer_printf(out, "  %uxx %" PRIu64, class, tally->statuses[class]);
    if (tally->statuses[0] > 0)
        buffer_printf(out, "  other %" PRIu64, tally->statuses[0]);
    buffer_append_string(out, "\n");
}

/* A line each kind, with curl's words for the first one. */
static void append_failures(struct buffer *out, const struct load_tally *tally,
                            const struct display *display)
{
    char text[64 + LOAD_TEXT_MAX];

    for (enum failure f = 0; f < FAILURES_; f++) {
        if (tally->failures[f] == 0)
            continue;
        snprintf(text, sizeof(text), "%" PRIu64 " %s", tally->failures[f], failure_name(f));
        buffer_append_string(out, "  unanswered  ");
        display_paint(display, out, PAINT_BAD, text);
        snprintf(text, sizeof(text), ": %s", tally->texts[f]);
        display_clean(out, text, SIZE_MAX);
        buffer_append_string(out, "\n");
    }
}

static void append_latency(struct buffer *out, const struct load_tally *tally)
{
    char number[HUMANIZE_MAX];

    if (tally->answered == 0)
        return;
    buffer_append_string(out, "  latency   ");
    for (size_t i = 0; i < ARRAY_SIZE(quantiles); i++)
        buffer_printf(out, "  p%u %s", quantiles[i] / 10,
                      humanize_milliseconds(number, quantile_ms(tally, quantiles[i])));
    buffer_printf(out, "  max %s\n", humanize_milliseconds(number, milliseconds(tally->max_us)));
}

/* Only if at least one was named: else it would say nothing. */
static int append_instances(struct buffer *out, const struct instances *instances,
                            const struct display *display)
{
    static const struct table_column columns[] = {
        {"INSTANCE", .shrink = true}, {"ANSWERS", .right = true}, {"SHARE", .right = true}};
    CLEANUP(table_freep) struct table *table = NULL;
    int r;

    if (instances->n == 0 || (instances->n == 1 && !*instances->list[0].name))
        return 0;
    r = table_new(&table, columns, ARRAY_SIZE(columns));
    if (r < 0)
        return r;
    for (size_t i = 0; i < instances->n; i++) {
        const struct instance *instance = &instances->list[i];

        table_add(table, PAINT_NONE, "%s", *instance->name ? instance->name : "(not named)");
        table_add(table, PAINT_NONE, "%" PRIu64, instance->count);
        table_add(table, PAINT_NONE, "%.1f %%", instances_share(instances, instance->count));
    }
    if (instances->others > 0) {
        table_add(table, PAINT_NONE, "(all others)");
        table_add(table, PAINT_NONE, "%" PRIu64, instances->others);
        table_add(table, PAINT_NONE, "%.1f %%", instances_share(instances, instances->others));
    }
    buffer_append_string(out, "\n");
    return table_print(table, display, 0, out);
}

int load_report_summary(struct buffer *out, const struct load_options *options,
                        struct load_state *state, const struct display *display)
{
    const struct load_tally *tally = &state->tally;
    char rate[HUMANIZE_MAX], bytes[HUMANIZE_MAX];

    buffer_printf(out, "%" PRIu64 " requests in %.1f s%s, %s/s answered, %s of bodies\n",
                  tally->started, (double) elapsed_us(state) / (double) USEC_PER_SEC,
                  state->interrupted ? " (interrupted)" : "",
                  humanize_number(rate, per_second(tally->answered, elapsed_us(state))),
                  humanize_bytes(bytes, (double) tally->bytes));
    buffer_printf(out, "  sent        %" PRIu64 "\n  answered    %" PRIu64, tally->sent,
                  tally->answered);
    append_statuses(out, tally);
    append_failures(out, tally, display);
    if (state->pace.unsent > 0) {
        buffer_printf(out, "  unsent      %" PRIu64 ": all %u connections were busy",
                      state->pace.unsent, options->connections);
        buffer_printf(out, state->interrupted ? " until the end\n" : " for %" PRIu64 " s\n",
                      LOAD_WAIT_US / USEC_PER_SEC);
    }
    append_latency(out, tally);
    instances_sort(&state->tally.instances);
    return append_instances(out, &tally->instances, display);
}

/* --- JSON ------------------------------------------------------------------------------------ */

static struct json_object *statuses_json(const struct load_tally *tally)
{
    struct json_object *object = json_object_new_object();
    char name[8];

    for (unsigned class = 1; class < LOAD_CLASSES; class ++) {
        snprintf(name, sizeof(name), "%uxx", class);
        json_add_u64(object, name, tally->statuses[class]);
    }
    json_add_u64(object, "other", tally->statuses[0]);
    return object;
}

static struct json_object *failures_json(const struct load_tally *tally)
{
    struct json_object *object = json_object_new_object();

    for (enum failure f = 0; f < FAILURES_; f++)
        json_add_u64(object, failure_key(f), tally->failures[f]);
    return object;
}

static struct json_object *latency_json(const struct load_tally *tally)
{
    struct json_object *object;
    char name[16];

    if (tally->answered == 0)
        return NULL;
    object = json_object_new_object();
    for (size_t i = 0; i < ARRAY_SIZE(quantiles); i++) {
        snprintf(name, sizeof(name), "p%u", quantiles[i] / 10);
        json_add_double(object, name, quantile_ms(tally, quantiles[i]), 3);
    }
    json_add_double(object, "max", milliseconds(tally->max_us), 3);
    return object;
}

static struct json_object *instances_json(const struct instances *instances)
{
    struct json_object *array = json_object_new_array();

    for (size_t i = 0; i < instances->n; i++) {
        struct json_object *object = json_object_new_object();
        const struct instance *instance = &instances->list[i];

        json_add_string(object, "instance", *instance->name ? instance->name : NULL);
        json_add_u64(object, "answers", instance->count);
        json_object_array_add(array, object);
    }
    return array;
}

struct json_object *load_report_json(const struct load_options *options,
                                     const struct load_state *state)
{
    const struct load_tally *tally = &state->tally;
    struct json_object *object = json_object_new_object();

    json_add_u64(object, "schema_version", 1);
    json_add_string(object, "url", options->url);
    json_add_string(object, "method", options->data ? "POST" : "GET");
    json_add(object, "rate",
             options->rate > 0 ? json_object_new_int64((int64_t) options->rate) : NULL);
    json_add_u64(object, "connections", options->connections);
    json_add_bool(object, "new_connections", options->own_connections);
    json_add_bool(object, "interrupted", state->interrupted);
    json_add_double(object, "seconds", (double) elapsed_us(state) / (double) USEC_PER_SEC, 3);
    json_add_u64(object, "requests", tally->started);
    json_add_u64(object, "sent", tally->sent);
    json_add_u64(object, "answered", tally->answered);
    json_add_u64(object, "unanswered", load_tally_unanswered(tally));
    json_add_u64(object, "unsent", state->pace.unsent);
    json_add_double(object, "answers_per_second", per_second(tally->answered, elapsed_us(state)),
                    2);
    json_add_u64(object, "bytes", tally->bytes);
    json_add(object, "statuses", statuses_json(tally));
    json_add(object, "failures", failures_json(tally));
    json_add(object, "latency_ms", latency_json(tally));
    json_add(object, "instances", instances_json(&tally->instances));
    json_add_u64(object, "other_instances", tally->instances.others);
    return object;
}

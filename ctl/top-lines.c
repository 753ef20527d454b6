/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The header, the lines of the host, the requests, stress and publishing, and the keys. Each line
 * has its place given and fits itself into it.
 */
#include "common/base/clock.h"
#include "ctl/top-view-internal.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#define LABEL_COLUMNS 10u
#define VALUE_COLUMNS 9u
#define BAR_MIN       8u
#define LEGEND        26u /* columns right of a bar */

static const struct graph_styles cpu_styles = {TOP_STYLE_CPU, TOP_STYLE_STRESS,
                                               TOP_STYLE_CPU_ON_STRESS, TOP_STYLE_TRACK};
static const struct graph_styles memory_styles = {TOP_STYLE_MEMORY, TOP_STYLE_MEMORY,
                                                  TOP_STYLE_MEMORY, TOP_STYLE_TRACK};
static const struct graph_styles pressure_styles = {TOP_STYLE_PRESSURE, TOP_STYLE_PRESSURE,
                                                    TOP_STYLE_PRESSURE, TOP_STYLE_TRACK};

/* --- Words ----------------------------------------------------------------------------------- */

const char *top_percent(char text[HUMANIZE_MAX], double percent)
{
    if (isfinite(percent))
        snprintf(text, HUMANIZE_MAX, "%.1f %%", fmin(fmax(percent, -1), 99999));
    else
        snprintf(text, HUMANIZE_MAX, "-");
    return text;
}

const char *top_number(char text[HUMANIZE_MAX], double number)
{
    return humanize_metric(text, number, "Count");
}

const char *top_milliseconds(char text[HUMANIZE_MAX], double milliseconds)
{
    return humanize_metric(text, milliseconds, "Milliseconds");
}

const char *top_duration(char text[HUMANIZE_MAX], uint64_t seconds)
{
    if (seconds == 0)
        return "0 s";
    return clock_format_duration(text, MIN(seconds, UINT64_C(1) << 40) * USEC_PER_SEC);
}

/* A text behind what is there already; moves |column| on. */
static void add(const struct top_canvas *canvas, const struct top_area *area, unsigned *column,
                int style, const char *text)
{
    unsigned end = area->column + area->columns;

    if (*column < end)
        *column += grid_put(canvas->grid, area->row, *column, end - *column, style, text);
}

static unsigned label(const struct top_canvas *canvas, const struct top_area *area,
                      const char *text)
{
    grid_put(canvas->grid, area->row, area->column + 1, LABEL_COLUMNS - 1, TOP_STYLE_BOLD, text);
    return area->column + LABEL_COLUMNS;
}

/* --- Header ---------------------------------------------------------------------------------- */

static int badge_of(const struct top_model *model)
{
    return strcmp(model->verdict, "pass") == 0       ? TOP_STYLE_BADGE_GOOD
           : strcmp(model->verdict, "degraded") == 0 ? TOP_STYLE_BADGE_WARNING
                                                     : TOP_STYLE_BADGE_BAD;
}

static void print_clock(char text[HUMANIZE_MAX], uint64_t realtime_us)
{
    time_t seconds = (time_t) (realtime_us / USEC_PER_SEC);
    struct tm tm;

    text[0] = '\0';
    if (gmtime_r(&seconds, &tm))
        strftime(text, HUMANIZE_MAX, "%H:%M:%S UTC", &tm);
}

void top_draw_header(const struct top_canvas *canvas)
{
    const struct top_model *model = canvas->model;
    const struct top_area area = {.columns = canvas->grid->columns, .rows = 1};
    char clock[HUMANIZE_MAX], uptime[HUMANIZE_MAX], text[2 * HUMANIZE_MAX + 8];
    unsigned column = 1;

    grid_fill(canvas->grid, 0, 0, area.columns, TOP_STYLE_HEADER);
    snprintf(text, sizeof(text), "agentd %.16s", model->version);
    add(canvas, &area, &column, TOP_STYLE_HEADER, text);
    column += 2;
    if (model->link == TOP_LINK_UP) {
        snprintf(text, sizeof(text), " %.12s, %.12s ", model->state, model->verdict);
        add(canvas, &area, &column, badge_of(model), text);
    } else {
        add(canvas, &area, &column, TOP_STYLE_BADGE_BAD,
            model->link == TOP_LINK_NEW ? " connecting " : " not reachable ");
    }
    column += 2;
    add(canvas, &area, &column, TOP_STYLE_HEADER, model->instance_id);
    print_clock(clock, model->now_realtime_us);
    snprintf(text, sizeof(text), "up %s  %s", top_duration(uptime, model->uptime_s), clock);
    if (model->link != TOP_LINK_UP || column + strlen(text) + 2 > area.columns)
        snprintf(text, sizeof(text), "%s", clock);
    if (column + strlen(text) + 2 <= area.columns)
        grid_put_right(canvas->grid, 0, area.columns - 1 - (unsigned) strlen(text),
                       (unsigned) strlen(text), TOP_STYLE_HEADER, text);
}

void top_draw_reason(const struct top_canvas *canvas, unsigned row)
{
    const struct top_model *model = canvas->model;
    unsigned columns = canvas->grid->columns;
    char since[HUMANIZE_MAX];

    if (model->link == TOP_LINK_UP) {
        grid_printf(canvas->grid, row, 1, columns - 1, TOP_STYLE_WARNING, "%s", model->reason);
        return;
    }
    grid_fill(canvas->grid, row, 0, columns, TOP_STYLE_BADGE_BAD);
    print_clock(since, model->status_realtime_us);
    grid_printf(canvas->grid, row, 1, columns - 1, TOP_STYLE_BADGE_BAD,
                "agentd is not reachable, trying again; below is %s (%s)", since, model->away);
}

/* --- The host -------------------------------------------------------------------------------- */

/* Columns for a bar in |area|, between label and value, with |right| columns kept free. */
static unsigned bar_columns(const struct top_area *area, unsigned right)
{
    unsigned taken = LABEL_COLUMNS + VALUE_COLUMNS + right;

    return area->columns >= taken + BAR_MIN ? area->columns - taken : 0;
}

void top_draw_cpu(const struct top_canvas *canvas, const struct top_area *area)
{
    const struct top_model *model = canvas->model;
    double stress = model->stress.on && isfinite(model->stress.share_percent)
                        ? fmin(model->stress.share_percent, model->cpu_percent)
                        : 0;
    double own = model->cpu_percent - stress;
    bool legend = bar_columns(area, LEGEND) > 0;
    unsigned columns = bar_columns(area, legend ? LEGEND : 0);
    unsigned column = label(canvas, area, "CPU");
    char text[HUMANIZE_MAX];

    graph_bar(canvas->grid, canvas->look, &cpu_styles, area->row, column, columns, own / 100,
              stress / 100);
    grid_put_right(canvas->grid, area->row, column + columns, VALUE_COLUMNS - 1, TOP_STYLE_BOLD,
                   top_percent(text, model->cpu_percent));
    column += columns + VALUE_COLUMNS;
    if (!legend)
        return;
    if (!model->stress.on) {
        if (isfinite(model->steal_percent)) {
            add(canvas, area, &column, TOP_STYLE_FAINT, " steal ");
            add(canvas, area, &column, model->steal_percent >= 5 ? TOP_STYLE_BAD : TOP_STYLE_FAINT,
                top_percent(text, model->steal_percent));
        }
        return;
    }
    column++;
    add(canvas, area, &column, TOP_STYLE_CPU, graph_glyph(canvas->look, false));
    snprintf(text, sizeof(text), " own %.1f  ", fmax(own, 0));
    add(canvas, area, &column, TOP_STYLE_PLAIN, isfinite(own) ? text : " own -  ");
    add(canvas, area, &column, TOP_STYLE_STRESS, graph_glyph(canvas->look, true));
    snprintf(text, sizeof(text), " stress %.1f", stress);
    add(canvas, area, &column, TOP_STYLE_PLAIN, text);
}

void top_draw_memory(const struct top_canvas *canvas, const struct top_area *area)
{
    unsigned columns = bar_columns(area, bar_columns(area, LEGEND) > 0 ? LEGEND : 0);
    unsigned column = label(canvas, area, "Memory");
    char text[HUMANIZE_MAX];

    graph_bar(canvas->grid, canvas->look, &memory_styles, area->row, column, columns,
              canvas->model->memory_percent / 100, 0);
    grid_put_right(canvas->grid, area->row, column + columns, VALUE_COLUMNS - 1, TOP_STYLE_BOLD,
                   top_percent(text, canvas->model->memory_percent));
}

/* Three small bars: what waits for CPU, memory and disk. */
void top_draw_pressure(const struct top_canvas *canvas, const struct top_area *area)
{
    const struct {
        const char *name;
        double percent;
    } kinds[] = {
        {"cpu", canvas->model->pressure_cpu},
        {"mem", canvas->model->pressure_memory},
        {"io", canvas->model->pressure_io},
    };
    unsigned column = label(canvas, area, "Pressure");
    unsigned each = (area->columns - LABEL_COLUMNS) / (unsigned) ARRAY_SIZE(kinds);
    char text[HUMANIZE_MAX];

    for (size_t i = 0; i < ARRAY_SIZE(kinds); i++, column += each) {
        unsigned bar = each > 4 + 9 + BAR_MIN / 2 ? MIN(each - 4 - 9, 24u) : 0;

        grid_put(canvas->grid, area->row, column, 4, TOP_STYLE_FAINT, kinds[i].name);
        graph_bar(canvas->grid, canvas->look, &pressure_styles, area->row, column + 4, bar,
                  kinds[i].percent / 100, 0);
        grid_put(canvas->grid, area->row, column + 4 + bar + (bar > 0), 8, TOP_STYLE_PLAIN,
                 top_percent(text, kinds[i].percent));
    }
}

/* --- Requests, stress, publishing ------------------------------------------------------------ */

static const char *print_rate(char text[2 * HUMANIZE_MAX], double rate)
{
    char number[HUMANIZE_MAX];

    snprintf(text, 2 * HUMANIZE_MAX, "%s%s", top_number(number, rate), isfinite(rate) ? "/s" : "");
    return text;
}

void top_draw_requests(const struct top_canvas *canvas, const struct top_area *area)
{
    const struct top_model *model = canvas->model;
    double errors = top_model_errors_per_second(model);
    unsigned column = label(canvas, area, "Requests");
    char text[2 * HUMANIZE_MAX];

    add(canvas, area, &column, TOP_STYLE_REQUESTS, print_rate(text, model->requests_per_second));
    add(canvas, area, &column, TOP_STYLE_FAINT, "   p50 ");
    add(canvas, area, &column, TOP_STYLE_PLAIN, top_milliseconds(text, model->p50_ms));
    add(canvas, area, &column, TOP_STYLE_FAINT, "   p99 ");
    add(canvas, area, &column, TOP_STYLE_LATENCY, top_milliseconds(text, model->p99_ms));
    add(canvas, area, &column, TOP_STYLE_FAINT, "   errors ");
    add(canvas, area, &column, errors > 0 ? TOP_STYLE_BAD : TOP_STYLE_PLAIN,
        print_rate(text, errors));
}

void top_draw_stress(const struct top_canvas *canvas, const struct top_area *area)
{
    const struct top_stress *stress = &canvas->model->stress;
    unsigned column = label(canvas, area, "Stress");
    char left[HUMANIZE_MAX], cores[HUMANIZE_MAX], text[128];

    if (!stress->known) {
        add(canvas, area, &column, TOP_STYLE_FAINT, "-");
        return;
    }
    if (!stress->on) {
        add(canvas, area, &column, TOP_STYLE_FAINT, "off");
        snprintf(text, sizeof(text), "   the last one %.100s", stress->last);
        add(canvas, area, &column, TOP_STYLE_FAINT, stress->last[0] ? text : "");
        return;
    }
    add(canvas, area, &column, TOP_STYLE_STRESS, "on");
    snprintf(cores, sizeof(cores), "%" PRIu64 " %s", stress->cores,
             stress->cores == 1 ? "CPU" : "CPUs");
    snprintf(text, sizeof(text), "   target %.0f %%   %s left   %s   %s priority",
             fmin(fmax(stress->load_percent, 0), 100),
             top_duration(
                 left, stress->seconds_left >= 1 ? (uint64_t) fmin(stress->seconds_left, 1e9) : 0),
             stress->cores > 0 ? cores : "all CPUs", stress->normal_priority ? "normal" : "idle");
    add(canvas, area, &column, TOP_STYLE_PLAIN, text);
}

void top_draw_publish(const struct top_canvas *canvas, const struct top_area *area)
{
    const struct top_publish *publish = &canvas->model->publish;
    bool off = !publish->sink[0] || strcmp(publish->sink, "none") == 0;
    unsigned column = label(canvas, area, "Metrics");
    char text[128], age[HUMANIZE_MAX];

    if (off) {
        add(canvas, area, &column, TOP_STYLE_FAINT, publish->sink[0] ? "not published" : "-");
        return;
    }
    add(canvas, area, &column, TOP_STYLE_PLAIN, "to ");
    add(canvas, area, &column, TOP_STYLE_PLAIN, publish->sink);
    add(canvas, area, &column, TOP_STYLE_FAINT, "   last ");
    if (publish->age_s >= 0)
        snprintf(text, sizeof(text), "%s ago", top_duration(age, (uint64_t) publish->age_s));
    add(canvas, area, &column, publish->trouble[0] ? TOP_STYLE_WARNING : TOP_STYLE_GOOD,
        publish->age_s >= 0 ? text : "never");
    if (publish->has_spool) {
        snprintf(text, sizeof(text), "   %s waiting", humanize_count(age, publish->waiting));
        add(canvas, area, &column, TOP_STYLE_PLAIN, text);
    }
    snprintf(text, sizeof(text), "   %s errors", humanize_count(age, publish->errors));
    add(canvas, area, &column, publish->errors > 0 ? TOP_STYLE_WARNING : TOP_STYLE_PLAIN, text);
    column += 3;
    add(canvas, area, &column, TOP_STYLE_BAD, publish->trouble);
}

/* --- Keys ------------------------------------------------------------------------------------ */

void top_draw_keys(const struct top_canvas *canvas)
{
    const struct {
        const char *key, *text;
    } keys[] = {
        {"q", "quit"},   {"s", canvas->model->stress.on ? "stress off" : "stress"},
        {"r", "reload"}, {canvas->look->ascii ? "up/down" : "↑↓", "choose"},
        {"?", "help"},
    };
    const struct top_area area = {
        .row = canvas->grid->rows - 1, .columns = canvas->grid->columns, .rows = 1};
    const struct top_state *state = canvas->state;
    unsigned column = 1;

    if (state->message[0]) {
        add(canvas, &area, &column, state->message_bad ? TOP_STYLE_BAD : TOP_STYLE_GOOD,
            state->message);
        return;
    }
    for (size_t i = 0; i < ARRAY_SIZE(keys); i++) {
        add(canvas, &area, &column, TOP_STYLE_KEY, keys[i].key);
        column++;
        add(canvas, &area, &column, TOP_STYLE_FAINT, keys[i].text);
        column += 3;
    }
}

/* SPDX-License-Identifier: Apache-2.0 */
/* See the header. Here is who gets which part of the screen; the parts draw themselves. */
#include "ctl/top-view.h"

#include "ctl/top-view-internal.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#define EVENTS_MIN   3u /* rows of events that the workers leave */
#define GRAPHS       3u
#define GRAPH_GAP    2u
#define LINES        6u
#define LINES_SMALL  3u
#define ROWS_GRAPHS  20u /* from which on there are graphs */
#define ROWS_AIRY    28u /* blank lines between the parts */
#define ROWS_EVENTS  14u
#define ROWS_LINES   11u /* all of them */
#define DIALOG_WIDTH 60u

/* Most important first, which is the order in which they stay; |order| is that on the screen. */
static const struct {
    void (*draw)(const struct top_canvas *canvas, const struct top_area *area);
    bool important;
} lines[LINES] = {
    {top_draw_cpu, true},      {top_draw_memory, false}, {top_draw_pressure, false},
    {top_draw_requests, true}, {top_draw_stress, true},  {top_draw_publish, false},
};

/* --- Graphs ---------------------------------------------------------------------------------- */

struct graph {
    const char *name;
    enum top_series lower, upper; /* upper TOP_SERIES_: none */
    bool maximum;                 /* a column shows the worst of its points, not the mean */
    struct graph_styles styles;
    double least; /* the scale's; with |fixed| the scale itself */
    bool fixed;
};

static const struct graph graphs[GRAPHS] = {
    {"CPU",
     TOP_CPU,
     TOP_STRESS,
     false,
     {TOP_STYLE_CPU, TOP_STYLE_STRESS, TOP_STYLE_CPU_ON_STRESS, TOP_STYLE_TRACK},
     100,
     true},
    {"requests/s",
     TOP_REQUESTS,
     TOP_ERRORS,
     false,
     {TOP_STYLE_REQUESTS, TOP_STYLE_ERRORS, TOP_STYLE_REQUESTS_ON_ERRORS, TOP_STYLE_TRACK},
     1,
     false},
    {"p99",
     TOP_P99,
     TOP_SERIES_,
     true,
     {TOP_STYLE_LATENCY, TOP_STYLE_LATENCY, TOP_STYLE_LATENCY, TOP_STYLE_TRACK},
     0.01,
     false},
};

/* The upper part is contained in what was measured: the lower is the rest. */
static double take_apart(double lower[], const double upper[], unsigned columns)
{
    double peak = (double) NAN;

    for (unsigned i = 0; i < columns; i++) {
        peak = fmax(peak, lower[i]);
        if (isfinite(upper[i]))
            lower[i] = fmax(lower[i] - upper[i], 0);
    }
    return peak;
}

static void print_scale(const struct graph *graph, char text[HUMANIZE_MAX], double value)
{
    if (graph->fixed)
        snprintf(text, HUMANIZE_MAX, "%.0f %%", value);
    else if (graph->lower == TOP_P99)
        top_milliseconds(text, value);
    else
        top_number(text, value);
}

/* That the columns stand for, with |n| points on them. */
static double minutes_of(const struct top_history *history, size_t n, unsigned columns)
{
    size_t points = (n + columns - 1) / columns * columns;

    return (double) MIN(points, history->n_points) * history->interval_s / 60;
}

static void draw_graph(const struct top_canvas *canvas, const struct graph *graph,
                       const struct top_area *area)
{
    const struct top_history *history = &canvas->model->history;
    double lower[GRAPH_COLUMNS_MAX], upper[GRAPH_COLUMNS_MAX], peak;
    /* What a young core doesn't have yet takes no room: its graph begins with the last minutes. */
    size_t n = (size_t) MIN(history->n_points, history->number), skip = history->n_points - n;
    unsigned columns = MIN(area->columns, GRAPH_COLUMNS_MAX);
    bool stacked = graph->upper != TOP_SERIES_;
    char scale[HUMANIZE_MAX], span[HUMANIZE_MAX], text[2 * HUMANIZE_MAX];
    unsigned name;

    graph_resample(history->values[graph->lower] + skip, n, history->number, graph->maximum, lower,
                   columns);
    if (stacked)
        graph_resample(history->values[graph->upper] + skip, n, history->number, graph->maximum,
                       upper, columns);
    else
        for (unsigned i = 0; i < columns; i++)
            upper[i] = (double) NAN;
    peak = take_apart(lower, upper, columns);
    name = grid_put(canvas->grid, area->row, area->column, columns, TOP_STYLE_BOLD, graph->name);
    print_scale(graph, scale, peak);
    snprintf(span, sizeof(span), ", %.0f min", minutes_of(history, n, columns));
    snprintf(text, sizeof(text), "peak %s", scale);
    if (n > 0 && name + strlen(span) + 2 + strlen(text) <= columns)
        grid_put(canvas->grid, area->row, area->column + name, columns, TOP_STYLE_FAINT, span);
    grid_put_right(canvas->grid, area->row, area->column + columns - (unsigned) strlen(text),
                   (unsigned) strlen(text), TOP_STYLE_FAINT, isfinite(peak) ? text : "");
    graph_area(canvas->grid, canvas->look, &graph->styles, area->row + 1, area->column, columns,
               area->rows - 1, lower, stacked ? upper : NULL,
               graph->fixed ? graph->least : fmax(peak, graph->least));
}

static void draw_graphs(const struct top_canvas *canvas, unsigned row, unsigned rows)
{
    unsigned inside = canvas->grid->columns - 2 - (GRAPHS - 1) * GRAPH_GAP;
    unsigned each = MIN(inside / GRAPHS, GRAPH_COLUMNS_MAX);

    for (unsigned i = 0; i < GRAPHS; i++) {
        const struct top_area area = {
            .row = row, .column = 1 + i * (each + GRAPH_GAP), .columns = each, .rows = rows};

        draw_graph(canvas, &graphs[i], &area);
    }
}

/* --- Dialogues ------------------------------------------------------------------------------- */

static const char *const help_text[] = {
    "Keys of agentctl top",
    "q, Ctrl-C       leave",
    "s               stress on or off; asks first",
    "r               reload; asks first",
    "up, down, j, k  choose an app or a worker: its events alone",
    "PgUp, PgDn      a page;  Home, End: first, last",
    "Esc             choose nothing",
    "",
    "CPU: own is what the host does besides the stress.",
    "Graphs: up to ten minutes. p50, p99: the worst app's,",
    "of its last full window. Errors: answers with 5xx.",
    "",
    "any key closes this",
    NULL,
};

static const char *const reload_text[] = {
    "Reload?",
    "Reads the configuration again, then replaces the workers of",
    "all apps, one by one; none that serves is missing in between.",
    "If a file is bad, nothing changes.",
    "",
    "y = yes, any other key = no",
    NULL,
};

static const char *const stress_on_text[] = {
    "Start stress?",
    "Holds the whole host at 85 % CPU for 10 min, on all CPUs, at",
    "idle priority: the apps go first. It ends itself, or by s.",
    "A scaling policy may start instances, which cost money.",
    "",
    "y = yes, any other key = no",
    NULL,
};

static const char *const stress_off_text[] = {
    "Stop the stress?",
    "The host's CPU goes back to what the apps need.",
    "",
    "y = yes, any other key = no",
    NULL,
};
_Static_assert(TOP_STRESS_LOAD == 85 && TOP_STRESS_SECONDS == 600, "the text says so");

static void draw_dialog(const struct top_canvas *canvas)
{
    static const char *const *const texts[] = {
        [TOP_HELP] = help_text,
        [TOP_ASK_STRESS_ON] = stress_on_text,
        [TOP_ASK_STRESS_OFF] = stress_off_text,
        [TOP_ASK_RELOAD] = reload_text,
    };
    struct grid *grid = canvas->grid;
    const char *const *text = texts[canvas->state->overlay];
    unsigned n = 0, width = MIN(DIALOG_WIDTH + 6, grid->columns), column, row;

    while (text[n])
        n++;
    column = (grid->columns - width) / 2;
    row = grid->rows > n + 2 ? (grid->rows - n - 2) / 2 : 0;
    for (unsigned i = 0; i < n + 2; i++)
        grid_fill(grid, row + i, column, width, TOP_STYLE_DIALOG);
    for (unsigned i = 0; i < n; i++)
        grid_put(grid, row + 1 + i, column + 3, width > 6 ? width - 6 : 0,
                 i == 0 || i == n - 1 ? TOP_STYLE_DIALOG_TITLE : TOP_STYLE_DIALOG, text[i]);
}

/* --- All ------------------------------------------------------------------------------------- */

static unsigned draw_lines(const struct top_canvas *canvas, unsigned row)
{
    unsigned rows = canvas->grid->rows, columns = canvas->grid->columns;
    bool all = rows >= ROWS_LINES, wide = columns >= TOP_WIDE && all;
    unsigned half = wide ? columns / 2 : columns, n = 0;

    for (unsigned i = 0; i < LINES; i++) {
        if (!all && !lines[i].important)
            continue;
        bool right = wide && n >= LINES / 2;
        const struct top_area area = {.row = row + (right ? n - LINES / 2 : n),
                                      .column = right ? half : 0,
                                      .columns = right ? columns - half - 1 : half - 1,
                                      .rows = 1};

        lines[i].draw(canvas, &area);
        n++;
    }
    return row + (wide ? LINES / 2 : n);
}

static unsigned graph_rows(unsigned rows)
{
    return rows < ROWS_GRAPHS ? 0 : rows < 28 ? 4 : rows < 40 ? 5 : 8;
}

/* Workers and events share the rest. */
static unsigned draw_tables(const struct top_canvas *canvas, unsigned row)
{
    unsigned end = canvas->grid->rows - 1, rest = end > row ? end - row : 0;
    unsigned wanted = (unsigned) top_rows(canvas->model) + 1;
    unsigned events = canvas->grid->rows >= ROWS_EVENTS ? EVENTS_MIN + 1 : 0;
    unsigned air = canvas->grid->rows >= ROWS_AIRY;
    struct top_area area = {.row = row + air, .columns = canvas->grid->columns};

    rest = rest > air ? rest - air : 0;
    if (rest < 2)
        return 0;
    wanted = MAX(wanted, 2u);
    area.rows = MIN(wanted, rest > events + air + 2 ? rest - events - air : rest);
    top_draw_workers(canvas, &area);
    unsigned seen = area.rows - 1;
    area.row += area.rows + air;
    area.rows = end > area.row ? end - area.row : 0;
    if (events > 0 && area.rows >= 2)
        top_draw_events(canvas, &area);
    return seen;
}

unsigned top_view(struct grid *grid, const struct graph_look *look, const struct top_model *model,
                  const struct top_state *state)
{
    const struct top_canvas canvas = {grid, look, model, state};
    unsigned row = 1, seen = 0, rows;

    grid_clear(grid);
    if (grid->columns < TOP_COLUMNS_MIN || grid->rows < TOP_ROWS_MIN) {
        grid_printf(grid, 0, 0, grid->columns, TOP_STYLE_BOLD, "%ux%u wanted", TOP_COLUMNS_MIN,
                    TOP_ROWS_MIN);
        return 0;
    }
    top_draw_header(&canvas);
    if (model->link != TOP_LINK_UP || model->reason[0])
        top_draw_reason(&canvas, row++);
    if (model->link != TOP_LINK_NEW) {
        row = draw_lines(&canvas, row);
        rows = graph_rows(grid->rows);
        row += grid->rows >= ROWS_AIRY;
        if (rows > 0)
            draw_graphs(&canvas, row, rows);
        seen = draw_tables(&canvas, row + rows);
    }
    top_draw_keys(&canvas);
    if (state->overlay != TOP_NO_OVERLAY)
        draw_dialog(&canvas);
    return seen;
}

unsigned top_view_rows(const struct top_model *model)
{
    /* header, reason, lines, graphs, blanks, headings, keys, and some events */
    return 1 + 1 + LINES + 8 + 3 + 2 + 1 + (unsigned) top_rows(model) + 8;
}

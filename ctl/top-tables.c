/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The workers, app by app, and the events. The chosen row stays in sight; the events are then those
 * of that app or worker alone, behind how it is and how the one before it ended.
 */
#include "ctl/top-view-internal.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#define NOTE_MIN       16u
#define CPU_BAR        10u
#define EVENT_NAME     16u
#define EVENT_WHERE    18u
#define EVENTS_ALIGNED 100u /* columns from which on their texts begin below each other */

enum column { SLOT, STATE, PID, UP, CPU, BAR, MEMORY, ACTIVE, REQUESTS, RESTARTS, NOTE, COLUMNS_ };

static const struct {
    const char *title;
    unsigned columns; /* with the gap before it */
    bool right;
} columns[COLUMNS_] = {
    [SLOT] = {"SLOT", 5, true},
    [STATE] = {"STATE", 12, false},
    [PID] = {"PID", 8, true},
    [UP] = {"UP", 12, true},
    [CPU] = {"CPU", 8, true},
    [BAR] = {"", CPU_BAR + 2, false},
    [MEMORY] = {"MEMORY", 9, true},
    [ACTIVE] = {"ACTIVE", 7, true},
    [REQUESTS] = {"REQUESTS", 9, true},
    [RESTARTS] = {"RESTARTS", 9, true},
    [NOTE] = {"LAST EXIT, STATUS", 0, false},
};

static const struct graph_styles bar_styles = {TOP_STYLE_CPU, TOP_STYLE_CPU, TOP_STYLE_CPU,
                                               TOP_STYLE_TRACK};

/* Where a column begins (behind its gap) and how wide it is; 0: it has no place. */
static unsigned place(const struct top_area *area, enum column wanted, unsigned *ret_start)
{
    bool wide = area->columns >= TOP_WIDE;
    unsigned start = area->column;

    for (int i = 0; i < COLUMNS_; i++) {
        unsigned width = i == NOTE ? area->column + area->columns - MIN(start, area->columns)
                                   : columns[i].columns;
        unsigned gap = columns[i].right ? 1 : 2;

        if (i == BAR && !wide)
            width = 0;
        if (i == NOTE && width < NOTE_MIN)
            width = 0;
        if (start + width > area->column + area->columns)
            width = 0;
        if (i == (int) wanted) {
            *ret_start = start + gap;
            return width > gap ? width - gap : 0;
        }
        start += width;
    }
    return 0;
}

static void put(const struct top_canvas *canvas, const struct top_area *area, unsigned row,
                enum column column, int style, const char *text)
{
    unsigned start = 0, width = place(area, column, &start);

    if (width == 0)
        return;
    if (columns[column].right)
        grid_put_right(canvas->grid, row, start, width, style, text);
    else
        grid_put(canvas->grid, row, start, width, style, text);
}

/* --- Workers --------------------------------------------------------------------------------- */

static int style_of_state(const char *state)
{
    return strcmp(state, "ready") == 0                                        ? TOP_STYLE_GOOD
           : strcmp(state, "starting") == 0 || strcmp(state, "draining") == 0 ? TOP_STYLE_WARNING
                                                                              : TOP_STYLE_BAD;
}

/* A mark tells it too, for who sees no colours. */
static void put_state(const struct top_canvas *canvas, const struct top_area *area, unsigned row,
                      const char *state)
{
    static const char *const marks[TOP_STYLES_][2] = {
        [TOP_STYLE_GOOD] = {"●", "*"},
        [TOP_STYLE_WARNING] = {"◐", "-"},
        [TOP_STYLE_BAD] = {"○", "!"},
    };
    int style = style_of_state(state);
    char text[32];

    snprintf(text, sizeof(text), "%s %s", marks[style][canvas->look->ascii], state);
    put(canvas, area, row, STATE, style, text);
}

static void put_count(const struct top_canvas *canvas, const struct top_area *area, unsigned row,
                      enum column column, uint64_t count, bool bad)
{
    char text[HUMANIZE_MAX];

    put(canvas, area, row, column,
        bad          ? TOP_STYLE_WARNING
        : count == 0 ? TOP_STYLE_FAINT
                     : TOP_STYLE_PLAIN,
        humanize_count(text, count));
}

static void draw_worker(const struct top_canvas *canvas, const struct top_area *area, unsigned row,
                        const struct top_worker *worker)
{
    char text[HUMANIZE_MAX], note[2 * TOP_TEXT_MAX + 4];
    unsigned start = 0, width = place(area, BAR, &start);

    snprintf(text, sizeof(text), "%u", worker->slot);
    put(canvas, area, row, SLOT, TOP_STYLE_BOLD, text);
    put_state(canvas, area, row, worker->state);
    snprintf(text, sizeof(text), "%" PRId64, worker->pid);
    put(canvas, area, row, PID, TOP_STYLE_PLAIN, worker->pid > 0 ? text : "-");
    put(canvas, area, row, UP, TOP_STYLE_PLAIN,
        worker->pid > 0 ? top_duration(text, worker->uptime_s) : "-");
    put(canvas, area, row, CPU, TOP_STYLE_PLAIN, top_percent(text, worker->cpu_percent));
    if (width > 0)
        graph_bar(canvas->grid, canvas->look, &bar_styles, row, start, width,
                  worker->cpu_percent / 100, 0);
    put(canvas, area, row, MEMORY, TOP_STYLE_PLAIN,
        worker->pid > 0 ? humanize_metric(text, worker->memory_bytes, "Bytes") : "-");
    put_count(canvas, area, row, ACTIVE, worker->in_flight, false);
    put_count(canvas, area, row, REQUESTS, worker->requests, false);
    put_count(canvas, area, row, RESTARTS, worker->restarts, worker->restarts > 0);
    snprintf(note, sizeof(note), "%s%s%s", worker->last_exit,
             worker->last_exit[0] && worker->status[0] ? "; " : "", worker->status);
    put(canvas, area, row, NOTE, TOP_STYLE_FAINT, note);
}

/* Moves |column| on. */
static void add(const struct top_canvas *canvas, const struct top_area *area, unsigned row,
                unsigned *column, int style, const char *text)
{
    unsigned end = area->column + area->columns;

    if (*text && *column < end)
        *column += grid_put(canvas->grid, row, *column, end - *column, style, text) + 2;
}

static void draw_app(const struct top_canvas *canvas, const struct top_area *area, unsigned row,
                     const struct top_app *app)
{
    unsigned column = area->column + 1;
    char text[HUMANIZE_MAX], line[2 * HUMANIZE_MAX];

    add(canvas, area, row, &column, TOP_STYLE_BOLD, app->name);
    column = MAX(column, area->column + 18);
    snprintf(line, sizeof(line), "%" PRIu64 "/%" PRIu64 " ready", app->ready, app->wanted);
    add(canvas, area, row, &column,
        app->ready >= app->wanted ? TOP_STYLE_GOOD
        : app->ready > 0          ? TOP_STYLE_WARNING
                                  : TOP_STYLE_BAD,
        line);
    if (app->crash_loop)
        add(canvas, area, row, &column, TOP_STYLE_BADGE_BAD, " crash loop ");
    if (app->rolling)
        add(canvas, area, row, &column, TOP_STYLE_WARNING, "replacing workers");
    add(canvas, area, row, &column, TOP_STYLE_BAD, app->trouble);
    if (isfinite(app->requests_per_second)) {
        snprintf(line, sizeof(line), "%s/s", top_number(text, app->requests_per_second));
        add(canvas, area, row, &column, TOP_STYLE_REQUESTS, line);
        snprintf(line, sizeof(line), "p50 %s", top_milliseconds(text, app->p50_ms));
        add(canvas, area, row, &column, TOP_STYLE_PLAIN, isfinite(app->p50_ms) ? line : "");
        snprintf(line, sizeof(line), "p99 %s", top_milliseconds(text, app->p99_ms));
        add(canvas, area, row, &column, TOP_STYLE_LATENCY, isfinite(app->p99_ms) ? line : "");
        snprintf(line, sizeof(line), "5xx %s", humanize_count(text, app->errors_5xx));
        add(canvas, area, row, &column, app->errors_5xx > 0 ? TOP_STYLE_BAD : TOP_STYLE_FAINT,
            line);
    }
    if (app->scaled)
        add(canvas, area, row, &column, TOP_STYLE_WARNING, "scaled by hand");
}

/* The first row to show, so that the chosen one is in the middle if it can be. */
static size_t first_row(const struct top_canvas *canvas, unsigned visible)
{
    size_t rows = top_rows(canvas->model);
    size_t chosen = (size_t) MAX(canvas->state->selected, 0);
    size_t first = chosen > visible / 2 ? chosen - visible / 2 : 0;

    return rows <= visible ? 0 : MIN(first, rows - visible);
}

static void draw_heading(const struct top_canvas *canvas, const struct top_area *area, size_t first,
                         unsigned visible)
{
    size_t rows = top_rows(canvas->model);
    char text[48];

    grid_fill(canvas->grid, area->row, area->column, area->columns, TOP_STYLE_HEADING);
    for (int i = 0; i < COLUMNS_; i++)
        put(canvas, area, area->row, (enum column) i, TOP_STYLE_HEADING, columns[i].title);
    if (rows <= visible)
        return;
    snprintf(text, sizeof(text), " %zu-%zu of %zu ", first + 1, MIN(first + visible, rows), rows);
    grid_put_right(canvas->grid, area->row, area->column + area->columns - (unsigned) strlen(text),
                   (unsigned) strlen(text), TOP_STYLE_BADGE_WARNING, text);
}

void top_draw_workers(const struct top_canvas *canvas, const struct top_area *area)
{
    unsigned visible = area->rows - 1;
    size_t first = first_row(canvas, visible);
    struct top_row row;

    draw_heading(canvas, area, first, visible);
    for (unsigned i = 0; i < visible && top_row_at(canvas->model, first + i, &row); i++) {
        unsigned at = area->row + 1 + i;

        if (row.worker)
            draw_worker(canvas, area, at, row.worker);
        else
            draw_app(canvas, area, at, row.app);
        if ((int) (first + i) == canvas->state->selected) {
            grid_restyle(canvas->grid, at, area->column, area->columns, TOP_STYLE_SELECTED);
            grid_put(canvas->grid, at, area->column, 1, TOP_STYLE_SELECTED, ">");
        }
    }
    if (canvas->model->n_apps == 0 && canvas->model->link == TOP_LINK_UP && visible > 0)
        grid_put(canvas->grid, area->row + 1, area->column + 1, area->columns - 1, TOP_STYLE_FAINT,
                 "no app is configured");
}

/* --- Events ---------------------------------------------------------------------------------- */

static bool is_of(const struct top_event *event, const struct top_row *row)
{
    return !row->app || (strcmp(event->app, row->app->name) == 0 &&
                         (!row->worker || event->slot == row->worker->slot));
}

static void draw_event(const struct top_canvas *canvas, const struct top_area *area, unsigned row,
                       const struct top_event *event)
{
    static const int styles[] = {
        [TOP_INFO] = TOP_STYLE_PLAIN, [TOP_WARN] = TOP_STYLE_WARNING, [TOP_ERROR] = TOP_STYLE_BAD};
    char where[APP_NAME_MAX + 16] = "";
    unsigned column = area->column + 1, end = area->column + area->columns;

    if (event->slot > 0)
        snprintf(where, sizeof(where), "%s.%u", event->app, event->slot);
    else
        snprintf(where, sizeof(where), "%s", event->app);
    grid_put(canvas->grid, row, column, 8, TOP_STYLE_FAINT, event->time);
    column += 8 + 2;
    column += MAX(grid_put(canvas->grid, row, column, EVENT_NAME + 8, styles[event->severity],
                           event->name),
                  EVENT_NAME) +
              2;
    column +=
        where[0] ? MAX(grid_put(canvas->grid, row, column, EVENT_WHERE + 14, TOP_STYLE_BOLD, where),
                       area->columns >= EVENTS_ALIGNED ? EVENT_WHERE : 0) +
                       2
                 : 0;
    if (column < end)
        grid_put(canvas->grid, row, column, end - column, TOP_STYLE_PLAIN, event->text);
}

/* How the chosen worker is, before its events. Returns the rows used. */
static unsigned draw_details(const struct top_canvas *canvas, const struct top_area *area,
                             const struct top_row *row)
{
    char text[2 * TOP_TEXT_MAX + 64];

    if (!row->worker || (!row->worker->last_exit[0] && !row->worker->status[0]))
        return 0;
    snprintf(text, sizeof(text), "%s%s%s%s", row->worker->last_exit[0] ? "the one before it: " : "",
             row->worker->last_exit,
             row->worker->last_exit[0] && row->worker->status[0] ? ";  it says: "
             : row->worker->status[0]                            ? "it says: "
                                                                 : "",
             row->worker->status);
    grid_put(canvas->grid, area->row + 1, area->column + 1, area->columns - 1, TOP_STYLE_PLAIN,
             text);
    return 1;
}

void top_draw_events(const struct top_canvas *canvas, const struct top_area *area)
{
    const struct top_model *model = canvas->model;
    struct top_row chosen = {.app = NULL};
    unsigned used = 0, row = area->row + area->rows;
    char title[64] = "EVENTS, UTC";

    if (canvas->state->selected >= 0 &&
        top_row_at(model, (size_t) canvas->state->selected, &chosen)) {
        if (chosen.worker)
            snprintf(title, sizeof(title), "EVENTS OF %s.%u", chosen.app->name,
                     chosen.worker->slot);
        else
            snprintf(title, sizeof(title), "EVENTS OF %s", chosen.app->name);
    }
    grid_fill(canvas->grid, area->row, area->column, area->columns, TOP_STYLE_HEADING);
    grid_put(canvas->grid, area->row, area->column + 1, area->columns - 1, TOP_STYLE_HEADING,
             title);
    if (area->rows > 2)
        used = draw_details(canvas, area, &chosen);
    /* The newest at the foot, as in a log; what there is begins at the top. */
    size_t n = 0, room = area->rows - 1 - used;
    for (size_t i = model->n_events; i > 0 && n < room; i--)
        n += is_of(&model->events[i - 1], &chosen);
    row = area->row + 1 + used + (unsigned) n;
    for (size_t i = model->n_events; i > 0 && n > 0; i--) {
        if (!is_of(&model->events[i - 1], &chosen))
            continue;
        draw_event(canvas, area, --row, &model->events[i - 1]);
        n--;
    }
}

/* SPDX-License-Identifier: Apache-2.0 */
/* The parts of the screen, for the files that draw them. */
#pragma once

#include "ctl/humanize.h"
#include "ctl/top-view.h"

#define TOP_WIDE 120u /* columns from which on things stand side by side */

struct top_canvas {
    struct grid *grid;
    const struct graph_look *look;
    const struct top_model *model;
    const struct top_state *state;
};

struct top_area {
    unsigned row, column, columns, rows;
};

/* top-lines.c: the header, the lines below it, the keys. */
void top_draw_header(const struct top_canvas *canvas);
void top_draw_reason(const struct top_canvas *canvas, unsigned row);
void top_draw_cpu(const struct top_canvas *canvas, const struct top_area *area);
void top_draw_memory(const struct top_canvas *canvas, const struct top_area *area);
void top_draw_pressure(const struct top_canvas *canvas, const struct top_area *area);
void top_draw_requests(const struct top_canvas *canvas, const struct top_area *area);
void top_draw_stress(const struct top_canvas *canvas, const struct top_area *area);
void top_draw_publish(const struct top_canvas *canvas, const struct top_area *area);
void top_draw_keys(const struct top_canvas *canvas);

/* top-tables.c: workers and events, each with its heading. */
void top_draw_workers(const struct top_canvas *canvas, const struct top_area *area);
void top_draw_events(const struct top_canvas *canvas, const struct top_area *area);

/* "-" for what is not known. */
const char *top_percent(char text[HUMANIZE_MAX], double percent);
const char *top_number(char text[HUMANIZE_MAX], double number);
const char *top_milliseconds(char text[HUMANIZE_MAX], double milliseconds);
const char *top_duration(char text[HUMANIZE_MAX], uint64_t seconds);

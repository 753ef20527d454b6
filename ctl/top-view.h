/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The screen of agentctl top: a model and a state laid out on a grid of any size. Pure: no
 * terminal, no clock. The style of each cell is one of the words below; top-screen.c gives them
 * colours.
 *
 * What there is no room for goes in this order: graphs, events, all but the most important lines.
 */
#pragma once

#include "ctl/grid.h"
#include "ctl/top-graph.h"
#include "ctl/top-state.h"

#define TOP_COLUMNS_MIN 40u
#define TOP_ROWS_MIN    6u

enum top_style {
    TOP_STYLE_PLAIN,
    TOP_STYLE_BOLD,
    TOP_STYLE_FAINT,
    TOP_STYLE_HEADER,
    TOP_STYLE_HEADING, /* above a table */
    TOP_STYLE_GOOD,
    TOP_STYLE_WARNING,
    TOP_STYLE_BAD,
    TOP_STYLE_BADGE_GOOD, /* the same on a ground */
    TOP_STYLE_BADGE_WARNING,
    TOP_STYLE_BADGE_BAD,
    TOP_STYLE_TRACK,
    TOP_STYLE_CPU,
    TOP_STYLE_STRESS,
    TOP_STYLE_CPU_ON_STRESS,
    TOP_STYLE_MEMORY,
    TOP_STYLE_PRESSURE,
    TOP_STYLE_REQUESTS,
    TOP_STYLE_ERRORS,
    TOP_STYLE_REQUESTS_ON_ERRORS,
    TOP_STYLE_LATENCY,
    TOP_STYLE_SELECTED,
    TOP_STYLE_KEY,
    TOP_STYLE_DIALOG,
    TOP_STYLE_DIALOG_TITLE,
    TOP_STYLES_,
};

/* Draws all of it anew. Returns how many rows of the workers' table can be seen. */
unsigned top_view(struct grid *grid, const struct graph_look *look, const struct top_model *model,
                  const struct top_state *state);

/* Rows that show everything there is, for who prints it. */
unsigned top_view_rows(const struct top_model *model);

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Bars and graphs on a grid, each of a value and a part that lies on top of it (the stress on the
 * rest of the CPU, the errors on the good answers). Pure.
 *
 * Blocks of an eighth where there is UTF-8, else letters. The two parts differ in their glyphs
 * where there is no colour.
 */
#pragma once

#include "ctl/grid.h"

struct graph_look {
    bool ascii, color;
};

struct graph_styles { /* the caller's words for the grid */
    int lower, upper;
    int both; /* the lower's colour in front of the upper's */
    int track;
};

#define GRAPH_COLUMNS_MAX 240u

/* What stands for a part in a legend. */
const char *graph_glyph(const struct graph_look *look, bool upper);

/* One row. |lower| and |upper| are shares of its length, 0 to 1 together; NAN: none. */
void graph_bar(struct grid *grid, const struct graph_look *look, const struct graph_styles *styles,
               unsigned row, unsigned column, unsigned columns, double lower, double upper);

/*
 * Several rows: column i shows lower[i] and upper[i] (NULL: no such part) on a scale from 0 to
 * |maximum|; NAN: nothing. What is known and 0 shows as a line at the foot.
 */
void graph_area(struct grid *grid, const struct graph_look *look, const struct graph_styles *styles,
                unsigned row, unsigned column, unsigned columns, unsigned rows,
                const double lower[], const double upper[], double maximum);

/*
 * |values|, the oldest first, onto |columns| (up to GRAPH_COLUMNS_MAX): each column is the mean, or
 * the maximum, of as many values as it takes for all to fit. |number| counts the values ever made,
 * so that the same ones always share a column and the graph moves on without trembling. Columns
 * that stay empty, on the left, are NAN.
 */
void graph_resample(const double values[], size_t n, uint64_t number, bool maximum,
                    double columns_ret[], unsigned columns);

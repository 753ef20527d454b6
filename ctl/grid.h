/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A screen as a value: rows and columns of cells, each with a glyph and a style. Pure: who shows it
 * (ncurses, a pipe, a test) is another's business, and so is what a style looks like.
 *
 * Every text comes in through grid_put(), which cleans it (display.h): no cell ever holds what a
 * terminal would obey.
 */
#pragma once

#include "common/base/macro.h"
#include "ctl/display.h"

#define GRID_COLUMNS_MAX 500u
#define GRID_ROWS_MAX    300u
#define GRID_CELL_BYTES  16u /* a glyph and the marks on it; more marks are left out */

struct grid_cell {
    char text[GRID_CELL_BYTES]; /* UTF-8; "" right of a wide glyph */
    unsigned char style;
};

struct grid {
    unsigned columns, rows;
    struct grid_cell *cells; /* row by row */
    struct buffer scratch;
};

/* Sizes beyond the limits are cut to them. 0 or -ENOMEM. */
int grid_init(struct grid *grid, unsigned columns, unsigned rows);
void grid_done(struct grid *grid);

/* Blanks of style 0 everywhere, or blanks of |style| in part of a row. */
void grid_clear(struct grid *grid);
void grid_fill(struct grid *grid, unsigned row, unsigned column, unsigned columns, int style);

/* NULL outside of it. */
const struct grid_cell *grid_at(const struct grid *grid, unsigned row, unsigned column);

/*
 * Puts |text| from |column| on, in at most |columns| columns (what is longer ends in "~") and never
 * over the edge. Outside of the grid it does nothing. Returns the columns used.
 */
unsigned grid_put(struct grid *grid, unsigned row, unsigned column, unsigned columns, int style,
                  const char *text);
unsigned grid_printf(struct grid *grid, unsigned row, unsigned column, unsigned columns, int style,
                     const char *format, ...) PRINTF_LIKE(6, 7);
/* Right-aligned in exactly |columns|. */
void grid_put_right(struct grid *grid, unsigned row, unsigned column, unsigned columns, int style,
                    const char *text);

/* Gives part of a row another style and leaves its glyphs. */
void grid_restyle(struct grid *grid, unsigned row, unsigned column, unsigned columns, int style);

/* Appends it as lines, without the blanks at their ends. */
void grid_print(const struct grid *grid, struct buffer *out);

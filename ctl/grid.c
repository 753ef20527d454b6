/* SPDX-License-Identifier: Apache-2.0 */
/* See the header. A wide glyph that is cut in half by a later text leaves a blank, so that the
 * columns of a row always add up. */
#include "ctl/grid.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define TEXT_MAX 1024 /* bytes of one formatted text */

int grid_init(struct grid *grid, unsigned columns, unsigned rows)
{
    *grid =
        (struct grid){.columns = MIN(columns, GRID_COLUMNS_MAX), .rows = MIN(rows, GRID_ROWS_MAX)};
    grid->cells = calloc((size_t) grid->columns * grid->rows + 1, sizeof(*grid->cells));
    if (!grid->cells)
        return -ENOMEM;
    buffer_init(&grid->scratch, (size_t) 4 * GRID_COLUMNS_MAX * GRID_CELL_BYTES);
    grid_clear(grid);
    return 0;
}

void grid_done(struct grid *grid)
{
    free(grid->cells);
    buffer_done(&grid->scratch);
    *grid = (struct grid){.cells = NULL};
}

static struct grid_cell *cell_at(const struct grid *grid, unsigned row, unsigned column)
{
    return row < grid->rows && column < grid->columns
               ? &grid->cells[(size_t) row * grid->columns + column]
               : NULL;
}

const struct grid_cell *grid_at(const struct grid *grid, unsigned row, unsigned column)
{
    return cell_at(grid, row, column);
}

static void blank(struct grid_cell *cell)
{
    strcpy(cell->text, " ");
}

void grid_fill(struct grid *grid, unsigned row, unsigned column, unsigned columns, int style)
{
    for (unsigned i = 0; i < columns && cell_at(grid, row, column + i); i++) {
        struct grid_cell *cell = cell_at(grid, row, column + i);

        blank(cell);
        cell->style = (unsigned char) style;
    }
}

void grid_clear(struct grid *grid)
{
    for (unsigned row = 0; row < grid->rows; row++)
        grid_fill(grid, row, 0, grid->columns, 0);
}

void grid_restyle(struct grid *grid, unsigned row, unsigned column, unsigned columns, int style)
{
    for (unsigned i = 0; i < columns && cell_at(grid, row, column + i); i++)
        cell_at(grid, row, column + i)->style = (unsigned char) style;
}

/* The other half of a wide glyph that a text begins or ends in becomes a blank. */
static void mend_edges(struct grid *grid, unsigned row, unsigned column, unsigned used)
{
    struct grid_cell *before = column > 0 ? cell_at(grid, row, column - 1) : NULL;
    struct grid_cell *after = cell_at(grid, row, column + used);
    unsigned width = 0;

    if (before && before->text[0])
        (void) display_glyph(before->text, &width);
    if (width > 1)
        blank(before);
    if (after && !after->text[0])
        blank(after);
}

/* One glyph into its cell, a mark onto the one before. Returns false when there is no room. */
static bool put_glyph(struct grid *grid, unsigned row, unsigned column, unsigned *used, int style,
                      const char *glyph, size_t bytes, unsigned width)
{
    struct grid_cell *cell;
    size_t length;

    if (width == 0) {
        cell = *used > 0 ? cell_at(grid, row, column + *used - 1) : NULL;
        length = cell ? strlen(cell->text) : 0;
        if (length > 0 && length + bytes < sizeof(cell->text))
            memcpy(cell->text + length, glyph, bytes); /* the rest is zero, see below */
        return true;
    }
    if (column + *used + width > grid->columns)
        return false;
    for (unsigned i = 0; i < width; i++) {
        cell = cell_at(grid, row, column + *used + i);
        memset(cell->text, 0, sizeof(cell->text));
        cell->style = (unsigned char) style;
        if (i == 0)
            memcpy(cell->text, glyph, MIN(bytes, sizeof(cell->text) - 1));
    }
    *used += width;
    return true;
}

unsigned grid_put(struct grid *grid, unsigned row, unsigned column, unsigned columns, int style,
                  const char *text)
{
    unsigned used = 0;

    if (!cell_at(grid, row, column) || columns == 0)
        return 0;
    buffer_clear(&grid->scratch);
    display_clean(&grid->scratch, text, MIN(columns, grid->columns - column));
    for (const char *glyph = grid->scratch.data ? grid->scratch.data : ""; *glyph;) {
        unsigned width;
        size_t bytes = display_glyph(glyph, &width);

        if (!put_glyph(grid, row, column, &used, style, glyph, bytes, width))
            break;
        glyph += bytes;
    }
    mend_edges(grid, row, column, used);
    return used;
}

unsigned grid_printf(struct grid *grid, unsigned row, unsigned column, unsigned columns, int style,
                     const char *format, ...)
{
    char text[TEXT_MAX];
    va_list args;

    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    return grid_put(grid, row, column, columns, style, text);
}

void grid_put_right(struct grid *grid, unsigned row, unsigned column, unsigned columns, int style,
                    const char *text)
{
    unsigned width = MIN(display_width(text), columns);

    grid_put(grid, row, column + columns - width, width, style, text);
}

void grid_print(const struct grid *grid, struct buffer *out)
{
    for (unsigned row = 0; row < grid->rows; row++) {
        unsigned end = grid->columns;

        while (end > 0 && strcmp(cell_at(grid, row, end - 1)->text, " ") == 0)
            end--;
        for (unsigned column = 0; column < end; column++)
            buffer_append_string(out, cell_at(grid, row, column)->text);
        buffer_append_string(out, "\n");
    }
}

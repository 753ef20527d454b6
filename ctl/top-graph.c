/* SPDX-License-Identifier: Apache-2.0 */
/* See the header. */
#include "ctl/top-graph.h"

#include <math.h>
#include <string.h>

#define EIGHTHS 8

/* From the foot, and from the left. */
static const char *const rising[EIGHTHS + 1] = {" ", "▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"};
static const char *const growing[EIGHTHS + 1] = {" ", "▏", "▎", "▍", "▌", "▋", "▊", "▉", "█"};
static const char *const letters[EIGHTHS + 1] = {" ", ".", ".", ":", ":", ":", "#", "#", "#"};

const char *graph_glyph(const struct graph_look *look, bool upper)
{
    return look->ascii ? (upper ? "%" : "#") : upper ? "▒" : "█";
}

/* |value| of |maximum| in |steps|; what is more than nothing is at least 1. */
static unsigned steps_of(double value, double maximum, unsigned steps)
{
    double share = isfinite(value) && maximum > 0 ? value / maximum : 0;
    unsigned result = (unsigned) lround(fmin(fmax(share, 0), 1) * steps);

    return share > 0 && result == 0 ? 1 : result;
}

/* --- Bar ------------------------------------------------------------------------------------- */

void graph_bar(struct grid *grid, const struct graph_look *look, const struct graph_styles *styles,
               unsigned row, unsigned column, unsigned columns, double lower, double upper)
{
    bool stacked = isfinite(upper) && upper > 0;
    double sum = (isfinite(lower) ? lower : 0) + (stacked ? upper : 0);
    /* Where the two meet is a cell's edge, as they have different glyphs. */
    unsigned own =
        stacked ? steps_of(lower, 1, columns) * EIGHTHS : steps_of(lower, 1, columns * EIGHTHS);
    unsigned all = stacked ? MAX(steps_of(sum, 1, columns) * EIGHTHS, own) : own;

    for (unsigned i = 0; i < columns; i++) {
        unsigned inside = MIN(own > i * EIGHTHS ? own - i * EIGHTHS : 0, (unsigned) EIGHTHS);

        if (inside > 0)
            grid_put(grid, row, column + i, 1, styles->lower,
                     look->ascii ? letters[inside] : growing[inside]);
        else if (i * EIGHTHS < all)
            grid_put(grid, row, column + i, 1, styles->upper, graph_glyph(look, true));
        else
            grid_put(grid, row, column + i, 1, styles->track, look->ascii ? "." : "░");
    }
}

/* --- Area ------------------------------------------------------------------------------------ */

/* One cell: |own| eighths of the lower part in it and |all| of both. */
static void put_cell(struct grid *grid, const struct graph_look *look,
                     const struct graph_styles *styles, unsigned row, unsigned column, unsigned own,
                     unsigned all)
{
    const char *const *glyphs = look->ascii ? letters : rising;

    if (own == EIGHTHS || (own > 0 && all == own))
        grid_put(grid, row, column, 1, styles->lower, glyphs[own]);
    else if (own > 0 && look->color && !look->ascii)
        /* A cell has two colours: what is above the upper part's end is rounded away. */
        grid_put(grid, row, column, 1, all >= (own + EIGHTHS) / 2 ? styles->both : styles->lower,
                 glyphs[own]);
    else if (own > 0 && own >= all - own)
        grid_put(grid, row, column, 1, styles->lower, glyphs[own]);
    else if (all > 0 && look->color && !look->ascii)
        grid_put(grid, row, column, 1, styles->upper, glyphs[all]);
    else if (all >= EIGHTHS / 2)
        grid_put(grid, row, column, 1, styles->upper, graph_glyph(look, true));
    else if (all > 0)
        grid_put(grid, row, column, 1, styles->upper, glyphs[all]);
}

void graph_area(struct grid *grid, const struct graph_look *look, const struct graph_styles *styles,
                unsigned row, unsigned column, unsigned columns, unsigned rows,
                const double lower[], const double upper[], double maximum)
{
    for (unsigned i = 0; i < columns; i++) {
        double above = upper && isfinite(upper[i]) ? fmax(upper[i], 0) : 0;
        unsigned own, all;

        if (!isfinite(lower[i]))
            continue;
        own = steps_of(lower[i], maximum, rows * EIGHTHS);
        all = MAX(steps_of(lower[i] + above, maximum, rows * EIGHTHS), own);
        if (all == 0)
            grid_put(grid, row + rows - 1, column + i, 1, styles->track,
                     look->ascii ? letters[1] : rising[1]);
        for (unsigned level = 0; level < rows; level++) {
            unsigned foot = level * EIGHTHS;

            put_cell(grid, look, styles, row + rows - 1 - level, column + i,
                     MIN(own > foot ? own - foot : 0, (unsigned) EIGHTHS),
                     MIN(all > foot ? all - foot : 0, (unsigned) EIGHTHS));
        }
    }
}

/* --- Numbers --------------------------------------------------------------------------------- */

void graph_resample(const double values[], size_t n, uint64_t number, bool maximum,
                    double columns_ret[], unsigned columns)
{
    uint64_t each = columns > 0 ? MAX((n + columns - 1) / columns, UINT64_C(1)) : 1;
    double sums[GRAPH_COLUMNS_MAX] = {0};
    unsigned counts[GRAPH_COLUMNS_MAX] = {0};

    columns = MIN(columns, GRAPH_COLUMNS_MAX);
    for (size_t behind = 0; behind < MIN(n, number); behind++) {
        double value = values[n - 1 - behind];
        uint64_t back = (number - 1) / each - (number - 1 - behind) / each;

        if (back >= columns || !isfinite(value))
            continue;
        unsigned i = columns - 1 - (unsigned) back;
        sums[i] = maximum ? fmax(sums[i], value) : sums[i] + value;
        counts[i]++;
    }
    for (unsigned i = 0; i < columns; i++)
        columns_ret[i] = counts[i] == 0 ? (double) NAN : maximum ? sums[i] : sums[i] / counts[i];
}

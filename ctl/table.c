/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A table is collected first and printed when all widths are known. Limits: TABLE_ROWS_MAX rows,
 * and CELL_MAX bytes a cell; what doesn't fit is cut, more rows are an error.
 */
#include "ctl/table.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define GAP          2u
#define CELL_MAX     256u
#define NOTE_INDENT  4u
#define SHRUNKEN_MIN 4u

struct cell {
    char *text; /* NULL = empty */
    enum paint paint;
};

struct row {
    struct cell cells[TABLE_COLUMNS_MAX];
    char *notes[TABLE_NOTES_MAX];
    size_t n_notes;
};

struct table {
    const struct table_column *columns;
    size_t n_columns;
    struct row *rows;
    size_t n_rows, allocated;
    size_t next; /* column of the next cell; 0 = a new row */
    int error;   /* of the first failed addition */
};

int table_new(struct table **ret, const struct table_column columns[], size_t n_columns)
{
    struct table *table = calloc(1, sizeof(*table));

    if (!table)
        return -ENOMEM;
    table->columns = columns;
    table->n_columns = n_columns;
    *ret = table;
    return 0;
}

struct table *table_free(struct table *table)
{
    if (!table)
        return NULL;
    for (size_t i = 0; i < table->n_rows; i++) {
        for (size_t c = 0; c < table->n_columns; c++)
            free(table->rows[i].cells[c].text);
        for (size_t n = 0; n < table->rows[i].n_notes; n++)
            free(table->rows[i].notes[n]);
    }
    free(table->rows);
    free(table);
    return NULL;
}

/* The row that the next cell belongs to, made if it is the first. NULL after an error. */
static struct row *current_row(struct table *table)
{
    if (table->next > 0)
        return &table->rows[table->n_rows - 1];
    if (table->n_rows == table->allocated) {
        size_t allocated = table->allocated ? 2 * table->allocated : 16;
        struct row *rows = NULL;

        if (allocated <= TABLE_ROWS_MAX)
            rows = realloc(table->rows, allocated * sizeof(*rows));
        if (!rows) {
            table->error = -ENOMEM;
            return NULL;
        }
        table->rows = rows;
        table->allocated = allocated;
    }
    table->rows[table->n_rows] = (struct row){.n_notes = 0};
    return &table->rows[table->n_rows++];
}

void table_add(struct table *table, enum paint paint, const char *format, ...)
{
    char text[CELL_MAX];
    struct row *row = table->error ? NULL : current_row(table);
    va_list args;

    if (!row)
        return;
    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    row->cells[table->next].paint = paint;
    row->cells[table->next].text = strdup(text);
    if (!row->cells[table->next].text)
        table->error = -ENOMEM;
    table->next = (table->next + 1) % table->n_columns;
}

void table_end_row(struct table *table)
{
    table->next = 0;
}

void table_note(struct table *table, const char *format, ...)
{
    struct row *row = table->n_rows > 0 ? &table->rows[table->n_rows - 1] : NULL;
    va_list args;

    if (table->error || !row || row->n_notes == TABLE_NOTES_MAX)
        return;
    va_start(args, format);
    if (vasprintf(&row->notes[row->n_notes], format, args) < 0)
        table->error = -ENOMEM;
    else
        row->n_notes++;
    va_end(args);
}

/* --- Printing -------------------------------------------------------------------------------- */

static const char *cell_text(const struct row *row, size_t column)
{
    return row->cells[column].text ? row->cells[column].text : "";
}

/* The widths that all cells want, then as much less in the shrinkable ones as is too much. */
static void fit(const struct table *table, unsigned room, unsigned widths[TABLE_COLUMNS_MAX])
{
    unsigned total = GAP * (unsigned) (table->n_columns - 1);

    for (size_t c = 0; c < table->n_columns; c++) {
        widths[c] = display_width(table->columns[c].title);
        for (size_t i = 0; i < table->n_rows; i++)
            widths[c] = MAX(widths[c], display_width(cell_text(&table->rows[i], c)));
        total += widths[c];
    }
    for (size_t c = 0; c < table->n_columns && total > room; c++) {
        unsigned least = MAX(display_width(table->columns[c].title), SHRUNKEN_MIN);
        unsigned give;

        if (!table->columns[c].shrink || widths[c] <= least)
            continue;
        give = MIN(widths[c] - least, total - room);
        widths[c] -= give;
        total -= give;
    }
}

/*
 * Padding is counted from the columns that the text took, not from its bytes. Nothing is padded
 * behind the last cell.
 */
static void print_cell(const struct display *display, struct buffer *out, enum paint paint,
                       const char *text, unsigned width, bool right, bool last)
{
    struct buffer clean;
    unsigned used;

    buffer_init(&clean, CELL_MAX * 4);
    used = display_clean(&clean, text, width);
    if (right)
        buffer_printf(out, "%*s", (int) (width - used), "");
    display_paint(display, out, paint, clean.data ? clean.data : "");
    if (!right && !last)
        buffer_printf(out, "%*s", (int) (width - used), "");
    if (!last)
        buffer_printf(out, "%*s", (int) GAP, "");
    buffer_done(&clean);
}

/* The last column with text, so that lines end without blanks. */
static size_t last_filled(const struct table *table, const struct row *row)
{
    size_t last = table->n_columns - 1;

    while (last > 0 && !*cell_text(row, last))
        last--;
    return last;
}

/* Notes wrap: what a worker says may be long, and a clipped reason is none. */
static void print_notes(const struct row *row, const struct display *display, unsigned indent,
                        struct buffer *out)
{
    for (size_t n = 0; n < row->n_notes; n++) {
        buffer_printf(out, "%*s", (int) (indent + NOTE_INDENT), "");
        display_wrap(out, row->notes[n], indent + NOTE_INDENT, indent + NOTE_INDENT + 2,
                     display->columns);
    }
}

int table_print(const struct table *table, const struct display *display, unsigned indent,
                struct buffer *out)
{
    unsigned widths[TABLE_COLUMNS_MAX];

    if (table->error)
        return table->error;
    fit(table, display->columns - MIN(indent, display->columns), widths);
    buffer_printf(out, "%*s", (int) indent, "");
    for (size_t c = 0; c < table->n_columns; c++)
        print_cell(display, out, PAINT_FAINT, table->columns[c].title, widths[c],
                   table->columns[c].right, c + 1 == table->n_columns);
    buffer_append_string(out, "\n");
    for (size_t i = 0; i < table->n_rows; i++) {
        const struct row *row = &table->rows[i];
        size_t last = last_filled(table, row);

        buffer_printf(out, "%*s", (int) indent, "");
        for (size_t c = 0; c <= last; c++)
            print_cell(display, out, row->cells[c].paint, cell_text(row, c), widths[c],
                       table->columns[c].right, c == last);
        buffer_append_string(out, "\n");
        print_notes(row, display, indent, out);
    }
    return out->failed ? -ENOBUFS : 0;
}

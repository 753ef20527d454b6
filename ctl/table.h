/* SPDX-License-Identifier: Apache-2.0 */
/* Aligned columns that keep within a width. Cells are added in reading order; titles, cells and
 * what is clipped go through display_clean(). Pure: prints into a buffer. */
#pragma once

#include "common/base/macro.h"
#include "ctl/display.h"

#define TABLE_COLUMNS_MAX 16
#define TABLE_ROWS_MAX    4096
#define TABLE_NOTES_MAX   3 /* a row; more are left out */

struct table_column {
    const char *title;
    bool right;  /* numbers */
    bool shrink; /* gives way, down to its title's width, when the table is too wide */
};

struct table;

/* |columns| is borrowed for the table's life. 0 or -ENOMEM. */
int table_new(struct table **ret, const struct table_column columns[], size_t n_columns);
struct table *table_free(struct table *table);
DEFINE_CLEANUP(struct table *, table_free)

/* The next cell; a row is full after n_columns of them. Failures show in table_print(). */
void table_add(struct table *table, enum paint paint, const char *format, ...) PRINTF_LIKE(3, 4);

/* Ends the row; its remaining cells stay empty. */
void table_end_row(struct table *table);

/* A line of its own below the newest row, indented and wrapped; for what no column can hold. */
void table_note(struct table *table, const char *format, ...) PRINTF_LIKE(2, 3);

/* Appends title and rows, each line behind |indent| blanks. 0, -ENOMEM, -ENOBUFS. */
int table_print(const struct table *table, const struct display *display, unsigned indent,
                struct buffer *out);

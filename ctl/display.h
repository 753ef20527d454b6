/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Text for people: cleaned of what a terminal would obey, clipped and wrapped by columns, coloured
 * where that is wanted. Widths are those of the locale (setlocale() is main's).
 *
 * Names, status texts and log lines come from workers that nobody vouches for: whatever reaches a
 * terminal goes through display_clean() first.
 */
#pragma once

#include "common/base/buffer.h"

#include <stdbool.h>
#include <stddef.h>

#define DISPLAY_COLUMNS_DEFAULT 80
#define DISPLAY_COLUMNS_MIN     40
#define DISPLAY_COLUMNS_MAX     500

enum paint { PAINT_NONE, PAINT_GOOD, PAINT_WARNING, PAINT_BAD, PAINT_BOLD, PAINT_FAINT, PAINTS_ };

struct display {
    bool terminal; /* standard output is one */
    bool color;
    unsigned columns;
};

/* How to print to |fd|. |no_color|: --no-color was given. Reads NO_COLOR, TERM and COLUMNS. */
void display_init(struct display *ret, int fd, bool no_color);

/* The columns that |text| takes; what display_clean() drops counts as none. */
unsigned display_width(const char *text);

/* The bytes of the glyph at |text|, which is not empty, and its columns (0: a mark on the one
 * before, or what display_clean() drops). */
size_t display_glyph(const char *text, unsigned *ret_width);

/*
 * Appends |text| of at most |columns| columns (SIZE_MAX: all of it). Control characters, escapes,
 * direction marks and what the locale can't show are left out, tabs and line ends become blanks,
 * bytes that are no UTF-8 become '?'. What is cut ends in "~". Returns the columns written.
 */
unsigned display_clean(struct buffer *out, const char *text, size_t columns);

/* display_clean() in a colour, or without one. */
void display_paint(const struct display *display, struct buffer *out, enum paint paint,
                   const char *text);

/*
 * Appends |text|, broken at blanks so that no line passes |columns|; all lines but the first begin
 * with |indent| blanks, and the first goes on at column |start|. A word that is longer than a line
 * is broken hard. Ends with a line end.
 */
void display_wrap(struct buffer *out, const char *text, unsigned start, unsigned indent,
                  unsigned columns);

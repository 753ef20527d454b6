/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Cleaning, clipping and wrapping by columns, and colours.
 *
 * Knows UTF-8, and of the locale only what wcwidth() tells. Does not know what it prints, nor where
 * that goes: all of it ends in a buffer.
 */
#include "ctl/display.h"

#include "common/base/macro.h"
#include "common/base/text.h"

#include <stdint.h>
#include <string.h>
#include <sys/ioctl.h>
#include <wchar.h>

/* --- Where it goes --------------------------------------------------------------------------- */

/* --no-color, NO_COLOR and TERM each can only forbid; none makes colours on a pipe. */
static bool wants_color(bool no_color)
{
    const char *refusal = getenv("NO_COLOR"); /* any value but an empty one, see no-color.org */
    const char *term = getenv("TERM");

    return !no_color && !(refusal && *refusal) && term && *term && strcmp(term, "dumb") != 0;
}

/* The terminal's own word first: COLUMNS may be that of another window. */
static unsigned find_columns(int fd)
{
    struct winsize size = {.ws_col = 0};
    const char *variable = getenv("COLUMNS");
    uint64_t columns = DISPLAY_COLUMNS_DEFAULT;

    if (ioctl(fd, TIOCGWINSZ, &size) == 0 && size.ws_col > 0)
        columns = size.ws_col;
    else if (variable)
        text_parse_u64(variable, 1, UINT32_MAX, &columns); /* keeps the default if it is none */
    columns = MAX(columns, (uint64_t) DISPLAY_COLUMNS_MIN);
    return (unsigned) MIN(columns, (uint64_t) DISPLAY_COLUMNS_MAX);
}

void display_init(struct display *ret, int fd, bool no_color)
{
    *ret = (struct display){.terminal = isatty(fd) == 1};
    ret->color = ret->terminal && wants_color(no_color);
    ret->columns = find_columns(fd);
}

/* --- Cleaning -------------------------------------------------------------------------------- */

struct glyph {
    size_t bytes;   /* consumed, at least 1 */
    unsigned width; /* 0: leave it out, or a mark on the one before */
    bool keep;      /* the bytes themselves can be printed */
    char instead;   /* if not kept: this, or nothing if '\0' */
};

/* The bytes of a well-formed UTF-8 sequence at |text|, 0 if there is none. */
static size_t sequence_length(const char *text)
{
    unsigned char first = (unsigned char) text[0];
    size_t length = first < 0x80 ? 1 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;

    return strnlen(text, length) == length && text_is_utf8(text, length) ? length : 0;
}

/* The code point of a sequence that sequence_length() has found good. */
static uint32_t decode(const char *text, size_t length)
{
    uint32_t point = (unsigned char) text[0];

    if (length > 1)
        point &= 0xffu >> (length + 1);
    for (size_t i = 1; i < length; i++)
        point = point << 6 | ((unsigned char) text[i] & 0x3fu);
    return point;
}

/* Marks that turn the direction of what follows, also on the lines of others, or hide. */
static bool is_format(uint32_t point)
{
    return point == 0xad || point == 0x61c || (point >= 0x200b && point <= 0x200f) ||
           (point >= 0x2028 && point <= 0x202e) || (point >= 0x2060 && point <= 0x206f) ||
           point == 0xfeff || point >= 0xe0000;
}

/* What stands at |text| and what to do with it. Never looks past the NUL. */
static struct glyph glyph_at(const char *text)
{
    size_t length = sequence_length(text);

    if (length == 0)
        return (struct glyph){.bytes = 1, .width = 1, .instead = '?'};

    uint32_t point = decode(text, length);

    if (point == '\t' || point == '\n' || point == '\r')
        return (struct glyph){.bytes = 1, .width = 1, .instead = ' '};
    if (point < 0x20 || (point >= 0x7f && point < 0xa0) || is_format(point))
        return (struct glyph){.bytes = length};

    int width = point < 0x7f ? 1 : wcwidth((wchar_t) point);

    if (width < 0)
        return (struct glyph){.bytes = length, .width = 1, .instead = '?'};
    return (struct glyph){.bytes = length, .width = (unsigned) width, .keep = true};
}

static void append_glyph(struct buffer *out, const char *text, struct glyph glyph)
{
    if (glyph.keep)
        buffer_append(out, text, glyph.bytes);
    else if (glyph.instead)
        buffer_append(out, &glyph.instead, 1);
}

unsigned display_width(const char *text)
{
    unsigned width = 0;

    while (*text) {
        struct glyph glyph = glyph_at(text);

        width += glyph.width;
        text += glyph.bytes;
    }
    return width;
}

size_t display_glyph(const char *text, unsigned *ret_width)
{
    struct glyph glyph = glyph_at(text);

    *ret_width = glyph.width;
    return glyph.bytes;
}

unsigned display_clean(struct buffer *out, const char *text, size_t columns)
{
    bool cut = columns != SIZE_MAX && display_width(text) > columns;
    size_t room = cut && columns > 0 ? columns - 1 : columns; /* one for the mark */
    unsigned used = 0;

    while (*text) {
        struct glyph glyph = glyph_at(text);

        if (used + glyph.width > room)
            break;
        append_glyph(out, text, glyph);
        used += glyph.width;
        text += glyph.bytes;
    }
    if (cut && columns > 0) {
        buffer_append_string(out, "~");
        used++;
    }
    return used;
}

/* --- Colours and lines ----------------------------------------------------------------------- */

static const char *const paint_codes[PAINTS_] = {
    [PAINT_NONE] = "",        [PAINT_GOOD] = "\033[32m", [PAINT_WARNING] = "\033[33m",
    [PAINT_BAD] = "\033[31m", [PAINT_BOLD] = "\033[1m",  [PAINT_FAINT] = "\033[2m",
};

void display_paint(const struct display *display, struct buffer *out, enum paint paint,
                   const char *text)
{
    bool color = display->color && paint != PAINT_NONE && *text;

    if (color)
        buffer_append_string(out, paint_codes[paint]);
    display_clean(out, text, SIZE_MAX);
    if (color)
        buffer_append_string(out, "\033[0m");
}

/* The bytes and columns of the word at |text|, up to |limit| columns. */
static size_t word_length(const char *text, unsigned limit, unsigned *ret_width)
{
    size_t length = 0;
    unsigned width = 0;

    while (text[length] && text[length] != ' ') {
        struct glyph glyph = glyph_at(text + length);

        if (width + glyph.width > limit && width > 0)
            break;
        width += glyph.width;
        length += glyph.bytes;
    }
    *ret_width = width;
    return length;
}

static void next_line(struct buffer *out, unsigned indent)
{
    buffer_printf(out, "\n%*s", (int) indent, "");
}

void display_wrap(struct buffer *out, const char *text, unsigned start, unsigned indent,
                  unsigned columns)
{
    struct buffer clean;
    unsigned column = start;
    unsigned line_start = start;

    indent = columns > indent + 10 ? indent : 0; /* rather no indent than a column of letters */
    buffer_init(&clean, out->limit);
    display_clean(&clean, text, SIZE_MAX);
    for (const char *word = clean.data ? clean.data : ""; *word;) {
        unsigned width;

        if (*word == ' ') {
            word++;
            continue;
        }
        size_t length = word_length(word, columns - indent, &width);
        bool blank = column > line_start;

        if (column + blank + width > columns && column > indent) {
            next_line(out, indent);
            column = line_start = indent;
            blank = false;
        }
        buffer_printf(out, "%s%.*s", blank ? " " : "", (int) length, word);
        column += width + blank;
        word += length;
    }
    buffer_append_string(out, "\n");
    buffer_done(&clean);
}

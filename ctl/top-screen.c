/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ncurses' edge: styles become colours and attributes, cells become wide characters, keys become
 * ours.
 *
 * Colours are the terminal's own ground with 256 or 8 of them. Without any, styles differ by bold,
 * dim and reverse, and everything that a colour says is also said by a word or a glyph.
 */
#include "ctl/top-screen.h"

#include "ctl/top-view.h"

#include <curses.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <wchar.h>

#define ESCAPE_DELAY_MS 25
#define NONE            (-1) /* the terminal's own colour */
#define CELL_WIDE       6    /* a character and the marks on it */

struct look {
    short front, ground;   /* of 256 */
    short front8, ground8; /* of 8 */
    attr_t attributes;     /* with colours */
    attr_t plain;          /* without any */
};

/* Blue and amber, not red and green, where two shades must be told apart: everybody can. */
static const struct look looks[TOP_STYLES_] = {
    [TOP_STYLE_PLAIN] = {NONE, NONE, NONE, NONE, A_NORMAL, A_NORMAL},
    [TOP_STYLE_BOLD] = {NONE, NONE, NONE, NONE, A_BOLD, A_BOLD},
    [TOP_STYLE_FAINT] = {245, NONE, NONE, NONE, A_NORMAL, A_DIM},
    [TOP_STYLE_HEADER] = {255, 24, COLOR_WHITE, COLOR_BLUE, A_BOLD, A_REVERSE},
    [TOP_STYLE_HEADING] = {252, 238, COLOR_BLACK, COLOR_CYAN, A_NORMAL, A_REVERSE},
    [TOP_STYLE_GOOD] = {71, NONE, COLOR_GREEN, NONE, A_NORMAL, A_NORMAL},
    [TOP_STYLE_WARNING] = {214, NONE, COLOR_YELLOW, NONE, A_NORMAL, A_BOLD},
    [TOP_STYLE_BAD] = {203, NONE, COLOR_RED, NONE, A_BOLD, A_BOLD},
    [TOP_STYLE_BADGE_GOOD] = {16, 71, COLOR_BLACK, COLOR_GREEN, A_BOLD, A_REVERSE | A_BOLD},
    [TOP_STYLE_BADGE_WARNING] = {16, 214, COLOR_BLACK, COLOR_YELLOW, A_BOLD, A_REVERSE | A_BOLD},
    [TOP_STYLE_BADGE_BAD] = {231, 160, COLOR_WHITE, COLOR_RED, A_BOLD, A_REVERSE | A_BOLD},
    [TOP_STYLE_TRACK] = {240, NONE, NONE, NONE, A_NORMAL, A_DIM},
    [TOP_STYLE_CPU] = {39, NONE, COLOR_CYAN, NONE, A_NORMAL, A_NORMAL},
    [TOP_STYLE_STRESS] = {214, NONE, COLOR_YELLOW, NONE, A_NORMAL, A_NORMAL},
    [TOP_STYLE_CPU_ON_STRESS] = {39, 214, COLOR_CYAN, COLOR_YELLOW, A_NORMAL, A_NORMAL},
    [TOP_STYLE_MEMORY] = {141, NONE, COLOR_MAGENTA, NONE, A_NORMAL, A_NORMAL},
    [TOP_STYLE_PRESSURE] = {180, NONE, COLOR_YELLOW, NONE, A_NORMAL, A_NORMAL},
    [TOP_STYLE_REQUESTS] = {78, NONE, COLOR_GREEN, NONE, A_NORMAL, A_NORMAL},
    [TOP_STYLE_ERRORS] = {203, NONE, COLOR_RED, NONE, A_NORMAL, A_BOLD},
    [TOP_STYLE_REQUESTS_ON_ERRORS] = {78, 203, COLOR_GREEN, COLOR_RED, A_NORMAL, A_NORMAL},
    [TOP_STYLE_LATENCY] = {141, NONE, COLOR_MAGENTA, NONE, A_NORMAL, A_NORMAL},
    [TOP_STYLE_SELECTED] = {231, 25, COLOR_WHITE, COLOR_BLUE, A_BOLD, A_REVERSE},
    [TOP_STYLE_KEY] = {231, 240, COLOR_BLACK, COLOR_WHITE, A_BOLD, A_REVERSE},
    [TOP_STYLE_DIALOG] = {255, 24, COLOR_WHITE, COLOR_BLUE, A_NORMAL, A_REVERSE},
    [TOP_STYLE_DIALOG_TITLE] = {231, 24, COLOR_WHITE, COLOR_BLUE, A_BOLD, A_REVERSE | A_BOLD},
};

struct top_screen {
    SCREEN *screen;
    bool color;
};

static void init_colors(struct top_screen *screen, bool color)
{
    screen->color = color && has_colors() && start_color() == OK && COLOR_PAIRS > TOP_STYLES_;
    if (!screen->color)
        return;
    bool own_ground = use_default_colors() == OK;

    for (int style = 0; style < TOP_STYLES_; style++) {
        const struct look *look = &looks[style];
        bool many = COLORS >= 256;
        short front = many ? look->front : look->front8;
        short ground = many ? look->ground : look->ground8;

        init_pair((short) (style + 1), front == NONE && !own_ground ? COLOR_WHITE : front,
                  ground == NONE && !own_ground ? COLOR_BLACK : ground);
    }
}

int top_screen_new(struct top_screen **ret, bool color)
{
    CLEANUP(top_screen_freep) struct top_screen *screen = calloc(1, sizeof(*screen));

    if (!screen)
        return -ENOMEM;
    screen->screen = newterm(NULL, stdout, stdin);
    if (!screen->screen)
        return -ENOTTY;
    set_term(screen->screen);
    init_colors(screen, color);
    cbreak();
    noecho();
    nonl();
    set_escdelay(ESCAPE_DELAY_MS);
    keypad(stdscr, TRUE);
    nodelay(stdscr, TRUE);
    leaveok(stdscr, TRUE);
    curs_set(0);
    *ret = TAKE(screen);
    return 0;
}

struct top_screen *top_screen_free(struct top_screen *screen)
{
    if (!screen)
        return NULL;
    if (screen->screen) {
        curs_set(1);
        endwin();
        delscreen(screen->screen);
    }
    free(screen);
    return NULL;
}

bool top_screen_size(struct top_screen *screen, unsigned *ret_columns, unsigned *ret_rows)
{
    struct winsize size = {.ws_col = 0};
    int rows, columns;

    if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) < 0)
        return false;
    if (size.ws_col > 0 && size.ws_row > 0 && is_term_resized(size.ws_row, size.ws_col))
        resizeterm(size.ws_row, size.ws_col);
    getmaxyx(stdscr, rows, columns);
    *ret_columns = (unsigned) MAX(columns, 1);
    *ret_rows = (unsigned) MAX(rows, 1);
    return true;
}

/* A cell's text is well-formed UTF-8 or ASCII, and the locale's: display.h has seen to it. */
static void put_cell(const struct top_screen *screen, int row, int column,
                     const struct grid_cell *cell)
{
    const struct look *look = &looks[cell->style];
    wchar_t wide[CELL_WIDE] = {L' '};
    mbstate_t state = {0};
    const char *text = cell->text;
    cchar_t character;
    size_t n = mbsrtowcs(wide, &text, CELL_WIDE - 1, &state);

    if (n == (size_t) -1 || n == 0)
        wcscpy(wide, L"?");
    setcchar(&character, wide, screen->color ? look->attributes : look->plain,
             (short) (screen->color ? cell->style + 1 : 0), NULL);
    mvadd_wch(row, column, &character);
}

void top_screen_show(struct top_screen *screen, const struct grid *grid)
{
    erase();
    for (unsigned row = 0; row < grid->rows; row++)
        for (unsigned column = 0; column < grid->columns; column++) {
            const struct grid_cell *cell = grid_at(grid, row, column);

            if (cell->text[0]) /* "": the right half of a wide one */
                put_cell(screen, (int) row, (int) column, cell);
        }
    refresh();
}

void top_screen_forget(struct top_screen *screen)
{
    clearok(curscr, TRUE);
}

int top_screen_key(struct top_screen *screen)
{
    wint_t key = 0;

    switch (get_wch(&key)) {
    case OK:
        return key == 27 ? TOP_KEY_ESCAPE : (int) key;
    case KEY_CODE_YES:
        switch (key) {
        case KEY_UP:
            return TOP_KEY_UP;
        case KEY_DOWN:
            return TOP_KEY_DOWN;
        case KEY_PPAGE:
            return TOP_KEY_PAGE_UP;
        case KEY_NPAGE:
            return TOP_KEY_PAGE_DOWN;
        case KEY_HOME:
            return TOP_KEY_HOME;
        case KEY_END:
            return TOP_KEY_END;
        }
        return 0; /* one that does nothing */
    }
    return -1;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* A grid on the terminal, by ncurses: what differs from the last one is sent, and the terminal is
 * as it was when it is freed. The only file that knows ncurses. */
#pragma once

#include "ctl/grid.h"

struct top_screen;

/*
 * Takes over the terminal that is standard input and output: alternate screen, no cursor, keys one
 * by one. The caller blocks SIGINT, SIGTERM, SIGHUP and SIGWINCH before, and deals with them
 * itself; SIGTSTP is ncurses'. 0, -ENOTTY (TERM is unknown or can't move a cursor), -ENOMEM. One at
 * a time.
 */
int top_screen_new(struct top_screen **ret, bool color);
struct top_screen *top_screen_free(struct top_screen *screen);
DEFINE_CLEANUP(struct top_screen *, top_screen_free)

/* Asks the terminal for its size; after SIGWINCH too. Returns false when it is gone. */
bool top_screen_size(struct top_screen *screen, unsigned *ret_columns, unsigned *ret_rows);

void top_screen_show(struct top_screen *screen, const struct grid *grid);

/* A character or an enum top_key; -1: none waits. */
int top_screen_key(struct top_screen *screen);

/* Draws everything anew at the next top_screen_show(). */
void top_screen_forget(struct top_screen *screen);

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A few lines on a terminal that are drawn again and again at the same place: one write each time,
 * old text overwritten and not erased first, so nothing flickers. The lines that were drawn last
 * stay when nobody draws any more; no mode of the terminal is changed, so none has to be restored.
 */
#pragma once

#include "ctl/display.h"

#include <stdio.h>

struct live {
    int fd;                 /* borrowed; a terminal */
    unsigned lines;         /* that stand there, the cursor below them */
    unsigned columns, rows; /* of the terminal when they were drawn */
};

void live_init(struct live *ret, int fd);

/* How many lines find place now; at least 4. */
unsigned live_rows(const struct live *live);

/*
 * |text|: whole lines, each with its end and within the terminal's columns; what is more than
 * live_rows() is left out at the end. 0 or a negative errno.
 */
int live_draw(struct live *live, const char *text);

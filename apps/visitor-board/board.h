/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The visitor board: its routes, and the page that is rendered once and sent many times.
 *
 * A GET that begins after any worker's answer to a POST shows that message (store.h says how the
 * rendered page is known to be current). Changes made by others are seen within a second. When the
 * store fails, the last good page is shown with a notice, and posts are answered with 503.
 */
#pragma once

#include "apps/visitor-board/store.h"
#include "common/net/http-server.h"

#include <systemd/sd-event.h>

struct board;

extern const struct http_route board_routes[]; /* userdata: the board */

int board_new(struct board **ret, sd_event *event);
/* The server that runs its routes must be gone before. */
struct board *board_free(struct board *board);
DEFINE_CLEANUP(struct board *, board_free)

/* Before the first request: the store that it works on from now on, and the node's name to show. 0
 * or -ENOMEM; |take_store| is taken in every case. */
int board_start(struct board *board, struct store *take_store, const char *instance);

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The visitor board: its routes, and the page that is rendered once and sent many times.
 *
 * A GET that begins after any worker's answer to a POST shows that message (store.h says how the
 * rendered page is known to be current; on a store that other nodes share, a cookie of the poster's
 * says it). Changes made by others are seen within a second. When the store fails, the last good
 * page is shown with a notice, and posts are answered with 503. No request waits for longer than
 * BOARD_DEADLINE_S, whatever the store does.
 */
#pragma once

#include "apps/visitor-board/client-address.h"
#include "apps/visitor-board/store.h"
#include "common/net/http-server.h"

#include <systemd/sd-event.h>

#define BOARD_DEADLINE_S 6u

struct board;

struct board_options {
    const char *instance;      /* the node's name to show */
    const char *zone;          /* its availability zone; "": unknown */
    const char *name;          /* the board's, which cursors are bound to */
    unsigned posts_per_minute; /* a client and worker; 0: no limit */
    struct client_proxies proxies;
    uint64_t deadline_us;    /* 0: BOARD_DEADLINE_S; tests have no time */
    const char *statsd_host; /* NULL: none */
    unsigned statsd_port;
};

extern const struct http_route board_routes[]; /* userdata: the board */

/* For struct http_server_options: problem+json below /api, else a line of text. */
struct http_response *board_error_page(const struct http_request *request, unsigned status,
                                       void *userdata);

int board_new(struct board **ret, sd_event *event);
/* The server that runs its routes must be gone before. */
struct board *board_free(struct board *board);
DEFINE_CLEANUP(struct board *, board_free)

/* Before the first request: the store that it works on from now on. 0 or a negative errno;
 * |take_store| is taken in every case, |options| is copied. */
int board_start(struct board *board, struct store *take_store, const struct board_options *options);

/* Learned later. */
void board_set_zone(struct board *board, const char *zone);

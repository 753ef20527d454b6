/* SPDX-License-Identifier: Apache-2.0 */
/* An HTTP server and raw clients in one process and one loop, for the tests of common/net. */
#pragma once

#include "tests/unit/unit.h"

#include "common/net/http-server.h"

#define HARNESS_BODY_LIMIT 100
#define HARNESS_BIG_BYTES  (1024 * 1024)

struct harness {
    sd_event *event;
    struct http_server *server;
    int listen_fd;
    unsigned short port;
    struct http_response *hello;
    char *big;
    /* what the observers and handlers have seen */
    unsigned begun, ended, lost, last_status, aborted, handled;
    int connections;
    size_t last_bytes;
    struct http_request *waiting; /* the newest suspended one */
};

/* |options| may be NULL; routes, userdata and observers are the harness's. */
void harness_start(struct harness *h, const struct http_server_options *options);
void harness_stop(struct harness *h);

/* A client's socket: blocking to connect, non-blocking then. */
int harness_connect(const struct harness *h);
void harness_send(struct harness *h, int fd, const char *data, size_t length);
void harness_turn(struct harness *h, unsigned ms); /* runs the loop for so long */

/*
 * Runs the loop until |answers| whole answers have come, or the end of the connection, or 5 s.
 * Returns the text (the caller frees it); *ret_closed tells whether the server closed.
 */
char *harness_read(struct harness *h, int fd, unsigned answers, bool *ret_closed);

/* One request on a connection of its own: returns the status, 0 for a close without an answer. */
unsigned harness_status(struct harness *h, const char *request);
unsigned status_of(const char *answer);
const char *body_of(const char *answer);
bool is_closed(struct harness *h, int fd); /* within 1 s */

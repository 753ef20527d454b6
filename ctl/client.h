/* SPDX-License-Identifier: Apache-2.0 */
/* Requests to the control API: HTTP and JSON over agentd's unix socket. One verb asks and waits;
 * who must stay awake meanwhile (top) starts exchanges and waits for several things at once. Prints
 * nothing. */
#pragma once

#include "common/base/json.h"

#include <stdint.h>

#define CLIENT_ANSWER_LIMIT (16u * 1024 * 1024) /* bytes of a body */

struct client;

/* |socket_path| is borrowed. 0, -ENAMETOOLONG (no unix socket can have that path), -ENOMEM. */
int client_new(struct client **ret, const char *socket_path);
struct client *client_free(struct client *client);
DEFINE_CLEANUP(struct client *, client_free)

struct answer {
    unsigned status;          /* HTTP's */
    struct json_object *body; /* an object */
};
void answer_done(struct answer *answer);

/*
 * |path| begins with '/'. |body| NULL = a GET, else a POST of it. Any status is a success here.
 * Returns 0, or the error of connect(2) (-ENOENT, -ECONNREFUSED, -EACCES, ...), -ETIMEDOUT,
 * -ECONNRESET (ended before the answer did), -EFBIG, -EBADMSG (an answer, but no JSON object in
 * it), -EPROTO (no HTTP), -ENOMEM.
 */
int client_request(struct client *client, const char *path, const struct json_object *body,
                   uint64_t timeout_ms, struct answer *ret);

/* --- Without blocking ------------------------------------------------------------------------ */

#define CLIENT_EXCHANGES_MAX 4 /* under way at once */
#define CLIENT_FDS_MAX       4

struct exchange; /* one request that is under way, or its answer */

/* The request is as client_request()'s. 0, -EBUSY (too many are under way), -ENAMETOOLONG, -ENOMEM.
 */
int client_start(struct client *client, const char *path, const struct json_object *body,
                 uint64_t timeout_ms, struct exchange **ret);
/* Gives it up, if it is under way. */
struct exchange *exchange_free(struct exchange *exchange);
DEFINE_CLEANUP(struct exchange *, exchange_free)

/* -EAGAIN while it is under way; then once 0, or client_request()'s errors. */
int exchange_take(struct exchange *exchange, struct answer *ret);

/* Waits until an exchange has ended, one of the |fds| can be read or the time is over; a signal may
 * end it, too. 0, or -EIO. */
int client_wait(struct client *client, const int fds[], size_t n_fds, uint64_t timeout_us);

/* SPDX-License-Identifier: Apache-2.0 */
/* One request at a time to the control API: HTTP and JSON over agentd's unix socket. Blocks; the
 * command line has no loop. Prints nothing. */
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

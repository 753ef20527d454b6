/* SPDX-License-Identifier: Apache-2.0 */
/* What a change comes to that the daemon has given a token for. */
#pragma once

#include "ctl/session.h"

struct progress {
    int64_t token;
    bool done;
    char failed[256]; /* "" or why */
};

/* A session_look: done when the daemon says so, or failed with its reason. |userdata| is a struct
 * progress. */
enum session_progress progress_look(struct session *session, void *userdata);

/* The outcome's members, as --json shows them. */
void progress_add(const struct progress *progress, struct json_object *object);

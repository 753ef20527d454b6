/* SPDX-License-Identifier: Apache-2.0 */
/* What a change comes to that the daemon has given a token for. */
#pragma once

#include "ctl/session.h"

#define PROGRESS_LINES_US                                                                          \
    (UINT64_C(3) * 1000 * 1000) /* that a failure's last lines are waited for */

struct progress {
    int64_t token;
    bool done;
    char failed[512];           /* "" or why */
    struct json_object *worker; /* by whom: app, slot, pid and its last lines; NULL: by none */
};

void progress_done(struct progress *progress);

/* A session_look: done when the daemon says so, or failed with its reason. |userdata| is a struct
 * progress. */
enum session_progress progress_look(struct session *session, void *userdata);

/* It has failed: says so, |what| first, with what the worker to blame wrote at last. That may come
 * a moment later than its end: from the journal. */
void progress_fail(struct session *session, struct progress *progress, enum exit_code code,
                   const char *what);

/* The outcome's members, as --json shows them. */
void progress_add(const struct progress *progress, struct json_object *object);

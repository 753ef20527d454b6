/* SPDX-License-Identifier: Apache-2.0 */
/* See the header. */
#include "ctl/progress.h"

#include "ctl/fields.h"

#include <inttypes.h>
#include <stdio.h>

enum session_progress progress_look(struct session *session, void *userdata)
{
    CLEANUP(answer_done) struct answer answer = {.body = NULL};
    struct progress *progress = userdata;
    const char *failed;
    char path[64];

    snprintf(path, sizeof(path), "/v1/restart/%" PRId64, progress->token);
    if (session_try(session, path, NULL, SESSION_ASK_US, &answer) < 0 || answer.status == 503)
        return SESSION_GOES_ON;
    failed = answer.status == 200
                 ? field_text(answer.body, "failed", NULL)
                 : field_text(answer.body, "error", "agentd no longer knows how it went");
    if (failed) {
        snprintf(progress->failed, sizeof(progress->failed), "%s", failed);
        return SESSION_FAILED;
    }
    progress->done = field_bool(answer.body, "done");
    return progress->done ? SESSION_DONE : SESSION_GOES_ON;
}

void progress_add(const struct progress *progress, struct json_object *object)
{
    json_add_bool(object, "done", progress->done);
    json_add_string(object, "failed", *progress->failed ? progress->failed : NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* See the header. */
#include "ctl/progress.h"

#include "common/base/clock.h"
#include "ctl/fields.h"

#include <inttypes.h>
#include <stdio.h>

void progress_done(struct progress *progress)
{
    json_object_put(progress->worker);
    progress->worker = NULL;
}

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
        progress_done(progress);
        progress->worker = json_object_get(field_object(answer.body, "worker"));
        return SESSION_FAILED;
    }
    progress->done = field_bool(answer.body, "done");
    return progress->done ? SESSION_DONE : SESSION_GOES_ON;
}

/* Until the lines are there, or won't come. */
static void wait_for_lines(struct session *session, struct progress *progress)
{
    uint64_t deadline_us = clock_monotonic_us() + PROGRESS_LINES_US;

    while (field_bool(progress->worker, "lines_due") && clock_monotonic_us() < deadline_us) {
        struct progress look = {.token = progress->token};

        session_sleep(SESSION_POLL_US);
        if (progress_look(session, &look) == SESSION_FAILED && look.worker) {
            progress_done(progress);
            progress->worker = TAKE(look.worker);
        }
        progress_done(&look);
    }
}

static void print_lines(const struct json_object *worker)
{
    const char *app = field_text(worker, "app", "?");
    int64_t slot = field_int(worker, "slot", 0), pid = field_int(worker, "pid", 0);
    size_t n = field_items(worker, "lines");

    if (pid == 0) /* it could not be started */
        return;
    if (n > 0)
        session_note("  last lines of %s.%" PRId64 " (pid %" PRId64 "):", app, slot, pid);
    else
        session_note("  no last lines of %s.%" PRId64 " (pid %" PRId64 ") were found", app, slot,
                     pid);
    for (size_t i = 0; i < n; i++)
        session_note("    | %s", field_item_text(worker, "lines", i));
}

void progress_fail(struct session *session, struct progress *progress, enum exit_code code,
                   const char *what)
{
    session_fail(code, "%s%s", what, progress->failed);
    wait_for_lines(session, progress);
    if (!session_has(session, VERB_OPTION_JSON))
        print_lines(progress->worker);
}

void progress_add(const struct progress *progress, struct json_object *object)
{
    json_add_bool(object, "done", progress->done);
    json_add_string(object, "failed", *progress->failed ? progress->failed : NULL);
    json_add(object, "worker", json_object_get(progress->worker));
}

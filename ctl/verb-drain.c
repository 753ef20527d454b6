/* SPDX-License-Identifier: Apache-2.0 */
/* agentctl drain and undrain: take the node out of service and back in. The workers serve all the
 * time. */
#include "common/base/clock.h"
#include "ctl/fields.h"
#include "ctl/session.h"

#include <stdio.h>

#define QUIET_US (5 * USEC_PER_SEC) /* without a request: the load balancer has seen it */

struct quiet {
    int64_t requests; /* of all apps so far */
    uint64_t since_us;
};

/* Done when nothing is in flight and nothing has come in for a while. */
static enum session_progress look_quiet(struct session *session, void *userdata)
{
    CLEANUP(answer_done) struct answer answer = {.body = NULL};
    struct quiet *quiet = userdata;
    int64_t requests = 0, in_flight = 0;
    uint64_t now_us = clock_monotonic_us();

    if (session_try(session, "/v1/status", NULL, SESSION_ASK_US, &answer) < 0 ||
        answer.status != 200)
        return SESSION_GOES_ON;
    for (size_t i = 0; i < field_items(answer.body, "apps"); i++) {
        const struct json_object *app = field_item(answer.body, "apps", i);

        requests += field_int(field_object(app, "requests"), "total", 0);
        for (size_t w = 0; w < field_items(app, "workers"); w++)
            in_flight += field_int(field_item(app, "workers", w), "in_flight", 0);
    }
    if (requests != quiet->requests || in_flight > 0 || quiet->since_us == 0)
        *quiet = (struct quiet){requests, now_us};
    return now_us - quiet->since_us >= QUIET_US ? SESSION_DONE : SESSION_GOES_ON;
}

static enum session_progress look_healthy(struct session *session, void *userdata)
{
    CLEANUP(answer_done) struct answer answer = {.body = NULL};

    return session_try(session, "/v1/health", NULL, SESSION_ASK_US, &answer) >= 0 &&
                   answer.status == 200
               ? SESSION_DONE
               : SESSION_GOES_ON;
}

static enum exit_code change(struct session *session, const char *path, const char *text,
                             const char *what, session_look look)
{
    CLEANUP_JSON struct json_object *request = json_object_new_object(), *body = NULL;
    uint64_t deadline_us = session_deadline_us(session);
    struct quiet quiet = {.since_us = 0};
    enum exit_code code = session_ask(session, path, request, &body);
    const char *warning = field_text(body, "warning", NULL);

    if (code != EXIT_CODE_OK)
        return code;
    if (session_has(session, VERB_OPTION_JSON)) {
        code = session_print_json(session, body, false);
    } else {
        buffer_printf(&session->out, "%s%s\n", field_bool(body, "changed") ? "" : "already ", text);
        if (warning)
            display_wrap(&session->out, warning, 0, 2, session->display.columns);
        code = session_flush(session);
    }
    if (code == EXIT_CODE_OK && session_waits(session))
        code = session_wait(session, deadline_us, what, look, &quiet);
    return code;
}

enum exit_code verb_drain(struct session *session)
{
    return change(session, "/v1/drain", "drained: /health says 503, the workers serve on",
                  "the drain", look_quiet);
}

enum exit_code verb_undrain(struct session *session)
{
    return change(session, "/v1/undrain", "not drained: /health says how the node is",
                  "the way back", look_healthy);
}

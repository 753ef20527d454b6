/* SPDX-License-Identifier: Apache-2.0 */
/*
 * agentctl health: the load balancer's question, by the same prepared answer. Made for scripts: the
 * exit code tells it.
 */
#include "ctl/fields.h"
#include "ctl/session.h"

#include <inttypes.h>

/* One line an app: how many of its workers are ready, and whether they keep dying, how its
 * probe fails. */
static void print_app(struct session *session, const struct json_object *app)
{
    struct buffer *out = &session->out;
    int64_t ready = field_int(app, "ready", -1), wanted = field_int(app, "wanted", -1);

    buffer_append_string(out, "  ");
    display_clean(out, field_text(app, "name", "?"), APP_NAME_MAX);
    if (ready >= 0 && wanted >= 0)
        buffer_printf(out, "  %" PRId64 "/%" PRId64 " workers ready", ready, wanted);
    if (field_bool(app, "crash_loop")) {
        buffer_append_string(out, "  ");
        display_paint(&session->display, out, PAINT_BAD, "crash loop");
    }
    if (field_text(app, "probe_failure", NULL)) {
        buffer_append_string(out, "  probe fails: ");
        display_clean(out, field_text(app, "probe_failure", ""), 64);
    }
    buffer_append_string(out, "\n");
}

/* The first line is the verdict, and why. */
static void print_health(struct session *session, const struct json_object *body, bool healthy)
{
    const char *status = field_text(body, "status", healthy ? "pass" : "fail");
    enum paint paint = !healthy           ? PAINT_BAD
                       : status[0] == 'p' ? PAINT_GOOD
                                          : PAINT_WARNING; /* degraded */
    struct buffer *out = &session->out;

    display_paint(&session->display, out, paint, healthy ? "healthy" : "not healthy");
    buffer_append_string(out, "  ");
    display_clean(out, status, 12);
    buffer_append_string(out, "  ");
    display_clean(out, field_text(body, "state", ""), 12);
    buffer_append_string(out, "  ");
    display_clean(out, field_text(body, "instanceId", ""), 30);
    buffer_append_string(out, "\n");
    for (size_t i = 0; i < field_items(body, "apps"); i++)
        print_app(session, field_item(body, "apps", i));
}

enum exit_code verb_health(struct session *session)
{
    CLEANUP(answer_done) struct answer answer = {.body = NULL};
    enum exit_code code;
    int r = session_try(session, "/v1/health", NULL, SESSION_ASK_US, &answer);

    if (r < 0)
        return session_fail_transport(session, r);
    /* 503 with an error in it is the daemon's own, not the node's. */
    if (answer.status != 503 || field_text(answer.body, "error", NULL)) {
        code = session_judge(session, &answer);
        if (code != EXIT_CODE_OK)
            return code;
    }

    bool healthy = answer.status == 200 && field_bool(answer.body, "ok");

    if (session_has(session, VERB_OPTION_JSON))
        code = session_print_json(session, answer.body, false);
    else {
        print_health(session, answer.body, healthy);
        code = session_flush(session);
    }
    return code != EXIT_CODE_OK ? code : healthy ? EXIT_CODE_OK : EXIT_CODE_NOT_HEALTHY;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * agentctl reload: read the configuration again. The daemon checks it first and answers when the
 * new one is in force; --wait also waits for the workers that it wants.
 */
#include "common/base/clock.h"
#include "ctl/fields.h"
#include "ctl/session.h"

#include <stdio.h>

/* "TITLE: key, key", or nothing where there are none. */
static bool print_keys(struct session *session, const struct json_object *body, const char *key,
                       const char *title)
{
    struct json_object *keys = NULL;
    CLEANUP(buffer_done) struct buffer line = {.data = NULL};

    if (json_get_array(body, key, &keys) < 0 || json_object_array_length(keys) == 0)
        return false;
    buffer_init(&line, SESSION_OUT_LIMIT);
    buffer_printf(&line, "%s:", title);
    for (size_t i = 0; i < json_object_array_length(keys); i++) {
        const char *name = json_object_get_string(json_object_array_get_idx(keys, i));

        buffer_printf(&line, "%s %s", i ? "," : "", name ? name : "?");
    }
    display_wrap(&session->out, line.data ? line.data : "", 0, 2, session->display.columns);
    return true;
}

/* Done when every app has the workers that it wants. */
static enum session_progress look_ready(struct session *session, void *userdata)
{
    CLEANUP(answer_done) struct answer answer = {.body = NULL};

    if (session_try(session, "/v1/status", NULL, SESSION_ASK_US, &answer) < 0 ||
        answer.status != 200)
        return SESSION_GOES_ON;
    for (size_t i = 0; i < field_items(answer.body, "apps"); i++) {
        const struct json_object *app = field_item(answer.body, "apps", i);

        if (field_int(app, "ready", 0) < field_int(app, "wanted", 0))
            return SESSION_GOES_ON;
    }
    return SESSION_DONE;
}

enum exit_code verb_reload(struct session *session)
{
    CLEANUP_JSON struct json_object *nothing = json_object_new_object();
    CLEANUP(answer_done) struct answer answer = {.body = NULL};
    uint64_t deadline_us = session_deadline_us(session);
    enum exit_code code;
    int r = session_try(session, "/v1/reload", nothing, session_change_us(session), &answer);

    if (r < 0)
        return session_fail_transport(session, r);
    if (answer.status == 409) { /* "FILE:LINE: ...", which an editor can jump to */
        CLEANUP(buffer_done) struct buffer line = {.data = NULL};

        buffer_init(&line, SESSION_OUT_LIMIT);
        display_clean(&line, field_text(answer.body, "error", "the configuration is bad"),
                      SIZE_MAX);
        fprintf(stderr, "%s\n", line.data ? line.data : "");
        return EXIT_CODE_FAILED;
    }
    code = session_judge(session, &answer);
    if (code != EXIT_CODE_OK)
        return code;
    if (session_has(session, VERB_OPTION_JSON)) {
        code = session_print_json(session, answer.body, false);
    } else {
        bool changed = print_keys(session, answer.body, "changed", "changed");
        bool more = print_keys(session, answer.body, "needs_restart",
                               "takes effect at a restart of agentd only");

        if (!changed && !more)
            buffer_append_string(&session->out, "nothing changed\n");
        code = session_flush(session);
    }
    if (code == EXIT_CODE_OK && session_waits(session))
        code = session_wait(session, deadline_us, "the change", look_ready, NULL);
    return code;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * agentctl reload: read the configuration again and replace the workers by ones that have it. The
 * daemon checks it first and answers when the new one is in force; --wait also waits for the new
 * workers.
 */
#include "ctl/fields.h"
#include "ctl/progress.h"

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

/* A line an app: its workers are replaced now, later, or were. */
static void print_apps(struct session *session, const struct json_object *body, bool done)
{
    for (size_t i = 0; i < field_items(body, "apps"); i++) {
        const struct json_object *app = field_item(body, "apps", i);
        const char *after =
            !done && field_bool(app, "queued") ? ", after the roll that is under way" : "";

        buffer_append_string(&session->out, done ? "reloaded " : "reloading ");
        display_clean(&session->out, field_text(app, "name", "?"), APP_NAME_MAX);
        buffer_printf(&session->out, "%s\n", after);
    }
}

static enum exit_code print_result(struct session *session, struct json_object *body,
                                   const struct progress *progress, bool waited)
{
    if (session_has(session, VERB_OPTION_JSON)) {
        if (waited)
            progress_add(progress, body);
        return session_print_json(session, body, false);
    }

    bool changed = print_keys(session, body, "changed", "changed");
    bool more =
        print_keys(session, body, "needs_restart", "takes effect at a restart of agentd only");

    if (!changed && !more)
        buffer_append_string(&session->out, "no key changed\n");
    if (progress->done || !waited)
        print_apps(session, body, progress->done);
    return session_flush(session);
}

static enum exit_code ask(struct session *session, struct json_object **ret_body)
{
    CLEANUP_JSON struct json_object *request = json_object_new_object();
    CLEANUP(answer_done) struct answer answer = {.body = NULL};
    const char *app = session->arguments.options[VERB_OPTION_APP];
    enum exit_code code;
    int r;

    if (app)
        json_add_string(request, "app", app);
    r = session_try(session, "/v1/reload", request, session_change_us(session), &answer);
    if (r < 0)
        return session_fail_transport(session, r);
    /* "FILE:LINE: ...", which an editor can jump to. */
    if (answer.status == 409 && !field_bool(answer.body, "refused")) {
        CLEANUP(buffer_done) struct buffer line = {.data = NULL};

        buffer_init(&line, SESSION_OUT_LIMIT);
        display_clean(&line, field_text(answer.body, "error", "the configuration is bad"),
                      SIZE_MAX);
        fprintf(stderr, "%s\n", line.data ? line.data : "");
        return EXIT_CODE_FAILED;
    }
    code = session_judge(session, &answer);
    if (code == EXIT_CODE_OK)
        *ret_body = TAKE(answer.body);
    return code;
}

enum exit_code verb_reload(struct session *session)
{
    CLEANUP_JSON struct json_object *body = NULL;
    const char *app = session->arguments.options[VERB_OPTION_APP];
    uint64_t deadline_us = session_deadline_us(session);
    bool waits = session_waits(session);
    struct progress progress = {.token = 0};
    struct target target;
    enum exit_code code, printed;

    if (app && (target_parse(app, &target) < 0 || target.slot))
        return session_fail(EXIT_CODE_USAGE, "reload: --app wants the name of an app, not '%s'",
                            app);
    code = ask(session, &body);
    if (code != EXIT_CODE_OK)
        return code;
    progress.token = field_int(body, "token", 0);
    if (waits)
        code = session_wait(session, deadline_us, "the reload", progress_look, &progress);
    if (*progress.failed)
        progress_fail(session, &progress, code, "the reload failed, the other workers serve on; ");
    printed = print_result(session, body, &progress, waits);
    progress_done(&progress);
    return code != EXIT_CODE_OK ? code : printed;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * agentctl upgrade: let the running agentd become the one on disk. The daemon answers when it has
 * checked that one; --wait asks by a token until the new one says how it went.
 */
#include "common/base/clock.h"
#include "ctl/fields.h"
#include "ctl/session.h"

#include <inttypes.h>
#include <stdio.h>

#define CHECK_US (UINT64_C(30) * 1000 * 1000) /* more than the daemon gives the check */

struct upgrade {
    int64_t token;
    bool done;
    char failed[256];
};

static enum session_progress look(struct session *session, void *userdata)
{
    CLEANUP(answer_done) struct answer answer = {.body = NULL};
    struct upgrade *upgrade = userdata;
    const char *failed;
    char path[64];

    snprintf(path, sizeof(path), "/v1/upgrade/%" PRId64, upgrade->token);
    if (session_try(session, path, NULL, SESSION_ASK_US, &answer) < 0 || answer.status == 503)
        return SESSION_GOES_ON;
    failed = field_text(answer.body, "failed", NULL);
    if (answer.status !=
        200) /* the holder itself was replaced meanwhile, or the upgrade begun anew */
        failed = "agentd no longer knows of it; see agentctl events";
    if (failed) {
        snprintf(upgrade->failed, sizeof(upgrade->failed), "%s", failed);
        return SESSION_FAILED;
    }
    upgrade->done = field_bool(answer.body, "done");
    return upgrade->done ? SESSION_DONE : SESSION_GOES_ON;
}

static enum exit_code print_result(struct session *session, const struct answer *answer,
                                   const struct upgrade *upgrade)
{
    const char *from = field_text(answer->body, "from", "?"),
               *to = field_text(answer->body, "to", "?");

    if (!session_has(session, VERB_OPTION_JSON)) {
        if (!*upgrade->failed && (upgrade->done || !session_waits(session)))
            buffer_printf(&session->out, "%s from %s to %s\n",
                          upgrade->done ? "upgraded" : "upgrading", from, to);
        return session_flush(session);
    }
    if (session_waits(session)) {
        json_add_bool(answer->body, "done", upgrade->done);
        json_add_string(answer->body, "failed", *upgrade->failed ? upgrade->failed : NULL);
    }
    return session_print_json(session, answer->body, false);
}

enum exit_code verb_upgrade(struct session *session)
{
    CLEANUP_JSON struct json_object *nothing = json_object_new_object();
    CLEANUP(answer_done) struct answer answer = {.body = NULL};
    uint64_t deadline_us = session_deadline_us(session);
    struct upgrade upgrade = {.done = false};
    enum exit_code code, printed;
    int r = session_try(session, "/v1/upgrade", nothing, MAX(session_change_us(session), CHECK_US),
                        &answer);

    if (r < 0)
        return session_fail_transport(session, r);
    if (answer.status == 422)
        return session_fail(EXIT_CODE_FAILED, "upgrade refused, nothing changed: %s",
                            field_text(answer.body, "error", "?"));
    code = session_judge(session, &answer);
    if (code != EXIT_CODE_OK)
        return code;
    upgrade.token = field_int(answer.body, "token", 0);
    if (session_waits(session))
        code = session_wait(session, deadline_us, "the upgrade", look, &upgrade);
    if (*upgrade.failed)
        session_fail(code, "the upgrade failed: %s", upgrade.failed);
    printed = print_result(session, &answer, &upgrade);
    return code != EXIT_CODE_OK ? code : printed;
}

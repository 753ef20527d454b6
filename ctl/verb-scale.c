/* SPDX-License-Identifier: Apache-2.0 */
/* agentctl scale: another number of workers, until the next reload. */
#include "common/base/text.h"
#include "ctl/fields.h"
#include "ctl/session.h"

#include <inttypes.h>
#include <string.h>

struct scale {
    const char *app;
    int64_t workers;
};

/* Done when so many are ready, neither more nor less; those that drain don't count. */
static enum session_progress look_ready(struct session *session, void *userdata)
{
    CLEANUP(answer_done) struct answer answer = {.body = NULL};
    const struct scale *scale = userdata;

    if (session_try(session, "/v1/status", NULL, SESSION_ASK_US, &answer) < 0 ||
        answer.status != 200)
        return SESSION_GOES_ON;
    for (size_t i = 0; i < field_items(answer.body, "apps"); i++) {
        const struct json_object *app = field_item(answer.body, "apps", i);

        if (strcmp(field_text(app, "name", ""), scale->app) == 0)
            return field_int(app, "ready", -1) == scale->workers ? SESSION_DONE : SESSION_GOES_ON;
    }
    return SESSION_GOES_ON;
}

enum exit_code verb_scale(struct session *session)
{
    CLEANUP_JSON struct json_object *request = json_object_new_object(), *body = NULL;
    const char *const *words = session->arguments.words;
    uint64_t deadline_us = session_deadline_us(session), workers;
    struct scale scale = {.app = words[0]};
    struct target target;
    enum exit_code code;

    if (target_parse(words[0], &target) < 0 || target.slot)
        return session_fail(EXIT_CODE_USAGE, "scale: '%s' is not the name of an app", words[0]);
    if (text_parse_u64(words[1], 0, WORKERS_MAX, &workers) < 0)
        return session_fail(EXIT_CODE_USAGE,
                            "scale: '%s': a number of workers from 0 to %d is wanted", words[1],
                            WORKERS_MAX);
    scale.workers = (int64_t) workers;
    json_add_string(request, "app", target.app);
    json_add_u64(request, "workers", workers);
    code = session_ask(session, "/v1/scale", request, &body);
    if (code != EXIT_CODE_OK)
        return code;
    if (session_has(session, VERB_OPTION_JSON)) {
        code = session_print_json(session, body, false);
    } else {
        buffer_printf(&session->out, "%s: %" PRId64 " workers instead of %" PRId64 "\n", target.app,
                      scale.workers, field_int(body, "before", 0));
        code = session_flush(session);
    }
    if (code == EXIT_CODE_OK && session_waits(session))
        code = session_wait(session, deadline_us, "the change", look_ready, &scale);
    return code;
}

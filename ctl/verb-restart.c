/* SPDX-License-Identifier: Apache-2.0 */
/*
 * agentctl restart: replace workers, or the core.
 *
 * Workers: the daemon gives a token, and --wait asks by it until the daemon says done. The core:
 * the one who gave the token is gone by then, so --wait looks for another core instead.
 */
#include "common/base/clock.h"
#include "ctl/fields.h"
#include "ctl/progress.h"

#include <inttypes.h>
#include <stdio.h>

struct restart {
    struct progress progress;
    int64_t restarting; /* workers; 1 for the core */
    int64_t core_pid;   /* the core that is to go; 0 = workers are restarted */
};

static enum session_progress look_workers(struct session *session, void *userdata)
{
    return progress_look(session, &((struct restart *) userdata)->progress);
}

/* Done when another core answers. */
static enum session_progress look_core(struct session *session, void *userdata)
{
    CLEANUP(answer_done) struct answer answer = {.body = NULL};
    struct restart *restart = userdata;
    int64_t pid;

    if (session_try(session, "/v1/status", NULL, SESSION_ASK_US, &answer) < 0 ||
        answer.status != 200)
        return SESSION_GOES_ON;
    pid = field_int(field_object(answer.body, "core"), "pid", 0);
    restart->progress.done = pid > 0 && pid != restart->core_pid;
    return restart->progress.done ? SESSION_DONE : SESSION_GOES_ON;
}

/* Before it goes: the pid by which another one will be known. */
static enum exit_code find_core(struct session *session, int64_t *ret_pid)
{
    CLEANUP_JSON struct json_object *body = NULL;
    enum exit_code code = session_ask(session, "/v1/status", NULL, &body);

    if (code == EXIT_CODE_OK)
        *ret_pid = field_int(field_object(body, "core"), "pid", 0);
    return code;
}

/* {"app": ..., "slot": ...}, {"core": true}, or {} for all workers. */
static struct json_object *make_request(const struct session *session)
{
    struct json_object *request = json_object_new_object();
    struct target target;

    if (session_has(session, VERB_OPTION_CORE))
        json_add_bool(request, "core", true);
    if (session->arguments.n_words > 0 && target_parse(session->arguments.words[0], &target) == 0) {
        json_add_string(request, "app", target.app);
        if (target.slot > 0)
            json_add_u64(request, "slot", target.slot);
    }
    return request;
}

/* With --wait the outcome belongs to the answer, also in JSON when it failed or is late. */
static enum exit_code print_result(struct session *session, const struct restart *restart,
                                   bool waited)
{
    CLEANUP_JSON struct json_object *object = NULL;

    if (!session_has(session, VERB_OPTION_JSON)) {
        const char *verb = restart->progress.done ? "restarted" : "restarting";

        if (restart->core_pid)
            buffer_printf(&session->out, "%s the core\n", verb);
        else if (restart->progress.done || !waited)
            buffer_printf(&session->out, "%s %" PRId64 " worker%s\n", verb, restart->restarting,
                          restart->restarting == 1 ? "" : "s");
        return session_flush(session);
    }
    object = json_object_new_object();
    json_add_u64(object, "schema_version", SESSION_SCHEMA);
    json_add(object, "restarting", json_object_new_int64(restart->restarting));
    json_add(object, "token", json_object_new_int64(restart->progress.token));
    if (waited)
        progress_add(&restart->progress, object);
    return session_print_json(session, object, false);
}

enum exit_code verb_restart(struct session *session)
{
    CLEANUP_JSON struct json_object *request = make_request(session), *body = NULL;
    uint64_t deadline_us = session_deadline_us(session);
    bool core = session_has(session, VERB_OPTION_CORE), waits = session_waits(session);
    struct restart restart = {.core_pid = 0};
    enum exit_code code = EXIT_CODE_OK, printed;

    if (core && session->arguments.n_words > 0)
        return session_fail(EXIT_CODE_USAGE, "restart: either --core or %s, not both",
                            session->arguments.words[0]);
    if (core)
        code = find_core(session, &restart.core_pid);
    if (code == EXIT_CODE_OK)
        code = session_ask(session, "/v1/restart", request, &body);
    if (code != EXIT_CODE_OK)
        return code;
    restart.restarting = field_int(body, "restarting", 0);
    restart.progress.token = field_int(body, "token", 0);
    if (waits)
        code = session_wait(session, deadline_us, "the restart", core ? look_core : look_workers,
                            &restart);
    if (*restart.progress.failed)
        progress_fail(session, &restart.progress, code,
                      core ? "the restart failed: "
                           : "the restart failed, the other workers serve on; ");
    printed = print_result(session, &restart, waits);
    progress_done(&restart.progress);
    return code != EXIT_CODE_OK ? code : printed;
}

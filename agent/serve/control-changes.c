/* SPDX-License-Identifier: Apache-2.0 */
/* The routes that change something. See control.h. */
#include "agent/serve/control-internal.h"

#include "agent/serve/status-json.h"
#include "common/base/text.h"
#include "config.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

void control_refuse(struct http_request *request, const char *why)
{
    struct json_object *object = json_object_new_object();

    json_add_string(object, "error", why);
    json_add_bool(object, "refused", true);
    control_respond(request, 409, object);
}

/* The owner's refusals. */
static void respond_refusal(struct http_request *request, int error)
{
    if (error == -ENOENT)
        control_respond_error(request, 404, "no such app, or no worker in that slot");
    else
        control_refuse(request, "agentd is stopping");
}

/* --- restart ---------------------------------------------------------------------------------- */

void control_on_restart(struct http_request *request, void *userdata)
{
    struct control *control = userdata;
    struct control_restart restart;
    char why[CONTROL_WHY_MAX], what[APP_NAME_MAX + 64];
    struct json_object *object;
    uint64_t token;
    size_t length;

    const char *body = http_request_body(request, &length);
    if (control_parse_restart(body, length, &restart, why) < 0) {
        control_respond_error(request, 400, why);
        return;
    }
    if (restart.slot)
        snprintf(what, sizeof(what), "restart of %s.%u", restart.app, restart.slot);
    else
        snprintf(what, sizeof(what), "restart of %s",
                 restart.core     ? "the core"
                 : restart.app[0] ? restart.app
                                  : "every app");
    if (!control_may_change(control, request, what))
        return;

    int n = control->owner.restart(&restart, &token, control->owner.userdata);
    if (n < 0) {
        respond_refusal(request, n);
        return;
    }
    object = control_new_answer();
    json_add_u64(object, "restarting", (uint64_t) n);
    json_add_u64(object, "token", token);
    control_respond(request, 202, object);
}

/* The token at the path's end. */
static bool find_token(struct http_request *request, const char *prefix, uint64_t *ret)
{
    return text_parse_u64(http_request_path(request) + strlen(prefix), 0, UINT64_MAX, ret) == 0;
}

static struct json_object *failed_worker_json(const struct control_failure *failure)
{
    struct json_object *object = json_object_new_object();

    json_add_string(object, "app", failure->app);
    json_add_u64(object, "slot", failure->slot);
    json_add(object, "pid", failure->pid > 0 ? json_object_new_int64(failure->pid) : NULL);
    json_add_bool(object, "lines_due", failure->lines_due);
    json_add(object, "lines", lines_json(failure->lines));
    return object;
}

/* |take_worker|: by whom it failed, or NULL. */
static void respond_progress(struct http_request *request, enum control_progress progress,
                             const char *why, struct json_object *take_worker, bool of_workers)
{
    struct json_object *object;

    if (progress == CONTROL_UNKNOWN) {
        control_respond_error(request, 404, "agentd knows no such token, or no longer");
        return;
    }
    object = control_new_answer();
    json_add_bool(object, "done", progress != CONTROL_RUNNING);
    json_add_string(object, "failed", progress == CONTROL_FAILED ? why ?: "" : NULL);
    if (of_workers)
        json_add(object, "worker", take_worker);
    control_respond(request, 200, object);
}

void control_on_progress(struct http_request *request, void *userdata)
{
    const struct control_owner *owner = &((struct control *) userdata)->owner;
    enum control_progress progress = CONTROL_UNKNOWN;
    struct control_failure failure = {.slot = 0};
    uint64_t token;

    if (find_token(request, CONTROL_PROGRESS_PREFIX, &token))
        progress = owner->progress(token, &failure, owner->userdata);
    respond_progress(request, progress, failure.why,
                     failure.slot ? failed_worker_json(&failure) : NULL, true);
}

/* --- reload ----------------------------------------------------------------------------------- */

static void on_reload_abort(struct http_request *request, void *context)
{
    struct control *control = context;

    for (size_t batch = 0; batch < ARRAY_SIZE(control->reloads); batch++) {
        struct control_waiting *waiting = &control->reloads[batch];

        for (size_t i = 0; i < waiting->n; i++)
            if (waiting->requests[i] == request)
                waiting->requests[i] = NULL;
    }
}

void control_on_reload(struct http_request *request, void *userdata)
{
    struct control *control = userdata;
    char why[CONFIG_ERROR_MAX] = "agentd is stopping", what[APP_NAME_MAX + 64];
    char app[APP_NAME_MAX + 1];
    struct control_waiting *waiting;
    size_t length;
    int r;

    const char *body = http_request_body(request, &length);
    if (control_parse_reload(body, length, app, why) < 0) {
        control_respond_error(request, 400, why);
        return;
    }
    snprintf(what, sizeof(what), "reload of %s", app[0] ? app : "the configuration");
    if (!control_may_change(control, request, what))
        return;
    if (control->reloads[1].n == CONTROL_RELOADS_MAX) {
        control_refuse(request, "too many reloads wait already");
        return;
    }
    snprintf(why, sizeof(why), "agentd is stopping");
    r = control->owner.reload(app, why, sizeof(why), control->owner.userdata);
    if (r < 0) {
        if (r == -ENOENT)
            control_respond_error(request, 404, "the configuration has no such app");
        else if (r == -EINVAL)
            control_respond_error(request, 409, why);
        else
            control_refuse(request, why);
        return;
    }
    waiting = &control->reloads[r > 0];
    waiting->requests[waiting->n++] = request;
    http_request_suspend(request, on_reload_abort, control);
}

void control_reload_done(struct control *control, const char *error,
                         struct json_object *take_answer)
{
    CLEANUP_JSON struct json_object *answer = take_answer;
    struct control_waiting done = control->reloads[0];

    control->reloads[0] = control->reloads[1];
    control->reloads[1].n = 0;
    if (answer)
        json_add_u64(answer, "schema_version", STATUS_SCHEMA_VERSION);
    for (size_t i = 0; i < done.n; i++) {
        if (!done.requests[i]) /* its client is gone */
            continue;
        if (error)
            control_respond_error(done.requests[i], 409, error);
        else
            control_respond(done.requests[i], 200, json_object_get(answer));
    }
}

/* --- scale and drain -------------------------------------------------------------------------- */

void control_on_scale(struct http_request *request, void *userdata)
{
    struct control *control = userdata;
    struct control_scale scale;
    char why[CONTROL_WHY_MAX], what[APP_NAME_MAX + 64];
    struct json_object *object;
    unsigned before;
    size_t length;
    int r;

    const char *body = http_request_body(request, &length);
    if (control_parse_scale(body, length, &scale, why) < 0) {
        control_respond_error(request, 400, why);
        return;
    }
    snprintf(what, sizeof(what), "scaling %s to %u", scale.app, scale.workers);
    if (!control_may_change(control, request, what))
        return;
    r = control->owner.scale(scale.app, scale.workers, &before, control->owner.userdata);
    if (r < 0) {
        respond_refusal(request, r);
        return;
    }
    object = control_new_answer();
    json_add_string(object, "app", scale.app);
    json_add_u64(object, "workers", scale.workers);
    json_add_u64(object, "before", before);
    control_respond(request, 202, object);
}

/* What it may cost who does not know. */
static void add_warning(struct json_object *object, const struct snapshot *snapshot)
{
    const char *asg = snapshot->publish.asg_name;
    char text[CONFIG_STRING_MAX + 256];

    snprintf(text, sizeof(text),
             "an Auto Scaling group%s%s with ELB health checks replaces an instance whose /health "
             "says 503; enter standby first, or suspend its ReplaceUnhealthy process",
             asg[0] ? " like this node's, " : "", asg[0] ? asg : "");
    json_add_string(object, "warning", text);
}

static void drain(struct http_request *request, struct control *control, bool drain)
{
    const struct control_owner *owner = &control->owner;
    char why[CONTROL_WHY_MAX], app[APP_NAME_MAX + 1];
    struct json_object *object;
    bool changed;
    size_t length;
    int r;

    const char *body = http_request_body(request, &length);
    if (control_parse_reload(body, length, app, why) < 0 || app[0]) {
        control_respond_error(request, 400, "the body must be {}");
        return;
    }
    if (!control_may_change(control, request, drain ? "drain" : "end of the drain"))
        return;
    r = owner->drain(drain, &changed, owner->userdata);
    if (r < 0) {
        respond_refusal(request, r);
        return;
    }
    object = control_new_answer();
    json_add_string(object, "state", node_state_to_string(owner->snapshot(owner->userdata)->node));
    json_add_bool(object, "changed", changed);
    if (drain)
        add_warning(object, owner->snapshot(owner->userdata));
    control_respond(request, 200, object);
}

void control_on_drain(struct http_request *request, void *userdata)
{
    drain(request, userdata, true);
}

void control_on_undrain(struct http_request *request, void *userdata)
{
    drain(request, userdata, false);
}

/* --- upgrade ---------------------------------------------------------------------------------- */

static void on_upgrade_abort(struct http_request *request, void *context)
{
    struct control *control = context;

    if (control->upgrading == request)
        control->upgrading = NULL;
}

void control_on_upgrade(struct http_request *request, void *userdata)
{
    struct control *control = userdata;
    const char *why = "";

    if (!control_may_change(control, request, "upgrade"))
        return;
    if (control->owner.upgrade(&why, control->owner.userdata) < 0) {
        control_refuse(request, why);
        return;
    }
    control->upgrading = request;
    http_request_suspend(request, on_upgrade_abort, control);
}

void control_on_upgrade_progress(struct http_request *request, void *userdata)
{
    const struct control_owner *owner = &((struct control *) userdata)->owner;
    enum control_progress progress = CONTROL_UNKNOWN;
    CLEANUP_FREE char *why = NULL;
    uint64_t token;

    if (find_token(request, CONTROL_UPGRADE_PREFIX, &token))
        progress = owner->upgrade_progress(token, &why, owner->userdata);
    respond_progress(request, progress, why, NULL, false);
}

void control_upgrade_checked(struct control *control, const char *why, const char *version,
                             uint64_t token)
{
    struct http_request *request = TAKE(control->upgrading);
    struct json_object *object;

    if (!request)
        return; /* its client is gone */
    if (why) {
        control_respond_error(request, 422, why);
        return;
    }
    object = control_new_answer();
    json_add_string(object, "from", PACKAGE_VERSION);
    json_add_string(object, "to", version);
    json_add_u64(object, "token", token);
    control_respond(request, 202, object);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* The routes of stress. See control.h. */
#include "agent/serve/control-internal.h"

#include "agent/serve/status-json.h"
#include "agent/stress/credits.h"

#include <errno.h>
#include <stdio.h>

_Static_assert(STRESS_WHY_MAX <= CONTROL_WHY_MAX, "the policy's line fits");

static struct json_object *new_answer(const struct snapshot *snapshot)
{
    struct json_object *object = control_new_answer();

    json_add(object, "stress", stress_json(snapshot));
    return object;
}

void control_on_stress(struct http_request *request, void *userdata)
{
    const struct control_owner *owner = &((struct control *) userdata)->owner;

    control_respond(request, 200, new_answer(owner->snapshot(owner->userdata)));
}

void control_on_stress_on(struct http_request *request, void *userdata)
{
    struct control *control = userdata;
    const struct control_owner *owner = &control->owner;
    char why[CONTROL_WHY_MAX], what[64], credits[CREDITS_TEXT_MAX];
    const struct snapshot *snapshot;
    struct stress_order order;
    struct json_object *object;
    struct peer peer;
    size_t length;
    int r;

    const char *body = http_request_body(request, &length);
    if (control_parse_stress(body, length, &order, why) < 0) {
        control_respond_error(request, 400, why);
        return;
    }
    snprintf(what, sizeof(what), "stress of %u %%", order.load_percent);
    if (!control_peer_may_change(control, request, what, &peer))
        return;
    r = owner->stress_on(&order, &(struct stress_asker){peer.uid, peer.pid}, why, owner->userdata);
    if (r == -EINVAL) {
        control_respond_error(request, 400, why);
        return;
    }
    if (r < 0) {
        control_refuse(request, why);
        return;
    }
    snapshot = owner->snapshot(owner->userdata);
    object = new_answer(snapshot);
    json_add_bool(object, "was_on", r > 0);
    credits_print(snapshot->publish.instance_type, order.load_percent, credits);
    json_add_string(object, "warning", credits[0] ? credits : NULL);
    control_respond(request, 200, object);
}

void control_on_stress_off(struct http_request *request, void *userdata)
{
    struct control *control = userdata;
    const struct control_owner *owner = &control->owner;
    char why[CONTROL_WHY_MAX], app[APP_NAME_MAX + 1];
    struct json_object *object;
    struct peer peer;
    size_t length;
    bool was_on;

    const char *body = http_request_body(request, &length);
    if (control_parse_reload(body, length, app, why) < 0 || app[0]) {
        control_respond_error(request, 400, "the body must be {}");
        return;
    }
    if (!control_peer_may_change(control, request, "end of the stress", &peer))
        return;
    was_on = owner->stress_off(&(struct stress_asker){peer.uid, peer.pid}, owner->userdata);
    object = new_answer(owner->snapshot(owner->userdata));
    json_add_bool(object, "was_on", was_on);
    control_respond(request, 200, object);
}

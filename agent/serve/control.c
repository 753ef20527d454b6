/* SPDX-License-Identifier: Apache-2.0 */
/* See the header. */
#include "agent/serve/control.h"

#include "agent/serve/control-internal.h"
#include "agent/serve/peer.h"
#include "agent/serve/prometheus-server.h"
#include "agent/serve/status-json.h"
#include "common/base/log.h"

#include "config.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define CONTROL_CONNECTIONS_MAX 128u
#define CONTROL_IDLE_S          60u
#define CONTROL_ANSWER_MAX      (4u * 1024 * 1024)
#define EVENTS_DEFAULT          50u
#define HIDDEN                  "(hidden)" /* instead of a variable's value */

/* --- answers ------------------------------------------------------------------------------------
 */

void control_respond(struct http_request *request, unsigned status, struct json_object *take_object)
{
    CLEANUP_JSON struct json_object *object = take_object;
    struct buffer text;

    buffer_init(&text, CONTROL_ANSWER_MAX);
    if (json_print(object, false, &text) >= 0 && buffer_append(&text, "\n", 1) >= 0)
        http_respond_bytes(request, status, "application/json", text.data, text.length);
    else
        http_respond_text(request, 500, "{\"error\":\"the answer is too large\"}");
    buffer_done(&text);
}

void control_respond_error(struct http_request *request, unsigned status, const char *why)
{
    struct json_object *object = json_object_new_object();

    json_add_string(object, "error", why);
    control_respond(request, status, object);
}

struct json_object *control_new_answer(void)
{
    struct json_object *object = json_object_new_object();

    json_add_u64(object, "schema_version", STATUS_SCHEMA_VERSION);
    return object;
}

/* Whether the peer may change something; if not, it was answered. Both ways it is logged. */
bool control_may_change(struct control *control, struct http_request *request, const char *what)
{
    struct peer peer;

    return control_peer_may_change(control, request, what, &peer);
}

bool control_peer_may_change(struct control *control, struct http_request *request,
                             const char *what, struct peer *ret)
{
    const struct config *config = control->owner.config(control->owner.userdata);
    char why[CONFIG_STRING_MAX + 120];
    struct peer peer;

    int r = peer_identify(http_request_fd(request), control->admin_group, &peer);
    *ret = peer;
    if (r >= 0 && peer.may_change) {
        log_notice("%s asked for by uid %u, pid %d", what, peer.uid, (int) peer.pid);
        return true;
    }
    log_warning("%s refused to uid %d, pid %d", what, (int) peer.uid, (int) peer.pid);
    snprintf(why, sizeof(why), "not permitted: only root%s%s may change something",
             config->admin_group[0] ? " and members of group "
                                    : " (and the group in control.admin_group, which is not set)",
             config->admin_group);
    control_respond_error(request, 403, why);
    return false;
}

/* --- reading ------------------------------------------------------------------------------------
 */

static void on_status(struct http_request *request, void *userdata)
{
    const struct control_owner *owner = &((struct control *) userdata)->owner;

    control_respond(
        request, 200,
        status_json(owner->snapshot(owner->userdata), owner->log_directory(owner->userdata)));
}

static void on_health(struct http_request *request, void *userdata)
{
    const struct control_owner *owner = &((struct control *) userdata)->owner;

    http_respond(request, owner->health(owner->userdata));
}

static void on_metrics(struct http_request *request, void *userdata)
{
    const struct control_owner *owner = &((struct control *) userdata)->owner;

    control_respond(request, 200,
                    metrics_json(owner->snapshot(owner->userdata),
                                 owner->config(owner->userdata)->window_s,
                                 owner->statsd(owner->userdata)));
}

static void on_bodies(struct http_request *request, void *userdata)
{
    const struct control_owner *owner = &((struct control *) userdata)->owner;
    struct buffer text;
    int r;

    buffer_init(&text, CONTROL_ANSWER_MAX);
    buffer_printf(&text, "{\"schema_version\":%d,\"bodies\":", STATUS_SCHEMA_VERSION);
    r = owner->print_bodies(&text, owner->userdata);
    buffer_append_string(&text, "}\n");
    if (r == -EAGAIN)
        control_respond_error(request, 409, "no window has closed yet: try again in a minute");
    else if (r >= 0 && !text.failed)
        http_respond_bytes(request, 200, "application/json", text.data, text.length);
    else
        control_respond_error(request, 503, "out of memory");
    buffer_done(&text);
}

static void on_prometheus(struct http_request *request, void *userdata)
{
    const struct control_owner *owner = &((struct control *) userdata)->owner;

    prometheus_respond(request, owner->snapshot(owner->userdata));
}

static void on_events(struct http_request *request, void *userdata)
{
    const struct control_owner *owner = &((struct control *) userdata)->owner;
    unsigned long long since, limit;

    if (control_parse_number(http_request_query(request, "since"), 0, UINT64_MAX, &since) < 0 ||
        control_parse_number(http_request_query(request, "limit"), EVENTS_DEFAULT, EVENTS_MAX,
                             &limit) < 0) {
        control_respond_error(request, 400, "since must be the id of an event, limit 0 to 256");
        return;
    }
    control_respond(request, 200,
                    events_json(owner->events(owner->userdata), since, (size_t) limit));
}

static void on_history(struct http_request *request, void *userdata)
{
    const struct control_owner *owner = &((struct control *) userdata)->owner;

    control_respond(request, 200, history_json(owner->history(owner->userdata)));
}

/* The values in the environment of apps, which may be passwords, as text that says nothing. False
 * without memory; |shown| is to be freed by free_hidden() in any case. */
static bool hide_values(const struct config *config, struct config *shown)
{
    *shown = *config;
    for (size_t i = 0; i < shown->n_apps; i++)
        for (char **item = shown->apps[i].environment; *item; item++)
            if (asprintf(item, "%.*s=%s", (int) strcspn(*item, "="), *item, HIDDEN) < 0) {
                *item = NULL;
                shown->n_apps = i + 1;
                return false;
            }
    return true;
}

static void free_hidden(struct config *shown)
{
    for (size_t i = 0; i < shown->n_apps; i++)
        for (char **item = shown->apps[i].environment; *item; item++)
            free(*item);
}

static int print_config(const struct config *config, bool all, struct buffer *text)
{
    struct config shown;
    int r = -ENOMEM;

    if (all)
        return config_print(config, text);
    if (hide_values(config, &shown))
        r = config_print(&shown, text);
    free_hidden(&shown);
    return r;
}

static void on_config(struct http_request *request, void *userdata)
{
    const struct control *control = userdata;
    const struct config *config = control->owner.config(control->owner.userdata);
    struct json_object *object;
    struct buffer text;
    struct peer peer;

    (void) peer_identify(http_request_fd(request), control->admin_group, &peer);
    buffer_init(&text, CONTROL_ANSWER_MAX);
    if (print_config(config, peer.may_change, &text) < 0) {
        buffer_done(&text);
        control_respond_error(request, 500, "the configuration can't be printed");
        return;
    }
    object = control_new_answer();
    json_add_string(object, "text", text.data);
    buffer_done(&text);
    control_respond(request, 200, object);
}

static void on_version(struct http_request *request, void *userdata)
{
    struct json_object *object = control_new_answer();

    json_add_string(object, "version", PACKAGE_VERSION);
    control_respond(request, 200, object);
}

/* --- life cycle ---------------------------------------------------------------------------------
 */

static const struct http_route routes[] = {
    {HTTP_GET, "/v1/status", 0, on_status},
    {HTTP_GET, "/v1/health", 0, on_health},
    {HTTP_GET, "/v1/metrics", 0, on_metrics},
    {HTTP_GET, "/v1/metrics/bodies", 0, on_bodies},
    {HTTP_GET, "/metrics", 0, on_prometheus},
    {HTTP_GET, "/v1/events", 0, on_events},
    {HTTP_GET, "/v1/history", 0, on_history},
    {HTTP_GET, "/v1/config", 0, on_config},
    {HTTP_GET, "/v1/version", 0, on_version},
    {HTTP_POST, "/v1/restart", CONTROL_BODY_MAX, control_on_restart},
    {HTTP_GET, CONTROL_PROGRESS_PREFIX "*", 0, control_on_progress},
    {HTTP_POST, "/v1/reload", CONTROL_BODY_MAX, control_on_reload},
    {HTTP_POST, "/v1/scale", CONTROL_BODY_MAX, control_on_scale},
    {HTTP_POST, "/v1/drain", CONTROL_BODY_MAX, control_on_drain},
    {HTTP_POST, "/v1/undrain", CONTROL_BODY_MAX, control_on_undrain},
    {HTTP_GET, "/v1/stress", 0, control_on_stress},
    {HTTP_POST, "/v1/stress", CONTROL_BODY_MAX, control_on_stress_on},
    {HTTP_POST, "/v1/stress/off", CONTROL_BODY_MAX, control_on_stress_off},
    {HTTP_POST, "/v1/upgrade", CONTROL_BODY_MAX, control_on_upgrade},
    {HTTP_GET, CONTROL_UPGRADE_PREFIX "*", 0, control_on_upgrade_progress},
    {.path = NULL},
};

void control_take_config(struct control *control)
{
    const struct config *config = control->owner.config(control->owner.userdata);

    control->admin_group = peer_find_group(config->admin_group);
    if (config->admin_group[0] && control->admin_group == PEER_NO_GROUP)
        log_warning("control.admin_group: there is no group %s; only root may change something",
                    config->admin_group);
}

int control_new(struct control **ret, sd_event *event, const struct control_owner *owner)
{
    CLEANUP(control_freep) struct control *control = calloc(1, sizeof(*control));
    struct http_server_options options = {
        .routes = routes,
        .connections_max = http_connections_possible(CONTROL_CONNECTIONS_MAX),
        .idle_timeout_s = CONTROL_IDLE_S,
    };
    int r;

    if (!control)
        return -ENOMEM;
    control->owner = *owner;
    control_take_config(control);
    options.userdata = control;
    r = http_server_new(&control->server, event, &options);
    if (r < 0)
        return r;
    *ret = TAKE(control);
    return 0;
}

struct control *control_free(struct control *control)
{
    if (!control)
        return NULL;
    http_server_free(control->server);
    free(control);
    return NULL;
}

int control_listen(struct control *control, int listen_fd)
{
    return http_server_listen(control->server, listen_fd);
}

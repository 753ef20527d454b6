/* SPDX-License-Identifier: Apache-2.0 */
/* See the header. */
#include "agent/serve/health.h"

#include "agent/serve/verdict.h"
#include "common/base/json.h"
#include "common/base/log.h"
#include "common/base/text.h"

#include <errno.h>
#include <string.h>

#define HEALTH_CONNECTIONS_MAX 1024u
#define HEALTH_IDLE_S          75u /* longer than the load balancer's 60 s */
#define HEALTH_BODY_LIMIT      8192u
#define APP_PREFIX             "/health/"

struct health {
    struct http_server *server;
    struct http_response *node;
    struct http_response *live;
    size_t n_apps;
    struct {
        char name[APP_NAME_MAX + 1];
        struct http_response *response;
    } apps[APPS_MAX];
    char *last_body; /* of the node: unchanged bodies are not made again */
};

static void on_node(struct http_request *request, void *userdata)
{
    http_respond(request, ((struct health *) userdata)->node);
}

static void on_live(struct http_request *request, void *userdata)
{
    http_respond(request, ((struct health *) userdata)->live);
}

static void on_app(struct http_request *request, void *userdata)
{
    const struct health *health = userdata;
    const char *name = http_request_path(request) + strlen(APP_PREFIX);

    for (size_t i = 0; i < health->n_apps; i++)
        if (strcmp(health->apps[i].name, name) == 0) {
            http_respond(request, health->apps[i].response);
            return;
        }
    http_respond_text(request, 404, "no such app");
}

static const struct http_route routes[] = {
    {HTTP_GET, "/health", 0, on_node},
    {HTTP_GET, APP_PREFIX "*", 0, on_app},
    {HTTP_GET, "/live", 0, on_live},
    {.path = NULL},
};

/* Replaces *response; keeps the old one if there is no memory for a new one. */
static void prepare(struct http_response **response, unsigned status, const char *body)
{
    struct http_response *fresh = NULL;
    int r = http_response_new(&fresh, status, "application/json", body, strlen(body));

    if (r >= 0)
        r = http_response_add_header(fresh, "Cache-Control", "no-store");
    if (r < 0) {
        log_error_errno(-r, "can't prepare an answer of /health: %m; the old one stays");
        http_response_free(fresh);
        return;
    }
    http_response_free(*response);
    *response = fresh;
}

/* Of |app|, or (NULL) of the node. */
static struct json_object *new_body(const struct snapshot *snapshot, const struct app_view *app,
                                    enum verdict verdict)
{
    struct json_object *body = json_object_new_object();
    char reason[APP_NAME_MAX + 64];

    json_add_bool(body, "ok", verdict != VERDICT_FAIL);
    json_add_string(body, "status", verdict_to_string(verdict));
    json_add_string(body, "instanceId", snapshot->instance_id);
    json_add_string(body, "state", node_state_to_string(snapshot->node));
    if (verdict == VERDICT_FAIL)
        json_add_string(body, "reason", verdict_reason(snapshot, app, reason, sizeof(reason)));
    return body;
}

/* null: it passes, or there is none. */
static void add_probe(struct json_object *object, const struct app_view *app)
{
    json_add_string(object, "probe_failure", app->probe_failure[0] ? app->probe_failure : NULL);
}

static struct json_object *new_app(const struct snapshot *snapshot, const struct app_view *app)
{
    struct json_object *object = json_object_new_object();

    json_add_string(object, "name", app->name);
    json_add_string(object, "status", verdict_to_string(verdict_app(snapshot, app)));
    json_add_u64(object, "ready", app->ready);
    json_add_u64(object, "wanted", app->wanted);
    json_add_bool(object, "crash_loop", app->crash_loop);
    add_probe(object, app);
    return object;
}

static void prepare_json(struct http_response **response, const struct json_object *body,
                         enum verdict verdict)
{
    struct buffer text;

    buffer_init(&text, HEALTH_BODY_LIMIT);
    if (json_print(body, false, &text) >= 0 && buffer_append(&text, "\n", 1) >= 0)
        prepare(response, verdict == VERDICT_FAIL ? 503 : 200, text.data);
    else
        log_error("an answer of /health is over %u bytes; the old one stays", HEALTH_BODY_LIMIT);
    buffer_done(&text);
}

static void update_app(struct health *health, const struct snapshot *snapshot, size_t i)
{
    const struct app_view *app = &snapshot->apps[i];
    CLEANUP_JSON struct json_object *body = new_body(snapshot, app, verdict_app(snapshot, app));

    json_add_u64(body, "ready", app->ready);
    json_add_u64(body, "wanted", app->wanted);
    json_add_bool(body, "crash_loop", app->crash_loop);
    add_probe(body, app);
    text_copy(health->apps[i].name, sizeof(health->apps[i].name), app->name);
    prepare_json(&health->apps[i].response, body, verdict_app(snapshot, app));
}

void health_update(struct health *health, const struct snapshot *snapshot)
{
    enum verdict verdict = verdict_node(snapshot);
    CLEANUP_JSON struct json_object *body = new_body(snapshot, NULL, verdict);
    struct json_object *apps = json_object_new_array();
    const char *text;

    for (size_t i = 0; i < snapshot->n_apps; i++)
        json_object_array_add(apps, new_app(snapshot, &snapshot->apps[i]));
    json_add(body, "apps", apps);

    text = json_object_to_json_string(body);
    if (health->last_body && strcmp(health->last_body, text) == 0)
        return;
    free(health->last_body);
    health->last_body = strdup(text);
    prepare_json(&health->node, body, verdict);
    for (size_t i = 0; i < snapshot->n_apps; i++)
        update_app(health, snapshot, i);
    health->n_apps = snapshot->n_apps;
}

int health_new(struct health **ret, sd_event *event)
{
    CLEANUP(health_freep) struct health *health = calloc(1, sizeof(*health));
    struct http_server_options options = {
        .routes = routes,
        .connections_max = http_connections_possible(HEALTH_CONNECTIONS_MAX),
        .idle_timeout_s = HEALTH_IDLE_S,
    };
    int r;

    if (!health)
        return -ENOMEM;
    prepare(&health->node, 503, "{\"ok\":false,\"status\":\"fail\",\"state\":\"starting\"}\n");
    prepare(&health->live, 200, "{\"ok\":true}\n");
    if (!health->node || !health->live)
        return -ENOMEM;
    options.userdata = health;
    r = http_server_new(&health->server, event, &options);
    if (r < 0)
        return r;
    *ret = TAKE(health);
    return 0;
}

struct health *health_free(struct health *health)
{
    if (!health)
        return NULL;
    http_server_free(health->server);
    http_response_free(health->node);
    http_response_free(health->live);
    for (size_t i = 0; i < ARRAY_SIZE(health->apps); i++)
        http_response_free(health->apps[i].response);
    free(health->last_body);
    free(health);
    return NULL;
}

int health_listen(struct health *health, int listen_fd)
{
    return http_server_listen(health->server, listen_fd);
}

struct http_response *health_response(const struct health *health)
{
    return health->node;
}

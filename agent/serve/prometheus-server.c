/* SPDX-License-Identifier: Apache-2.0 */
/* Printed anew for each request: scrapes are seconds apart. */
#include "agent/serve/prometheus-server.h"

#include "agent/serve/prometheus.h"

#include <errno.h>

#define CONNECTIONS_MAX     64u
#define CONNECTIONS_CROWDED 32u
#define IDLE_S              75u /* longer than the minute that is the usual interval */

struct prometheus_server {
    struct http_server *server;
    const struct snapshot *(*get_snapshot)(void *userdata);
    void *userdata;
};

void prometheus_respond(struct http_request *request, const struct snapshot *snapshot)
{
    struct buffer text;

    buffer_init(&text, PROMETHEUS_TEXT_MAX);
    if (prometheus_print(snapshot, &text) >= 0)
        http_respond_bytes(request, 200, PROMETHEUS_CONTENT_TYPE, text.data, text.length);
    else
        http_respond_text(request, 500, "the answer is too large");
    buffer_done(&text);
}

static void on_metrics(struct http_request *request, void *userdata)
{
    const struct prometheus_server *server = userdata;

    prometheus_respond(request, server->get_snapshot(server->userdata));
}

static const struct http_route routes[] = {
    {HTTP_GET, "/metrics", 0, on_metrics},
    {.path = NULL},
};

int prometheus_server_new(struct prometheus_server **ret, sd_event *event,
                          const struct snapshot *(*get_snapshot)(void *userdata), void *userdata)
{
    CLEANUP(prometheus_server_freep) struct prometheus_server *server = calloc(1, sizeof(*server));
    struct http_server_options options = {
        .routes = routes,
        .connections_max = http_connections_possible(CONNECTIONS_MAX),
        .connections_crowded = CONNECTIONS_CROWDED,
        .idle_timeout_s = IDLE_S,
    };
    int r;

    if (!server)
        return -ENOMEM;
    server->get_snapshot = get_snapshot;
    server->userdata = userdata;
    options.userdata = server;
    r = http_server_new(&server->server, event, &options);
    if (r < 0)
        return r;
    *ret = TAKE(server);
    return 0;
}

struct prometheus_server *prometheus_server_free(struct prometheus_server *server)
{
    if (!server)
        return NULL;
    http_server_free(server->server);
    free(server);
    return NULL;
}

int prometheus_server_listen(struct prometheus_server *server, int listen_fd)
{
    return http_server_listen(server->server, listen_fd);
}

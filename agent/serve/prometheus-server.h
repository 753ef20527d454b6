/* SPDX-License-Identifier: Apache-2.0 */
/* GET /metrics for Prometheus, on a port of its own; the control socket answers it too. */
#pragma once

#include "agent/core/snapshot.h"
#include "common/net/http-server.h"

struct prometheus_server;

int prometheus_server_new(struct prometheus_server **ret, sd_event *event,
                          const struct snapshot *(*get_snapshot)(void *userdata), void *userdata);
struct prometheus_server *prometheus_server_free(struct prometheus_server *server);
DEFINE_CLEANUP(struct prometheus_server *, prometheus_server_free)

/* Serves a listening socket, which stays the caller's. */
int prometheus_server_listen(struct prometheus_server *server, int listen_fd);

/* Answers a request with the snapshot's metrics. */
void prometheus_respond(struct http_request *request, const struct snapshot *snapshot);

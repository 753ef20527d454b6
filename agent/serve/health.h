/* SPDX-License-Identifier: Apache-2.0 */
/*
 * /health, /health/<app> and /live on their own port: local and shallow, from bodies that were
 * prepared when something changed, so that an answer takes the same short time always, also while
 * the CPU is saturated.
 */
#pragma once

#include "agent/core/snapshot.h"
#include "common/net/http-server.h"

struct health;

int health_new(struct health **ret, sd_event *event);
struct health *health_free(struct health *health);
DEFINE_CLEANUP(struct health *, health_free)

/* Prepares the bodies anew. Before the first time everything but /live is 503. */
void health_update(struct health *health, const struct snapshot *snapshot);

/* Serves a listening socket, which stays the caller's. */
int health_listen(struct health *health, int listen_fd);

/* The node's present answer, for the control API: borrowed until the next update. */
struct http_response *health_response(const struct health *health);

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An app's side of the worker contract (docs/ARCHITECTURE.md): inherited listeners, accept gate,
 * scoreboard, readiness, watchdog, SIGTERM = drain. On the listener named "probe" it answers the
 * same routes to the agent, uncounted.
 *
 * The app gives its routes and handlers; this does the rest. Without agentd (no LISTEN_FDS) it
 * listens itself, so that an app can also be run by hand.
 */
#pragma once

#include "common/net/http-server.h"

struct worker_runtime;

struct worker_runtime_options {
    const struct http_route *routes;
    void *userdata;
    const char *fallback_listen; /* without inherited listeners, "127.0.0.1:3000" */
    unsigned connections_max;
    unsigned
        idle_timeout_s; /* keep-alive; the contract wants more than the load balancer's 60 s: 75 */
    /* As in struct http_server_options; optional. */
    struct http_response *(*error_page)(const struct http_request *request, unsigned status,
                                        void *userdata);
    bool access_log; /* one line a request with structured fields */
};

/* Takes the environment's descriptors. Logs what is missing. 0 or a negative errno. */
int worker_runtime_new(struct worker_runtime **ret, sd_event *event,
                       const struct worker_runtime_options *options);
struct worker_runtime *worker_runtime_free(struct worker_runtime *runtime);
DEFINE_CLEANUP(struct worker_runtime *, worker_runtime_free)

/*
 * Tells the agent READY=1 and begins to accept; with a private probe only once it has answered that
 * well (common/net/trial.h). Call it when the app can answer.
 */
int worker_runtime_ready(struct worker_runtime *runtime);

/* Runs the loop until SIGTERM or SIGINT and the drain after it. Returns the process's exit status.
 */
int worker_runtime_run(struct worker_runtime *runtime);

/* This worker's own: app and slot ("visitor-board", 2), and the node's name (ENV_INSTANCE, else
 * INSTANCE_ID, else the host's name). */
const char *worker_runtime_app(const struct worker_runtime *runtime);
unsigned worker_runtime_slot(const struct worker_runtime *runtime);
const char *worker_runtime_instance(const struct worker_runtime *runtime);

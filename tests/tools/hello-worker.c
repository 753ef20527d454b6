/* SPDX-License-Identifier: Apache-2.0 */
/* The smallest worker: GET / answers "hello". For tests of what is around a worker. */
#include "common/base/log.h"
#include "common/net/worker-runtime.h"

static void hello(struct http_request *request, void *userdata)
{
    http_respond(request, userdata);
}

int main(int argc, char **argv)
{
    static const struct http_route ROUTES[] = {{HTTP_GET, "/", 0, hello}, {0}};
    CLEANUP(http_response_freep) struct http_response *answer = NULL;
    CLEANUP(worker_runtime_freep) struct worker_runtime *runtime = NULL;
    CLEANUP(sd_event_unrefp) sd_event *event = NULL;
    struct worker_runtime_options options = {
        .routes = ROUTES,
        .fallback_listen = argc > 1 ? argv[1] : "127.0.0.1:3000",
        .connections_max = 1024,
        .idle_timeout_s = 75,
        .access_log = getenv("HELLO_ACCESS_LOG") != NULL,
    };

    log_open("hello-worker");
    if (http_response_new(&answer, 200, "text/plain", "hello\n", 6) < 0)
        return EXIT_FAILURE;
    options.userdata = answer;
    if (sd_event_new(&event) < 0 || worker_runtime_new(&runtime, event, &options) < 0 ||
        worker_runtime_ready(runtime) < 0)
        return EXIT_FAILURE;
    return worker_runtime_run(runtime);
}

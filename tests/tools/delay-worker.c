/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A worker whose latencies are known: GET /<microseconds> is answered so much later, through a kept
 * request. Its access log is the raw list that published quantiles are compared with.
 *
 * GET /health is answered at once, unless its argument is "sick" (with 503) or "mute" (never).
 */
#include "common/base/clock.h"
#include "common/base/log.h"
#include "common/base/text.h"
#include "common/net/worker-runtime.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DELAY_MAX_US (10 * USEC_PER_SEC)

struct delayed {
    struct http_request *request;
    sd_event_source *timer;
};

static void delayed_free(struct delayed *delayed)
{
    sd_event_source_disable_unref(delayed->timer);
    free(delayed);
}

static int delayed_on_timer(sd_event_source *source, uint64_t usec, void *userdata)
{
    struct delayed *delayed = userdata;
    struct http_request *request = delayed->request;

    delayed_free(delayed);
    http_respond_text(request, 200, "late");
    return 0;
}

static void delayed_on_abort(struct http_request *request, void *context)
{
    delayed_free(context);
}

static void delay(struct http_request *request, void *event)
{
    struct delayed *delayed;
    uint64_t delay_us;

    if (text_parse_u64(http_request_path(request) + 1, 0, DELAY_MAX_US, &delay_us) < 0) {
        http_respond_text(request, 400, "microseconds expected");
        return;
    }
    delayed = calloc(1, sizeof(*delayed));
    if (!delayed)
        return; /* answered with 500 */
    delayed->request = request;
    /* Not relative: that is since the loop woke up, which may have been before this request. */
    if (sd_event_add_time(event, &delayed->timer, CLOCK_MONOTONIC, clock_monotonic_us() + delay_us,
                          1, delayed_on_timer, delayed) < 0) {
        delayed_free(delayed);
        return;
    }
    http_request_suspend(request, delayed_on_abort, delayed);
}

static void be_well(struct http_request *request, void *userdata)
{
    http_respond_text(request, 200, "well");
}

static void be_sick(struct http_request *request, void *userdata)
{
    fputs("delay-worker: sick\n", stderr);
    http_respond_text(request, 503, "sick");
}

static void ignore_abort(struct http_request *request, void *context)
{
}

static void be_mute(struct http_request *request, void *userdata)
{
    http_request_suspend(request, ignore_abort, NULL);
}

int main(int argc, char *argv[])
{
    const char *mode = argc > 1 ? argv[1] : "";
    const struct http_route routes[] = {{HTTP_GET, "/health", 0,
                                         strcmp(mode, "sick") == 0   ? be_sick
                                         : strcmp(mode, "mute") == 0 ? be_mute
                                                                     : be_well},
                                        {HTTP_GET, "/*", 0, delay},
                                        {0}};
    CLEANUP(sd_event_unrefp) sd_event *event = NULL;
    CLEANUP(worker_runtime_freep) struct worker_runtime *runtime = NULL;
    struct worker_runtime_options options = {
        .routes = routes,
        .fallback_listen = "127.0.0.1:3000",
        .connections_max = 1024,
        .idle_timeout_s = 75,
        .access_log = true,
    };

    log_open("delay-worker");
    if (sd_event_new(&event) < 0)
        return EXIT_FAILURE;
    options.userdata = event;
    if (worker_runtime_new(&runtime, event, &options) < 0 || worker_runtime_ready(runtime) < 0)
        return EXIT_FAILURE;
    return worker_runtime_run(runtime);
}

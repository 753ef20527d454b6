/* SPDX-License-Identifier: Apache-2.0 */
/* See the header. */
#include "ctl/watch-run.h"

#include "config.h"

#include "common/base/clock.h"
#include "common/base/event.h"
#include "common/net/http-client.h"

#include <errno.h>

#define AGENT_NAME "agentctl-watch/" PACKAGE_VERSION

struct watch;

struct poll {
    struct watch *watch;
    uint64_t begun_at_us;
    bool busy;
};

struct watch {
    const struct watch_options *options;
    watch_on_event on_event;
    void *userdata;
    struct watch_state *state;
    sd_event *event;
    struct http_client *client;
    sd_event_source *poller, *drawer, *ender;
    struct poll polls[WATCH_POLLS_MAX];
    bool ended; /* what comes now isn't counted */
};

static void tell(struct watch *watch, const struct watch_poll *poll)
{
    int r;

    watch->state->now_us = clock_monotonic_us();
    r = watch->on_event(watch->state, poll, watch->userdata);
    if (r < 0)
        sd_event_exit(watch->event, r);
}

/* --- Polls ----------------------------------------------------------------------------------- */

static void on_done(const struct http_client_response *response, void *userdata)
{
    struct poll *poll = userdata;
    struct watch *watch = poll->watch;
    struct watch_state *state = watch->state;
    uint64_t now_us = clock_monotonic_us();
    char instance[INSTANCE_NAME_MAX] = "";
    struct watch_poll ended = {.instance = instance, .latency_us = now_us - poll->begun_at_us};
    const char *header = NULL;

    poll->busy = false;
    if (watch->ended)
        return;
    state->polls++;
    if (response->error < 0) {
        ended.failure = failure_of(response->error);
        ended.text = response->error_text;
        state->failures[ended.failure]++;
    } else {
        for (size_t i = 0; i < INSTANCE_HEADERS_MAX && !header; i++)
            header = http_client_header(response, instance_headers[i]);
        instance_find(header, response->body,
                      response->body_length == response->body_received ? response->body_length : 0,
                      instance);
        ended.status = response->status;
        ended.is_new =
            instances_add(&state->instances, instance, response->status, ended.latency_us, now_us);
        state->answered++;
    }
    tell(watch, &ended);
}

static void start_poll(struct watch *watch)
{
    const struct http_client_request request = {
        .method = "GET",
        .url = watch->options->url,
        .timeout_us = WATCH_TIMEOUT_US,
        .response_limit_bytes = INSTANCE_JSON_LIMIT,
        .cut_body = true,
        .own_connection = true,
        .no_proxy = true,
    };
    struct poll *poll = NULL;
    int r;

    for (size_t i = 0; i < WATCH_POLLS_MAX && !poll; i++)
        if (!watch->polls[i].busy)
            poll = &watch->polls[i];
    if (!poll) {
        watch->state->left_out++;
        return;
    }
    *poll = (struct poll){.watch = watch, .begun_at_us = clock_monotonic_us(), .busy = true};
    r = http_client_start(watch->client, &request, on_done, poll, NULL);
    if (r < 0)
        sd_event_exit(watch->event, r);
}

/* --- Events ---------------------------------------------------------------------------------- */

/* The next moment on the grid, so that a machine that slept doesn't poll for all of that time. */
static int again(sd_event_source *source, uint64_t at_us, uint64_t interval_us)
{
    uint64_t now_us = clock_monotonic_us(), next_us = at_us + interval_us;

    if (next_us <= now_us)
        next_us += (now_us - next_us) / interval_us * interval_us + interval_us;
    sd_event_source_set_time(source, next_us);
    return sd_event_source_set_enabled(source, SD_EVENT_ONESHOT);
}

static int poller_on_time(sd_event_source *source, uint64_t at_us, void *userdata)
{
    struct watch *watch = userdata;

    start_poll(watch);
    again(source, at_us, watch->options->interval_us);
    return 0;
}

static int drawer_on_time(sd_event_source *source, uint64_t at_us, void *userdata)
{
    struct watch *watch = userdata;

    tell(watch, NULL);
    again(source, at_us, WATCH_DRAW_US);
    return 0;
}

static int ender_on_time(sd_event_source *source, uint64_t at_us, void *userdata)
{
    struct watch *watch = userdata;

    sd_event_exit(watch->event, 0);
    return 0;
}

static int on_signal(sd_event_source *source, const struct signalfd_siginfo *info, void *userdata)
{
    struct watch *watch = userdata;

    watch->state->interrupted = true;
    sd_event_exit(watch->event, 0);
    return 0;
}

/* --- Begin ----------------------------------------------------------------------------------- */

static int begin(struct watch *watch)
{
    static const int signals[] = {SIGINT, SIGTERM};
    uint64_t now_us = clock_monotonic_us();
    int r = event_new(&watch->event, signals, ARRAY_SIZE(signals), on_signal, watch);

    if (r >= 0)
        r = http_client_new(&watch->client, watch->event, AGENT_NAME);
    if (r >= 0)
        r = sd_event_add_time(watch->event, &watch->poller, CLOCK_MONOTONIC, now_us, 1,
                              poller_on_time, watch);
    if (r >= 0)
        r = sd_event_add_time(watch->event, &watch->drawer, CLOCK_MONOTONIC, now_us + WATCH_DRAW_US,
                              0, drawer_on_time, watch);
    if (r >= 0 && watch->options->for_us > 0)
        r = sd_event_add_time(watch->event, &watch->ender, CLOCK_MONOTONIC,
                              now_us + watch->options->for_us, 1, ender_on_time, watch);
    return r;
}

static void done(struct watch *watch)
{
    watch->ended = true;
    http_client_free(watch->client);
    sd_event_source_disable_unref(watch->poller);
    sd_event_source_disable_unref(watch->drawer);
    sd_event_source_disable_unref(watch->ender);
    sd_event_unref(watch->event);
}

int watch_run(const struct watch_options *options, watch_on_event on_event, void *userdata,
              struct watch_state *ret)
{
    CLEANUP(done)
    struct watch watch = {
        .options = options,
        .on_event = on_event,
        .userdata = userdata,
        .state = ret,
    };
    int r;

    *ret = (struct watch_state){.interval_us = options->interval_us};
    r = begin(&watch);
    if (r >= 0)
        r = sd_event_loop(watch.event);
    ret->now_us = clock_monotonic_us();
    return r < 0 ? r : 0;
}

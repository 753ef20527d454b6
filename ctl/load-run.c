/* SPDX-License-Identifier: Apache-2.0 */
/* See the header. */
#include "ctl/load-run.h"

#include "config.h"

#include "common/base/clock.h"
#include "common/base/event.h"
#include "common/net/http-client.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/resource.h>

#define AGENT_NAME "agentctl-load/" PACKAGE_VERSION
/* For who looks names up (two each), and all else that is open. */
#define DESCRIPTORS_SPARE 256u

struct load;

/* What may be under way: a request, or (closed loop) the pause before the next. */
struct slot {
    struct load *load;
    struct slot *next; /* among the free ones, or (closed loop) those to be sent */
    uint64_t intended_us;
    sd_event_source *timer; /* closed loop: to a pause's end */
};

struct load {
    const struct load_options *options;
    load_on_tick tick;
    void *userdata;
    struct load_state *state;
    sd_event *event;
    struct http_client *client;
    sd_event_source *pacer, *ticker, *sender;
    struct slot *slots, *free; /* |free|: nothing is under way on them */
    bool stopping;             /* nothing is sent any more */
};

/* --- Requests -------------------------------------------------------------------------------- */

static void fail(struct load *load, int error)
{
    load->stopping = true;
    sd_event_exit(load->event, error);
}

static bool is_over(const struct load *load, uint64_t now_us)
{
    return load->stopping || now_us >= load->state->begun_at_us + load->options->for_us;
}

static void count(struct load *load, const struct slot *slot,
                  const struct http_client_response *response, uint64_t now_us)
{
    struct load_tally *tally = &load->state->tally;
    char instance[INSTANCE_NAME_MAX];
    const char *header = NULL;

    if (response->error < 0) {
        load_tally_failure(tally, failure_of(response->error), response->error_text,
                           response->sent);
        return;
    }
    for (size_t i = 0; i < INSTANCE_HEADERS_MAX && !header; i++)
        header = http_client_header(response, instance_headers[i]);
    instance_find(header, response->body,
                  response->body_length == response->body_received ? response->body_length : 0,
                  instance);
    load_tally_answer(tally, response->status, now_us - slot->intended_us, response->body_received,
                      instance, now_us);
}

static void on_done(const struct http_client_response *response, void *userdata);

/* Its answer is waited for until LOAD_TIMEOUT_US after it was meant to be sent, at most
 * LOAD_WAIT_US ago. */
static void send_request(struct slot *slot, uint64_t intended_us, uint64_t now_us)
{
    static const char *const form[] = {"Content-Type: application/x-www-form-urlencoded", NULL};
    struct load *load = slot->load;
    const char *data = load->options->data;
    const struct http_client_request request = {
        .method = data ? "POST" : "GET",
        .url = load->options->url,
        .headers = data ? form : NULL,
        .body = data,
        .body_length = data ? strlen(data) : 0,
        .timeout_us = LOAD_TIMEOUT_US - (now_us - intended_us),
        .response_limit_bytes = INSTANCE_JSON_LIMIT,
        .cut_body = true,
        .own_connection = load->options->own_connections,
        .no_proxy = true,
    };
    int r;

    slot->intended_us = intended_us;
    r = http_client_start(load->client, &request, on_done, slot, NULL);
    if (r < 0) {
        fail(load, r);
        return;
    }
    load->state->tally.started++;
    load->state->in_flight++;
}

static void slot_put(struct slot *slot)
{
    slot->next = slot->load->free;
    slot->load->free = slot;
}

static struct slot *slot_take(struct load *load)
{
    struct slot *slot = load->free;

    load->free = slot->next;
    return slot;
}

/* --- Open loop ------------------------------------------------------------------------------- */

/* Sends what is due as far as there are connections, and wakes up for the next. Without a free one
 * the next end of a request comes here. */
static void pump(struct load *load, uint64_t now_us)
{
    struct load_pace *pace = &load->state->pace;
    uint64_t intended_us, next_us;

    if (load->stopping)
        return;
    load_pace_skip(pace, now_us, LOAD_WAIT_US);
    while (load->free && !load->stopping && load_pace_take(pace, now_us, &intended_us))
        send_request(slot_take(load), intended_us, now_us);
    next_us = load_pace_next_us(pace);
    if (load->free && next_us != UINT64_MAX)
        sd_event_source_set_time(load->pacer, next_us);
    sd_event_source_set_enabled(load->pacer, load->free && next_us != UINT64_MAX ? SD_EVENT_ONESHOT
                                                                                 : SD_EVENT_OFF);
}

static int pacer_on_time(sd_event_source *source, uint64_t at_us, void *userdata)
{
    struct load *load = userdata;

    sd_event_source_set_enabled(load->sender, SD_EVENT_ONESHOT);
    return 0;
}

/* --- Closed loop ----------------------------------------------------------------------------- */

/* On each connection that is free, the next. */
static void refill(struct load *load)
{
    uint64_t now_us = clock_monotonic_us();

    while (load->free && !is_over(load, now_us))
        send_request(slot_take(load), now_us, now_us);
}

static int slot_on_time(sd_event_source *source, uint64_t at_us, void *userdata)
{
    struct slot *slot = userdata;

    slot_put(slot);
    sd_event_source_set_enabled(slot->load->sender, SD_EVENT_ONESHOT);
    return 0;
}

static void slot_wait(struct slot *slot, uint64_t until_us)
{
    int r = slot->timer ? sd_event_source_set_time(slot->timer, until_us)
                        : sd_event_add_time(slot->load->event, &slot->timer, CLOCK_MONOTONIC,
                                            until_us, 1, slot_on_time, slot);

    if (r >= 0)
        r = sd_event_source_set_enabled(slot->timer, SD_EVENT_ONESHOT);
    if (r < 0)
        fail(slot->load, r);
}

/* --- Ends ------------------------------------------------------------------------------------ */

static void end_if_done(struct load *load)
{
    bool planned = load->options->rate > 0
                       ? !load->stopping && load_pace_next_us(&load->state->pace) != UINT64_MAX
                       : !is_over(load, clock_monotonic_us());

    if (!planned && load->state->in_flight == 0)
        sd_event_exit(load->event, 0);
}

/*
 * Has a lower priority than all else: what has been answered is counted before more is sent. Else
 * answers that wait here would look slow, and a server that answers at once would be asked on one
 * connection again and again.
 */
static int sender_on_turn(sd_event_source *source, void *userdata)
{
    struct load *load = userdata;

    if (load->options->rate > 0)
        pump(load, clock_monotonic_us());
    else
        refill(load);
    end_if_done(load);
    return 0;
}

static void on_done(const struct http_client_response *response, void *userdata)
{
    struct slot *slot = userdata;
    struct load *load = slot->load;
    uint64_t now_us = clock_monotonic_us();

    load->state->in_flight--;
    count(load, slot, response, now_us);
    if (load->options->rate == 0 && response->error < 0 && !is_over(load, now_us)) {
        slot_wait(slot, now_us + LOAD_PAUSE_US);
        return;
    }
    slot_put(slot);
    sd_event_source_set_enabled(load->sender, SD_EVENT_ONESHOT);
}

static void tick(struct load *load)
{
    struct load_state *state = load->state;
    uint64_t now_us = clock_monotonic_us();

    state->lately_us = now_us - state->now_us;
    state->now_us = now_us;
    load->tick(state, load->userdata);
    load_tally_turn(&state->tally);
}

static int ticker_on_time(sd_event_source *source, uint64_t at_us, void *userdata)
{
    struct load *load = userdata;

    tick(load);
    sd_event_source_set_time(source, at_us + LOAD_TICK_US);
    sd_event_source_set_enabled(source, SD_EVENT_ONESHOT);
    return 0;
}

static int on_signal(sd_event_source *source, const struct signalfd_siginfo *info, void *userdata)
{
    struct load *load = userdata;
    uint64_t now_us = clock_monotonic_us();

    if (load->state->interrupted) {
        load->client = http_client_free(load->client);
        return 0;
    }
    load->state->interrupted = true;
    if (load->options->rate > 0) {
        pump(load, now_us); /* what is due now and needn't wait, is no more unsent than any */
        load_pace_stop(&load->state->pace, now_us);
    }
    load->stopping = true;
    tick(load);
    sd_event_source_set_enabled(load->sender, SD_EVENT_ONESHOT);
    return 0;
}

/* --- Begin ----------------------------------------------------------------------------------- */

static int raise_descriptors(unsigned connections)
{
    struct rlimit limit;
    rlim_t wanted = connections + DESCRIPTORS_SPARE;

    if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
        return -errno;
    if (limit.rlim_cur >= wanted)
        return 0;
    if (limit.rlim_max < wanted)
        return -EMFILE;
    limit.rlim_cur = wanted;
    return setrlimit(RLIMIT_NOFILE, &limit) < 0 ? -errno : 0;
}

static int make(struct load *load)
{
    static const int signals[] = {SIGINT, SIGTERM};
    unsigned n = load->options->connections;
    int r = raise_descriptors(n);

    if (r < 0)
        return r;
    load->slots = calloc(n, sizeof(*load->slots));
    load->state = calloc(1, sizeof(*load->state));
    if (!load->slots || !load->state)
        return -ENOMEM;
    for (unsigned i = 0; i < n; i++)
        load->slots[i] = (struct slot){.load = load};
    r = event_new(&load->event, signals, ARRAY_SIZE(signals), on_signal, load);
    if (r >= 0)
        r = http_client_new(&load->client, load->event, AGENT_NAME);
    if (r < 0)
        return r;
    http_client_set_calls(load->client, n);
    return 0;
}

/* The clock starts here. */
static int begin(struct load *load)
{
    uint64_t now_us = clock_monotonic_us();
    int r;

    load->state->begun_at_us = load->state->now_us = now_us;
    r = sd_event_add_time(load->event, &load->ticker, CLOCK_MONOTONIC, now_us + LOAD_TICK_US, 1,
                          ticker_on_time, load);
    if (r < 0)
        return r;
    r = sd_event_add_defer(load->event, &load->sender, sender_on_turn, load);
    if (r >= 0)
        r = sd_event_source_set_priority(load->sender, SD_EVENT_PRIORITY_NORMAL + 1);
    if (r >= 0)
        r = sd_event_source_set_enabled(load->sender, SD_EVENT_OFF);
    if (r < 0)
        return r;
    if (load->options->rate > 0) {
        for (unsigned i = 0; i < load->options->connections; i++)
            slot_put(&load->slots[i]);
        load_pace_init(&load->state->pace, load->options->rate, now_us, load->options->for_us);
        return sd_event_add_time(load->event, &load->pacer, CLOCK_MONOTONIC, now_us, 1,
                                 pacer_on_time, load);
    }
    for (unsigned i = 0; i < load->options->connections; i++)
        slot_wait(&load->slots[i], now_us + i * LOAD_STAGGER_US);
    return 0;
}

static void done(struct load *load)
{
    load->stopping = true;
    http_client_free(load->client);
    for (unsigned i = 0; load->slots && i < load->options->connections; i++)
        sd_event_source_disable_unref(load->slots[i].timer);
    free(load->slots);
    sd_event_source_disable_unref(load->pacer);
    sd_event_source_disable_unref(load->sender);
    sd_event_source_disable_unref(load->ticker);
    sd_event_unref(load->event);
    free(load->state);
}

int load_run(const struct load_options *options, load_on_tick on_tick, void *userdata,
             struct load_state **ret)
{
    CLEANUP(done) struct load load = {.options = options, .tick = on_tick, .userdata = userdata};
    int r = make(&load);

    if (r >= 0)
        r = begin(&load);
    if (r >= 0)
        r = sd_event_loop(load.event);
    if (r < 0)
        return r;
    load.state->now_us = clock_monotonic_us();
    *ret = TAKE(load.state);
    return 0;
}

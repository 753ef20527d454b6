/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The provider: keeps what the chain found, decides when to ask it again, and lets calls wait for
 * one pass together. It asks only when somebody wants credentials; idle, it has no timer.
 *
 * Each call ends from an event of its own, so a callback may start and cancel what it likes.
 */
#include "common/aws/credentials.h"

#include "common/aws/credentials-internal.h"
#include "common/base/clock.h"
#include "common/base/log.h"
#include "common/base/text.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

struct credentials_call {
    struct credentials_provider *provider;
    struct credentials_call *next;
    credentials_done_function done;
    void *userdata;
    sd_event_source *end;
    int error;
    bool waits;
};

struct credentials_provider {
    sd_event *event;
    struct credentials_chain *chain;
    credentials_clock clock;
    void *clock_userdata;
    struct credentials current;
    struct credentials_state state;
    uint64_t generation;
    bool asking;
    bool is_stale; /* static stability: the old are used on, and that was said */
    credentials_stale_function on_stale;
    void *stale_userdata;
    char *why; /* of the last pass that failed */
    struct credentials_call *calls;
    unsigned n_calls;
};

/* --- When to ask: pure --- */

enum credentials_need credentials_decide(const struct credentials_state *state, uint64_t now_us)
{
    uint64_t left_us;

    if (!state->have || state->rejected)
        return CREDENTIALS_ASK;
    if (state->expires_realtime_us == 0)
        return CREDENTIALS_USE;
    /* A hold further away than any was made before the clock was set back. */
    if (now_us < state->hold_until_us && state->hold_until_us - now_us <= CREDENTIALS_HOLD_MOST_US)
        return CREDENTIALS_USE;
    left_us = state->expires_realtime_us > now_us ? state->expires_realtime_us - now_us : 0;
    if (left_us > CREDENTIALS_ADVISORY_US)
        return CREDENTIALS_USE;
    return left_us > CREDENTIALS_MANDATORY_US ? CREDENTIALS_USE_AND_ASK : CREDENTIALS_ASK;
}

uint64_t credentials_hold_us(uint64_t expires_realtime_us, uint64_t now_us, uint64_t random)
{
    uint64_t left_us;

    if (expires_realtime_us <= now_us)
        return CREDENTIALS_HOLD_LEAST_US +
               random % (CREDENTIALS_HOLD_MOST_US - CREDENTIALS_HOLD_LEAST_US + 1);
    left_us = expires_realtime_us - now_us;
    /* Short-lived ones: at half of what is left, so that they never end unasked. */
    return left_us <= CREDENTIALS_ADVISORY_US ? MIN(left_us / 2, CREDENTIALS_HOLD_LEAST_US) : 0;
}

/* --- Calls --- */

void credentials_cancel(struct credentials_call *call)
{
    for (struct credentials_call **p = &call->provider->calls; *p; p = &(*p)->next)
        if (*p == call) {
            *p = call->next;
            call->provider->n_calls--;
            break;
        }
    sd_event_source_disable_unref(call->end);
    free(call);
}

static int credentials_on_end(sd_event_source *source, void *userdata)
{
    struct credentials_call *call = userdata;
    struct credentials_provider *p = call->provider;
    credentials_done_function done = call->done;
    void *done_userdata = call->userdata;
    int error = call->error;

    credentials_cancel(call);
    if (error == 0)
        done(0, &p->current, NULL, done_userdata);
    else
        done(error, NULL, p->why ? p->why : "no credentials", done_userdata);
    return 0;
}

static void call_finish(struct credentials_call *call, int error)
{
    call->waits = false;
    call->error = error;
    sd_event_source_set_enabled(call->end, SD_EVENT_ONESHOT);
}

/* --- The end of a pass --- */

/* The line of a failure: kept for the calls that get it. */
static void provider_keep_why(struct credentials_provider *p, const char *why)
{
    free(p->why);
    if (asprintf(&p->why, "no credentials: %s", why) < 0)
        p->why = NULL;
}

static void provider_set_stale(struct credentials_provider *p, bool is_stale, const char *why)
{
    char expires[CLOCK_TEXT_MAX] = "no known time";
    CLEANUP_FREE char *line = NULL;
    int n;

    if (is_stale == p->is_stale)
        return;
    p->is_stale = is_stale;
    if (!p->on_stale)
        return;
    if (p->current.expires_realtime_us != 0)
        clock_format_iso8601(expires, p->current.expires_realtime_us);
    if (is_stale)
        n = asprintf(&line,
                     "credentials of %s, which expire at %s, could not be renewed, going on with "
                     "them and asking again within 10 min: %s",
                     p->current.source, expires, why);
    else
        n = asprintf(&line, "credentials are fresh again, from %s", p->current.source);
    if (n < 0)
        line = NULL;
    p->on_stale(is_stale, line ? line : "no memory to say it", p->stale_userdata);
}

/* Nothing came: the old are used on. */
static void provider_hold_old(struct credentials_provider *p, uint64_t now_us, const char *why)
{
    bool is_advisory =
        !p->state.rejected && p->state.expires_realtime_us > now_us + CREDENTIALS_MANDATORY_US;

    p->state.rejected = false;
    if (is_advisory) {
        log_debug("credentials could not be renewed yet: %s", why);
        p->state.hold_until_us = now_us + CREDENTIALS_ADVISORY_RETRY_US;
        return;
    }
    p->state.hold_until_us = now_us + credentials_hold_us(0, now_us, random_u64());
    provider_set_stale(p, true, why);
}

static void provider_adopt(struct credentials_provider *p, struct credentials *found,
                           uint64_t now_us)
{
    bool is_expired = found->expires_realtime_us != 0 && found->expires_realtime_us <= now_us;

    /* What is expired is no better than what is here, unless it is later. */
    if (is_expired && p->state.have && p->state.expires_realtime_us >= found->expires_realtime_us) {
        credentials_done(found);
        provider_hold_old(p, now_us, "what came is expired already");
        return;
    }
    credentials_move(&p->current, found);
    p->generation++;
    p->state = (struct credentials_state){
        .have = true,
        .expires_realtime_us = p->current.expires_realtime_us,
    };
    if (p->current.expires_realtime_us != 0)
        p->state.hold_until_us =
            now_us + credentials_hold_us(p->current.expires_realtime_us, now_us, random_u64());
    provider_set_stale(p, is_expired, "what came is expired already");
}

static void provider_on_chain(int error, struct credentials *found, const char *why, void *userdata)
{
    struct credentials_provider *p = userdata;
    uint64_t now_us = p->clock(p->clock_userdata);
    int result = 0;

    p->asking = false;
    if (error == 0) {
        provider_adopt(p, found, now_us);
    } else if (p->state.have) {
        provider_hold_old(p, now_us, why);
    } else {
        provider_keep_why(p, why);
        result = -ENOKEY;
    }
    for (struct credentials_call *call = p->calls; call; call = call->next)
        if (call->waits)
            call_finish(call, result);
}

/* --- Verbs --- */

int credentials_get(struct credentials_provider *p, credentials_done_function done, void *userdata,
                    struct credentials_call **ret_call)
{
    enum credentials_need need = credentials_decide(&p->state, p->clock(p->clock_userdata));
    struct credentials_call *call;
    int r;

    if (p->n_calls >= CREDENTIALS_CALLS_MAX)
        return -EBUSY;
    call = calloc(1, sizeof(*call));
    if (!call)
        return -ENOMEM;
    r = sd_event_add_defer(p->event, &call->end, credentials_on_end, call);
    if (r < 0) {
        free(call);
        return r;
    }
    sd_event_source_set_description(call->end, "credentials-call-end");
    call->provider = p;
    call->done = done;
    call->userdata = userdata;
    call->next = p->calls;
    p->calls = call;
    p->n_calls++;
    if (ret_call)
        *ret_call = call;
    if (need == CREDENTIALS_ASK) {
        call->waits = true;
        sd_event_source_set_enabled(call->end, SD_EVENT_OFF);
    }
    if (need != CREDENTIALS_USE && !p->asking) {
        p->asking = true;
        credentials_chain_start(p->chain);
    }
    return 0;
}

void credentials_expire(struct credentials_provider *p)
{
    if (p->state.have)
        p->state.rejected = true;
}

const char *credentials_source(const struct credentials_provider *p)
{
    return p->state.have ? p->current.source : "";
}

uint64_t credentials_expires_realtime_us(const struct credentials_provider *p)
{
    return p->current.expires_realtime_us;
}

uint64_t credentials_generation(const struct credentials_provider *p)
{
    return p->generation;
}

/* --- Life cycle --- */

static uint64_t provider_clock(void *userdata)
{
    return clock_realtime_us();
}

void credentials_provider_set_clock(struct credentials_provider *p, credentials_clock clock,
                                    void *userdata)
{
    p->clock = clock;
    p->clock_userdata = userdata;
}

void credentials_on_stale(struct credentials_provider *p, credentials_stale_function on_stale,
                          void *userdata)
{
    p->on_stale = on_stale;
    p->stale_userdata = userdata;
}

int credentials_provider_new(struct credentials_provider **ret, sd_event *event,
                             struct http_client *http, struct imds *imds,
                             endpoint_getenv getenv_function, void *userdata)
{
    CLEANUP(credentials_provider_freep) struct credentials_provider *p = calloc(1, sizeof(*p));
    const struct credentials_environment environment = {
        .getenv_function = getenv_function ? getenv_function : endpoint_process_getenv,
        .userdata = userdata,
    };
    int r;

    if (!p)
        return -ENOMEM;
    p->event = sd_event_ref(event);
    p->clock = provider_clock;
    r = credentials_chain_new(&p->chain, event, http, imds, &environment, provider_on_chain, p);
    if (r < 0)
        return r;
    *ret = TAKE(p);
    return 0;
}

struct credentials_provider *credentials_provider_free(struct credentials_provider *p)
{
    if (!p)
        return NULL;
    while (p->calls)
        credentials_cancel(p->calls);
    credentials_chain_free(p->chain);
    credentials_done(&p->current);
    free(p->why);
    sd_event_unref(p->event);
    free(p);
    return NULL;
}

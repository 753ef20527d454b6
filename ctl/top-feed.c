/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One round after another, each request after the answer to the one before it: a daemon that is
 * slow is not asked more for that. A request that fails ends the round, and the next one begins an
 * interval later, for ever.
 */
#include "ctl/top-feed.h"

#include "common/base/clock.h"
#include "ctl/fields.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define POLL_MS   2000u  /* how long an answer to look at may take */
#define CHANGE_MS 20000u /* that of a change: time for a new core */

enum step { STEP_STATUS, STEP_EVENTS, STEP_HISTORY, STEPS_ };

struct top_feed {
    struct client *client;
    uint64_t interval_us, next_us;
    enum step step;
    struct exchange *poll;   /* NULL: between two rounds */
    struct exchange *change; /* NULL: none */
    enum top_action action;
};

int top_feed_new(struct top_feed **ret, struct client *client, uint64_t interval_us)
{
    struct top_feed *feed = calloc(1, sizeof(*feed));

    if (!feed)
        return -ENOMEM;
    feed->client = client;
    feed->interval_us = interval_us;
    *ret = feed;
    return 0;
}

struct top_feed *top_feed_free(struct top_feed *feed)
{
    if (!feed)
        return NULL;
    exchange_free(feed->poll);
    exchange_free(feed->change);
    free(feed);
    return NULL;
}

/* --- Looking --------------------------------------------------------------------------------- */

const char *top_events_path(char path[TOP_EVENTS_PATH_MAX], const struct top_model *model)
{
    snprintf(path, TOP_EVENTS_PATH_MAX, "/v1/events?since=%" PRId64 "&limit=%u",
             MAX(model->last_event_id, INT64_C(0)), TOP_EVENTS_MAX);
    return path;
}

static const char *path_of(enum step step, char path[TOP_EVENTS_PATH_MAX],
                           const struct top_model *model)
{
    return step == STEP_STATUS   ? "/v1/status"
           : step == STEP_EVENTS ? top_events_path(path, model)
                                 : "/v1/history";
}

static void fail_round(struct top_feed *feed, struct top_model *model, const char *why)
{
    feed->step = STEP_STATUS;
    top_model_lose(model, why);
}

/* An older daemon has no history, and says so: that is no failure of the round. */
static void take(struct top_feed *feed, struct top_model *model, const struct answer *answer)
{
    if (feed->step == STEP_STATUS && answer->status != 200) {
        fail_round(feed, model, field_text(answer->body, "error", "it can't answer now"));
        return;
    }
    if (feed->step == STEP_STATUS)
        top_model_take_status(model, answer->body, clock_realtime_us());
    else if (feed->step == STEP_EVENTS && answer->status == 200)
        top_model_take_events(model, answer->body);
    else if (feed->step == STEP_HISTORY && answer->status == 200)
        top_model_take_history(model, answer->body);
    feed->step = (enum step)((feed->step + 1) % STEPS_);
}

static void take_poll(struct top_feed *feed, struct top_model *model)
{
    CLEANUP(answer_done) struct answer answer = {.body = NULL};
    int r = exchange_take(feed->poll, &answer);

    if (r == -EAGAIN)
        return;
    feed->poll = exchange_free(feed->poll);
    if (r == -EBADMSG && feed->step == STEP_HISTORY) /* HTTP's own 404 is no JSON */
        feed->step = STEP_STATUS;
    else if (r < 0)
        fail_round(feed, model, strerror(-r));
    else
        take(feed, model, &answer);
}

static void poll_next(struct top_feed *feed, struct top_model *model, uint64_t now_us)
{
    char path[TOP_EVENTS_PATH_MAX];
    int r;

    if (feed->step == STEP_STATUS) {
        if (now_us < feed->next_us)
            return;
        feed->next_us = MAX(feed->next_us + feed->interval_us, now_us + feed->interval_us / 2);
    }
    r = client_start(feed->client, path_of(feed->step, path, model), NULL, POLL_MS, &feed->poll);
    if (r < 0)
        fail_round(feed, model, strerror(-r));
}

/* --- Changing -------------------------------------------------------------------------------- */

static const char *name_of(enum top_action action)
{
    return action == TOP_RELOAD ? "reload" : action == TOP_STRESS_START ? "stress" : "stress off";
}

static const char *success_of(enum top_action action)
{
    return action == TOP_RELOAD         ? "reload: the configuration is read, workers are replaced"
           : action == TOP_STRESS_START ? "stress is on"
                                        : "stress is off";
}

void top_feed_do(struct top_feed *feed, enum top_action action, struct top_state *state,
                 uint64_t now_us)
{
    CLEANUP_JSON struct json_object *body = json_object_new_object();
    const char *path = action == TOP_RELOAD         ? "/v1/reload"
                       : action == TOP_STRESS_START ? "/v1/stress"
                                                    : "/v1/stress/off";
    char text[TOP_TEXT_MAX];
    int r;

    if (feed->change) {
        top_state_say(state, true, now_us + TOP_MESSAGE_US, "the last one is not answered yet");
        return;
    }
    if (action == TOP_STRESS_START) {
        json_add_u64(body, "load", TOP_STRESS_LOAD);
        json_add_u64(body, "seconds", TOP_STRESS_SECONDS);
    }
    r = client_start(feed->client, path, body, CHANGE_MS, &feed->change);
    feed->action = action;
    snprintf(text, sizeof(text), r < 0 ? "%s: %s" : "%s: asking agentd", name_of(action),
             strerror(-MIN(r, 0)));
    top_state_say(state, r < 0, r < 0 ? now_us + TOP_MESSAGE_US : 0, text);
}

static void take_change(struct top_feed *feed, struct top_state *state, uint64_t now_us)
{
    CLEANUP(answer_done) struct answer answer = {.body = NULL};
    int r = exchange_take(feed->change, &answer);
    char text[TOP_TEXT_MAX];

    if (r == -EAGAIN)
        return;
    feed->change = exchange_free(feed->change);
    feed->next_us = now_us; /* shows what it did */
    if (r == 0 && (answer.status == 200 || answer.status == 202)) {
        /* What it costs, if it costs something. */
        snprintf(text, sizeof(text), "%s%s%s", success_of(feed->action),
                 field_text(answer.body, "warning", NULL) ? "; " : "",
                 field_text(answer.body, "warning", ""));
        top_state_say(state, false, now_us + TOP_MESSAGE_US, text);
        return;
    }
    snprintf(text, sizeof(text), "%s: %s", name_of(feed->action),
             r < 0 ? strerror(-r) : field_text(answer.body, "error", "refused"));
    top_state_say(state, true, now_us + TOP_MESSAGE_US, text);
}

uint64_t top_feed_run(struct top_feed *feed, struct top_model *model, struct top_state *state,
                      uint64_t now_us)
{
    if (feed->poll)
        take_poll(feed, model);
    if (feed->change)
        take_change(feed, state, now_us);
    if (!feed->poll)
        poll_next(feed, model, now_us);
    return MAX(feed->next_us, now_us);
}

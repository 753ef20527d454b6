/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What agentctl top asks the daemon: status, events and history in turn, and what the keys want
 * done. Nothing in here waits; the verb's loop does, with client_wait().
 */
#pragma once

#include "ctl/client.h"
#include "ctl/top-state.h"

struct top_feed;

/* |client| is borrowed. The first round begins at once. 0 or -ENOMEM. */
int top_feed_new(struct top_feed **ret, struct client *client, uint64_t interval_us);
struct top_feed *top_feed_free(struct top_feed *feed);
DEFINE_CLEANUP(struct top_feed *, top_feed_free)

/* Takes the answers that have come in and asks for what is due. Returns when to call it again, if
 * nothing comes before (monotonic). */
uint64_t top_feed_run(struct top_feed *feed, struct top_model *model, struct top_state *state,
                      uint64_t now_us);

/* Asks for one change; its outcome becomes the state's message. */
void top_feed_do(struct top_feed *feed, enum top_action action, struct top_state *state,
                 uint64_t now_us);

/* The path of the events that |model| doesn't have yet. */
#define TOP_EVENTS_PATH_MAX 64
const char *top_events_path(char path[TOP_EVENTS_PATH_MAX], const struct top_model *model);

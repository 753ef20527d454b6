/* SPDX-License-Identifier: Apache-2.0 */
/* Commands that take a while, and how far they are: a token each, so that `agentctl --wait` can
 * ask. */
#pragma once

#include "agent/serve/control.h"
#include "agent/supervise/workers.h"

#define COMMANDS_MAX 16 /* remembered; older ones are forgotten */

struct command {
    uint64_t token;
    bool apps[APPS_MAX]; /* which it waits for, by the ledger's index */
};

struct commands {
    struct command recent[COMMANDS_MAX];
    size_t n;             /* ever */
    uint64_t first_token; /* tokens below are of an earlier core */
};

void commands_init(struct commands *commands);

/* See struct control_owner. A restart of the core ends the loop; the holder starts the next. */
int commands_restart(struct commands *commands, sd_event *event, struct workers *workers,
                     const struct snapshot *snapshot, const struct control_restart *restart,
                     uint64_t *ret_token);
/* A token of an earlier core is done: its end was that core's end, or the workers have been told
 * anew. */
enum control_progress commands_progress(const struct commands *commands,
                                        const struct workers *workers, uint64_t token,
                                        const char **ret_why);

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An upgrade's first half: the programs on disk are asked whether they can take over, before
 * anything is done. `agentd --check-upgrade` reads the configuration as this agentd would and a
 * copy of the holder's state, and sees that agentd-core beside it is of the same version; if it
 * says yes, the holder is told to become it, and this core leaves.
 */
#pragma once

#include "agent/core/commands.h"
#include "agent/core/inheritance.h"
#include "agent/core/link.h"

#define UPGRADE_TEXT_MAX 512
/* What agentd-core --check says, followed by its version. A program that ends well and says
 * anything else is none of ours. */
#define UPGRADE_YES "ready to take over: "

struct upgrade;

struct upgrade_owner {
    struct event_ring *events;
    /* The programs have answered: with their |version|, and the upgrade begins in a moment, which
     * is time for an answer; or |why| not. */
    void (*checked)(const char *why, const char *version, uint64_t token, void *userdata);
    void *userdata;
};

int upgrade_new(struct upgrade **ret, sd_event *event, struct link *link,
                const struct inheritance *inheritance, struct ledger *ledger,
                const struct upgrade_owner *owner);
struct upgrade *upgrade_free(struct upgrade *upgrade);
DEFINE_CLEANUP(struct upgrade *, upgrade_free)

/* Begins the check: asks the holder for its state. 0, or -EBUSY with a line in |why|. */
int upgrade_check(struct upgrade *upgrade, const char **why);
/* The holder's answer. */
void upgrade_on_state(struct upgrade *upgrade, int take_fd);
/* It was refused by the holder, or the node stops: ends in checked(), if a check is under way. */
void upgrade_cancel(struct upgrade *upgrade, const char *why);

/* HOLD_UPGRADED: how an upgrade ended that an earlier core had begun. */
void upgrade_on_outcome(struct upgrade *upgrade, const struct hold_message *message);
/* Whether this core is the first after an upgrade. */
bool upgrade_is_news(const struct upgrade *upgrade);

/* *ret_why: one line that the caller frees, set when it failed. */
enum control_progress upgrade_look(const struct upgrade *upgrade, uint64_t token, char **ret_why);

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The ledger: what a core must not lose when it is killed, in memory that the holder keeps (a
 * sealed memfd, opaque to it).
 *
 * Three parts. The supervisor's slots and the event ring are changed in place: each store leaves
 * them sane. The accounts (which requests were counted and which were handed to the sink) must
 * change as a whole: there are two copies, and one number says which is in force.
 *
 * A number in here is trusted no further than it can do harm: the core writes it, but it may have
 * been another version of it.
 */
#pragma once

#include "agent/supervise/events.h"
#include "agent/stress/policy.h"
#include "agent/supervise/supervisor.h"
#include "common/base/scoreboard.h"
#include "common/schema/config.h"

struct ledger;

#define COMMANDS_MAX 16 /* remembered; older ones are forgotten */

/* A command that takes a while, so that `agentctl --wait` can ask how far it is. */
struct command {
    uint64_t token;
    uint32_t core_pid;        /* 0, or the core that is to go: done when it has */
    uint32_t rolls[APPS_MAX]; /* 0, or which roll of the app it waits for */
};

struct command_ring {
    uint64_t n; /* ever */
    struct command commands[COMMANDS_MAX];
};

/* What happened to windows, since the unit's start. */
struct ledger_publish {
    uint64_t written, errors, ambiguous, dropped;
};

/* Request numbers of one app since the unit's start. */
struct ledger_account {
    struct tally folded;   /* of workers that are gone */
    struct tally emitted;  /* what is in closed windows that the sink has */
    struct tally emitting; /* what will be, once the sink has the window of the intent */
    uint64_t restarts_emitted, restarts_emitting;
    uint64_t folded_serial[APP_SLOTS_MAX]; /* the last worker of each slot that was folded: none
                                              counts twice */
};

/* The window that is about to be written: a line of the file sink (a new core finds by the file's
 * size whether it was), or a record of the spool. */
struct ledger_intent {
    uint64_t sink;   /* an enum config_sink */
    uint64_t offset; /* in the file; or the record's number */
    uint64_t length; /* 0: none */
};

struct ledger_accounts {
    struct ledger_intent intent;
    struct ledger_publish publish_emitted, publish_emitting; /* as an account's */
    uint64_t window_start_realtime_us; /* of the last window that was given out: no other gets it */
    struct ledger_account apps[APPS_MAX];
};

/*
 * Maps |fd|. What another version or nobody wrote is cleared. Returns 1 if it starts empty, 0 if it
 * goes on from an earlier core, -EBADMSG if |fd| can't be a ledger, or a negative errno.
 */
int ledger_open(struct ledger **ret, int fd);
struct ledger *ledger_free(struct ledger *ledger);
DEFINE_CLEANUP(struct ledger *, ledger_free)

/* The index that an app has everywhere in the core, from its first mention to the unit's end.
 * -ENOSPC past APPS_MAX. */
int ledger_app(struct ledger *ledger, const char *name);
/* "" for an index without an app. */
const char *ledger_app_name(const struct ledger *ledger, unsigned app);
/* Whether nothing is left of an app: no worker, and its numbers are with the sink. */
bool ledger_app_is_over(const struct ledger *ledger, unsigned app);
/* Frees the index of an app that is over. Before anybody uses it: the other modules remember
 * indexes.
 */
void ledger_forget_app(struct ledger *ledger, unsigned app);
/* The same for all that are over and have gone from |config|: their places are for those that come.
 */
void ledger_forget_gone(struct ledger *ledger, const struct config *config);

/* When the workers are told to go, once a stop was asked for (monotonic); 0: none was. */
uint64_t ledger_drain_at_us(const struct ledger *ledger);
void ledger_set_drain_at_us(struct ledger *ledger, uint64_t at_us);

/* Since when the node is drained by hand (monotonic); 0: it is not. */
uint64_t ledger_drained_at_us(const struct ledger *ledger);
void ledger_set_drained_at_us(struct ledger *ledger, uint64_t at_us);
/* Which apps (bits by index) a reload is to roll that was asked for and whose configuration has not
 * come from the holder yet; 0: none is under way. */
uint32_t ledger_reload_apps(const struct ledger *ledger);
void ledger_set_reload_apps(struct ledger *ledger, uint32_t apps);

/* Changed in place: each store leaves it sane. */
struct command_ring *ledger_commands(struct ledger *ledger);
struct supervisor_roll *ledger_rolls(struct ledger *ledger); /* [APPS_MAX] */
struct ledger_publish *ledger_publish(struct ledger *ledger);
struct stress_notes *ledger_stress(struct ledger *ledger);

struct event_ring *ledger_events(struct ledger *ledger);
struct supervisor_slot (*ledger_slots(struct ledger *ledger))[APP_SLOTS_MAX];

/* In force; never changed in place. */
const struct ledger_accounts *ledger_accounts(const struct ledger *ledger);
/* A copy to change, and the moment from which it is in force. A begin without commit is forgotten.
 */
struct ledger_accounts *ledger_begin(struct ledger *ledger);
void ledger_commit(struct ledger *ledger);

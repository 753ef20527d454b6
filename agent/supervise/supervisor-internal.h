/* SPDX-License-Identifier: Apache-2.0 */
/* What the parts of the supervisor share: supervisor.c (what happened), supervisor-run.c (what is
 * to be done), supervisor-roll.c (rolls). For no one else. */
#pragma once

#include "agent/supervise/supervisor.h"

struct supervised_app {
    bool active; /* has, or had, a policy: the others' memory is never touched */
    struct supervisor_policy policy;
    unsigned wanted; /* by the policy, by hand, or 0 as all ends */
};

struct supervisor {
    struct supervisor_slot (*slots)[APP_SLOTS_MAX];
    struct supervisor_roll *rolls;
    struct supervised_app apps[APPS_MAX];
    uint64_t (*random)(void *userdata);
    void *userdata;
    bool stopping;
    bool synced; /* before, nothing is started: the holder may have it already */
    struct action_queue actions;
};

struct supervisor_slot *supervisor_slot_of(struct supervisor *s, unsigned app, unsigned slot);
unsigned supervisor_count_live(const struct supervisor *s, unsigned app);

PRINTF_LIKE(5, 6)
void supervisor_push_event(struct supervisor *s, unsigned app, unsigned slot,
                           enum supervisor_event event, const char *format, ...);

void supervisor_start(struct supervisor *s, unsigned app, unsigned slot, uint64_t now_us);
void supervisor_kill(struct supervisor *s, unsigned app, unsigned slot);
/* Takes a live slot out of service, in the gentlest way that its state allows. */
void supervisor_retire(struct supervisor *s, unsigned app, unsigned slot, uint64_t now_us);
/* SIGKILL to a worker that was never of use; its end is no death to be counted. */
void supervisor_discard(struct supervisor *s, unsigned app, unsigned slot, uint64_t now_us);
/* Starts workers in free slots until |wanted| are live. */
void supervisor_start_missing(struct supervisor *s, unsigned app, unsigned wanted, bool surge,
                              uint64_t now_us);

/* --- rolls */

static inline bool supervisor_is_rolling(const struct supervisor *s, unsigned app)
{
    return s->rolls[app].state == SUPERVISOR_RESTART_RUNNING;
}

/* Whether the worker counts among those that serve: an old one when it is ready, a new one when it
 * has also passed its probe, if there is one. */
bool supervisor_serves(const struct supervisor *s, unsigned app,
                       const struct supervisor_slot *slot);
/* A worker did not do what it should, as |why| says ("exited with status 1"). If it is a new one,
 * the roll under way has failed. */
void supervisor_roll_note_failure(struct supervisor *s, unsigned app, unsigned slot, int pid,
                                  const char *why);
/* All of the app is to end. */
void supervisor_roll_cancel(struct supervisor *s, unsigned app, const char *why);
/* As many steps as can be taken now. */
void supervisor_roll_run(struct supervisor *s, unsigned app, uint64_t now_us);

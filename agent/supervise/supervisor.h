/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The supervisor: decides which worker is started, drained, killed and when. Pure: it takes events
 * with the time and gives out actions; it knows neither processes nor clocks.
 *
 * Principle: an app has `wanted` live slots (starting, ready, or waiting in backoff); draining ones
 * do not count, so a replacement starts while the old one still serves its last requests. A death
 * puts its slot into backoff: the first restart at once if the worker had been stable, else with
 * full jitter, and five deaths of a slot within a minute are a crash loop, which goes on trying at
 * the longest wait, for ever. Every kind of failure (exit, not ready in time, refused start) counts
 * alike.
 *
 * Restarts and reloads are rolls (supervisor-roll.h): one new worker first, and when that serves an
 * old one drains. A new one that fails ends the roll and the other workers stay.
 *
 * The memory of slots and rolls is the caller's (the ledger), plain values, so that a new core goes
 * on where the old one was, also in the middle of a roll.
 */
#pragma once

#include "agent/core/snapshot.h"
#include "agent/supervise/actions.h"
#include "agent/supervise/supervisor-roll.h"
#include "agent/supervise/supervisor-slot.h"

#define SUPERVISOR_KILL_GRACE_US                                                                   \
    (5 * UINT64_C(1000000)) /* after the drain's deadlines, before SIGKILL */
/* Of an app that no policy names. */
#define SUPERVISOR_DRAIN_DEFAULT_US (65 * UINT64_C(1000000))
#define SUPERVISOR_NEVER            UINT64_MAX

struct supervisor_policy { /* of one app */
    unsigned wanted;
    uint64_t ready_timeout_us;
    uint64_t
        drain_timeout_us; /* the longer of both drain deadlines; then the grace, then SIGKILL */
    bool probed;          /* a worker is of use only when supervisor_on_probed() has said so */
};

struct supervisor;

/* |slots|: borrowed, [APPS_MAX][APP_SLOTS_MAX], as |rolls|; what they say is checked and put right.
 * |random| gives 64 uniform bits. */
int supervisor_new(struct supervisor **ret, struct supervisor_slot slots[APPS_MAX][APP_SLOTS_MAX],
                   struct supervisor_roll rolls[APPS_MAX], uint64_t (*random)(void *userdata),
                   void *userdata);
struct supervisor *supervisor_free(struct supervisor *supervisor);
DEFINE_CLEANUP(struct supervisor *, supervisor_free)

/* Sets or changes an app's policy; wanted 0 drains it, NULL too, by the time-outs that it had (an
 * app that is gone from the configuration). Nothing moves before the next supervisor_run(). */
void supervisor_set_policy(struct supervisor *supervisor, unsigned app,
                           const struct supervisor_policy *policy);

/* --- what happened
 * ---------------------------------------------------------------------------------- */

/* The holder's word on a slot: a worker runs in it (first told, or told again to a new core). */
void supervisor_on_running(struct supervisor *supervisor, unsigned app, unsigned slot,
                           uint64_t serial, int pid, uint64_t started_at_us, uint64_t now_us);
/* It has ended; |obituary| says how. Asks for the slot's release. */
void supervisor_on_dead(struct supervisor *supervisor, unsigned app, unsigned slot, uint64_t serial,
                        const char *obituary, uint64_t now_us);
void supervisor_on_empty(struct supervisor *supervisor, unsigned app, unsigned slot);
void supervisor_on_refused(struct supervisor *supervisor, unsigned app, unsigned slot,
                           const char *why, uint64_t now_us);
/*
 * All that the holder has was told to a new core (it calls supervisor_on_running() and
 * supervisor_on_dead() first): what the memory has besides is gone.
 */
void supervisor_on_synced(struct supervisor *supervisor, uint64_t now_us);
/* The worker said READY=1; STATUS=. */
void supervisor_on_ready(struct supervisor *supervisor, unsigned app, unsigned slot,
                         uint64_t now_us);
/*
 * A probe of a ready worker has passed or failed; matters only until the first one that passes,
 * which must come within the time to become ready. Failing it ends a roll at once, and the new
 * worker.
 */
void supervisor_on_probed(struct supervisor *supervisor, unsigned app, unsigned slot, bool passed,
                          uint64_t now_us);
void supervisor_on_status(struct supervisor *supervisor, unsigned app, unsigned slot,
                          const char *status);

/* --- what is wanted
 * --------------------------------------------------------------------------------- */

/* Replaces one slot's worker (slot > 0) or all of the app. Returns how many will be replaced, or
 * -ENOENT. */
int supervisor_restart(struct supervisor *supervisor, unsigned app, unsigned slot, uint64_t now_us);
/* What is started from now on is of another generation. */
void supervisor_renew(struct supervisor *supervisor, unsigned app);
/* Rolls all workers of older generations, after the roll that is under way. Returns the number of
 * the roll that does it: several calls meanwhile share one. */
uint32_t supervisor_reload(struct supervisor *supervisor, unsigned app, uint64_t now_us);
const struct supervisor_roll *supervisor_roll(const struct supervisor *supervisor, unsigned app);
/* How many workers are wanted by hand, 0 to WORKERS_MAX; -1: as the policy says. */
void supervisor_scale(struct supervisor *supervisor, unsigned app, int wanted);
unsigned supervisor_wanted(const struct supervisor *supervisor, unsigned app);
/* The memory is of workers that are all gone: no roll is under way, and nothing is scaled. */
void supervisor_forget_rolls(struct supervisor *supervisor);

/* Drains everything, for good. */
void supervisor_stop(struct supervisor *supervisor);
bool supervisor_is_stopped(const struct supervisor *supervisor);

/* --- what to do
 * ------------------------------------------------------------------------------------- */

/* Decides; call it after events and when supervisor_next_us() has come. Then take the actions until
 * there is none. */
void supervisor_run(struct supervisor *supervisor, uint64_t now_us);
bool supervisor_next_action(struct supervisor *supervisor, struct supervisor_action *ret);
/* When it wants to run next, or SUPERVISOR_NEVER. */
uint64_t supervisor_next_us(const struct supervisor *supervisor);

const struct supervisor_slot *supervisor_slot(const struct supervisor *supervisor, unsigned app,
                                              unsigned slot);
unsigned supervisor_count(const struct supervisor *supervisor, unsigned app,
                          enum worker_state state);
bool supervisor_crash_loop(const struct supervisor *supervisor, unsigned app);
/* Fills in what it knows of an app and its workers; the rest of |view| stays as it is. */
void supervisor_view(const struct supervisor *supervisor, unsigned app,
                     const struct config_app *config, struct app_view *view);

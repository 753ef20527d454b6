/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the supervisor remembers of one worker slot, and the arithmetic on it: which death is one
 * too many and how long to wait after it. Plain values, pure. Nothing is decided here.
 */
#pragma once

#include "agent/core/snapshot.h"

#define SUPERVISOR_STABLE_US       (10 * UINT64_C(1000000)) /* ready for so long = stable */
#define SUPERVISOR_BACKOFF_BASE_US (100 * UINT64_C(1000))
#define SUPERVISOR_BACKOFF_CAP_US  (30 * UINT64_C(1000000))
#define SUPERVISOR_LOOP_DEATHS     5
#define SUPERVISOR_LOOP_WINDOW_US  (60 * UINT64_C(1000000))

/* What is remembered of a slot. Lives in the ledger: no pointers, and sane whenever its writer dies
 * between two stores. */
struct supervisor_slot {
    uint64_t serial; /* of the worker in it; 0: none, or asked for and not yet told */
    uint64_t since_us;
    uint64_t started_at_us;
    uint64_t deadline_us; /* of the state: readiness, drain, backoff's end; 0 = none */
    uint64_t deaths_us[SUPERVISOR_LOOP_DEATHS]; /* ring */
    int32_t pid;
    uint32_t state;      /* enum worker_state */
    uint32_t attempt;    /* unstable deaths in a row */
    uint32_t restarts;   /* starts after a death */
    uint32_t n_deaths;   /* ever; index into the ring */
    uint32_t generation; /* of its worker: the app's when it was started */
    bool crash_loop;
    bool replace;   /* an old worker: a roll wants another in its place */
    bool surge;     /* started by a roll, of no use yet */
    bool passed;    /* its probe has passed */
    bool kill_sent; /* SIGKILL is under way */
    bool term_sent; /* SIGTERM is */
    bool dead;      /* its worker has ended, the holder was asked to release the slot */
    char last_exit[80];
    char status[80];
};

/* Checks what an earlier core left, or nobody: what can't be is cleared. No worker is known to be
 * in it until the holder says so. */
void supervisor_slot_put_right(struct supervisor_slot *slot);

/* Counts among the wanted ones: starting, ready, or waiting in backoff. */
bool supervisor_slot_is_live(const struct supervisor_slot *slot);
/* The holder's answer to the START is under way. (With a deadline: lost with an earlier core.) */
bool supervisor_slot_is_asked_for(const struct supervisor_slot *slot);

void supervisor_slot_set_state(struct supervisor_slot *slot, enum worker_state state,
                               uint64_t now_us, uint64_t deadline_us);

/*
 * A worker that should have lived has ended, or could not be started. Returns how long to wait
 * before the next start: 0 if it had been stable, within the backoff, or in a crash loop between
 * half the cap and the cap. |random|: 64 uniform bits.
 */
uint64_t supervisor_slot_note_death(struct supervisor_slot *slot, uint64_t now_us, uint64_t random);
/* It is stable, or not wanted any more. */
void supervisor_slot_forget_troubles(struct supervisor_slot *slot);

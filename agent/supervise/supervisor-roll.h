/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the supervisor remembers of an app besides its slots: which generation is started now, the
 * roll that is under way, and how many workers somebody asked for by hand. Plain values that live
 * in the ledger, so that a new core goes on with a roll where the old one was.
 *
 * A roll replaces workers one by one: a new one first, and when that serves an old one drains. It
 * is over when no old one is left (done), or when a new one dies, is late or fails its probe
 * (failed: that one is killed and the other workers stay). Rolls are numbered, so that who asked
 * for one can ask later how it ended.
 */
#pragma once

#include "agent/core/snapshot.h"

enum supervisor_restart {
    SUPERVISOR_RESTART_DONE,
    SUPERVISOR_RESTART_RUNNING,
    SUPERVISOR_RESTART_FAILED,
};

struct supervisor_roll {
    uint32_t generation;  /* of what is started now: one more with each configuration */
    uint32_t number;      /* of the newest roll; 0: there was none */
    uint32_t failed;      /* bit i: roll |number| - i failed; older ones are forgotten */
    uint32_t state;       /* enum supervisor_restart, of the newest roll */
    uint32_t scale;       /* how many workers were asked for by hand, plus 1; 0: as configured */
    uint32_t drain_kills; /* drains that ended with SIGKILL */
    bool reload;          /* the newest roll is a reload's, else a restart's */
    bool queued;          /* a reload was asked for meanwhile: one more roll comes after it */
    char why[160];        /* it failed */
    uint32_t failed_slot; /* of the worker that it failed by; 0: by none */
    int32_t failed_pid;   /* 0: that one could not be started */
};

/* Checks what an earlier core left, or nobody: what can't be is cleared. */
void supervisor_roll_put_right(struct supervisor_roll *roll);

/* How the roll of that number ended, or that it goes on or is to come. */
enum supervisor_restart supervisor_roll_outcome(const struct supervisor_roll *roll,
                                                uint32_t number);

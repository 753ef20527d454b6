/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The stress policy: whether stress is on, by which order, until when, and what ends it. Pure: it
 * decides on the core's notes (struct stress_notes, in the ledger, so that the next core goes on)
 * and has its owner do what follows. What burns the CPU is agentd-stress, which the holder starts.
 *
 * Stress always ends: by hand, by time, by a guard, or when agentd-stress dies. Nothing starts it
 * again but another order. A changed order ends the process, and the next one starts when it is
 * gone. Times are monotonic.
 */
#pragma once

#include "agent/hold/messages.h"
#include "common/schema/stress.h"

#include <sys/types.h>

#define STRESS_WHY_MAX     160u
#define STRESS_END_WAIT_US UINT64_C(2000000) /* from SIGTERM to SIGKILL */

struct stress_notes { /* shared memory; zero: off */
    uint32_t on;
    uint32_t load_percent, cores, normal_priority;
    uint64_t started_at_us, ends_at_us;
    uint64_t order;            /* counts up with each order */
    uint64_t running_order;    /* the one that the holder was last asked to start */
    uint32_t uid;              /* whose it is */
    char last[STRESS_WHY_MAX]; /* how the last one ended; "": there was none */
};

struct stress_limits { /* of the configuration */
    bool enabled;
    unsigned max_seconds;
    unsigned max_cores; /* the host's CPUs */
};

enum stress_action { STRESS_START, STRESS_TERMINATE, STRESS_KILL, STRESS_RELEASE };

struct stress_owner {
    /* |order| of STRESS_START alone, |serial| of the others. */
    void (*act)(enum stress_action action, uint64_t serial, const struct stress_order *order,
                void *userdata);
    void (*note)(int level, const char *event, const char *text, void *userdata);
    void *userdata;
};

struct stress_process { /* as the holder tells */
    bool asked;         /* START was sent, and not answered yet */
    uint64_t serial;    /* 0: none runs */
    int pid;
    uint64_t kill_at_us; /* it was told to end; 0: it was not */
};

struct stress_policy {
    struct stress_notes *notes;
    struct stress_owner owner;
    struct stress_limits limits;
    struct stress_process process;
    bool synced;
};

/* |notes| are borrowed; what makes no sense in them is cleared. */
void stress_policy_init(struct stress_policy *policy, struct stress_notes *notes,
                        const struct stress_owner *owner);
/* A stress that is no longer allowed ends; one that is longer than allowed gets a nearer end. */
void stress_policy_configure(struct stress_policy *policy, const struct stress_limits *limits,
                             uint64_t now_us);
/* agentd itself was restarted: what was on is over. Before anything is heard of the holder. */
void stress_policy_begin_anew(struct stress_policy *policy, uint64_t now_us);

struct stress_asker {
    uid_t uid;
    pid_t pid;
};
/* Begins, or changes the order. 1 if it was on before, else 0; -EINVAL or, |trouble| being what a
 * guard says ("": nothing), -EBUSY: then why is said. */
int stress_policy_on(struct stress_policy *policy, const struct stress_order *order,
                     const struct stress_asker *asker, const char *trouble, uint64_t now_us,
                     char why[STRESS_WHY_MAX]);
/* Whether it was on. */
bool stress_policy_off(struct stress_policy *policy, const struct stress_asker *asker,
                       uint64_t now_us);
/* A guard: ends it, if it is on. */
void stress_policy_guard(struct stress_policy *policy, const char *trouble, uint64_t now_us);

/* SLOT, REFUSED and SYNCED of the holder, the first two of STRESS_APP. */
void stress_policy_on_message(struct stress_policy *policy, const struct hold_message *message,
                              uint64_t now_us);

/* When stress_policy_tick() has something to do; UINT64_MAX: never. */
uint64_t stress_policy_next_us(const struct stress_policy *policy);
void stress_policy_tick(struct stress_policy *policy, uint64_t now_us);

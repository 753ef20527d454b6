/* SPDX-License-Identifier: Apache-2.0 */
/*
 * CPU time since the last look, of many at once: remembers each by its pid and the moment of its
 * start, so that a number that was given to another is noticed.
 */
#pragma once

#include "common/base/macro.h"
#include "common/schema/contract.h"

#include <stdint.h>

/* All worker slots, twice over (rolls), the agent itself, and agentd-stress. */
#define CPU_SHARES_MAX (2u * APPS_MAX * APP_SLOTS_MAX + 3u)

struct cpu_share;

struct cpu_share_look {
    int pid;
    uint64_t start; /* of any unit: another one is another process */
    uint64_t cpu_us;
    uint64_t at_us;
};

int cpu_share_new(struct cpu_share **ret);
struct cpu_share *cpu_share_free(struct cpu_share *share);
DEFINE_CLEANUP(struct cpu_share *, cpu_share_free)

/*
 * *ret_percent of one CPU since its last look; NAN at the first one. 0; -ENOSPC if CPU_SHARES_MAX
 * others are remembered; -ENOMEM.
 */
int cpu_share_take(struct cpu_share *share, const struct cpu_share_look *look, double *ret_percent);

/* Forgets all that were not looked at since |since_us|: to be called once a round. */
void cpu_share_forget(struct cpu_share *share, uint64_t since_us);

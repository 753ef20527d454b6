/* SPDX-License-Identifier: Apache-2.0 */
/*
 * CPU and memory of single processes, from /proc/PID/stat and status, which everybody may read.
 *
 * It remembers each process that it was asked about, to tell CPU time since the last sample. A pid
 * that was given to another process is noticed by its start time.
 */
#pragma once

#include "common/base/macro.h"
#include "common/schema/contract.h"

#include <stdint.h>

/* All worker slots, twice over (rolls), the agent itself, and agentd-stress. */
#define PROCESSES_MAX (2u * APPS_MAX * APP_SLOTS_MAX + 3u)

struct process_sampler;

struct process_usage {
    double cpu_percent;    /* of one CPU since its last sample; NAN at the first one */
    uint64_t memory_bytes; /* RssAnon + RssShmem */
};

/* |proc_root| is "/proc" but in tests. 0 or a negative errno. */
int process_sampler_new(struct process_sampler **ret, const char *proc_root);
struct process_sampler *process_sampler_free(struct process_sampler *sampler);
DEFINE_CLEANUP(struct process_sampler *, process_sampler_free)

/*
 * Samples one process. 0; -ESRCH if there is none (a dead one that nobody has reaped is one still,
 * without memory); -ENOSPC if PROCESSES_MAX others are remembered; or a negative errno.
 */
int process_sampler_sample(struct process_sampler *sampler, int pid, uint64_t now_us,
                           struct process_usage *ret);

/* Forgets all that were not sampled since |since_us|: to be called once a round. */
void process_sampler_forget(struct process_sampler *sampler, uint64_t since_us);

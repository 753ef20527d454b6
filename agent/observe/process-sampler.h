/* SPDX-License-Identifier: Apache-2.0 */
/*
 * CPU and memory of single processes, from /proc/PID/stat and status: of all that this process may
 * see there, which is its own user's alone where /proc is mounted with hidepid (ProtectProc=).
 *
 * A pid that was given to another process is noticed by its start time.
 */
#pragma once

#include "agent/observe/cpu-share.h"
#include "agent/observe/usage.h"

struct process_sampler;

/* |proc_root| is "/proc" but in tests. 0 or a negative errno. */
int process_sampler_new(struct process_sampler **ret, const char *proc_root);
struct process_sampler *process_sampler_free(struct process_sampler *sampler);
DEFINE_CLEANUP(struct process_sampler *, process_sampler_free)

/*
 * Samples one process. 0; -ESRCH if there is none to be seen (a dead one that nobody has reaped is
 * one still, without memory); -ENOSPC if CPU_SHARES_MAX others are remembered; or a negative errno.
 */
int process_sampler_sample(struct process_sampler *sampler, int pid, uint64_t now_us,
                           struct usage *ret);

/* Forgets all that were not sampled since |since_us|: to be called once a round. */
void process_sampler_forget(struct process_sampler *sampler, uint64_t since_us);

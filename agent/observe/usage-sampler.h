/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the agent, its workers and agentd-stress use: of the control groups that the holder has made
 * for them (common/base/cgroup.h), where there are; else of their main processes in /proc. There
 * also the memory alone, where the groups don't tell it.
 */
#pragma once

#include "agent/observe/usage.h"
#include "common/base/macro.h"

#include <stdint.h>

struct usage_sampler;

/* |proc_root| is "/proc" but in tests; |cgroup_root| the unit's own directory, or NULL without
 * control groups. 0 or a negative errno. */
int usage_sampler_new(struct usage_sampler **ret, const char *proc_root, const char *cgroup_root);
struct usage_sampler *usage_sampler_free(struct usage_sampler *sampler);
DEFINE_CLEANUP(struct usage_sampler *, usage_sampler_free)

/* A worker, or agentd-stress in its slot; |pid| is above 0. 0, or a negative errno if nothing is to
 * be seen of it. */
int usage_sampler_slot(struct usage_sampler *sampler, const char *app, unsigned slot, int pid,
                       uint64_t now_us, struct usage *ret);
/* Holder and core together: both or nothing. As above. */
int usage_sampler_agent(struct usage_sampler *sampler, int holder_pid, int core_pid,
                        uint64_t now_us, struct usage *ret);

/* Forgets all that were not sampled since |since_us|: to be called once a round. */
void usage_sampler_forget(struct usage_sampler *sampler, uint64_t since_us);

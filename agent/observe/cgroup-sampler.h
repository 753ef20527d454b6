/* SPDX-License-Identifier: Apache-2.0 */
/*
 * CPU and memory of control groups, from cpu.stat and memory.stat, which everybody may read: of a
 * main process with all that it has started, also what of it has ended.
 */
#pragma once

#include "agent/observe/cpu-share.h"
#include "agent/observe/usage.h"

struct cgroup_sampler;

/* |root|: the directory that the groups' paths are below. 0 or a negative errno. */
int cgroup_sampler_new(struct cgroup_sampler **ret, const char *root);
struct cgroup_sampler *cgroup_sampler_free(struct cgroup_sampler *sampler);
DEFINE_CLEANUP(struct cgroup_sampler *, cgroup_sampler_free)

/*
 * Samples one group on behalf of its main process |pid|: another one's first sample has no CPU, for
 * the group may have been used, and counted, before. Without the memory controller the memory isn't
 * known. 0; -ENOENT if there is no such group; -ENOSPC if CPU_SHARES_MAX others are remembered; or
 * another negative errno.
 */
int cgroup_sampler_sample(struct cgroup_sampler *sampler, const char *group, int pid,
                          uint64_t now_us, struct usage *ret);

/* Forgets all that were not sampled since |since_us|: to be called once a round. */
void cgroup_sampler_forget(struct cgroup_sampler *sampler, uint64_t since_us);

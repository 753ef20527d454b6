/* SPDX-License-Identifier: Apache-2.0 */
/* The choice between control groups and /proc, at each sample: a group may be there for some. */
#include "agent/observe/usage-sampler.h"

#include "agent/observe/cgroup-sampler.h"
#include "agent/observe/process-sampler.h"
#include "common/base/cgroup.h"
#include "common/schema/slot-cgroup.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>

struct usage_sampler {
    struct cgroup_sampler *groups; /* NULL: there are none */
    struct process_sampler *processes;
};

int usage_sampler_new(struct usage_sampler **ret, const char *proc_root, const char *cgroup_root)
{
    CLEANUP(usage_sampler_freep) struct usage_sampler *sampler = calloc(1, sizeof(*sampler));
    int r;

    if (!sampler)
        return -ENOMEM;
    r = process_sampler_new(&sampler->processes, proc_root);
    if (r >= 0 && cgroup_root)
        r = cgroup_sampler_new(&sampler->groups, cgroup_root);
    if (r < 0)
        return r;
    *ret = TAKE(sampler);
    return 0;
}

struct usage_sampler *usage_sampler_free(struct usage_sampler *sampler)
{
    if (!sampler)
        return NULL;
    cgroup_sampler_free(sampler->groups);
    process_sampler_free(sampler->processes);
    free(sampler);
    return NULL;
}

/* |n| processes, the first of which is the group's main process. */
static int sample(struct usage_sampler *sampler, const char *group, const int *pids, size_t n,
                  uint64_t now_us, struct usage *ret)
{
    struct usage of_group = {NAN, NAN}, of_processes = {0, 0};
    bool has_group = sampler->groups &&
                     cgroup_sampler_sample(sampler->groups, group, pids[0], now_us, &of_group) == 0;

    for (size_t i = 0; i < n && isnan(of_group.memory_bytes); i++) {
        struct usage one;
        int r = process_sampler_sample(sampler->processes, pids[i], now_us, &one);

        if (r < 0 && !has_group)
            return r;
        if (r < 0)
            one.memory_bytes = (double) NAN;
        of_processes.cpu_percent += one.cpu_percent;
        of_processes.memory_bytes += one.memory_bytes;
    }
    if (!has_group)
        of_group.cpu_percent = of_processes.cpu_percent;
    if (isnan(of_group.memory_bytes))
        of_group.memory_bytes = of_processes.memory_bytes;
    *ret = of_group;
    return 0;
}

int usage_sampler_slot(struct usage_sampler *sampler, const char *app, unsigned slot, int pid,
                       uint64_t now_us, struct usage *ret)
{
    char group[SLOT_CGROUP_MAX];

    return sample(sampler, slot_cgroup(group, app, slot), &pid, 1, now_us, ret);
}

int usage_sampler_agent(struct usage_sampler *sampler, int holder_pid, int core_pid,
                        uint64_t now_us, struct usage *ret)
{
    const int pids[] = {core_pid, holder_pid};

    return sample(sampler, CGROUP_HOLD, pids, ARRAY_SIZE(pids), now_us, ret);
}

void usage_sampler_forget(struct usage_sampler *sampler, uint64_t since_us)
{
    if (sampler->groups)
        cgroup_sampler_forget(sampler->groups, since_us);
    process_sampler_forget(sampler->processes, since_us);
}

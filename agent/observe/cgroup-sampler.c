/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Opens each file anew: a group may be another one by the same path. Both files of a group take
 * some 25 us with that, as much as /proc/PID/stat and status.
 */
#include "agent/observe/cgroup-sampler.h"

#include "agent/observe/cgroup-stat.h"
#include "common/base/files.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#define STAT_BYTES 8192u /* memory.stat has 0.8 KiB in Linux 6.1, and grows */

struct cgroup_sampler {
    int root_fd;
    struct cpu_share *cpu;
};

int cgroup_sampler_new(struct cgroup_sampler **ret, const char *root)
{
    CLEANUP(cgroup_sampler_freep) struct cgroup_sampler *sampler = calloc(1, sizeof(*sampler));
    int r;

    if (!sampler)
        return -ENOMEM;
    sampler->root_fd = open(root, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (sampler->root_fd < 0)
        return -errno;
    r = cpu_share_new(&sampler->cpu);
    if (r < 0)
        return r;
    *ret = TAKE(sampler);
    return 0;
}

struct cgroup_sampler *cgroup_sampler_free(struct cgroup_sampler *sampler)
{
    if (!sampler)
        return NULL;
    cpu_share_free(sampler->cpu);
    fd_close(sampler->root_fd);
    free(sampler);
    return NULL;
}

static int read_group_file(const struct cgroup_sampler *sampler, const char *group,
                           const char *file, char text[STAT_BYTES])
{
    char path[PATH_MAX];
    ssize_t n;

    if (snprintf(path, sizeof(path), "%s/%s", group, file) >= (int) sizeof(path))
        return -ENAMETOOLONG;
    n = file_read_small(sampler->root_fd, path, text, STAT_BYTES);
    if (n == -ENODEV) /* it went between open and read */
        return -ENOENT;
    return n < 0 ? (int) n : 0;
}

int cgroup_sampler_sample(struct cgroup_sampler *sampler, const char *group, int pid,
                          uint64_t now_us, struct usage *ret)
{
    struct cpu_share_look look = {.pid = pid, .at_us = now_us};
    char text[STAT_BYTES];
    uint64_t bytes = 0;
    struct usage usage;
    int r, memory;

    r = read_group_file(sampler, group, "cpu.stat", text);
    if (r == 0)
        r = cgroup_stat_parse_cpu(text, &look.cpu_us);
    if (r < 0)
        return r;
    memory = read_group_file(sampler, group, "memory.stat", text);
    if (memory == 0)
        memory = cgroup_stat_parse_memory(text, &bytes);
    if (memory < 0 && memory != -ENOENT)
        return memory;
    usage.memory_bytes = memory == 0 ? (double) bytes : (double) NAN;
    r = cpu_share_take(sampler->cpu, &look, &usage.cpu_percent);
    if (r < 0)
        return r;
    *ret = usage;
    return 0;
}

void cgroup_sampler_forget(struct cgroup_sampler *sampler, uint64_t since_us)
{
    cpu_share_forget(sampler->cpu, since_us);
}

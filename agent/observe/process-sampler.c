/* SPDX-License-Identifier: Apache-2.0 */
/* All but the CPU time of before is read anew each time. */
#include "agent/observe/process-sampler.h"

#include "agent/observe/procfs.h"
#include "common/base/clock.h"
#include "common/base/files.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define STAT_BYTES   1024u
#define STATUS_BYTES 8192u /* a long list of groups comes before the memory */

struct process_sampler {
    int root_fd;
    double us_per_tick;
    struct cpu_share *cpu;
};

int process_sampler_new(struct process_sampler **ret, const char *proc_root)
{
    CLEANUP(process_sampler_freep) struct process_sampler *sampler = calloc(1, sizeof(*sampler));
    int r;

    if (!sampler)
        return -ENOMEM;
    sampler->us_per_tick = (double) USEC_PER_SEC / (double) sysconf(_SC_CLK_TCK);
    sampler->root_fd = open(proc_root, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (sampler->root_fd < 0)
        return -errno;
    r = cpu_share_new(&sampler->cpu);
    if (r < 0)
        return r;
    *ret = TAKE(sampler);
    return 0;
}

struct process_sampler *process_sampler_free(struct process_sampler *sampler)
{
    if (!sampler)
        return NULL;
    cpu_share_free(sampler->cpu);
    fd_close(sampler->root_fd);
    free(sampler);
    return NULL;
}

/* Reads |root|/PID/|file|. 0, or a negative errno with -ESRCH for all that mean "no such process".
 */
static int read_process_file(const struct process_sampler *sampler, int pid, const char *file,
                             char *buffer, size_t size)
{
    char path[64];
    ssize_t n;

    snprintf(path, sizeof(path), "%d/%s", pid, file);
    n = file_read_small(sampler->root_fd, path, buffer, size);
    if (n == -ENOENT || n == 0)
        return -ESRCH;
    return n < 0 ? (int) n : 0;
}

int process_sampler_sample(struct process_sampler *sampler, int pid, uint64_t now_us,
                           struct usage *ret)
{
    char text[STATUS_BYTES];
    struct procfs_process process;
    struct procfs_process_memory memory;
    struct cpu_share_look look;
    int r;

    if (pid <= 0)
        return -ESRCH;
    r = read_process_file(sampler, pid, "stat", text, STAT_BYTES);
    if (r == 0)
        r = procfs_parse_process_stat(text, &process);
    if (r == 0)
        r = read_process_file(sampler, pid, "status", text, sizeof(text));
    if (r == 0)
        r = procfs_parse_process_status(text, &memory);
    if (r != 0)
        return r;

    look = (struct cpu_share_look){
        .pid = pid,
        .start = process.start_ticks,
        .cpu_us = (uint64_t) ((double) (process.user_ticks + process.system_ticks) *
                              sampler->us_per_tick),
        .at_us = now_us,
    };
    r = cpu_share_take(sampler->cpu, &look, &ret->cpu_percent);
    if (r < 0)
        return r;
    ret->memory_bytes = (double) (memory.anonymous_bytes + memory.shared_bytes);
    return 0;
}

void process_sampler_forget(struct process_sampler *sampler, uint64_t since_us)
{
    cpu_share_forget(sampler->cpu, since_us);
}

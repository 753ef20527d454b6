/* SPDX-License-Identifier: Apache-2.0 */
/* A sorted table of pids with their last CPU time; all else is read anew each time. */
#include "agent/observe/process-sampler.h"

#include "agent/observe/procfs.h"
#include "common/base/clock.h"
#include "common/base/files.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#define STAT_BYTES   1024u
#define STATUS_BYTES 8192u /* a long list of groups comes before the memory */

struct tracked {
    int pid;
    uint64_t start_ticks;
    uint64_t cpu_ticks;
    uint64_t at_us;
};

struct process_sampler {
    int root_fd;
    double ticks_per_s;
    struct tracked *tracked; /* by pid */
    size_t n_tracked, n_allocated;
};

int process_sampler_new(struct process_sampler **ret, const char *proc_root)
{
    CLEANUP(process_sampler_freep) struct process_sampler *sampler = calloc(1, sizeof(*sampler));

    if (!sampler)
        return -ENOMEM;
    sampler->ticks_per_s = (double) sysconf(_SC_CLK_TCK);
    sampler->root_fd = open(proc_root, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (sampler->root_fd < 0)
        return -errno;
    *ret = TAKE(sampler);
    return 0;
}

struct process_sampler *process_sampler_free(struct process_sampler *sampler)
{
    if (!sampler)
        return NULL;
    free(sampler->tracked);
    fd_close(sampler->root_fd);
    free(sampler);
    return NULL;
}

/* Where |pid| is in the table, or belongs. */
static size_t find_position(const struct process_sampler *sampler, int pid)
{
    size_t low = 0, high = sampler->n_tracked;

    while (low < high) {
        size_t middle = (low + high) / 2;

        if (sampler->tracked[middle].pid < pid)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/* The entry of |pid|; a new one has at_us 0. 0, -ENOSPC or -ENOMEM. */
static int track(struct process_sampler *sampler, int pid, struct tracked **ret)
{
    size_t position = find_position(sampler, pid);
    struct tracked *entry;

    if (position < sampler->n_tracked && sampler->tracked[position].pid == pid) {
        *ret = &sampler->tracked[position];
        return 0;
    }
    if (sampler->n_tracked >= PROCESSES_MAX)
        return -ENOSPC;
    if (sampler->n_tracked == sampler->n_allocated) {
        size_t n = MAX(sampler->n_allocated * 2, (size_t) 16);
        struct tracked *bigger = reallocarray(sampler->tracked, n, sizeof(*bigger));

        if (!bigger)
            return -ENOMEM;
        sampler->tracked = bigger;
        sampler->n_allocated = n;
    }
    entry = &sampler->tracked[position];
    memmove(entry + 1, entry, (sampler->n_tracked - position) * sizeof(*entry));
    sampler->n_tracked++;
    *entry = (struct tracked){.pid = pid};
    *ret = entry;
    return 0;
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

static double cpu_percent(const struct process_sampler *sampler, const struct tracked *last,
                          const struct tracked *now)
{
    double seconds;

    if (last->at_us == 0 || last->start_ticks != now->start_ticks || now->at_us <= last->at_us)
        return NAN;
    if (now->cpu_ticks < last->cpu_ticks)
        return 0.0;
    seconds = (double) (now->at_us - last->at_us) / (double) USEC_PER_SEC;
    return 100.0 * (double) (now->cpu_ticks - last->cpu_ticks) / sampler->ticks_per_s / seconds;
}

int process_sampler_sample(struct process_sampler *sampler, int pid, uint64_t now_us,
                           struct process_usage *ret)
{
    char text[STATUS_BYTES];
    struct procfs_process process;
    struct procfs_process_memory memory;
    struct tracked now, *entry;
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
    if (r == 0)
        r = track(sampler, pid, &entry);
    if (r != 0)
        return r;

    now = (struct tracked){
        .pid = pid,
        .start_ticks = process.start_ticks,
        .cpu_ticks = process.user_ticks + process.system_ticks,
        .at_us = now_us,
    };
    ret->cpu_percent = cpu_percent(sampler, entry, &now);
    ret->memory_bytes = memory.anonymous_bytes + memory.shared_bytes;
    *entry = now;
    return 0;
}

void process_sampler_forget(struct process_sampler *sampler, uint64_t since_us)
{
    size_t kept = 0;

    for (size_t i = 0; i < sampler->n_tracked; i++)
        if (sampler->tracked[i].at_us >= since_us)
            sampler->tracked[kept++] = sampler->tracked[i];
    sampler->n_tracked = kept;
}

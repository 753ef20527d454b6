/* SPDX-License-Identifier: Apache-2.0 */
/* A sorted table of pids with the last look at each. */
#include "agent/observe/cpu-share.h"

#include "common/base/clock.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

struct cpu_share {
    struct cpu_share_look *looks; /* by pid */
    size_t n, n_allocated;
};

int cpu_share_new(struct cpu_share **ret)
{
    struct cpu_share *share = calloc(1, sizeof(*share));

    if (!share)
        return -ENOMEM;
    *ret = share;
    return 0;
}

struct cpu_share *cpu_share_free(struct cpu_share *share)
{
    if (!share)
        return NULL;
    free(share->looks);
    free(share);
    return NULL;
}

/* Where |pid| is in the table, or belongs. */
static size_t find_position(const struct cpu_share *share, int pid)
{
    size_t low = 0, high = share->n;

    while (low < high) {
        size_t middle = (low + high) / 2;

        if (share->looks[middle].pid < pid)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/* The entry of |pid|; a new one has at_us 0. 0, -ENOSPC or -ENOMEM. */
static int find_or_add(struct cpu_share *share, int pid, struct cpu_share_look **ret)
{
    size_t position = find_position(share, pid);
    struct cpu_share_look *entry;

    if (position < share->n && share->looks[position].pid == pid) {
        *ret = &share->looks[position];
        return 0;
    }
    if (share->n >= CPU_SHARES_MAX)
        return -ENOSPC;
    if (share->n == share->n_allocated) {
        size_t n = MAX(share->n_allocated * 2, (size_t) 16);
        struct cpu_share_look *bigger = reallocarray(share->looks, n, sizeof(*bigger));

        if (!bigger)
            return -ENOMEM;
        share->looks = bigger;
        share->n_allocated = n;
    }
    entry = &share->looks[position];
    memmove(entry + 1, entry, (share->n - position) * sizeof(*entry));
    share->n++;
    *entry = (struct cpu_share_look){.pid = pid};
    *ret = entry;
    return 0;
}

static double percent(const struct cpu_share_look *last, const struct cpu_share_look *now)
{
    if (last->at_us == 0 || last->start != now->start || now->at_us <= last->at_us)
        return NAN;
    if (now->cpu_us < last->cpu_us)
        return 0.0;
    return 100.0 * (double) (now->cpu_us - last->cpu_us) / (double) (now->at_us - last->at_us);
}

int cpu_share_take(struct cpu_share *share, const struct cpu_share_look *look, double *ret_percent)
{
    struct cpu_share_look *entry;
    int r = find_or_add(share, look->pid, &entry);

    if (r < 0)
        return r;
    *ret_percent = percent(entry, look);
    *entry = *look;
    return 0;
}

void cpu_share_forget(struct cpu_share *share, uint64_t since_us)
{
    size_t kept = 0;

    for (size_t i = 0; i < share->n; i++)
        if (share->looks[i].at_us >= since_us)
            share->looks[kept++] = share->looks[i];
    share->n = kept;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* What the core reads of the workers' control groups, which the holder makes. */
#pragma once

#include <limits.h>
#include <stdbool.h>

struct worker_cgroups {
    char path[PATH_MAX]; /* the unit's own directory; "" without cgroups */
};

/* By this process's own place. */
void worker_cgroups_find(struct worker_cgroups *cgroups);

/* Whether the kernel killed something in the worker's cgroup for want of memory. Each worker has a
 * new cgroup, so any count is its own. */
bool worker_cgroups_had_oom(const struct worker_cgroups *cgroups, const char *app, unsigned slot);

/* Whether the kernel holds its memory; else nobody does. */
bool worker_cgroups_hold_memory(const struct worker_cgroups *cgroups, const char *app,
                                unsigned slot);

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The holder's control groups, where systemd has delegated ours (Delegate=): hold/ for holder and
 * core, workers/<app>.<slot>/ for each worker, and what else is named by its path. Every function
 * takes the descriptor of the unit's own directory; with -1 (nothing delegated) it does nothing.
 */
#pragma once

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>

/* Below the unit's own directory. */
#define CGROUP_HOLD    "hold"
#define CGROUP_WORKERS "workers"

struct cgroup_limits { /* of one group; 0: none */
    uint64_t memory_max_bytes;
    unsigned cpu_weight;
    unsigned pids_max;
    bool cpu_idle; /* takes only the CPU time that its siblings leave */
};

/* Moves this process to hold/ and enables the controllers. Returns the directory, or -1 if none is
 * delegated or it can't be used (logged). */
int cgroup_open(void);

/* The unit's own directory, for a process that is in hold/: so for the core. False without control
 * groups. */
bool cgroup_find(char path[PATH_MAX]);

/* Makes |path| (below the unit's directory) anew with |limits|; *ret_fd is its cgroup.procs, opened
 * for writing, or -1. A limit that can't be set is logged and left out. 0 or a negative errno. */
int cgroup_make(int root_fd, const char *path, const struct cgroup_limits *limits, int *ret_fd);

/* SIGKILL to all in it. */
void cgroup_kill(int root_fd, const char *path);

void cgroup_remove(int root_fd, const char *path);

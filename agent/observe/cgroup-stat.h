/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Readers of a control group's texts (cgroup v2, the kernel's admin-guide/cgroup-v2): pure, from
 * text to numbers, as those of /proc (procfs.h).
 *
 * Every text is NUL-terminated and may be cut off anywhere: what is not whole is not taken. All
 * return 0, or -EBADMSG if the text is not what it should be, and then leave *ret as it was.
 */
#pragma once

#include <stdint.h>

/* cpu.stat: CPU time of all that is or was in the group. There with or without the controller. */
int cgroup_stat_parse_cpu(const char *text, uint64_t *ret_cpu_us);

/*
 * memory.stat: what the group's processes have of memory that no file could give back, "anon" and
 * "shmem". The group is charged with a shared page once, if one of its own touched it first.
 */
int cgroup_stat_parse_memory(const char *text, uint64_t *ret_bytes);

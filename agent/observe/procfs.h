/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Readers of /proc's texts (proc(5)): pure, from text to numbers. They open nothing and allocate
 * nothing.
 *
 * Every text is NUL-terminated and may be cut off anywhere: what is not whole is not taken. All
 * return 0, or -EBADMSG if the text is not what it should be, and then leave *ret as it was.
 */
#pragma once

#include <stdint.h>

/* Time of all CPUs since boot, in clock ticks. The kernel counts guest time inside user and nice
 * too: it must not be added again. */
struct procfs_cpu {
    uint64_t user, nice, system, idle, iowait, irq, softirq, steal;
    uint64_t guest, guest_nice;
};

struct procfs_memory {
    uint64_t total_bytes;
    uint64_t available_bytes; /* MemAvailable */
    uint64_t swap_total_bytes;
    uint64_t swap_free_bytes;
};

/* What the CPUs did between two readings, in clock ticks. */
struct procfs_cpu_elapsed {
    double busy;  /* user, nice, system, irq, softirq */
    double steal; /* a hypervisor gave it to others */
    double all;   /* with idle and iowait */
};

#define PROCFS_INTERFACE_MAX 15 /* IFNAMSIZ - 1 */

struct procfs_interface {
    char name[PROCFS_INTERFACE_MAX + 1];
    uint64_t received_bytes;
    uint64_t sent_bytes;
};

#define PROCFS_COMM_MAX 63 /* kernel threads' names are longer than the 15 of others */

struct procfs_process {
    uint64_t pid, parent_pid;
    char comm[PROCFS_COMM_MAX + 1]; /* as it is: may hold blanks, parentheses, newlines */
    char state;                     /* R, S, D, Z, ... */
    uint64_t user_ticks, system_ticks;
    uint64_t start_ticks; /* since boot: with the pid, it names a process for good */
};

struct procfs_process_memory {
    uint64_t anonymous_bytes; /* RssAnon */
    uint64_t shared_bytes;    /* RssShmem */
};

/* /proc/stat: its first line, all CPUs together. The rest of the text may be missing. */
int procfs_parse_stat(const char *text, struct procfs_cpu *ret);

/* A state whose counter went backwards (iowait and idle do) or leapt counts as nothing. */
struct procfs_cpu_elapsed procfs_cpu_elapsed(const struct procfs_cpu *earlier,
                                             const struct procfs_cpu *later);

int procfs_parse_meminfo(const char *text, struct procfs_memory *ret);

/*
 * /proc/net/dev, one interface a call: *cursor starts at the text and moves on. Returns 1 with an
 * interface, 0 at the end. Lines that are none (the headers, a last one cut off) are passed over.
 */
int procfs_next_interface(const char **cursor, struct procfs_interface *ret);

/* /proc/pressure/x: for how long, in microseconds since boot, some task has waited. */
int procfs_parse_pressure(const char *text, uint64_t *ret_some_us);

/* /proc/PID/stat */
int procfs_parse_process_stat(const char *text, struct procfs_process *ret);

/* /proc/PID/status. Zombies and kernel threads have no memory: zeros, and 0. */
int procfs_parse_process_status(const char *text, struct procfs_process_memory *ret);

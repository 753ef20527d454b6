/* SPDX-License-Identifier: Apache-2.0 */
/* The grammar of /proc. Nothing here trusts a length, a number or a newline to be there. */
#include "agent/observe/procfs.h"

#include "common/base/macro.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

/* Ticks that no host gathers between two samples: a counter that jumps by more has underflowed
 * (steal did so in guests that were moved to another host). */
#define IMPLAUSIBLE_TICKS (UINT64_C(1) << 40)

static const char *skip_blanks(const char *p)
{
    while (*p == ' ' || *p == '\t')
        p++;
    return p;
}

/* Reads a number behind blanks and moves on. False if there is none or it is above 2^64 - 1. */
static bool scan_u64(const char **cursor, uint64_t *ret)
{
    const char *p = skip_blanks(*cursor);
    uint64_t value = 0;

    if (*p < '0' || *p > '9')
        return false;
    for (; *p >= '0' && *p <= '9'; p++)
        if (__builtin_mul_overflow(value, UINT64_C(10), &value) ||
            __builtin_add_overflow(value, (uint64_t) (*p - '0'), &value))
            return false;
    *cursor = p;
    *ret = value;
    return true;
}

/* Passes over one field, whatever it holds (some are negative). False at the end of the line. */
static bool skip_field(const char **cursor)
{
    const char *p = skip_blanks(*cursor);
    const char *start = p;

    while (*p != '\0' && *p != '\n' && *p != ' ' && *p != '\t')
        p++;
    *cursor = p;
    return p != start;
}

/* The text behind |key| where a line begins with it, if that line is whole; else NULL. */
static const char *find_line(const char *text, const char *key)
{
    size_t length = strlen(key);

    for (const char *line = text; line;) {
        const char *end = strchr(line, '\n');

        if (!end)
            return NULL;
        if (strncmp(line, key, length) == 0)
            return line + length;
        line = end + 1;
    }
    return NULL;
}

/* "Key:   123 kB". 0, -ENOENT without such a line, -EBADMSG. */
static int read_kilobytes(const char *text, const char *key, uint64_t *ret_bytes)
{
    const char *p = find_line(text, key);
    uint64_t bytes;

    if (!p)
        return -ENOENT;
    if (!scan_u64(&p, &bytes) || __builtin_mul_overflow(bytes, UINT64_C(1024), &bytes))
        return -EBADMSG;
    if (strncmp(skip_blanks(p), "kB\n", 3) != 0)
        return -EBADMSG;
    *ret_bytes = bytes;
    return 0;
}

int procfs_parse_stat(const char *text, struct procfs_cpu *ret)
{
    struct procfs_cpu cpu = {0};
    uint64_t *const fields[] = {&cpu.user, &cpu.nice,    &cpu.system, &cpu.idle,  &cpu.iowait,
                                &cpu.irq,  &cpu.softirq, &cpu.steal,  &cpu.guest, &cpu.guest_nice};
    const char *p = find_line(text, "cpu ");
    size_t n = 0;

    if (!p)
        return -EBADMSG;
    while (n < ARRAY_SIZE(fields) && scan_u64(&p, fields[n]))
        n++;
    /* Up to idle they have always been there; the later ones came one by one. More may follow. */
    if (n < 4 || (n < ARRAY_SIZE(fields) && *skip_blanks(p) != '\n'))
        return -EBADMSG;
    *ret = cpu;
    return 0;
}

static double elapsed_ticks(uint64_t earlier, uint64_t later)
{
    return later < earlier || later - earlier > IMPLAUSIBLE_TICKS ? 0.0
                                                                  : (double) (later - earlier);
}

struct procfs_cpu_elapsed procfs_cpu_elapsed(const struct procfs_cpu *earlier,
                                             const struct procfs_cpu *later)
{
    struct procfs_cpu_elapsed elapsed = {
        .busy = elapsed_ticks(earlier->user, later->user) +
                elapsed_ticks(earlier->nice, later->nice) +
                elapsed_ticks(earlier->system, later->system) +
                elapsed_ticks(earlier->irq, later->irq) +
                elapsed_ticks(earlier->softirq, later->softirq),
        .steal = elapsed_ticks(earlier->steal, later->steal),
    };

    elapsed.all = elapsed.busy + elapsed.steal + elapsed_ticks(earlier->idle, later->idle) +
                  elapsed_ticks(earlier->iowait, later->iowait);
    return elapsed;
}

int procfs_parse_meminfo(const char *text, struct procfs_memory *ret)
{
    struct procfs_memory memory = {0};
    int r;

    if (read_kilobytes(text, "MemTotal:", &memory.total_bytes) < 0 ||
        read_kilobytes(text, "MemAvailable:", &memory.available_bytes) < 0)
        return -EBADMSG;
    /* A kernel without swap has no such lines. */
    r = read_kilobytes(text, "SwapTotal:", &memory.swap_total_bytes);
    if (r == 0)
        r = read_kilobytes(text, "SwapFree:", &memory.swap_free_bytes);
    if (r < 0 && (r != -ENOENT || memory.swap_total_bytes > 0))
        return -EBADMSG;
    *ret = memory;
    return 0;
}

static bool parse_interface(const char *line, struct procfs_interface *ret)
{
    const char *name = skip_blanks(line);
    size_t length = strcspn(name, ":| \t\n");
    const char *p = name + length;
    struct procfs_interface interface = {0};

    if (length == 0 || length > PROCFS_INTERFACE_MAX || *p != ':')
        return false;
    memcpy(interface.name, name, length);
    p++;
    if (!scan_u64(&p, &interface.received_bytes))
        return false;
    for (unsigned i = 0; i < 7; i++) /* packets to multicast */
        if (!skip_field(&p))
            return false;
    if (!scan_u64(&p, &interface.sent_bytes))
        return false;
    *ret = interface;
    return true;
}

int procfs_next_interface(const char **cursor, struct procfs_interface *ret)
{
    for (;;) {
        const char *line = *cursor;
        const char *end = strchr(line, '\n');

        if (!end)
            return 0;
        *cursor = end + 1;
        if (parse_interface(line, ret))
            return 1;
    }
}

int procfs_parse_pressure(const char *text, uint64_t *ret_some_us)
{
    const char *p = find_line(text, "some ");
    uint64_t total_us;

    if (!p)
        return -EBADMSG;
    while (strncmp(p = skip_blanks(p), "total=", 6) != 0)
        if (!skip_field(&p))
            return -EBADMSG;
    p += 6;
    if (!scan_u64(&p, &total_us) || (*p != '\n' && *p != ' '))
        return -EBADMSG;
    *ret_some_us = total_us;
    return 0;
}

/* Fields 3 to 22 of proc(5)'s numbering, behind the name. */
static bool scan_process_fields(const char *p, struct procfs_process *process)
{
    p = skip_blanks(p);
    if (*p == '\0' || *p == '\n')
        return false;
    process->state = *p++;
    for (unsigned field = 4; field <= 22; field++) {
        uint64_t *target = field == 4    ? &process->parent_pid
                           : field == 14 ? &process->user_ticks
                           : field == 15 ? &process->system_ticks
                           : field == 22 ? &process->start_ticks
                                         : NULL;

        if (target ? !scan_u64(&p, target) : !skip_field(&p))
            return false;
    }
    return *p == ' ' || *p == '\n'; /* else the last number may have been cut off */
}

int procfs_parse_process_stat(const char *text, struct procfs_process *ret)
{
    struct procfs_process process = {0};
    /* The name is whatever the process likes, ") R 1" too: the last parenthesis ends it. */
    const char *open = strchr(text, '('), *close = strrchr(text, ')'), *p = text;
    size_t length;

    if (!open || !close || close < open)
        return -EBADMSG;
    if (!scan_u64(&p, &process.pid) || skip_blanks(p) != open)
        return -EBADMSG;
    length = (size_t) (close - open - 1);
    if (length > PROCFS_COMM_MAX)
        return -EBADMSG;
    memcpy(process.comm, open + 1, length);
    if (!scan_process_fields(close + 1, &process))
        return -EBADMSG;
    *ret = process;
    return 0;
}

int procfs_parse_process_status(const char *text, struct procfs_process_memory *ret)
{
    struct procfs_process_memory memory = {0};
    int anonymous, shared;

    if (!find_line(text, "Name:") || !find_line(text, "Threads:")) /* before and behind them */
        return -EBADMSG;
    anonymous = read_kilobytes(text, "RssAnon:", &memory.anonymous_bytes);
    shared = read_kilobytes(text, "RssShmem:", &memory.shared_bytes);
    if (anonymous == -EBADMSG || shared == -EBADMSG || anonymous != shared)
        return -EBADMSG;
    *ret = memory;
    return 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* The grammar of "flat keyed" files: a key, a blank, a number, a newline. */
#include "agent/observe/cgroup-stat.h"

#include "common/base/macro.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

/* The number of |key|'s line. False if it is missing, cut off, or no number below 2^64. */
static bool find_number(const char *text, const char *key, uint64_t *ret)
{
    const size_t length = strlen(key);
    const char *line = text;
    uint64_t value = 0;

    while (strncmp(line, key, length) != 0 || line[length] != ' ') {
        line = strchr(line, '\n');
        if (!line)
            return false;
        line++;
    }
    const char *digits = line + length + 1, *p = digits;
    for (; *p >= '0' && *p <= '9'; p++)
        if (__builtin_mul_overflow(value, UINT64_C(10), &value) ||
            __builtin_add_overflow(value, (uint64_t) (*p - '0'), &value))
            return false;
    if (p == digits || *p != '\n')
        return false;
    *ret = value;
    return true;
}

int cgroup_stat_parse_cpu(const char *text, uint64_t *ret_cpu_us)
{
    return find_number(text, "usage_usec", ret_cpu_us) ? 0 : -EBADMSG;
}

int cgroup_stat_parse_memory(const char *text, uint64_t *ret_bytes)
{
    uint64_t anonymous, shared, sum;

    if (!find_number(text, "anon", &anonymous) || !find_number(text, "shmem", &shared) ||
        __builtin_add_overflow(anonymous, shared, &sum))
        return -EBADMSG;
    *ret_bytes = sum;
    return 0;
}

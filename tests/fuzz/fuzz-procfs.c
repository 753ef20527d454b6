/* SPDX-License-Identifier: Apache-2.0 */
/* Every reader of /proc and of control groups on the same bytes: nothing is read past the NUL,
 * nothing half is returned. */
#include "agent/observe/procfs.h"

#include "agent/observe/cgroup-stat.h"
#include "common/base/macro.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(int holds)
{
    if (!holds)
        abort();
}

static void read_interfaces(const char *text)
{
    struct procfs_interface interface;
    const char *cursor = text;

    while (procfs_next_interface(&cursor, &interface)) {
        check(cursor > text && cursor <= text + strlen(text));
        check(interface.name[0] != '\0' && !strpbrk(interface.name, ": \n"));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = malloc(size + 1); /* of exact size, so that the sanitizer sees one byte too far */
    struct procfs_process process;
    struct procfs_process_memory process_memory = {UINT64_MAX, UINT64_MAX};
    struct procfs_memory memory = {.swap_total_bytes = 1};
    struct procfs_cpu cpu;
    uint64_t some_us, number;

    if (!text)
        return 0;
    memcpy(text, data, size);
    text[size] = '\0';

    procfs_parse_stat(text, &cpu);
    procfs_parse_pressure(text, &some_us);
    if (procfs_parse_meminfo(text, &memory) == 0)
        check(memory.total_bytes % 1024 == 0 && memory.available_bytes % 1024 == 0);
    if (procfs_parse_process_stat(text, &process) == 0)
        check(memchr(process.comm, '\0', sizeof(process.comm)) != NULL);
    if (procfs_parse_process_status(text, &process_memory) == 0)
        check(process_memory.anonymous_bytes % 1024 == 0);
    read_interfaces(text);
    if (cgroup_stat_parse_cpu(text, &number) == 0)
        check(strstr(text, "usage_usec ") != NULL);
    if (cgroup_stat_parse_memory(text, &number) == 0)
        check(strstr(text, "anon ") && strstr(text, "shmem ") && strchr(text, '\n'));
    free(text);
    return 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* See the header. */
#include "agent/supervise/worker-cgroups.h"

#include "common/base/cgroup.h"
#include "common/base/files.h"
#include "common/schema/slot-cgroup.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define PATH_BYTES (sizeof(((struct worker_cgroups *) NULL)->path) + SLOT_CGROUP_MAX + 16)

void worker_cgroups_find(struct worker_cgroups *cgroups)
{
    if (!cgroup_find(cgroups->path))
        cgroups->path[0] = '\0';
}

bool worker_cgroups_had_oom(const struct worker_cgroups *cgroups, const char *app, unsigned slot)
{
    char path[PATH_BYTES], group[SLOT_CGROUP_MAX], text[512];
    const char *count;

    if (!cgroups->path[0])
        return false;
    snprintf(path, sizeof(path), "%s/%s/memory.events", cgroups->path,
             slot_cgroup(group, app, slot));
    if (file_read_small(AT_FDCWD, path, text, sizeof(text)) < 0)
        return false;
    count = strstr(text, "\noom_kill ");
    return count && strtoul(count + strlen("\noom_kill "), NULL, 10) > 0;
}

bool worker_cgroups_hold_memory(const struct worker_cgroups *cgroups, const char *app,
                                unsigned slot)
{
    char path[PATH_BYTES], group[SLOT_CGROUP_MAX];

    snprintf(path, sizeof(path), "%s/%s/memory.max", cgroups->path, slot_cgroup(group, app, slot));
    return cgroups->path[0] && access(path, F_OK) == 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* See the header. */
#include "common/schema/slot-cgroup.h"

#include "common/base/cgroup.h"
#include "common/schema/stress.h"

#include <stdio.h>
#include <string.h>

const char *slot_cgroup(char path[SLOT_CGROUP_MAX], const char *app, unsigned slot)
{
    if (strcmp(app, STRESS_APP) == 0)
        snprintf(path, SLOT_CGROUP_MAX, "%s", STRESS_CGROUP);
    else
        snprintf(path, SLOT_CGROUP_MAX, CGROUP_WORKERS "/%s.%u", app, slot);
    return path;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Where a slot's control group is, below the unit's own directory (common/base/cgroup.h): the
 * holder makes it, and the core reads in it. */
#pragma once

#include "common/schema/contract.h"

#define SLOT_CGROUP_MAX (APP_NAME_MAX + 32)

/* "workers/<app>.<slot>", or agentd-stress's own. Returns |path|. */
const char *slot_cgroup(char path[SLOT_CGROUP_MAX], const char *app, unsigned slot);

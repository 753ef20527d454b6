/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What core, holder, agentctl and agentd-stress agree on about stress: its limits, and the order by
 * which the core has the holder start agentd-stress, as one line of text:
 *
 *     load=85 cores=0 seconds=600 priority=idle
 *
 * For the holder it is the one slot of an app that no configuration can name.
 */
#pragma once

#include <stdbool.h>

#define STRESS_APP     "@stress"
#define STRESS_SLOT    1u
#define STRESS_PROGRAM "agentd-stress"
#define STRESS_CGROUP  "stress" /* below the unit's own */

#define STRESS_LOAD_MAX        100u /* percent of all CPUs, from 1 */
#define STRESS_LOAD_DEFAULT    85u
#define STRESS_CORES_MAX       9999u /* what text has room for; the host's CPUs are fewer */
#define STRESS_SECONDS_MAX     86400u
#define STRESS_SECONDS_DEFAULT 600u

struct stress_order {
    unsigned load_percent;
    unsigned cores; /* 0: all */
    unsigned seconds;
    bool normal_priority; /* else it yields to the apps */
};

#define STRESS_TEXT_MAX 64
/* Returns |text|. The order must be in range. */
const char *stress_print(const struct stress_order *order, char text[STRESS_TEXT_MAX]);
/* Takes what stress_print() writes, to the byte. 0 or -EINVAL. */
int stress_parse(const char *text, struct stress_order *ret);

const char *stress_priority(const struct stress_order *order); /* "idle" or "normal" */

struct stress_command {
    char *argv[10];
    char load[4], cores[5], seconds[8];
};
/* agentd-stress's command line; |program| is borrowed. Returns its argv. */
char *const *stress_command(const struct stress_order *order, const char *program,
                            struct stress_command *ret);

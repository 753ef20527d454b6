/* SPDX-License-Identifier: Apache-2.0 */
/* The command line of agentd-stress. Pure: prints nothing. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#define STRESS_ERROR_MAX 160

enum stress_request { STRESS_RUN, STRESS_HELP, STRESS_VERSION };

struct stress_options {
    enum stress_request request;
    unsigned load_percent;
    unsigned cores; /* 0: all online CPUs */
    uint64_t for_us;
    bool normal_priority;
    uint64_t stats_us; /* 0: no lines */
};

/* |cpus|: as many cores as may be asked for. 0, or -EINVAL and one line in |error|. */
int stress_options_parse(int argc, char **argv, unsigned cpus, struct stress_options *ret,
                         char error[STRESS_ERROR_MAX]);

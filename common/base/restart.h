/* SPDX-License-Identifier: Apache-2.0 */
/* How long to wait before the next core: none for one that had worked, up to a rate. Pure. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#define RESTART_BURST 20u /* immediate restarts in a row, refilled one a second */
#define RESTART_WAIT_MIN_US                                                                        \
    UINT64_C(100000) /* of a core that never became ready; doubles up to:                          \
                      */
#define RESTART_WAIT_MAX_US UINT64_C(5000000)

struct restart {       /* zeroed at start */
    unsigned spent;    /* immediate restarts not yet refilled */
    unsigned failures; /* cores in a row that never became ready */
    uint64_t refilled_at_us;
};

/* Counts one death. |was_ready|: the core had come to serve. */
uint64_t restart_wait_us(struct restart *restart, bool was_ready, uint64_t now_us);

/* SPDX-License-Identifier: Apache-2.0 */
/* Two regimes: a token bucket for cores that worked, exponential backoff for those that did not. */
#include "common/base/restart.h"

#include "common/base/backoff.h"
#include "common/base/clock.h"
#include "common/base/macro.h"

static void refill(struct restart *restart, uint64_t now_us)
{
    uint64_t tokens = (now_us - restart->refilled_at_us) / USEC_PER_SEC;

    restart->spent -= (unsigned) MIN(tokens, (uint64_t) restart->spent);
    restart->refilled_at_us =
        restart->spent ? restart->refilled_at_us + tokens * USEC_PER_SEC : now_us;
}

uint64_t restart_wait_us(struct restart *restart, bool was_ready, uint64_t now_us)
{
    refill(restart, now_us);
    if (was_ready) {
        restart->failures = 0;
        if (++restart->spent <= RESTART_BURST)
            return 0;
        return restart->refilled_at_us + (restart->spent - RESTART_BURST) * USEC_PER_SEC - now_us;
    }

    const struct backoff backoff = {RESTART_WAIT_MIN_US, RESTART_WAIT_MAX_US};
    return backoff_bound_us(&backoff, restart->failures++);
}

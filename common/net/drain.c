/* SPDX-License-Identifier: Apache-2.0 */
/* The end of a drain. */
#include "common/net/drain.h"

bool drain_is_over(const struct drain *drain, uint64_t now_us, unsigned connections,
                   unsigned in_flight)
{
    uint64_t elapsed_us = now_us > drain->begin_at_us ? now_us - drain->begin_at_us : 0;
    bool idle_late = elapsed_us >= drain->idle_us;
    bool requests_late = elapsed_us >= drain->requests_us;

    if (connections == 0)
        return true;
    if (in_flight == 0)
        return idle_late;
    return requests_late && (idle_late || in_flight >= connections);
}

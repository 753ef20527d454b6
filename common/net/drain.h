/* SPDX-License-Identifier: Apache-2.0 */
/* When a worker that was asked to stop may go. Pure. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct drain {
    uint64_t begin_at_us;
    uint64_t requests_us; /* time for requests in flight */
    uint64_t idle_us;     /* time for idle kept-alive connections, which may still speak */
};

/*
 * Over: when no connection is left; when only idle ones are left past their time; when only
 * requests are left past theirs; when both times are past.
 */
bool drain_is_over(const struct drain *drain, uint64_t now_us, unsigned connections,
                   unsigned in_flight);

/* SPDX-License-Identifier: Apache-2.0 */
/* Exponential backoff with full jitter: uniform in [0, min(cap, base * 2^attempt)]. Pure. */
#pragma once

#include <stdint.h>

struct backoff {
    uint64_t base_us;
    uint64_t cap_us;
};

/* The upper bound of the wait before retry number |attempt| (0 is the first). */
uint64_t backoff_bound_us(const struct backoff *backoff, unsigned attempt);

/* A wait within that bound, chosen by |random| (64 uniform bits). */
uint64_t backoff_wait_us(const struct backoff *backoff, unsigned attempt, uint64_t random);

/* SPDX-License-Identifier: Apache-2.0 */
/* Backoff arithmetic. Counting attempts and waiting is the caller's. */
#include "common/base/backoff.h"

uint64_t backoff_bound_us(const struct backoff *backoff, unsigned attempt)
{
    /* The shift loses bits exactly when base is above cap >> attempt (or near it). */
    if (attempt >= 64 || backoff->base_us > backoff->cap_us >> attempt)
        return backoff->base_us == 0 ? 0 : backoff->cap_us;
    return backoff->base_us << attempt;
}

uint64_t backoff_wait_us(const struct backoff *backoff, unsigned attempt, uint64_t random)
{
    uint64_t bound_us = backoff_bound_us(backoff, attempt);

    /* The upper half of the product scales 64 random bits to [0, bound] without the bias of %. */
    return (uint64_t) (((unsigned __int128) random * ((unsigned __int128) bound_us + 1)) >> 64);
}

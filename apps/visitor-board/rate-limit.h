/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How much each client may post: a table of token buckets, bounded. Pure: the clock is the
 * caller's.
 *
 * A bucket holds a minute's worth and fills evenly, so a client may post that many at once and then
 * one each time the next token is there. Kept is only the moment at which a bucket is full again
 * (the generic cell rate algorithm, the same arithmetic); one that is full needs no place. When all
 * places that a client may have are taken, the one that is full soonest goes: whoever fills the
 * table with addresses of his own gets nobody's limit lifted but of those who have hardly posted.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define RATE_LIMIT_CLIENTS 4096u /* places; 64 KiB */
#define RATE_LIMIT_WAYS    8u    /* of them that one client may have */
#define RATE_LIMIT_MAX     60000u

struct rate_limit;

/* |per_minute|: from 1 to RATE_LIMIT_MAX. 0 or -ENOMEM. */
int rate_limit_new(struct rate_limit **ret, unsigned per_minute);
struct rate_limit *rate_limit_free(struct rate_limit *limit);

/* Takes a token of the client whose address is |key|. 0; or how many microseconds from now the
 * next token is there, and nothing was taken. */
uint64_t rate_limit_take(struct rate_limit *limit, const void *key, size_t length, uint64_t now_us);

/* SPDX-License-Identifier: Apache-2.0 */
#include "apps/visitor-board/rate-limit.h"

#include "common/base/clock.h"
#include "common/base/siphash.h"

#include <errno.h>
#include <stdlib.h>

#define MINUTE_US (60 * USEC_PER_SEC)
#define SETS      (RATE_LIMIT_CLIENTS / RATE_LIMIT_WAYS)

struct bucket {
    uint64_t client;     /* its address's hash */
    uint64_t full_at_us; /* in the past: the place is free */
};

struct rate_limit {
    struct siphash_key key; /* unknown outside: nobody can choose addresses that share a set */
    uint64_t token_us;      /* in which one token comes */
    struct bucket buckets[SETS][RATE_LIMIT_WAYS];
};

int rate_limit_new(struct rate_limit **ret, unsigned per_minute)
{
    struct rate_limit *limit = calloc(1, sizeof(*limit));

    if (!limit)
        return -ENOMEM;
    limit->key = siphash_key_random();
    limit->token_us = MINUTE_US / per_minute;
    *ret = limit;
    return 0;
}

struct rate_limit *rate_limit_free(struct rate_limit *limit)
{
    free(limit);
    return NULL;
}

static struct bucket *find_bucket(struct rate_limit *limit, uint64_t client)
{
    struct bucket *set = limit->buckets[client % SETS], *soonest = set;

    for (unsigned i = 0; i < RATE_LIMIT_WAYS; i++) {
        if (set[i].client == client)
            return &set[i];
        if (set[i].full_at_us < soonest->full_at_us)
            soonest = &set[i];
    }
    *soonest = (struct bucket){.client = client};
    return soonest;
}

uint64_t rate_limit_take(struct rate_limit *limit, const void *key, size_t length, uint64_t now_us)
{
    struct bucket *bucket = find_bucket(limit, siphash(&limit->key, key, length));
    uint64_t full_at_us = bucket->full_at_us > now_us ? bucket->full_at_us : now_us;

    full_at_us += limit->token_us;
    if (full_at_us - now_us > MINUTE_US)
        return full_at_us - now_us - MINUTE_US;
    bucket->full_at_us = full_at_us;
    return 0;
}

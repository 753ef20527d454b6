/* SPDX-License-Identifier: Apache-2.0 */
/* A sorted array: there are few buckets, and most numbers fall into one that is there. */
#include "agent/observe/distribution.h"

#include "common/base/macro.h"

#include <errno.h>
#include <math.h>
#include <string.h>

#define BUCKETS_A_POWER 40
#define POWERS_BELOW    1100 /* of a double, so that keys of positive numbers are positive */
#define FIRST_ALLOCATED 16u

void distribution_done(struct distribution *distribution)
{
    free(distribution->buckets);
    *distribution = (struct distribution){0};
}

void distribution_clear(struct distribution *distribution)
{
    *distribution = (struct distribution){
        .buckets = distribution->buckets,
        .allocated = distribution->allocated,
    };
}

/* A negative number's is that of its magnitude, negated; 0 has 0 alone. */
static int key_of(double value, unsigned joined)
{
    int power, key;
    double fraction = frexp(fabs(value), &power); /* [0.5, 1) */

    if (fraction == 0)
        return 0;
    key = (power + POWERS_BELOW) * BUCKETS_A_POWER + (int) ((fraction - 0.5) * 2 * BUCKETS_A_POWER);
    key >>= joined;
    return value < 0 ? -key : key;
}

/* Where |key| is, or would be. */
static size_t find(const struct distribution *distribution, int key)
{
    size_t low = 0, high = distribution->n;

    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (distribution->buckets[middle].key < key)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static int join_key(int key)
{
    return key < 0 ? -(-key >> 1) : key >> 1;
}

static void join_neighbours(struct distribution *distribution)
{
    struct distribution_bucket *buckets = distribution->buckets;
    size_t n = 0;

    for (size_t i = 0; i < distribution->n; i++) {
        int key = join_key(buckets[i].key);

        if (n > 0 && buckets[n - 1].key == key) {
            buckets[n - 1].count += buckets[i].count;
            buckets[n - 1].sum += buckets[i].sum;
        } else {
            buckets[n] = buckets[i];
            buckets[n++].key = key;
        }
    }
    distribution->n = n;
    distribution->joined++;
}

static int make_room(struct distribution *distribution)
{
    size_t wanted = MAX(FIRST_ALLOCATED, 2 * distribution->allocated);
    struct distribution_bucket *buckets;

    if (distribution->n < distribution->allocated)
        return 0;
    buckets = reallocarray(distribution->buckets, wanted, sizeof(*buckets));
    if (!buckets)
        return -ENOMEM;
    distribution->buckets = buckets;
    distribution->allocated = wanted;
    return 0;
}

static int insert(struct distribution *distribution, size_t at, int key)
{
    struct distribution_bucket *bucket;
    int r = make_room(distribution);

    if (r < 0)
        return r;
    bucket = &distribution->buckets[at];
    memmove(bucket + 1, bucket, (distribution->n - at) * sizeof(*bucket));
    *bucket = (struct distribution_bucket){.key = key};
    distribution->n++;
    return 0;
}

int distribution_add(struct distribution *distribution, double value, double weight)
{
    int r, key = key_of(value, distribution->joined);
    size_t at = find(distribution, key);

    while ((at == distribution->n || distribution->buckets[at].key != key) &&
           distribution->n >= DISTRIBUTION_BUCKETS_MAX) {
        join_neighbours(distribution);
        key = key_of(value, distribution->joined);
        at = find(distribution, key);
    }
    if (at == distribution->n || distribution->buckets[at].key != key) {
        r = insert(distribution, at, key);
        if (r < 0)
            return r;
    }
    distribution->buckets[at].count += weight;
    distribution->buckets[at].sum += value * weight;
    if (distribution->count == 0)
        distribution->minimum = distribution->maximum = value;
    distribution->minimum = MIN(distribution->minimum, value);
    distribution->maximum = MAX(distribution->maximum, value);
    distribution->count += weight;
    distribution->sum += value * weight;
    return 0;
}

size_t distribution_values(const struct distribution *distribution,
                           struct distribution_cursor *cursor, double values[], uint64_t counts[],
                           size_t max)
{
    size_t n = 0;

    while (n < max && cursor->next < distribution->n) {
        const struct distribution_bucket *bucket = &distribution->buckets[cursor->next++];
        uint64_t total;

        cursor->seen += bucket->count;
        total = (uint64_t) llround(cursor->seen);
        values[n] = bucket->sum / bucket->count;
        /* As each weight is, it is at least 1, as long as a double can tell. */
        counts[n] = total > cursor->told ? total - cursor->told : 1;
        cursor->told += counts[n++];
    }
    return n;
}

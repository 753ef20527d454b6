/* SPDX-License-Identifier: Apache-2.0 */
/* Bucket arithmetic and sums. */
#include "common/base/histogram.h"

#define EXACT_BUCKETS 64u
#define EXACT_BITS    6u /* values below 2^6 are their own bucket */
#define SUB_BUCKETS   (1u << HISTOGRAM_SUB_BITS)

size_t histogram_bucket(uint64_t value_us)
{
    unsigned top_bit;

    if (value_us < EXACT_BUCKETS)
        return (size_t) value_us;
    if (value_us >= UINT64_C(1) << HISTOGRAM_MAX_BITS)
        return HISTOGRAM_BUCKETS - 1;
    top_bit = 63u - (unsigned) __builtin_clzll(value_us);
    /* The bits below the top one say which of the power's buckets it is. */
    return EXACT_BUCKETS + SUB_BUCKETS * (top_bit - EXACT_BITS) +
           (size_t) ((value_us >> (top_bit - HISTOGRAM_SUB_BITS)) - SUB_BUCKETS);
}

uint64_t histogram_bucket_low_us(size_t bucket)
{
    size_t above, power;

    if (bucket < EXACT_BUCKETS)
        return bucket;
    if (bucket >= HISTOGRAM_BUCKETS - 1)
        return UINT64_C(1) << HISTOGRAM_MAX_BITS;
    above = bucket - EXACT_BUCKETS;
    power = EXACT_BITS + above / SUB_BUCKETS;
    return (uint64_t) (SUB_BUCKETS + above % SUB_BUCKETS) << (power - HISTOGRAM_SUB_BITS);
}

uint64_t histogram_bucket_middle_us(size_t bucket)
{
    uint64_t low_us = histogram_bucket_low_us(bucket);

    if (bucket >= HISTOGRAM_BUCKETS - 1)
        return low_us; /* open above: its low end is all that is known */
    return low_us + (histogram_bucket_low_us(bucket + 1) - 1 - low_us) / 2;
}

void histogram_add(struct histogram *histogram, uint64_t value_us, uint64_t count)
{
    histogram->counts[histogram_bucket(value_us)] += count;
}

void histogram_merge(struct histogram *target, const struct histogram *source)
{
    for (size_t i = 0; i < HISTOGRAM_BUCKETS; i++)
        target->counts[i] += source->counts[i];
}

void histogram_subtract(struct histogram *target, const struct histogram *earlier)
{
    for (size_t i = 0; i < HISTOGRAM_BUCKETS; i++)
        if (target->counts[i] > earlier->counts[i])
            target->counts[i] -= earlier->counts[i];
        else
            target->counts[i] = 0;
}

/* Counts come from workers that nobody trusts, so sums stop at the top instead of wrapping. */
static uint64_t add_saturated(uint64_t a, uint64_t b)
{
    uint64_t sum;

    return __builtin_add_overflow(a, b, &sum) ? UINT64_MAX : sum;
}

uint64_t histogram_count(const struct histogram *histogram)
{
    uint64_t count = 0;

    for (size_t i = 0; i < HISTOGRAM_BUCKETS; i++)
        count = add_saturated(count, histogram->counts[i]);
    return count;
}

uint64_t histogram_quantile_us(const struct histogram *histogram, unsigned permille)
{
    uint64_t count = histogram_count(histogram), seen = 0, rank;

    if (count == 0)
        return 0;
    if (permille > 1000)
        permille = 1000;
    rank = (uint64_t) (((unsigned __int128) count * permille + 999) / 1000);
    if (rank == 0)
        rank = 1; /* permille 0 is the smallest value */
    for (size_t i = 0; i < HISTOGRAM_BUCKETS; i++) {
        seen = add_saturated(seen, histogram->counts[i]);
        if (seen >= rank)
            return histogram_bucket_middle_us(i);
    }
    return histogram_bucket_middle_us(HISTOGRAM_BUCKETS - 1); /* not reached: seen ends at count */
}

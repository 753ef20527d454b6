/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Log-linear histogram of durations in microseconds, of fixed layout, so that it can live in shared
 * memory.
 *
 * Values up to 63 have a bucket each; above, each power of two is cut into 32 buckets, so a bucket
 * is at most 1/32 = 3.1 % wide and its middle within 1.6 % of every value in it. The last bucket
 * takes all from 2^27 us (134 s) up. Plain arithmetic on plain arrays: what is shared between
 * processes is read and written with relaxed atomics by scoreboard.h.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#define HISTOGRAM_SUB_BITS 5u  /* 32 buckets a power of two */
#define HISTOGRAM_MAX_BITS 27u /* values from 2^27 us share the last bucket */
/* 64 exact ones, 32 for each power of two from 2^6 to 2^26, and the last. */
#define HISTOGRAM_BUCKETS (64u + 32u * (HISTOGRAM_MAX_BITS - HISTOGRAM_SUB_BITS - 1u) + 1u)

struct histogram {
    uint64_t counts[HISTOGRAM_BUCKETS];
};

size_t histogram_bucket(uint64_t value_us);

/* The smallest value of a bucket, and the middle that stands for all of it. */
uint64_t histogram_bucket_low_us(size_t bucket);
uint64_t histogram_bucket_middle_us(size_t bucket);

void histogram_add(struct histogram *histogram, uint64_t value_us, uint64_t count);
void histogram_merge(struct histogram *target, const struct histogram *source);

/* target -= earlier, bucket by bucket; a bucket that would fall below 0 becomes 0. */
void histogram_subtract(struct histogram *target, const struct histogram *earlier);

uint64_t histogram_count(const struct histogram *histogram);

/* The value at rank ceil(permille * n / 1000), as the middle of its bucket; 0 if empty. permille
 * 500 is the median. */
uint64_t histogram_quantile_us(const struct histogram *histogram, unsigned permille);

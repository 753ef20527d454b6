/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How numbers of any size are distributed, in bounded memory: buckets where numbers are, and only
 * there. Pure. (common/base/histogram.h is the one of fixed layout, for durations in shared
 * memory.)
 *
 * Each power of two is cut into 40 buckets, so a bucket is at most 2.5 % wide; it is shown as the
 * mean of what fell into it, so sums and averages are exact, a bucket of equal numbers too, and no
 * number is shown more than 2.5 % off. Past DISTRIBUTION_BUCKETS_MAX filled buckets, which is more
 * than 25 powers of two, neighbours are joined, and the width doubles.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#define DISTRIBUTION_BUCKETS_MAX 1024u

struct distribution_bucket {
    int key; /* in the order of the numbers */
    double count, sum;
};

struct distribution { /* zeroed at start */
    struct distribution_bucket *buckets;
    size_t n, allocated;
    unsigned joined; /* how often neighbours were */
    double count, sum, minimum, maximum;
};

void distribution_done(struct distribution *distribution);  /* it is empty afterwards */
void distribution_clear(struct distribution *distribution); /* keeps the memory */

/* |value|: finite, |weight| at least 1: so often it was seen. 0 or -ENOMEM (it is not added). */
int distribution_add(struct distribution *distribution, double value, double weight);

struct distribution_cursor { /* zeroed at start */
    size_t next;
    double seen;
    uint64_t told;
};

/* The next up to |max| values, ascending, with how often each was seen; 0 at the end. Fractional
 * counts are rounded so that their total is right. */
size_t distribution_values(const struct distribution *distribution,
                           struct distribution_cursor *cursor, double values[], uint64_t counts[],
                           size_t max);

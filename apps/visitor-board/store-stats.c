/* SPDX-License-Identifier: Apache-2.0 */
/* Sums of the last hour by instance, which every kind of store makes in the same way. */
#include "apps/visitor-board/store.h"

#include "common/base/text.h"

#include <stdlib.h>
#include <string.h>

void store_stats_add(struct store_stats *stats, const char *instance, uint64_t count)
{
    struct store_instance *place;

    for (size_t i = 0; i < stats->n_instances; i++)
        if (strcmp(stats->instances[i].name, instance) == 0) {
            stats->instances[i].count += count;
            return;
        }
    if (stats->n_instances == STORE_INSTANCES_MAX) {
        stats->others += count;
        return;
    }
    place = &stats->instances[stats->n_instances++];
    text_copy(place->name, sizeof(place->name), instance);
    place->count = count;
}

/* The name decides between equals, so that the order doesn't jump. */
static int compare(const void *a, const void *b)
{
    const struct store_instance *left = a, *right = b;

    if (left->count != right->count)
        return left->count < right->count ? 1 : -1;
    return strcmp(left->name, right->name);
}

void store_stats_sort(struct store_stats *stats)
{
    qsort(stats->instances, stats->n_instances, sizeof(stats->instances[0]), compare);
}

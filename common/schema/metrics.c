/* SPDX-License-Identifier: Apache-2.0 */
/* The table as an array. What a metric means stands in the header, once. */
#include "common/schema/metrics.h"

#include <assert.h>

#define ROW(identifier, name, scope, kind, unit, help)                                             \
    [METRIC_##identifier] = {name, METRIC_##scope, METRIC_##kind, unit, help},
static const struct metric_info metrics[METRIC_COUNT_] = {METRICS(ROW)};
#undef ROW

const struct metric_info *metric_info(enum metric metric)
{
    assert((unsigned) metric < METRIC_COUNT_);
    return &metrics[metric];
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Arithmetic on the table. */
#include "common/schema/prices.h"

#include "common/base/macro.h"

double prices_metrics_usd(uint64_t metrics)
{
    static const struct {
        uint64_t up_to;
        double usd;
    } tiers[] = {
#define TIER(up_to, usd) {up_to, usd},
        PRICES_METRIC_TIERS(TIER)
#undef TIER
    };
    uint64_t below = 0;
    double usd = 0;

    for (size_t i = 0; i < ARRAY_SIZE(tiers) && metrics > below; i++) {
        usd += (double) (MIN(metrics, tiers[i].up_to) - below) * tiers[i].usd;
        below = tiers[i].up_to;
    }
    return usd;
}

double prices_requests_usd(uint64_t requests)
{
    return (double) requests / 1000 * PRICES_REQUESTS_USD_PER_1000;
}

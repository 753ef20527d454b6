/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What CloudWatch costs: public prices of us-east-1, for `agentctl cost`. Other Regions differ a
 * little; discounts and the free tier of an account that others use too are not known here.
 *
 * Source: https://aws.amazon.com/cloudwatch/pricing/
 */
#pragma once

#include <stdint.h>

#define PRICES_DATE   "2026-11-25" /* compared with: docs/qa-preparation.md */
#define PRICES_REGION "us-east-1"

#define PRICES_MONTH_HOURS 730.0 /* as AWS's own calculator has it */

#define PRICES_FREE_METRICS  10u
#define PRICES_FREE_REQUESTS UINT64_C(1000000) /* a month */

#define PRICES_REQUESTS_USD_PER_1000 0.01

/* TIER(metrics up to so many, USD each a month); the last has no end. */
#define PRICES_METRIC_TIERS(TIER)                                                                  \
    TIER(10000, 0.30)                                                                              \
    TIER(250000, 0.10)                                                                             \
    TIER(1000000, 0.05)                                                                            \
    TIER(UINT64_MAX, 0.02)

/* A month's price of so many metrics, beginning with the dearest tier; nothing is free here. */
double prices_metrics_usd(uint64_t metrics);
double prices_requests_usd(uint64_t requests);

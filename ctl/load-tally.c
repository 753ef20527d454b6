/* SPDX-License-Identifier: Apache-2.0 */
/* See the header. */
#include "ctl/load-tally.h"

#include "common/base/macro.h"
#include "common/base/text.h"

#include <string.h>

void load_tally_answer(struct load_tally *tally, unsigned status, uint64_t latency_us,
                       uint64_t bytes, const char *instance, uint64_t now_us)
{
    unsigned class = status / 100;

    tally->sent++;
    tally->answered++;
    tally->statuses[class < LOAD_CLASSES ? class : 0]++;
    tally->bytes += bytes;
    tally->max_us = MAX(tally->max_us, latency_us);
    histogram_add(&tally->latency, latency_us, 1);
    instances_add(&tally->instances, instance, status, latency_us, now_us);
    tally->lately.answered++;
    histogram_add(&tally->lately.latency, latency_us, 1);
}

void load_tally_failure(struct load_tally *tally, enum failure failure, const char *text, bool sent)
{
    tally->sent += sent;
    if (tally->failures[failure]++ == 0)
        text_copy(tally->texts[failure], LOAD_TEXT_MAX, text);
}

void load_tally_turn(struct load_tally *tally)
{
    memset(&tally->lately, 0, sizeof(tally->lately));
}

uint64_t load_tally_unanswered(const struct load_tally *tally)
{
    uint64_t sum = 0;

    for (size_t i = 0; i < FAILURES_; i++)
        sum += tally->failures[i];
    return sum;
}

uint64_t load_tally_failed(const struct load_tally *tally)
{
    return load_tally_unanswered(tally) + tally->statuses[4] + tally->statuses[5] +
           tally->statuses[0];
}

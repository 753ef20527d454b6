/* SPDX-License-Identifier: Apache-2.0 */
/* See the header. The moments are arithmetic: whatever waits needs no memory. */
#include "ctl/load-pace.h"

#include "common/base/clock.h"
#include "common/base/macro.h"

/* Request |k|'s moment; 10,000 a second for an hour stay far below 64 bits. */
static uint64_t moment_us(const struct load_pace *pace, uint64_t k)
{
    return pace->start_us + k * USEC_PER_SEC / pace->rate;
}

/* How many moments are within |span_us| from the start, its end not counted: k * 10^6 / rate <
 * span. */
static uint64_t moments_within(uint64_t rate, uint64_t span_us)
{
    return (span_us * rate + USEC_PER_SEC - 1) / USEC_PER_SEC;
}

static uint64_t n_due(const struct load_pace *pace, uint64_t now_us)
{
    if (now_us < pace->start_us)
        return 0;
    return MIN(moments_within(pace->rate, now_us - pace->start_us + 1), pace->planned);
}

static uint64_t n_gone(const struct load_pace *pace)
{
    return pace->taken + pace->unsent;
}

void load_pace_init(struct load_pace *pace, uint64_t rate, uint64_t start_us, uint64_t for_us)
{
    *pace = (struct load_pace){
        .start_us = start_us,
        .rate = rate,
        .planned = moments_within(rate, for_us),
    };
}

void load_pace_skip(struct load_pace *pace, uint64_t now_us, uint64_t limit_us)
{
    uint64_t late = now_us > limit_us ? n_due(pace, now_us - limit_us) : 0;

    if (late > n_gone(pace))
        pace->unsent = late - pace->taken;
}

bool load_pace_take(struct load_pace *pace, uint64_t now_us, uint64_t *ret_intended_us)
{
    if (n_gone(pace) >= n_due(pace, now_us))
        return false;
    *ret_intended_us = moment_us(pace, n_gone(pace));
    pace->taken++;
    return true;
}

uint64_t load_pace_next_us(const struct load_pace *pace)
{
    return n_gone(pace) < pace->planned ? moment_us(pace, n_gone(pace)) : UINT64_MAX;
}

uint64_t load_pace_waiting(const struct load_pace *pace, uint64_t now_us)
{
    uint64_t due = n_due(pace, now_us);

    return due > n_gone(pace) ? due - n_gone(pace) : 0;
}

void load_pace_stop(struct load_pace *pace, uint64_t now_us)
{
    pace->unsent += load_pace_waiting(pace, now_us);
    pace->planned = MIN(pace->planned, n_gone(pace));
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Boards by serial, the running total, and what was given out of it. */
#include "agent/observe/request-meter.h"

#include "common/base/clock.h"

#include <errno.h>
#include <math.h>

#define RING_PERIOD_US (10u * USEC_PER_SEC)
/* Ticks closer together than this share an entry, so that the ring always spans its period. */
#define RING_STEP_US (USEC_PER_SEC * 9u / 10u)
#define RING_ENTRIES 16u

struct board {
    uint64_t serial;
    bool frozen;
    struct tally last; /* plausible, and what the total has of it */
};

struct ring_entry {
    uint64_t at_us;
    uint64_t requests;
};

struct request_meter {
    struct tally dead, total, baseline, closing;
    struct histogram window_latency; /* of the last close */
    struct board *boards[REQUEST_METER_BOARDS_MAX];
    size_t n_boards;
    struct ring_entry ring[RING_ENTRIES];
    size_t n_ring, newest; /* entries filled; index of the newest */
};

int request_meter_new(struct request_meter **ret, const struct tally *dead,
                      const struct tally *baseline)
{
    struct request_meter *meter = calloc(1, sizeof(*meter));

    if (!meter)
        return -ENOMEM;
    if (dead)
        meter->dead = meter->total = *dead;
    if (baseline)
        meter->baseline = *baseline;
    meter->closing = meter->baseline;
    *ret = meter;
    return 0;
}

struct request_meter *request_meter_free(struct request_meter *meter)
{
    if (!meter)
        return NULL;
    for (size_t i = 0; i < meter->n_boards; i++)
        free(meter->boards[i]);
    free(meter);
    return NULL;
}

/* Whether no counter is above |limit|. */
static bool is_within(const struct tally *tally, uint64_t limit)
{
    if (tally->bytes_sent > limit || tally->latency_sum_us > limit)
        return false;
    for (size_t i = 0; i < SCOREBOARD_CLASSES; i++)
        if (tally->requests[i] > limit)
            return false;
    for (size_t i = 0; i < HISTOGRAM_BUCKETS; i++)
        if (tally->latency.counts[i] > limit)
            return false;
    return true;
}

/* Whether an honest worker may have gone from |last| to |reading|; *ret_gain is the difference. */
static bool is_honest(const struct tally *last, const struct tally *reading, bool first,
                      struct tally *ret_gain)
{
    if (!is_within(reading, REQUEST_METER_PLAUSIBLE) || !tally_is_monotonic(last, reading))
        return false;
    *ret_gain = *reading;
    tally_subtract(ret_gain, last);
    /* A core that has just started meets boards that were counted on for months. */
    return first || is_within(ret_gain, REQUEST_METER_PLAUSIBLE_GAIN);
}

static struct board **find_board(struct request_meter *meter, uint64_t serial)
{
    for (size_t i = 0; i < meter->n_boards; i++)
        if (meter->boards[i]->serial == serial)
            return &meter->boards[i];
    return NULL;
}

static int add_board(struct request_meter *meter, uint64_t serial, struct board **ret)
{
    struct board *board;

    if (meter->n_boards >= REQUEST_METER_BOARDS_MAX)
        return -ENOSPC;
    board = calloc(1, sizeof(*board));
    if (!board)
        return -ENOMEM;
    board->serial = serial;
    meter->boards[meter->n_boards++] = board;
    *ret = board;
    return 0;
}

int request_meter_update(struct request_meter *meter, uint64_t serial, const struct tally *reading)
{
    struct board **found = find_board(meter, serial), *board = found ? *found : NULL;
    struct tally gain;
    int r;

    if (!board) {
        r = add_board(meter, serial, &board);
        if (r < 0)
            return r;
    }
    if (board->frozen)
        return 0;
    if (!reading || !is_honest(&board->last, reading, !found, &gain)) {
        board->frozen = true;
        return REQUEST_METER_FROZEN;
    }
    tally_add(&meter->total, &gain);
    board->last = *reading;
    return 0;
}

void request_meter_fold(struct request_meter *meter, uint64_t serial)
{
    struct board **found = find_board(meter, serial);

    if (!found)
        return;
    tally_add(&meter->dead, &(*found)->last);
    free(*found);
    *found = meter->boards[--meter->n_boards];
}

const struct tally *request_meter_total(const struct request_meter *meter)
{
    return &meter->total;
}

const struct tally *request_meter_dead(const struct request_meter *meter)
{
    return &meter->dead;
}

void request_meter_close(struct request_meter *meter, struct tally *ret_delta)
{
    struct tally delta = meter->total;

    /* Below the baseline only if a board was frozen before this core's time and is garbage now:
     * nothing is given then, and the baseline comes down with this close. */
    tally_subtract(&delta, &meter->baseline);
    meter->closing = meter->total;
    meter->window_latency = delta.latency;
    *ret_delta = delta;
}

const struct tally *request_meter_closing(const struct request_meter *meter)
{
    return &meter->closing;
}

void request_meter_commit(struct request_meter *meter)
{
    meter->baseline = meter->closing;
}

void request_meter_tick(struct request_meter *meter, uint64_t now_us)
{
    struct ring_entry entry = {.at_us = now_us, .requests = tally_requests(&meter->total)};
    const struct ring_entry *newest = &meter->ring[meter->newest];

    if (meter->n_ring > 0 && now_us < newest->at_us + RING_STEP_US)
        return;
    if (meter->n_ring > 0)
        meter->newest = (meter->newest + 1) % RING_ENTRIES;
    meter->n_ring = MIN(meter->n_ring + 1, (size_t) RING_ENTRIES);
    meter->ring[meter->newest] = entry;
}

double request_meter_rate_per_s(const struct request_meter *meter)
{
    const struct ring_entry *newest = &meter->ring[meter->newest], *oldest = newest;

    for (size_t age = 1; age < meter->n_ring; age++) {
        const struct ring_entry *entry =
            &meter->ring[(meter->newest + RING_ENTRIES - age) % RING_ENTRIES];

        oldest = entry;
        if (newest->at_us - entry->at_us >= RING_PERIOD_US)
            break;
    }
    if (oldest == newest)
        return 0.0;
    return (double) (newest->requests - oldest->requests) * (double) USEC_PER_SEC /
           (double) (newest->at_us - oldest->at_us);
}

double request_meter_quantile_ms(const struct request_meter *meter, unsigned permille)
{
    if (histogram_count(&meter->window_latency) == 0)
        return NAN;
    return (double) histogram_quantile_us(&meter->window_latency, permille) /
           (double) USEC_PER_MSEC;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The request meter: one app's requests, from its workers' scoreboards. Pure: it takes readings as
 * plain values (struct tally) and the time from its caller.
 *
 *     total    = what dead workers left behind + what the live boards show
 *     delta    = total - what was given out before (the baseline)
 *
 * The core keeps the dead's sum and the baseline in its ledger (both are plain values here), so
 * that the totals go on over its own death and no request is counted twice or never.
 *
 * A worker may scribble over its board. One that goes backwards, jumps beyond reason or can't be
 * read is frozen: what it had shown until then stays, what it shows from then on counts nothing,
 * and the caller is told once.
 */
#pragma once

#include "common/base/macro.h"
#include "common/base/scoreboard.h"
#include "common/schema/contract.h"

#include <stdbool.h>
#include <stdint.h>

#define REQUEST_METER_BOARDS_MAX (2u * APP_SLOTS_MAX)

/* What no honest counter reaches (72 PB sent), and what none gains between two readings (1 TB; a
 * million requests waiting for 12 days). */
#define REQUEST_METER_PLAUSIBLE      (UINT64_C(1) << 56)
#define REQUEST_METER_PLAUSIBLE_GAIN (UINT64_C(1) << 40)

enum { REQUEST_METER_FROZEN = 1 };

struct request_meter;

/* |dead| and |baseline| from the ledger, or NULL for zero. 0 or -ENOMEM. */
int request_meter_new(struct request_meter **ret, const struct tally *dead,
                      const struct tally *baseline);
struct request_meter *request_meter_free(struct request_meter *meter);
DEFINE_CLEANUP(struct request_meter *, request_meter_free)

/*
 * A live board's present reading; |serial| names the worker, NULL says that it can't be read. 0;
 * REQUEST_METER_FROZEN when this is the reading that froze it (log it); -ENOSPC or -ENOMEM.
 */
int request_meter_update(struct request_meter *meter, uint64_t serial, const struct tally *reading);

/* The worker is dead and its last reading was given: moves it to the dead's sum. Unknown ones are
 * no error. */
void request_meter_fold(struct request_meter *meter, uint64_t serial);

/* All requests of all workers ever; and the part of the dead, for the ledger. Borrowed. */
const struct tally *request_meter_total(const struct request_meter *meter);
const struct tally *request_meter_dead(const struct request_meter *meter);

/*
 * A window ends: *ret_delta is what came in since the baseline, and request_meter_closing() becomes
 * the baseline to note in the ledger with the window. Once the window is safely written,
 * request_meter_commit() puts it into force; without that, the next close gives it again.
 */
void request_meter_close(struct request_meter *meter, struct tally *ret_delta);
const struct tally *request_meter_closing(const struct request_meter *meter);
void request_meter_commit(struct request_meter *meter);

/* Puts the present total on the ring that the rate is taken from: once a sample. */
void request_meter_tick(struct request_meter *meter, uint64_t now_us);

/* Over the last 10 s, or since it began if that is less; 0 before the second tick. */
double request_meter_rate_per_s(const struct request_meter *meter);

/* Latency of the last closed window; NAN if it had no requests or there was none. */
double request_meter_quantile_ms(const struct request_meter *meter, unsigned permille);

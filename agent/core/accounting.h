/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Request accounting: the scoreboards of all workers, summed up so that each answered request is in
 * exactly one window, whoever dies in between.
 *
 * It joins the request meters (pure arithmetic) with the ledger (what survives the core). A
 * worker's numbers are folded into its app's total, and that is noted, before the holder is asked
 * to forget its scoreboard.
 */
#pragma once

#include "agent/core/ledger.h"
#include "agent/observe/windows.h"

struct accounting;

int accounting_new(struct accounting **ret, struct ledger *ledger);
struct accounting *accounting_free(struct accounting *accounting);
DEFINE_CLEANUP(struct accounting *, accounting_free)

/* A worker runs: reads its scoreboard from now on. Takes |take_fd|; -1 or no scoreboard: it counts
 * nothing. */
void accounting_open(struct accounting *accounting, unsigned app, unsigned slot, uint64_t serial,
                     int take_fd);
/* It has ended: folds its numbers, once for each serial. Takes |take_fd|, needed only where
 * accounting_open() never was. */
void accounting_fold(struct accounting *accounting, unsigned app, unsigned slot, uint64_t serial,
                     int take_fd);

/* Reads all scoreboards. */
void accounting_sample(struct accounting *accounting, uint64_t now_us);

/* --- windows ------------------------------------------------------------------------------------
 */

/*
 * Adds what came in since the last emitted window to the open window: RequestCount, RequestLatency,
 * errors, restarts, and what happened to the windows before. |restarts|: each app's restarts since
 * the unit's start.
 */
void accounting_close(struct accounting *accounting, struct windows *windows,
                      const uint64_t restarts[APPS_MAX]);
/* The window is about to be written at |intent|: noted before the first byte. */
void accounting_intend(struct accounting *accounting, const struct ledger_intent *intent,
                       uint64_t window_start_realtime_us);
/* It was written, or was not: then its requests are in the next one. A new core settles the intent
 * that an earlier one has left, before it opens any scoreboard. */
void accounting_settle(struct accounting *accounting, bool written);

/* --- views --------------------------------------------------------------------------------------
 */

bool accounting_has_app(const struct accounting *accounting, unsigned app);
const struct tally *accounting_total(const struct accounting *accounting,
                                     unsigned app); /* NULL: no scoreboard ever */
double accounting_rate_per_s(const struct accounting *accounting, unsigned app);
double accounting_quantile_ms(const struct accounting *accounting, unsigned app, unsigned permille);
uint32_t accounting_in_flight(const struct accounting *accounting, unsigned app, unsigned slot);
uint64_t accounting_requests(const struct accounting *accounting, unsigned app,
                             unsigned slot); /* of the slot's present worker */

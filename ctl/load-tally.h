/* SPDX-License-Identifier: Apache-2.0 */
/* What has become of the requests of a load. Pure. */
#pragma once

#include "common/base/histogram.h"
#include "ctl/failure.h"
#include "ctl/instances.h"

#define LOAD_CLASSES  6u   /* by the status' first digit, 1 to 5; 0 for all others */
#define LOAD_TEXT_MAX 128u /* bytes with the NUL */

struct load_tally {
    uint64_t started;                /* answered + failed, when all have ended */
    uint64_t sent;                   /* of those that ended: a byte of it may have left */
    uint64_t answered;               /* whole, whatever the status */
    uint64_t statuses[LOAD_CLASSES]; /* of the answers */
    uint64_t failures[FAILURES_];    /* no whole answer */
    uint64_t bytes;                  /* of answers' bodies */
    uint64_t max_us;                 /* the slowest answer */
    struct histogram latency;        /* of the answers */
    struct instances instances;
    char texts[FAILURES_][LOAD_TEXT_MAX]; /* of the first failure of each kind; to be cleaned */

    struct { /* since load_tally_turn() */
        uint64_t answered;
        struct histogram latency;
    } lately;
};

/* |instance|: "" if it isn't named. */
void load_tally_answer(struct load_tally *tally, unsigned status, uint64_t latency_us,
                       uint64_t bytes, const char *instance, uint64_t now_us);
void load_tally_failure(struct load_tally *tally, enum failure failure, const char *text,
                        bool sent);

/* Empties |lately|. */
void load_tally_turn(struct load_tally *tally);

/* No whole answer, or one of 400 and up. */
uint64_t load_tally_failed(const struct load_tally *tally);
/* No whole answer. */
uint64_t load_tally_unanswered(const struct load_tally *tally);

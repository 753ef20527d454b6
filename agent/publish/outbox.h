/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The outbox: what is to be sent, out of the spool, in shipments. It knows neither loop nor
 * network.
 *
 * Fresh are the newest windows that were never given up on; all else that is not done is backlog,
 * the oldest first. A shipment is one body of PutMetricData with as many whole records as it takes.
 * What became of it decides about its records:
 *
 *     SHIPMENT_STORED      done
 *     SHIPMENT_NOT_STORED  they wait on
 *     SHIPMENT_UNKNOWN     no answer: they wait on, and count as ambiguous when they are sent again
 *     SHIPMENT_REFUSED     the service calls the data wrong: sent again one by one, and a single
 * one that is refused is dropped, for it would be refused for ever
 */
#pragma once

#include "agent/publish/body.h"
#include "agent/publish/flush-plan.h"
#include "agent/publish/spool.h"

#define OUTBOX_FRESH_MAX        30u           /* records; older ones that failed become backlog */
#define OUTBOX_PART_BYTES       (200u * 1024) /* of a record: whole in one body, dimensions too */
#define OUTBOX_PART_LINES       300u
#define OUTBOX_WINDOW_MAX_BYTES (OUTBOX_PART_BYTES * (SPOOL_GROUP_MAX - 1))

enum shipment_fate { SHIPMENT_STORED, SHIPMENT_NOT_STORED, SHIPMENT_UNKNOWN, SHIPMENT_REFUSED };

struct shipment { /* plain value until shipment_done() */
    enum flush_kind kind;
    uint64_t first, last; /* records */
    size_t n_records;
    size_t n_ambiguous; /* of them may be there already */
    struct body body;
    const char *text;
    size_t length;
};
void shipment_done(struct shipment *shipment);

struct outbox;

struct outbox_counts {
    uint64_t sent;      /* records stored */
    uint64_t ambiguous; /* sent again though they may be there */
    uint64_t refused;   /* dropped: the service takes them never */
    struct spool_counts spool;
};

int outbox_open(struct outbox **ret, const struct spool_settings *settings,
                uint64_t now_realtime_us);
struct outbox *outbox_free(struct outbox *outbox);
DEFINE_CLEANUP(struct outbox *, outbox_free)

/*
 * A closed window, in the form of record.h; a large one becomes several records. |*ret_first| and
 * |*ret_last| are the numbers that they get, told before the first byte is written: see
 * outbox_plan(). 0, -E2BIG over OUTBOX_WINDOW_MAX_BYTES, -ENOMEM.
 */
int outbox_append(struct outbox *outbox, const char *window, size_t length, uint64_t realtime_us,
                  uint64_t now_realtime_us);
/* The number of the first record of the next window: for the ledger's note. */
uint64_t outbox_next_number(const struct outbox *outbox);
/* Whether a window was appended as a whole whose first record was to have that number. */
bool outbox_has(const struct outbox *outbox, uint64_t number);

bool outbox_has_fresh(const struct outbox *outbox);
bool outbox_has_backlog(const struct outbox *outbox);

/*
 * Puts the next one together and marks its records as being sent. One at a time. 1, 0 if there is
 * nothing of that kind, -ENOMEM or another negative errno.
 */
int outbox_take(struct outbox *outbox, enum flush_kind kind, const struct body_settings *settings,
                struct shipment *ret);
void outbox_settle(struct outbox *outbox, const struct shipment *shipment, enum shipment_fate fate);

/* See spool.h. */
void outbox_maintain(struct outbox *outbox, uint64_t now_realtime_us);
size_t outbox_take_dirty(struct outbox *outbox, int ret_fds[SPOOL_SYNC_MAX]);
void outbox_counts(const struct outbox *outbox, struct outbox_counts *ret);

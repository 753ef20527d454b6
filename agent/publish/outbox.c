/* SPDX-License-Identifier: Apache-2.0 */
/* See the header. Fresh records have numbers from |fresh_from| on. */
#include "agent/publish/outbox.h"

#include "agent/publish/record.h"
#include "common/base/log.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

struct outbox {
    struct spool *spool;
    uint64_t fresh_from;
    uint64_t alone_until; /* records below it are sent one by one: some of them were refused */
    uint64_t sent, ambiguous, refused;
};

void shipment_done(struct shipment *shipment)
{
    body_done(&shipment->body);
    shipment->text = NULL;
}

int outbox_open(struct outbox **ret, const struct spool_settings *settings,
                uint64_t now_realtime_us)
{
    CLEANUP(outbox_freep) struct outbox *outbox = calloc(1, sizeof(*outbox));
    int r;

    if (!outbox)
        return -ENOMEM;
    r = spool_open(&outbox->spool, settings, now_realtime_us);
    if (r < 0)
        return r;
    /* What an earlier process left is backlog: it may be much, and old. But what it left a moment
     * ago, when a core was replaced, is as fresh as ever. */
    outbox->fresh_from = spool_next_number(outbox->spool);
    outbox->fresh_from -= MIN(outbox->fresh_from, (uint64_t) OUTBOX_FRESH_MAX);
    *ret = TAKE(outbox);
    return 0;
}

struct outbox *outbox_free(struct outbox *outbox)
{
    if (!outbox)
        return NULL;
    spool_free(outbox->spool);
    free(outbox);
    return NULL;
}

/* How much of the text is one record: whole lines within the limits, at least one. */
static size_t part_length(const char *text, size_t length)
{
    size_t end = 0;

    for (unsigned lines = 0; end < length && lines < OUTBOX_PART_LINES; lines++) {
        const char *newline = memchr(text + end, '\n', length - end);
        size_t next = newline ? (size_t) (newline - text) + 1 : length;

        if (end > 0 && next > OUTBOX_PART_BYTES)
            break;
        end = next;
    }
    return end;
}

int outbox_append(struct outbox *outbox, const char *window, size_t length, uint64_t realtime_us,
                  uint64_t now_realtime_us)
{
    struct spool_part parts[SPOOL_GROUP_MAX];
    size_t n = 0;
    int r;

    while (length > 0) {
        if (n == SPOOL_GROUP_MAX)
            return -E2BIG;
        parts[n] = (struct spool_part){window, part_length(window, length)};
        window += parts[n].length;
        length -= parts[n++].length;
    }
    r = n > 0 ? spool_append(outbox->spool, realtime_us, parts, n, now_realtime_us) : 0;
    return r;
}

uint64_t outbox_next_number(const struct outbox *outbox)
{
    return spool_next_number(outbox->spool);
}

bool outbox_has(const struct outbox *outbox, uint64_t number)
{
    return spool_has(outbox->spool, number);
}

/* Fresh ones that have waited for too long make way for fresher ones. */
static void age_fresh(struct outbox *outbox)
{
    uint64_t next = spool_next_number(outbox->spool);

    if (next - outbox->fresh_from > OUTBOX_FRESH_MAX)
        outbox->fresh_from = next - OUTBOX_FRESH_MAX;
}

bool outbox_has_fresh(const struct outbox *outbox)
{
    uint64_t number;

    return spool_next(outbox->spool, outbox->fresh_from, &number) == 0;
}

bool outbox_has_backlog(const struct outbox *outbox)
{
    uint64_t number;

    return spool_next(outbox->spool, 0, &number) == 0 && number < outbox->fresh_from;
}

/* Adds one record: 1, 0 if there is no room for all of it, or a negative errno. */
static int add_record(struct shipment *shipment, const char *data, size_t length)
{
    struct body *body = &shipment->body;
    size_t offset = 0, before_length = body->text.length, before_datums = body->n_datums;
    size_t skipped = 0;
    int r = body_add(body, data, length, &offset, &skipped);

    if (skipped > 0)
        log_error("%zu datums of a window are no datums, or too long: dropped", skipped);
    if (r < 0)
        return r;
    if (offset == length)
        return 1;
    body->text.length = before_length;
    body->text.data[before_length] = '\0';
    body->n_datums = before_datums;
    return 0;
}

/* From |number| up to below |end|, as many as go in. 0 or a negative errno. */
static int fill(struct outbox *outbox, struct shipment *shipment, uint64_t number, uint64_t end)
{
    size_t most = number < outbox->alone_until ? 1 : SIZE_MAX;

    while (shipment->n_records < most && spool_next(outbox->spool, number, &number) == 0 &&
           number < end) {
        CLEANUP_FREE char *data = NULL;
        uint64_t realtime_us;
        size_t length;
        int r = spool_read(outbox->spool, number, &data, &length, &realtime_us);

        if (r == -ENOENT || r == -EBADMSG) { /* dropped by the spool, which has said so */
            number++;
            continue;
        }
        if (r == -EIO) { /* a bad place on the disk: what is behind it goes on without it */
            if (shipment->n_records > 0)
                return 0; /* a shipment's records are in a row */
            number++;
            continue;
        }
        if (r >= 0)
            r = add_record(shipment, data, length);
        if (r < 0)
            return shipment->n_records > 0 ? 0 : r;
        if (r == 0)
            break;
        if (shipment->n_records++ == 0)
            shipment->first = number;
        shipment->last = number;
        shipment->n_ambiguous += spool_is_ambiguous(outbox->spool, number);
        number++;
    }
    return 0;
}

int outbox_take(struct outbox *outbox, enum flush_kind kind, const struct body_settings *settings,
                struct shipment *ret)
{
    struct shipment shipment = {.kind = kind};
    int r;

    age_fresh(outbox);
    body_begin(&shipment.body, settings);
    if (kind == FLUSH_FRESH)
        r = fill(outbox, &shipment, outbox->fresh_from, UINT64_MAX);
    else
        r = fill(outbox, &shipment, 0, outbox->fresh_from);
    if (r >= 0 && shipment.n_records > 0 && shipment.body.n_datums == 0) {
        /* Records of nothing but nonsense. */
        spool_mark_done(outbox->spool, shipment.first, shipment.last);
        outbox->refused += shipment.n_records;
        shipment.n_records = 0;
    }
    if (r >= 0 && shipment.n_records > 0) {
        shipment.text = body_end(&shipment.body, &shipment.length);
        r = shipment.text ? 1 : -ENOMEM;
    }
    if (r <= 0) {
        shipment_done(&shipment);
        return r;
    }
    outbox->ambiguous += shipment.n_ambiguous;
    spool_mark_sending(outbox->spool, shipment.first, shipment.last);
    *ret = shipment;
    return 1;
}

static void settle_refused(struct outbox *outbox, const struct shipment *shipment)
{
    if (shipment->n_records > 1) {
        spool_mark_failed(outbox->spool, shipment->first, shipment->last);
        outbox->alone_until = MAX(outbox->alone_until, shipment->last + 1);
        return;
    }
    spool_mark_done(outbox->spool, shipment->first, shipment->last);
    outbox->refused++;
}

void outbox_settle(struct outbox *outbox, const struct shipment *shipment, enum shipment_fate fate)
{
    switch (fate) {
    case SHIPMENT_STORED:
        spool_mark_done(outbox->spool, shipment->first, shipment->last);
        outbox->sent += shipment->n_records;
        break;
    case SHIPMENT_NOT_STORED:
        spool_mark_failed(outbox->spool, shipment->first, shipment->last);
        break;
    case SHIPMENT_UNKNOWN: /* the marks say so already */
        break;
    case SHIPMENT_REFUSED:
        settle_refused(outbox, shipment);
        break;
    }
}

void outbox_maintain(struct outbox *outbox, uint64_t now_realtime_us)
{
    spool_maintain(outbox->spool, now_realtime_us);
}

size_t outbox_take_dirty(struct outbox *outbox, int ret_fds[SPOOL_SYNC_MAX])
{
    return spool_take_dirty(outbox->spool, ret_fds);
}

void outbox_counts(const struct outbox *outbox, struct outbox_counts *ret)
{
    *ret = (struct outbox_counts){
        .sent = outbox->sent, .ambiguous = outbox->ambiguous, .refused = outbox->refused};
    spool_counts(outbox->spool, &ret->spool);
}

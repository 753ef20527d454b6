/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The spool: windows that CloudWatch doesn't have yet, on disk, in order, bounded by size and age.
 *
 * A directory of segments, each a file of marks (which records are being sent, which are done) and
 * of records with checksums; a segment whose records are all done is removed. A record is data that
 * nobody here looks into, compressed with zlib.
 *
 *     append   the record (or a group of them, as a whole or not at all)
 *     send     marked before a record is sent
 *     done     marked when the service has answered that it has it
 *     failed   marked when this sending certainly was not taken: nothing ambiguous then, unless an
 *              earlier one was already
 *
 * A process that finds a record marked as sent but neither done nor failed must send it again, and
 * knows that it may be there already: spool_is_ambiguous().
 *
 * Writes go to the page cache and don't block; what spool_take_dirty() hands out, synced on an
 * offload thread, makes them survive a power failure. A torn tail is cut off, a file with a bad
 * checksum or a foreign one is set aside as "<name>.bad" (a few are kept) and never stops anything.
 * Where the disk is full or read-only the spool goes on in memory, with one warning, and comes back
 * to the disk by itself.
 *
 * One process at a time (a lock on the directory). It knows no clock: all time is given.
 */
#pragma once

#include "common/base/macro.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SPOOL_RECORD_LIMIT_BYTES  (1024u * 1024) /* before compression */
#define SPOOL_GROUP_MAX           16u            /* records of one append */
#define SPOOL_SEGMENT_BYTES       (512u * 1024)  /* a new one is begun above it */
#define SPOOL_SEGMENT_RECORDS_MAX 2048u
#define SPOOL_MEMORY_LIMIT_BYTES  (UINT64_C(2) * 1024 * 1024) /* without a disk */
#define SPOOL_BAD_FILES_MAX       8u

struct spool;

struct spool_settings {
    const char *directory; /* made if it isn't there; NULL: memory only */
    uint64_t limit_bytes;  /* on disk; the oldest records make room, counted; 0: none */
    uint64_t age_limit_us; /* older records are dropped, counted; 0: none */
};

struct spool_counts {                   /* since the open */
    uint64_t records, bytes;            /* kept now, not done; about, on disk or in memory */
    uint64_t dropped_size, dropped_age; /* records */
    uint64_t dropped_bad;               /* records that were damaged or missing */
    uint64_t bad_files;                 /* set aside */
    bool in_memory;                     /* the disk is refused */
    int disk_error;                     /* why, as an errno; 0: none */
};

/*
 * Reads what is there. 0, -EBUSY if another process has it, -ENOMEM. A directory that can't be made
 * or read is no error: the spool is in memory then (spool_counts.in_memory).
 */
int spool_open(struct spool **ret, const struct spool_settings *settings, uint64_t now_realtime_us);
struct spool *spool_free(struct spool *spool);
DEFINE_CLEANUP(struct spool *, spool_free)

struct spool_part {
    const void *data;
    size_t length;
};

/*
 * The number that the next record gets. Numbers only grow, over restarts too; the first ever is the
 * time in milliseconds. Those given in memory may be given again by a process that knows nothing of
 * them.
 */
uint64_t spool_next_number(const struct spool *spool);

/*
 * Appends |n| records (1 to SPOOL_GROUP_MAX) as a whole; their numbers are spool_next_number() as
 * it was, and those that follow. |realtime_us| is the start of the window, for the age limit. 0,
 * -EINVAL, -ENOMEM; then nothing was appended. A disk that fails is no error (see above).
 */
int spool_append(struct spool *spool, uint64_t realtime_us, const struct spool_part parts[],
                 size_t n, uint64_t now_realtime_us);

/* Whether a record of that number was appended as a whole, in whatever process: for who noted a
 * number before appending and was killed. True also for one that is done and gone. */
bool spool_has(const struct spool *spool, uint64_t number);

/* The first record from |number| on that is not done; its number in |ret_number|. 0, or -ENOENT. */
int spool_next(const struct spool *spool, uint64_t number, uint64_t *ret_number);

/* Reads one: |ret_data| is the caller's to free. 0, -ENOENT (done, dropped), -EBADMSG (its checksum
 * is wrong: it is dropped and counted), -EIO, -ENOMEM. */
int spool_read(struct spool *spool, uint64_t number, char **ret_data, size_t *ret_length,
               uint64_t *ret_realtime_us);

/* Marks. For what is gone they do nothing. */
void spool_mark_sending(struct spool *spool, uint64_t first, uint64_t last);
void spool_mark_failed(struct spool *spool, uint64_t first, uint64_t last);
void spool_mark_done(struct spool *spool, uint64_t first, uint64_t last);
bool spool_is_ambiguous(const struct spool *spool, uint64_t number);

/* Drops what is over the limits, comes back to the disk. To be called now and then. */
void spool_maintain(struct spool *spool, uint64_t now_realtime_us);

void spool_counts(const struct spool *spool, struct spool_counts *ret);

/*
 * What fsync has to make durable now: duplicates of descriptors, for a thread. Returns their
 * number, 0 if nothing was written since. The caller closes them after fsync(2). More may be left
 * for the next call.
 */
#define SPOOL_SYNC_MAX 8u
size_t spool_take_dirty(struct spool *spool, int ret_fds[SPOOL_SYNC_MAX]);

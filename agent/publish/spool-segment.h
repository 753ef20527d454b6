/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One segment of the spool: a file of up to SPOOL_SEGMENT_RECORDS_MAX records of rising numbers.
 *
 *     header    magic, version, first number, checksum; the count, once it is known for good
 *     marks     four bytes a record, written in place: nothing yet, "SENT", "TWIC"e or "DONE"
 *     records   appended
 *
 * The marks have their room from the beginning, so that marking needs no space on a full disk, the
 * file never has to be rewritten, and one removal takes both away. A mark that is none of the four
 * counts as sent: then the record is sent again and known to be ambiguous.
 *
 * A segment knows no limits and decides on no errors; the caller does both.
 */
#pragma once

#include "agent/publish/spool-record.h"
#include "agent/publish/spool.h"

#define SPOOL_SEGMENT_NAME_MAX 32 /* with its NUL */
/* Where the records begin; what an empty segment takes on disk. */
#define SPOOL_SEGMENT_EMPTY_BYTES (64u + 4u * SPOOL_SEGMENT_RECORDS_MAX)
/* Numbers are kept below what a double holds exactly: they may end up in JSON. */
#define SPOOL_NUMBER_MAX ((UINT64_C(1) << 53) - 1)

struct spool_segment { /* to be read by the caller, written only here */
    uint64_t first;
    uint64_t oldest_realtime_us; /* of the records that wait; a lower bound */
    uint32_t count;              /* numbers that it has: from |first| on */
    uint32_t pending;            /* of them, not done */
    uint32_t size_bytes;
    bool closed;       /* nothing is appended any more */
    bool unsynced;     /* written since the caller took this back */
    bool marks_behind; /* the file's marks are older than ours */
    bool read_only;
    bool cut_needed;   /* something is behind |size_bytes| that must not stay */
    int fd;            /* -1: at rest */
    uint8_t *states;   /* two bits a record */
    uint32_t *offsets; /* of its record, 0: none; NULL: at rest */
};

/* "<16 hex digits>.seg" of a first number. */
void spool_segment_name(char name[SPOOL_SEGMENT_NAME_MAX], uint64_t first);

/* Makes the file, by another name first, so that it is never there in part. 0 or a negative errno.
 */
int spool_segment_create(struct spool_segment **ret, int directory_fd, uint64_t first,
                         uint64_t realtime_us);

/*
 * Opens a segment that is there. Of the |newest| one all records are checked and a torn tail is cut
 * off; others are read when they are needed. Numbers from |limit| on can't be in it. |ret_lost|
 * gets the number of records that it should have and has not. 0, -EBADMSG (it is no segment of
 * ours), or a negative errno.
 */
int spool_segment_open(struct spool_segment **ret, int directory_fd, uint64_t first, uint64_t limit,
                       bool newest, unsigned *ret_lost);
struct spool_segment *spool_segment_free(struct spool_segment *segment);
DEFINE_CLEANUP(struct spool_segment *, spool_segment_free)

/* Makes it ready to read (finds its records), and back. 0 or a negative errno. */
int spool_segment_wake(struct spool_segment *segment, int directory_fd, unsigned *ret_lost);
void spool_segment_rest(struct spool_segment *segment);

/* Whether a group of |n| that starts at |number| has its place in it: not in a closed one, not
 * behind a jump of the numbers. */
bool spool_segment_has_room(const struct spool_segment *segment, uint64_t number, size_t n);

/*
 * Appends a group of sealed records with rising numbers in one write, their states as given (NULL:
 * new). Numbers that are left out become done. 0, or a negative errno and nothing has changed.
 */
int spool_segment_append(struct spool_segment *segment, const struct spool_record records[],
                         const enum spool_state states[], size_t n);

/* Nothing comes any more: notes the count, gives back what only appending needs. If nothing in it
 * waits, its records' space too. */
void spool_segment_close(struct spool_segment *segment);

enum spool_state spool_segment_state(const struct spool_segment *segment, uint64_t number);

/* The first pending one from |number| on; 0 if there is none. */
uint64_t spool_segment_next(const struct spool_segment *segment, uint64_t number);

/* As spool_read(), of a segment that is awake. -EBADMSG also where a record has no place. */
int spool_segment_read(struct spool_segment *segment, uint64_t number, char **ret_data,
                       size_t *ret_length, uint64_t *ret_realtime_us);

/* Marks what is there of the range. 0, or a negative errno: marked in memory only. */
int spool_segment_mark(struct spool_segment *segment, int directory_fd, uint64_t first,
                       uint64_t last, enum spool_mark mark);

/* Marks done what is older, in a segment that is awake. The number of records or a negative errno.
 */
int spool_segment_drop_older(struct spool_segment *segment, int directory_fd,
                             uint64_t before_realtime_us);

/* Brings the file up to what is in memory, if it is behind. 0 or a negative errno. */
int spool_segment_repair(struct spool_segment *segment, int directory_fd);

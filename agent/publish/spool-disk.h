/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The spool's segments as one queue on disk. Only the newest segment is appended to, and it is kept
 * also when nothing in it waits: it says which number is next. Besides it, at most one is awake.
 *
 * It says what went wrong, and decides nothing about it.
 */
#pragma once

#include "agent/publish/spool-record.h"
#include "agent/publish/spool.h"

struct spool_segment;

struct spool_disk { /* zero with directory_fd -1 is closed; to be written only here */
    int directory_fd;
    struct spool_segment **segments; /* by number */
    size_t n, allocated;
    struct spool_segment *awake; /* beside the newest; or NULL */
    uint64_t next_number;        /* above all that it has or has had; 0: it never had any */
    uint64_t segment_bytes;      /* a new one is begun above it */
    bool directory_unsynced;
    /* Since the program began: */
    uint64_t bad_files, lost_records;
};

/* Reads what is there. 0, -EBUSY (another process has it), or a negative errno: it is closed then.
 */
int spool_disk_open(struct spool_disk *disk, const char *path, uint64_t limit_bytes);
void spool_disk_close(struct spool_disk *disk);
static inline bool spool_disk_is_open(const struct spool_disk *disk)
{
    return disk->directory_fd >= 0;
}

/* Whether somebody has removed the directory. */
bool spool_disk_is_gone(const struct spool_disk *disk);

/* Appends a group as spool_segment_append() does, in a new segment where that is due. */
int spool_disk_append(struct spool_disk *disk, const struct spool_record records[],
                      const enum spool_state states[], size_t n);

/* The first pending one from |number| on, or 0. */
uint64_t spool_disk_next(const struct spool_disk *disk, uint64_t number);
enum spool_state spool_disk_state(const struct spool_disk *disk, uint64_t number);

/* As spool_read(); what has no good data is marked done and counted in |lost_records|. */
int spool_disk_read(struct spool_disk *disk, uint64_t number, char **ret_data, size_t *ret_length,
                    uint64_t *ret_realtime_us);

/* Marks, and removes segments that are done. 0, or a negative errno: then it is marked in memory,
 * and spool_disk_repair() writes it. */
int spool_disk_mark(struct spool_disk *disk, uint64_t first, uint64_t last, enum spool_mark mark);

/* Removes old segments, but never the newest, until |bytes| fit below the limit. Returns the number
 * of records that were still pending. */
uint64_t spool_disk_make_room(struct spool_disk *disk, uint64_t bytes, uint64_t limit_bytes);

/* The same for records older than a time. */
uint64_t spool_disk_drop_older(struct spool_disk *disk, uint64_t before_realtime_us);

/* Tries whether files can be written, and makes up for what could not be. 0 or a negative errno. */
int spool_disk_repair(struct spool_disk *disk);

/* What is pending: records, and about how many bytes of the files they are. */
void spool_disk_count(const struct spool_disk *disk, uint64_t *ret_records, uint64_t *ret_bytes);

size_t spool_disk_take_dirty(struct spool_disk *disk, int ret_fds[SPOOL_SYNC_MAX]);

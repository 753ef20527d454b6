/* SPDX-License-Identifier: Apache-2.0 */
/* What the spool holds while there is no disk: the same records in memory. Records that are done
 * leave at once. */
#pragma once

#include "agent/publish/spool-record.h"

struct spool_memory_entry {
    struct spool_record record;
    enum spool_state state;
};

struct spool_memory {                   /* zero is empty */
    struct spool_memory_entry *entries; /* by number */
    size_t n, allocated;
    uint64_t bytes;
};

void spool_memory_done(struct spool_memory *memory);

/* Takes over the data of sealed records with numbers above all that are there. 0, or -ENOMEM and
 * nothing was taken. */
int spool_memory_append(struct spool_memory *memory, struct spool_record records[], size_t n);

/* The entry, or NULL. Valid until something is appended, marked or dropped. */
const struct spool_memory_entry *spool_memory_find(const struct spool_memory *memory,
                                                   uint64_t number);
/* The number of the first from |number| on, or 0. */
uint64_t spool_memory_next(const struct spool_memory *memory, uint64_t number);

void spool_memory_mark(struct spool_memory *memory, uint64_t first, uint64_t last,
                       enum spool_mark mark);

/* Drop the oldest until |limit_bytes| are kept; what is older than a time. The number of records.
 */
size_t spool_memory_limit(struct spool_memory *memory, uint64_t limit_bytes);
size_t spool_memory_drop_older(struct spool_memory *memory, uint64_t before_realtime_us);

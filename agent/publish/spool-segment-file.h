/* SPDX-License-Identifier: Apache-2.0 */
/* A segment's file as spool-segment.c and spool-recovery.c see it; of no use to others. */
#pragma once

#include "agent/publish/spool-segment.h"

struct spool_segment_head {
    uint64_t magic;
    uint32_t version;
    uint32_t slots;
    uint64_t first;
    uint64_t realtime_us; /* of the oldest record when this was written */
    uint32_t count;       /* 0: still appended to, count yourself */
    uint32_t unused[6];
    uint32_t crc; /* of what is before it */
};

struct spool_segment_table {
    struct spool_segment_head head;
    uint32_t slots[SPOOL_SEGMENT_RECORDS_MAX];
};
_Static_assert(sizeof(struct spool_segment_head) == 64, "padding would go to disk");
_Static_assert(sizeof(struct spool_segment_table) == SPOOL_SEGMENT_EMPTY_BYTES,
               "as the header says");

void spool_segment_head_init(struct spool_segment_head *ret, uint64_t first, uint64_t realtime_us,
                             uint32_t count);

/* A mark as it is in the file, and back. False: it is none. */
uint32_t spool_segment_slot_of_state(enum spool_state state);
bool spool_segment_state_of_slot(uint32_t slot, enum spool_state *ret);

struct spool_segment *spool_segment_new(uint64_t first, uint64_t realtime_us);
int spool_segment_open_file(struct spool_segment *segment, int directory_fd);
void spool_segment_set_state(struct spool_segment *segment, uint32_t index, enum spool_state state);

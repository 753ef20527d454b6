/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A record of the spool as it is stored, on disk and in memory: header, then the data, compressed
 * where that makes it smaller. And what may have happened to it. Pure.
 *
 * Numbers are in the machine's byte order: a spool doesn't travel. Header and data have a checksum
 * each, so that a length is checked before it is believed.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct spool_record_header {
    uint32_t magic;
    uint32_t header_crc; /* of what follows in the header */
    uint64_t number;
    uint64_t realtime_us;
    uint32_t stored_length;
    uint32_t raw_length;
    uint32_t data_crc; /* of the stored data */
    uint32_t flags;
};
_Static_assert(sizeof(struct spool_record_header) == 40, "padding would go to disk");

#define SPOOL_RECORD_COMPRESSED  (UINT32_C(1) << 0)
#define SPOOL_RECORD_GROUP_END   (UINT32_C(1) << 1) /* the last one of its append */
#define SPOOL_RECORD_MAGIC_BYTES "R1\xFE\xA7"       /* 0xFE is in no UTF-8, so not in text */

struct spool_record {
    struct spool_record_header header;
    void *data; /* stored_length bytes, owned */
};

/* Compresses |data| into a record that has no number yet. 0, -EINVAL (too long) or -ENOMEM. */
int spool_record_pack(struct spool_record *ret, const void *data, size_t length,
                      uint64_t realtime_us);
void spool_record_done(struct spool_record *record);

/* Gives it its number and its place in a group. */
void spool_record_seal(struct spool_record *record, uint64_t number, bool group_end);

/* Whether magic, checksum, lengths and flags of the header are right. */
bool spool_record_header_is_valid(const struct spool_record_header *header);

/* The data as it was packed, with a NUL behind it, for the caller to free. 0, -EBADMSG (checksum or
 * compression is wrong) or -ENOMEM. */
int spool_record_unpack(const struct spool_record_header *header, const void *stored,
                        char **ret_data, size_t *ret_length);

/* Bytes of the record as it is stored. */
static inline size_t spool_record_bytes(const struct spool_record_header *header)
{
    return sizeof(*header) + header->stored_length;
}

/* How far a record has got. */
enum spool_state {
    SPOOL_STATE_NEW,
    SPOOL_STATE_SENT,       /* may be at the service */
    SPOOL_STATE_SENT_AGAIN, /* was in that state already when this sending began */
    SPOOL_STATE_DONE,       /* or dropped */
};

enum spool_mark { SPOOL_MARK_SENDING, SPOOL_MARK_FAILED, SPOOL_MARK_DONE };

/* A failure takes back the last sending only: if an earlier one had no answer, the record is still
 * ambiguous. */
enum spool_state spool_state_after(enum spool_state state, enum spool_mark mark);

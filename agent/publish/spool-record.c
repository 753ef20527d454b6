/* SPDX-License-Identifier: Apache-2.0 */
/* Packing and checking. zlib is known here only. */
#include "agent/publish/spool-record.h"

#include "agent/publish/spool.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

/*
 * Raw deflate with a window of 8 KiB: the state is 96 KiB for the time of one record instead of 256
 * KiB, and a window's record, which repeats itself every hundred bytes, gets as small.
 */
#define DEFLATE_WINDOW_BITS  (-13)
#define DEFLATE_MEMORY_LEVEL 7
#define COMPRESS_MIN_BYTES   64u

#define FLAGS_KNOWN (SPOOL_RECORD_COMPRESSED | SPOOL_RECORD_GROUP_END)

static uint32_t checksum(const void *data, size_t length)
{
    return (uint32_t) crc32_z(0, data, length);
}

static uint32_t header_checksum(const struct spool_record_header *header)
{
    const size_t from = offsetof(struct spool_record_header, number);

    return checksum((const char *) header + from, sizeof(*header) - from);
}

/* Bytes in |target|, 0 if it would not be smaller than |length|, or -ENOMEM. */
static int64_t deflate_into(void *target, const void *data, size_t length)
{
    z_stream stream = {0};
    int64_t stored = 0;

    if (length < COMPRESS_MIN_BYTES)
        return 0;
    if (deflateInit2(&stream, Z_DEFAULT_COMPRESSION, Z_DEFLATED, DEFLATE_WINDOW_BITS,
                     DEFLATE_MEMORY_LEVEL, Z_DEFAULT_STRATEGY) != Z_OK)
        return -ENOMEM;
    stream.next_in = (Bytef *) data;
    stream.avail_in = (uInt) length;
    stream.next_out = target;
    stream.avail_out = (uInt) length - 1;
    if (deflate(&stream, Z_FINISH) == Z_STREAM_END)
        stored = (int64_t) stream.total_out;
    deflateEnd(&stream);
    return stored;
}

int spool_record_pack(struct spool_record *ret, const void *data, size_t length,
                      uint64_t realtime_us)
{
    struct spool_record record = {.header.raw_length = (uint32_t) length};
    int64_t stored;
    void *fitted;

    if (length > SPOOL_RECORD_LIMIT_BYTES)
        return -EINVAL;
    record.data = malloc(length + 1);
    if (!record.data)
        return -ENOMEM;
    stored = deflate_into(record.data, data, length);
    if (stored < 0) {
        free(record.data);
        return (int) stored;
    }
    if (stored > 0) {
        record.header.flags = SPOOL_RECORD_COMPRESSED;
        fitted = realloc(record.data, (size_t) stored);
        if (fitted)
            record.data = fitted;
    } else {
        stored = (int64_t) length;
        if (length > 0)
            memcpy(record.data, data, length);
    }
    memcpy(&record.header.magic, SPOOL_RECORD_MAGIC_BYTES, sizeof(record.header.magic));
    record.header.realtime_us = realtime_us;
    record.header.stored_length = (uint32_t) stored;
    record.header.data_crc = checksum(record.data, (size_t) stored);
    *ret = record;
    return 0;
}

void spool_record_done(struct spool_record *record)
{
    free(record->data);
    record->data = NULL;
}

void spool_record_seal(struct spool_record *record, uint64_t number, bool group_end)
{
    record->header.number = number;
    record->header.flags &= ~SPOOL_RECORD_GROUP_END;
    if (group_end)
        record->header.flags |= SPOOL_RECORD_GROUP_END;
    record->header.header_crc = header_checksum(&record->header);
}

bool spool_record_header_is_valid(const struct spool_record_header *header)
{
    bool compressed = header->flags & SPOOL_RECORD_COMPRESSED;

    return memcmp(&header->magic, SPOOL_RECORD_MAGIC_BYTES, sizeof(header->magic)) == 0 &&
           header->header_crc == header_checksum(header) && !(header->flags & ~FLAGS_KNOWN) &&
           header->raw_length <= SPOOL_RECORD_LIMIT_BYTES &&
           (compressed ? header->stored_length < header->raw_length
                       : header->stored_length == header->raw_length);
}

/* Whether exactly |length| bytes come out. */
static int inflate_into(char *target, size_t length, const void *stored, size_t stored_length)
{
    z_stream stream = {0};
    int r;

    if (inflateInit2(&stream, DEFLATE_WINDOW_BITS) != Z_OK)
        return -ENOMEM;
    stream.next_in = (Bytef *) stored;
    stream.avail_in = (uInt) stored_length;
    stream.next_out = (Bytef *) target;
    stream.avail_out = (uInt) length;
    r = inflate(&stream, Z_FINISH);
    inflateEnd(&stream);
    if (r == Z_MEM_ERROR)
        return -ENOMEM;
    return r == Z_STREAM_END && stream.avail_out == 0 && stream.avail_in == 0 ? 0 : -EBADMSG;
}

int spool_record_unpack(const struct spool_record_header *header, const void *stored,
                        char **ret_data, size_t *ret_length)
{
    size_t length = header->raw_length;
    char *data;
    int r = 0;

    if (!spool_record_header_is_valid(header) ||
        checksum(stored, header->stored_length) != header->data_crc)
        return -EBADMSG;
    data = malloc(length + 1);
    if (!data)
        return -ENOMEM;
    if (header->flags & SPOOL_RECORD_COMPRESSED)
        r = inflate_into(data, length, stored, header->stored_length);
    else
        memcpy(data, stored, length);
    if (r < 0) {
        free(data);
        return r;
    }
    data[length] = '\0';
    *ret_data = data;
    *ret_length = length;
    return 0;
}

enum spool_state spool_state_after(enum spool_state state, enum spool_mark mark)
{
    if (state == SPOOL_STATE_DONE || mark == SPOOL_MARK_DONE)
        return SPOOL_STATE_DONE;
    if (mark == SPOOL_MARK_SENDING)
        return state == SPOOL_STATE_NEW ? SPOOL_STATE_SENT : SPOOL_STATE_SENT_AGAIN;
    return state == SPOOL_STATE_SENT_AGAIN ? SPOOL_STATE_SENT : SPOOL_STATE_NEW;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* A piece of the file is held; what is asked for is in it or the piece is read anew. */
#include "agent/publish/spool-scan.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zlib.h>

#define PIECE_BYTES 65536u
/* Bad records are read over and over if one has the next in it; from here on they are passed over
 * by the length that they say, so that no file takes long. */
#define WASTED_MAX_BYTES (UINT64_C(64) * 1024 * 1024)
#define MAGIC_BYTES      (sizeof(SPOOL_RECORD_MAGIC_BYTES) - 1)

struct spool_scan {
    int fd;
    uint64_t offset, end;
    uint64_t due, limit; /* numbers */
    uint64_t wasted;     /* bytes of bad records */
    uint64_t piece_offset;
    size_t piece_length;
    unsigned char piece[PIECE_BYTES];
};

int spool_scan_new(struct spool_scan **ret, int fd, uint64_t from, uint64_t end, uint64_t first,
                   uint64_t limit)
{
    struct spool_scan *scan = malloc(sizeof(*scan));

    if (!scan)
        return -ENOMEM;
    scan->fd = fd;
    scan->offset = from;
    scan->end = end;
    scan->due = first;
    scan->limit = limit;
    scan->wasted = 0;
    scan->piece_offset = scan->piece_length = 0;
    *ret = scan;
    return 0;
}

struct spool_scan *spool_scan_free(struct spool_scan *scan)
{
    free(scan);
    return NULL;
}

/*
 * Up to |length| bytes at |offset|: how many there are in one piece (at least |least|, unless the
 * end is nearer), 0 at the end, or a negative errno.
 */
static ssize_t look(struct spool_scan *scan, uint64_t offset, size_t least, size_t length,
                    const unsigned char **ret)
{
    uint64_t held_end = scan->piece_offset + scan->piece_length;
    ssize_t n;

    least = (size_t) MIN((uint64_t) least, scan->end > offset ? scan->end - offset : 0);
    if (offset < scan->piece_offset || offset + MAX(least, (size_t) 1) > held_end) {
        size_t want =
            (size_t) MIN((uint64_t) PIECE_BYTES, scan->end > offset ? scan->end - offset : 0);

        scan->piece_length = 0;
        do
            n = pread(scan->fd, scan->piece, want, (off_t) offset);
        while (n < 0 && errno == EINTR);
        if (n < 0)
            return -errno;
        scan->piece_offset = offset;
        scan->piece_length = (size_t) n;
        held_end = offset + (size_t) n;
        if ((size_t) n < want)
            scan->end = held_end; /* shorter than was said: somebody cuts it */
    }
    *ret = scan->piece + (offset - scan->piece_offset);
    return (ssize_t) MIN((uint64_t) length, held_end - offset);
}

/* 1 if the checksum of the record's data is right, 0 if not, or a negative errno. */
static int check_data(struct spool_scan *scan, uint64_t offset,
                      const struct spool_record_header *header)
{
    uint64_t at = offset + sizeof(*header);
    size_t left = header->stored_length;
    uLong crc = 0;

    while (left > 0) {
        const unsigned char *data;
        ssize_t n = look(scan, at, 1, left, &data);

        if (n <= 0)
            return (int) n;
        crc = crc32_z(crc, data, (size_t) n);
        at += (size_t) n;
        left -= (size_t) n;
    }
    return (uint32_t) crc == header->data_crc;
}

/* Moves to the next place that has the magic, or to the end. 0 or a negative errno. */
static int find_magic(struct spool_scan *scan)
{
    while (scan->offset + MAGIC_BYTES <= scan->end) {
        const unsigned char *data, *found;
        ssize_t n = look(scan, scan->offset, MAGIC_BYTES, PIECE_BYTES, &data);

        if (n < 0)
            return (int) n;
        if ((size_t) n < MAGIC_BYTES)
            break;
        found = memmem(data, (size_t) n, SPOOL_RECORD_MAGIC_BYTES, MAGIC_BYTES);
        if (found) {
            scan->offset += (uint64_t) (found - data);
            return 0;
        }
        scan->offset += (size_t) n - MAGIC_BYTES + 1;
    }
    scan->offset = scan->end;
    return 0;
}

/* 1 if there is a header at the offset that can be right, 0 if not, or a negative errno. */
static int read_header(struct spool_scan *scan, struct spool_record_header *header)
{
    const unsigned char *data;
    ssize_t n = look(scan, scan->offset, sizeof(*header), sizeof(*header), &data);

    if (n < 0)
        return (int) n;
    if ((size_t) n < sizeof(*header))
        return 0;
    memcpy(header, data, sizeof(*header));
    return spool_record_header_is_valid(header) && header->number >= scan->due &&
           header->number < scan->limit && spool_record_bytes(header) <= scan->end - scan->offset;
}

int spool_scan_next(struct spool_scan *scan, struct spool_record_header *ret, uint64_t *ret_offset)
{
    while (scan->offset < scan->end) {
        struct spool_record_header header;
        uint64_t offset = scan->offset;
        int r = read_header(scan, &header);

        bool header_good = r > 0;

        if (header_good)
            r = check_data(scan, offset, &header);
        if (r > 0) {
            scan->offset += spool_record_bytes(&header);
            scan->due = header.number + 1;
            *ret = header;
            *ret_offset = offset;
            return 1;
        }
        if (r == 0) {
            if (header_good)
                scan->wasted += header.stored_length;
            scan->offset +=
                header_good && scan->wasted > WASTED_MAX_BYTES ? spool_record_bytes(&header) : 1;
            r = find_magic(scan);
        }
        if (r < 0)
            return r;
    }
    return 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Files of one segment: made, appended to, marked, read. Finding what is in one after a crash is in
 * spool-recovery.c. */
#include "agent/publish/spool-segment.h"

#include "agent/publish/spool-segment-file.h"
#include "common/base/files.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

#define FILE_MODE 0640

void spool_segment_name(char name[SPOOL_SEGMENT_NAME_MAX], uint64_t first)
{
    snprintf(name, SPOOL_SEGMENT_NAME_MAX, "%016" PRIx64 ".seg", first);
}

static enum spool_state state_at(const struct spool_segment *segment, uint32_t index)
{
    return (enum spool_state)(segment->states[index / 4] >> (index % 4 * 2) & 3);
}

void spool_segment_set_state(struct spool_segment *segment, uint32_t index, enum spool_state state)
{
    unsigned shift = index % 4 * 2;
    uint8_t *byte = &segment->states[index / 4];

    *byte = (uint8_t) ((*byte & ~(3u << shift)) | ((unsigned) state << shift));
}

enum spool_state spool_segment_state(const struct spool_segment *segment, uint64_t number)
{
    if (number < segment->first || number - segment->first >= segment->count)
        return SPOOL_STATE_DONE;
    return state_at(segment, (uint32_t) (number - segment->first));
}

uint64_t spool_segment_next(const struct spool_segment *segment, uint64_t number)
{
    uint64_t end = segment->first + segment->count;

    if (segment->pending == 0)
        return 0;
    for (number = MAX(number, segment->first); number < end; number++)
        if (spool_segment_state(segment, number) != SPOOL_STATE_DONE)
            return number;
    return 0;
}

/* --- Writing ---------------------------------------------------------------------------------- */

/* Writes all of it or says why not. */
static int write_at(int fd, const void *data, size_t length, uint64_t offset)
{
    ssize_t n;

    do
        n = pwrite(fd, data, length, (off_t) offset);
    while (n < 0 && errno == EINTR);
    if (n < 0)
        return -errno;
    /* A short write on a regular file means that there is no more space. */
    return (size_t) n == length ? 0 : -ENOSPC;
}

/* Opens it to write; where that is forbidden, to read, so that what is there can still be sent. */
int spool_segment_open_file(struct spool_segment *segment, int directory_fd)
{
    const int flags = O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY;
    char name[SPOOL_SEGMENT_NAME_MAX];

    if (segment->fd >= 0)
        return 0;
    spool_segment_name(name, segment->first);
    segment->fd = openat(directory_fd, name, O_RDWR | flags);
    segment->read_only = segment->fd < 0 && (errno == EROFS || errno == EACCES || errno == EPERM);
    if (segment->read_only)
        segment->fd = openat(directory_fd, name, O_RDONLY | flags);
    return segment->fd < 0 ? -errno : 0;
}

/* The slots of |n| records from |index| on; those past the count are empty. */
static void make_slots(const struct spool_segment *segment, uint32_t index, uint32_t n,
                       uint32_t slots[])
{
    for (uint32_t i = 0; i < n; i++)
        slots[i] = index + i < segment->count
                       ? spool_segment_slot_of_state(state_at(segment, index + i))
                       : 0;
}

static int write_slots(struct spool_segment *segment, uint32_t index, uint32_t n)
{
    uint32_t slots[SPOOL_SEGMENT_RECORDS_MAX];
    int r;

    make_slots(segment, index, n, slots);
    r = write_at(segment->fd, slots, n * sizeof(*slots),
                 sizeof(struct spool_segment_head) + index * sizeof(*slots));
    if (r == 0)
        segment->unsynced = true;
    return r;
}

/* All that is before the records. */
static int write_table(struct spool_segment *segment)
{
    struct spool_segment_table table;
    int r;

    spool_segment_head_init(&table.head, segment->first, segment->oldest_realtime_us,
                            segment->closed ? segment->count : 0);
    make_slots(segment, 0, SPOOL_SEGMENT_RECORDS_MAX, table.slots);
    r = write_at(segment->fd, &table, sizeof(table), 0);
    if (r == 0)
        segment->unsynced = true;
    return r;
}

static int cut(struct spool_segment *segment)
{
    if (segment->cut_needed) {
        if (segment->read_only)
            return -EROFS;
        if (ftruncate(segment->fd, segment->size_bytes) < 0)
            return -errno;
        segment->cut_needed = false;
        segment->unsynced = true;
    }
    return 0;
}

struct spool_segment *spool_segment_new(uint64_t first, uint64_t realtime_us)
{
    struct spool_segment *segment = calloc(1, sizeof(*segment));

    if (!segment)
        return NULL;
    segment->first = first;
    segment->oldest_realtime_us = realtime_us;
    segment->fd = -1;
    segment->size_bytes = SPOOL_SEGMENT_EMPTY_BYTES;
    segment->states = calloc(1, SPOOL_SEGMENT_RECORDS_MAX / 4);
    return segment->states ? segment : spool_segment_free(segment);
}

struct spool_segment *spool_segment_free(struct spool_segment *segment)
{
    if (!segment)
        return NULL;
    spool_segment_rest(segment);
    free(segment->states);
    free(segment);
    return NULL;
}

int spool_segment_create(struct spool_segment **ret, int directory_fd, uint64_t first,
                         uint64_t realtime_us)
{
    CLEANUP(spool_segment_freep)
    struct spool_segment *segment = spool_segment_new(first, realtime_us);
    char name[SPOOL_SEGMENT_NAME_MAX], temporary[SPOOL_SEGMENT_NAME_MAX + 4];
    int r;

    if (!segment)
        return -ENOMEM;
    segment->offsets = calloc(SPOOL_SEGMENT_RECORDS_MAX, sizeof(*segment->offsets));
    if (!segment->offsets)
        return -ENOMEM;
    spool_segment_name(name, first);
    snprintf(temporary, sizeof(temporary), "%s.new", name);
    unlinkat(directory_fd, temporary, 0); /* of a process that died in here */
    segment->fd = openat(directory_fd, temporary,
                         O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, FILE_MODE);
    if (segment->fd < 0)
        return -errno;
    r = write_table(segment);
    if (r == 0 && renameat(directory_fd, temporary, directory_fd, name) < 0)
        r = -errno;
    if (r < 0) {
        unlinkat(directory_fd, temporary, 0);
        return r;
    }
    *ret = TAKE(segment);
    return 0;
}

bool spool_segment_has_room(const struct spool_segment *segment, uint64_t number, size_t n)
{
    return !segment->closed && number >= segment->first + segment->count &&
           number - segment->first <= SPOOL_SEGMENT_RECORDS_MAX - n;
}

static int write_records(struct spool_segment *segment, const struct spool_record records[],
                         size_t n, size_t *ret_bytes)
{
    struct iovec parts[SPOOL_GROUP_MAX * 2];
    size_t bytes = 0;
    ssize_t written;
    int error;

    for (size_t i = 0; i < n; i++) {
        parts[2 * i].iov_base = (void *) &records[i].header;
        parts[2 * i].iov_len = sizeof(records[i].header);
        parts[2 * i + 1].iov_base = records[i].data;
        parts[2 * i + 1].iov_len = records[i].header.stored_length;
        bytes += spool_record_bytes(&records[i].header);
    }
    written = pwritev(segment->fd, parts, (int) (2 * n), segment->size_bytes);
    if (written == (ssize_t) bytes) {
        *ret_bytes = bytes;
        return 0;
    }
    error = written < 0 ? errno : ENOSPC;
    /* Part of a group must be gone before anything is written over it: a longer rest could look
     * like records behind the new ones. */
    segment->cut_needed = true;
    (void) cut(segment);
    return -error;
}

/* The states that are not what an empty slot says, gaps before the records included. */
static int write_new_slots(struct spool_segment *segment, uint32_t from, uint32_t to)
{
    for (uint32_t i = from; i < to; i++)
        if (state_at(segment, i) != SPOOL_STATE_NEW)
            return write_slots(segment, from, to - from);
    return 0;
}

int spool_segment_append(struct spool_segment *segment, const struct spool_record records[],
                         const enum spool_state states[], size_t n)
{
    uint32_t offset = segment->size_bytes, old_count = segment->count;
    size_t bytes = 0;
    int r;

    if (segment->read_only)
        return -EROFS;
    r = cut(segment);
    if (r == 0)
        r = write_records(segment, records, n, &bytes);
    if (r < 0)
        return r;
    segment->unsynced = true;
    segment->size_bytes += (uint32_t) bytes;
    for (size_t i = 0; i < n; i++) {
        const struct spool_record_header *header = &records[i].header;
        uint32_t index = (uint32_t) (header->number - segment->first);

        for (uint32_t gap = segment->count; gap < index; gap++)
            spool_segment_set_state(segment, gap, SPOOL_STATE_DONE);
        spool_segment_set_state(segment, index, states ? states[i] : SPOOL_STATE_NEW);
        segment->offsets[index] = offset;
        segment->count = index + 1;
        segment->oldest_realtime_us = segment->pending == 0
                                          ? header->realtime_us
                                          : MIN(segment->oldest_realtime_us, header->realtime_us);
        segment->pending++;
        offset += (uint32_t) spool_record_bytes(header);
    }
    /* The records are there; marks that can't be written are made up for later. */
    if (write_new_slots(segment, old_count, segment->count) < 0)
        segment->marks_behind = true;
    return 0;
}

void spool_segment_close(struct spool_segment *segment)
{
    uint8_t *fitted = realloc(segment->states, segment->count / 4 + 1);

    if (fitted)
        segment->states = fitted;
    segment->closed = true;
    if (segment->fd >= 0 && !segment->read_only && !segment->marks_behind) {
        if (segment->pending == 0) {
            segment->size_bytes = SPOOL_SEGMENT_EMPTY_BYTES;
            segment->cut_needed = true;
        }
        /* If either fails, the next who opens it looks itself. */
        if (cut(segment) == 0)
            (void) write_table(segment);
    }
    spool_segment_rest(segment);
}

void spool_segment_rest(struct spool_segment *segment)
{
    segment->fd = fd_close(segment->fd);
    free(segment->offsets);
    segment->offsets = NULL;
}

/* --- Reading ---------------------------------------------------------------------------------- */

/* 0, -EBADMSG if there is less, or a negative errno. */
static int read_at(int fd, void *data, size_t length, uint64_t offset)
{
    char *next = data;

    while (length > 0) {
        ssize_t n = pread(fd, next, length, (off_t) offset);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -errno;
        if (n == 0)
            return -EBADMSG;
        next += n;
        offset += (uint64_t) n;
        length -= (size_t) n;
    }
    return 0;
}

static int read_header(const struct spool_segment *segment, uint32_t index,
                       struct spool_record_header *ret)
{
    int r;

    if (!segment->offsets || segment->offsets[index] == 0)
        return -EBADMSG;
    r = read_at(segment->fd, ret, sizeof(*ret), segment->offsets[index]);
    if (r < 0)
        return r;
    return spool_record_header_is_valid(ret) && ret->number == segment->first + index ? 0
                                                                                      : -EBADMSG;
}

int spool_segment_read(struct spool_segment *segment, uint64_t number, char **ret_data,
                       size_t *ret_length, uint64_t *ret_realtime_us)
{
    uint32_t index = (uint32_t) (number - segment->first);
    CLEANUP_FREE char *stored = NULL;
    struct spool_record_header header;
    int r = read_header(segment, index, &header);

    if (r < 0)
        return r;
    stored = malloc(header.stored_length + 1u);
    if (!stored)
        return -ENOMEM;
    r = read_at(segment->fd, stored, header.stored_length,
                segment->offsets[index] + sizeof(header));
    if (r == 0)
        r = spool_record_unpack(&header, stored, ret_data, ret_length);
    if (r == 0)
        *ret_realtime_us = header.realtime_us;
    return r;
}

/* --- Marks ------------------------------------------------------------------------------------ */

static int write_marks(struct spool_segment *segment, int directory_fd, uint32_t from, uint32_t to)
{
    int r = 0;

    if (!segment->marks_behind) {
        r = spool_segment_open_file(segment, directory_fd);
        if (r == 0)
            r = segment->read_only ? -EROFS : write_slots(segment, from, to - from);
        segment->marks_behind = r < 0;
    }
    return r;
}

int spool_segment_mark(struct spool_segment *segment, int directory_fd, uint64_t first,
                       uint64_t last, enum spool_mark mark)
{
    uint64_t end = segment->first + segment->count;
    uint32_t from = UINT32_MAX, to = 0;

    first = MAX(first, segment->first);
    for (uint64_t number = first; number < end && number <= last; number++) {
        uint32_t index = (uint32_t) (number - segment->first);
        enum spool_state old = state_at(segment, index), new = spool_state_after(old, mark);

        if (new == old)
            continue;
        spool_segment_set_state(segment, index, new);
        if (new == SPOOL_STATE_DONE)
            segment->pending--;
        from = MIN(from, index);
        to = index + 1;
    }
    return to == 0 ? 0 : write_marks(segment, directory_fd, from, to);
}

int spool_segment_drop_older(struct spool_segment *segment, int directory_fd,
                             uint64_t before_realtime_us)
{
    uint64_t oldest_us = UINT64_MAX, number = segment->first;
    uint32_t from = UINT32_MAX, to = 0;
    int n = 0, r;

    while ((number = spool_segment_next(segment, number)) != 0) {
        struct spool_record_header header;
        uint32_t index = (uint32_t) (number++ - segment->first);

        r = read_header(segment, index, &header);
        if (r == -EBADMSG)
            continue; /* whoever reads it will see */
        if (r < 0)
            return r;
        if (header.realtime_us >= before_realtime_us) {
            oldest_us = MIN(oldest_us, header.realtime_us);
            continue;
        }
        spool_segment_set_state(segment, index, SPOOL_STATE_DONE);
        segment->pending--;
        n++;
        from = MIN(from, index);
        to = index + 1;
    }
    segment->oldest_realtime_us = oldest_us;
    if (to > 0)
        (void) write_marks(segment, directory_fd, from, to); /* kept in |marks_behind| */
    return n;
}

int spool_segment_repair(struct spool_segment *segment, int directory_fd)
{
    int r;

    if (segment->read_only)
        segment->fd = fd_close(segment->fd);
    else if (!segment->marks_behind && !segment->cut_needed)
        return 0;
    r = spool_segment_open_file(segment, directory_fd);
    if (r < 0)
        return r;
    if (segment->read_only)
        return -EROFS;
    r = cut(segment);
    if (r == 0 && segment->marks_behind)
        r = write_table(segment);
    if (r == 0)
        segment->marks_behind = false;
    return r;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* The array of segments: which one is meant, which is awake, which goes. */
#include "agent/publish/spool-disk.h"

#include "agent/publish/spool-directory.h"
#include "agent/publish/spool-segment.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

/* A small limit needs small segments: the oldest goes as a whole. */
#define SEGMENTS_PER_LIMIT 8u
#define SEGMENT_BYTES_MIN  (32u * 1024)
/* Of some ten bytes each in the array and a hundred in the heap. */
#define SEGMENTS_MAX 131072u

static struct spool_segment *newest(const struct spool_disk *disk)
{
    return disk->n > 0 ? disk->segments[disk->n - 1] : NULL;
}

/* --- Opening ---------------------------------------------------------------------------------- */

static int reserve(struct spool_disk *disk, size_t n)
{
    struct spool_segment **segments;
    size_t allocated = MAX(disk->allocated * 2, n + 16);

    if (n <= disk->allocated)
        return 0;
    segments = reallocarray(disk->segments, allocated, sizeof(struct spool_segment *));
    if (!segments)
        return -ENOMEM;
    disk->segments = segments;
    disk->allocated = allocated;
    return 0;
}

/* Numbers that a file may have had are never given again. */
static void rise_above(struct spool_disk *disk, uint64_t next_number)
{
    disk->next_number = MAX(disk->next_number, next_number);
}

/*
 * Opens one, or sets it aside if it is none of ours or can't be read. 0, or a negative errno that
 * is not the file's.
 */
static int open_one(struct spool_disk *disk, uint64_t first, uint64_t limit)
{
    struct spool_segment *segment;
    unsigned lost = 0;
    int r = spool_segment_open(&segment, disk->directory_fd, first, limit, disk->n == 0, &lost);

    if (r == -ENOMEM || r == -EMFILE || r == -ENFILE)
        return r;
    if (r < 0) {
        rise_above(disk, first + SPOOL_SEGMENT_RECORDS_MAX);
        /* If even that fails it is left where it is, and not looked at. */
        if (spool_directory_set_aside(disk->directory_fd, first) == 0) {
            disk->directory_unsynced = true;
            disk->bad_files++;
        }
        return 0;
    }
    disk->lost_records += lost;
    disk->segments[disk->n++] = segment;
    rise_above(disk, segment->first + segment->count);
    return 0;
}

static void reverse(struct spool_disk *disk)
{
    for (size_t i = 0; i < disk->n / 2; i++) {
        struct spool_segment *other = disk->segments[disk->n - 1 - i];

        disk->segments[disk->n - 1 - i] = disk->segments[i];
        disk->segments[i] = other;
    }
}

static int open_all(struct spool_disk *disk)
{
    struct spool_names names;
    int r = spool_directory_list(disk->directory_fd, &names);

    if (r == 0)
        r = reserve(disk, names.n);
    if (r == 0)
        rise_above(disk, names.next_number);
    /* From the newest on, for that is the one with a torn tail. */
    for (size_t i = names.n; r == 0 && i-- > 0;) {
        uint64_t limit = i + 1 < names.n ? names.firsts[i + 1] : SPOOL_NUMBER_MAX;

        r = open_one(disk, names.firsts[i], limit);
    }
    free(names.firsts);
    reverse(disk);
    return r;
}

/* Removes the file and the segment at |i|. 0, or a negative errno: it stays, with nothing pending.
 */
static int remove_at(struct spool_disk *disk, size_t i)
{
    struct spool_segment *segment = disk->segments[i];
    char name[SPOOL_SEGMENT_NAME_MAX];

    spool_segment_name(name, segment->first);
    if (unlinkat(disk->directory_fd, name, 0) < 0 && errno != ENOENT)
        return -errno;
    if (disk->awake == segment)
        disk->awake = NULL;
    spool_segment_free(segment);
    disk->n--;
    memmove(&disk->segments[i], &disk->segments[i + 1],
            (disk->n - i) * sizeof(struct spool_segment *));
    disk->directory_unsynced = true;
    return 0;
}

/* Removes those in which nothing waits. What can't be removed is marked done, and tried again. */
static void sweep(struct spool_disk *disk)
{
    for (size_t i = disk->n; i-- > 0;)
        if (disk->segments[i]->pending == 0 && disk->segments[i] != newest(disk))
            (void) remove_at(disk, i);
}

static uint64_t choose_segment_bytes(uint64_t limit_bytes)
{
    uint64_t bytes = MAX(limit_bytes / SEGMENTS_PER_LIMIT, (uint64_t) SEGMENT_BYTES_MIN);

    return limit_bytes == 0 ? SPOOL_SEGMENT_BYTES : MIN(bytes, (uint64_t) SPOOL_SEGMENT_BYTES);
}

int spool_disk_open(struct spool_disk *disk, const char *path, uint64_t limit_bytes)
{
    int r = spool_directory_open(path);

    if (r < 0)
        return r;
    disk->directory_fd = r;
    disk->next_number = 0;
    disk->segment_bytes = choose_segment_bytes(limit_bytes);
    r = open_all(disk);
    if (r < 0) {
        spool_disk_close(disk);
        return r;
    }
    sweep(disk);
    return 0;
}

void spool_disk_close(struct spool_disk *disk)
{
    for (size_t i = 0; i < disk->n; i++)
        spool_segment_free(disk->segments[i]);
    free(disk->segments);
    disk->segments = NULL;
    disk->n = disk->allocated = 0;
    disk->awake = NULL;
    spool_directory_close(disk->directory_fd);
    disk->directory_fd = -1;
    disk->directory_unsynced = false;
}

bool spool_disk_is_gone(const struct spool_disk *disk)
{
    struct stat status;

    return fstat(disk->directory_fd, &status) == 0 && status.st_nlink == 0;
}

/* --- Which segment ---------------------------------------------------------------------------- */

/* The last segment that begins at |number| or before; |n| if there is none. */
static size_t place_of(const struct spool_disk *disk, uint64_t number)
{
    size_t low = 0, high = disk->n;

    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (disk->segments[middle]->first <= number)
            low = middle + 1;
        else
            high = middle;
    }
    return low > 0 ? low - 1 : disk->n;
}

static struct spool_segment *find(const struct spool_disk *disk, uint64_t number)
{
    size_t i = place_of(disk, number);

    return i < disk->n ? disk->segments[i] : NULL;
}

/* What was opened in passing is closed again. */
static void rest_unless_awake(struct spool_disk *disk, struct spool_segment *segment)
{
    if (segment != disk->awake && (segment != newest(disk) || segment->closed))
        spool_segment_rest(segment);
}

static int wake(struct spool_disk *disk, struct spool_segment *segment)
{
    unsigned lost;
    int r;

    if (segment != disk->awake && (segment != newest(disk) || segment->closed)) {
        struct spool_segment *before = disk->awake;

        disk->awake = segment;
        if (before)
            rest_unless_awake(disk, before);
    }
    r = spool_segment_wake(segment, disk->directory_fd, &lost);
    if (r == -ENOENT) {
        /* Somebody has removed the file. */
        lost = segment->pending;
        (void) spool_segment_mark(segment, disk->directory_fd, segment->first, UINT64_MAX,
                                  SPOOL_MARK_DONE);
        r = -EBADMSG;
    } else if (r < 0) {
        return r;
    }
    disk->lost_records += lost;
    return r;
}

uint64_t spool_disk_next(const struct spool_disk *disk, uint64_t number)
{
    size_t i = place_of(disk, number);

    for (i = i < disk->n ? i : 0; i < disk->n; i++) {
        uint64_t next = spool_segment_next(disk->segments[i], number);

        if (next != 0)
            return next;
    }
    return 0;
}

enum spool_state spool_disk_state(const struct spool_disk *disk, uint64_t number)
{
    const struct spool_segment *segment = find(disk, number);

    return segment ? spool_segment_state(segment, number) : SPOOL_STATE_DONE;
}

/* --- Records ---------------------------------------------------------------------------------- */

/* The newest segment is full, closed, or its file was removed. */
static bool needs_new(const struct spool_disk *disk, uint64_t number, size_t n)
{
    const struct spool_segment *segment = newest(disk);
    struct stat status;

    return !segment || !spool_segment_has_room(segment, number, n) ||
           segment->size_bytes >= disk->segment_bytes ||
           (segment->fd >= 0 && fstat(segment->fd, &status) == 0 && status.st_nlink == 0);
}

static int begin(struct spool_disk *disk, uint64_t number, uint64_t realtime_us)
{
    struct spool_segment *segment;
    int r = reserve(disk, disk->n + 1);

    if (r < 0)
        return r;
    if (newest(disk) && !newest(disk)->closed)
        spool_segment_close(newest(disk));
    r = spool_segment_create(&segment, disk->directory_fd, number, realtime_us);
    if (r < 0)
        return r;
    disk->segments[disk->n++] = segment;
    disk->directory_unsynced = true;
    sweep(disk);
    return 0;
}

int spool_disk_append(struct spool_disk *disk, const struct spool_record records[],
                      const enum spool_state states[], size_t n)
{
    uint64_t number = records[0].header.number;
    uint64_t span = records[n - 1].header.number - number + 1;
    int r;

    if (needs_new(disk, number, (size_t) span)) {
        r = begin(disk, number, records[0].header.realtime_us);
        if (r < 0)
            return r;
    }
    r = spool_segment_append(newest(disk), records, states, n);
    if (r == 0)
        rise_above(disk, number + span);
    return r;
}

int spool_disk_read(struct spool_disk *disk, uint64_t number, char **ret_data, size_t *ret_length,
                    uint64_t *ret_realtime_us)
{
    struct spool_segment *segment = find(disk, number);
    int r;

    if (!segment || spool_segment_state(segment, number) == SPOOL_STATE_DONE)
        return -ENOENT;
    r = wake(disk, segment);
    if (r == 0)
        r = spool_segment_read(segment, number, ret_data, ret_length, ret_realtime_us);
    if (r == -EBADMSG && spool_segment_state(segment, number) != SPOOL_STATE_DONE) {
        disk->lost_records++;
        (void) spool_disk_mark(disk, number, number, SPOOL_MARK_DONE);
    }
    return r;
}

int spool_disk_mark(struct spool_disk *disk, uint64_t first, uint64_t last, enum spool_mark mark)
{
    size_t i = place_of(disk, first);
    int r = 0;

    for (i = i < disk->n ? i : 0; i < disk->n && disk->segments[i]->first <= last; i++) {
        int error = spool_segment_mark(disk->segments[i], disk->directory_fd, first, last, mark);

        r = error < 0 ? error : r;
        rest_unless_awake(disk, disk->segments[i]);
    }
    if (mark == SPOOL_MARK_DONE)
        sweep(disk);
    return r;
}

/* --- Limits ----------------------------------------------------------------------------------- */

static uint64_t total_bytes(const struct spool_disk *disk)
{
    uint64_t bytes = 0;

    for (size_t i = 0; i < disk->n; i++)
        bytes += disk->segments[i]->size_bytes;
    return bytes;
}

uint64_t spool_disk_make_room(struct spool_disk *disk, uint64_t bytes, uint64_t limit_bytes)
{
    uint64_t dropped = 0, total = total_bytes(disk);
    size_t i = 0;

    while (i + 1 < disk->n &&
           ((limit_bytes > 0 && total + bytes > limit_bytes) || disk->n > SEGMENTS_MAX)) {
        struct spool_segment *oldest = disk->segments[i];

        dropped += oldest->pending;
        total -= oldest->size_bytes;
        /* Also in the file, in case that it can't be removed. */
        (void) spool_segment_mark(oldest, disk->directory_fd, oldest->first, UINT64_MAX,
                                  SPOOL_MARK_DONE);
        if (remove_at(disk, i) < 0)
            rest_unless_awake(disk, disk->segments[i++]);
    }
    return dropped;
}

uint64_t spool_disk_drop_older(struct spool_disk *disk, uint64_t before_realtime_us)
{
    uint64_t dropped = 0;

    for (size_t i = 0; i < disk->n; i++) {
        struct spool_segment *segment = disk->segments[i];

        if (segment->pending == 0 || segment->oldest_realtime_us >= before_realtime_us ||
            wake(disk, segment) < 0)
            continue;
        dropped += (uint64_t) MAX(
            spool_segment_drop_older(segment, disk->directory_fd, before_realtime_us), 0);
    }
    sweep(disk);
    return dropped;
}

/* --- Trouble ---------------------------------------------------------------------------------- */

int spool_disk_repair(struct spool_disk *disk)
{
    int r = spool_directory_probe(disk->directory_fd);

    for (size_t i = 0; r == 0 && i < disk->n; i++) {
        r = spool_segment_repair(disk->segments[i], disk->directory_fd);
        if (r == -ENOENT) /* removed by somebody: found when it is read */
            r = 0;
        rest_unless_awake(disk, disk->segments[i]);
    }
    sweep(disk);
    return r;
}

void spool_disk_count(const struct spool_disk *disk, uint64_t *ret_records, uint64_t *ret_bytes)
{
    uint64_t records = 0, bytes = 0;

    for (size_t i = 0; i < disk->n; i++) {
        const struct spool_segment *segment = disk->segments[i];

        records += segment->pending;
        if (segment->pending > 0)
            bytes += (uint64_t) segment->size_bytes * segment->pending / segment->count;
    }
    *ret_records = records;
    *ret_bytes = bytes;
}

static int open_to_sync(const struct spool_disk *disk, const struct spool_segment *segment)
{
    char name[SPOOL_SEGMENT_NAME_MAX];

    if (segment->fd >= 0)
        return fcntl(segment->fd, F_DUPFD_CLOEXEC, 3);
    spool_segment_name(name, segment->first);
    return openat(disk->directory_fd, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
}

size_t spool_disk_take_dirty(struct spool_disk *disk, int ret_fds[SPOOL_SYNC_MAX])
{
    size_t n = 0;

    for (size_t i = 0; i < disk->n && n < SPOOL_SYNC_MAX - 1; i++) {
        struct spool_segment *segment = disk->segments[i];
        int fd = segment->unsynced ? open_to_sync(disk, segment) : -1;

        if (fd >= 0) {
            segment->unsynced = false;
            ret_fds[n++] = fd;
        }
    }
    if (disk->directory_unsynced) {
        int fd = fcntl(disk->directory_fd, F_DUPFD_CLOEXEC, 3);

        if (fd >= 0) {
            disk->directory_unsynced = false;
            ret_fds[n++] = fd;
        }
    }
    return n;
}

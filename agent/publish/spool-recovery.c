/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is in a segment's file that an earlier process has left, after whatever happened to it.
 *
 *     torn tail          of the newest segment: cut off behind the last group that is whole
 *     group with a mark  was whole once: what is left of it stays
 *     bad place          skipped; the records behind it stay, also those of the same group
 *     record without     is done if its mark says so, else it is lost, counted and marked done, so
 *     its data           that its number is not given again
 *     bad mark           counts as sent
 *     bad header         if records of the numbers that the name promises are found, the file is
 *                        ours: it gets a new header, and all that isn't done counts as sent, for
 *                        the marks may have been lost with the header
 *     read-only file     all that isn't done counts as sent: marks could not be made
 */
#include "agent/publish/spool-segment-file.h"

#include "agent/publish/spool-scan.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <zlib.h>

#define SEGMENT_MAGIC   UINT64_C(0x314c4f4f50534741) /* "AGSPOOL1" */
#define SEGMENT_VERSION 1u

static const char slot_texts[][4] = {
    [SPOOL_STATE_NEW] = {0},
    [SPOOL_STATE_SENT] = {'S', 'E', 'N', 'T'},
    [SPOOL_STATE_SENT_AGAIN] = {'T', 'W', 'I', 'C'},
    [SPOOL_STATE_DONE] = {'D', 'O', 'N', 'E'},
};

uint32_t spool_segment_slot_of_state(enum spool_state state)
{
    uint32_t slot;

    memcpy(&slot, slot_texts[state], sizeof(slot));
    return slot;
}

bool spool_segment_state_of_slot(uint32_t slot, enum spool_state *ret)
{
    for (unsigned i = 0; i < ARRAY_SIZE(slot_texts); i++) {
        if (spool_segment_slot_of_state((enum spool_state) i) == slot) {
            *ret = (enum spool_state) i;
            return true;
        }
    }
    return false;
}

static uint32_t head_checksum(const struct spool_segment_head *head)
{
    return (uint32_t) crc32_z(0, (const void *) head, offsetof(struct spool_segment_head, crc));
}

void spool_segment_head_init(struct spool_segment_head *ret, uint64_t first, uint64_t realtime_us,
                             uint32_t count)
{
    memset(ret, 0, sizeof(*ret));
    ret->magic = SEGMENT_MAGIC;
    ret->version = SEGMENT_VERSION;
    ret->slots = SPOOL_SEGMENT_RECORDS_MAX;
    ret->first = first;
    ret->realtime_us = realtime_us;
    ret->count = count;
    ret->crc = head_checksum(ret);
}

/* What was found in a file while it is looked through. */
struct finding {
    struct spool_segment_table table; /* what is missing of it is zero */
    uint64_t file_bytes;
    bool head_bad;
    bool table_bad;    /* has to be written anew */
    uint32_t limit;    /* records that can be in it */
    uint32_t marked;   /* behind the last one with a mark */
    uint32_t kept;     /* behind the last one that stays */
    uint32_t kept_end; /* the offset behind it */
};

static int read_table(struct spool_segment *segment, struct finding *finding)
{
    char *data = (char *) &finding->table;
    size_t length = 0;
    struct stat status;

    if (fstat(segment->fd, &status) < 0)
        return -errno;
    if (!S_ISREG(status.st_mode))
        return -EBADMSG;
    finding->file_bytes = (uint64_t) status.st_size;
    while (length < sizeof(finding->table)) {
        ssize_t n =
            pread(segment->fd, data + length, sizeof(finding->table) - length, (off_t) length);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -errno;
        if (n == 0)
            break;
        length += (size_t) n;
    }
    finding->table_bad = length < sizeof(finding->table);
    return 0;
}

/* 0, or -EBADMSG if it is a good header of something else. */
static int check_head(const struct spool_segment *segment, struct finding *finding)
{
    const struct spool_segment_head *head = &finding->table.head;

    finding->head_bad = head->magic != SEGMENT_MAGIC || head->crc != head_checksum(head);
    if (finding->head_bad)
        return 0;
    return head->version == SEGMENT_VERSION && head->slots == SPOOL_SEGMENT_RECORDS_MAX &&
                   head->first == segment->first && head->count <= SPOOL_SEGMENT_RECORDS_MAX
               ? 0
               : -EBADMSG;
}

/* Finds the last mark, and marks that are none. */
static void look_at_slots(struct finding *finding)
{
    enum spool_state state;

    for (uint32_t i = 0; i < SPOOL_SEGMENT_RECORDS_MAX; i++) {
        if (!spool_segment_state_of_slot(finding->table.slots[i], &state))
            finding->table_bad = true;
        else if (state != SPOOL_STATE_NEW && i < finding->limit)
            finding->marked = i + 1;
    }
}

/* Notes where the records are, and which of them stay. */
static int find_records(struct spool_segment *segment, bool newest, struct finding *finding)
{
    CLEANUP(spool_scan_freep) struct spool_scan *scan = NULL;
    struct spool_record_header header;
    uint64_t offset;
    int r;

    segment->offsets = calloc(SPOOL_SEGMENT_RECORDS_MAX, sizeof(*segment->offsets));
    if (!segment->offsets)
        return -ENOMEM;
    r = spool_scan_new(&scan, segment->fd, SPOOL_SEGMENT_EMPTY_BYTES,
                       MIN(finding->file_bytes, (uint64_t) UINT32_MAX), segment->first,
                       segment->first + finding->limit);
    if (r < 0)
        return r;
    finding->kept_end = SPOOL_SEGMENT_EMPTY_BYTES;
    while ((r = spool_scan_next(scan, &header, &offset)) > 0) {
        uint32_t index = (uint32_t) (header.number - segment->first);

        segment->offsets[index] = (uint32_t) offset;
        segment->oldest_realtime_us = MIN(segment->oldest_realtime_us, header.realtime_us);
        if (newest && !(header.flags & SPOOL_RECORD_GROUP_END) && index >= finding->marked)
            continue;
        finding->kept = index + 1;
        finding->kept_end = (uint32_t) (offset + spool_record_bytes(&header));
    }
    for (uint32_t i = finding->kept; i < SPOOL_SEGMENT_RECORDS_MAX; i++)
        segment->offsets[i] = 0;
    return r;
}

/* The records' states; |found|: where the records are is known. Returns how many are lost. */
static unsigned take_states(struct spool_segment *segment, bool found, struct finding *finding)
{
    bool unsure = finding->head_bad || segment->read_only;
    unsigned lost = 0;

    for (uint32_t i = 0; i < segment->count; i++) {
        enum spool_state state;

        if (!spool_segment_state_of_slot(finding->table.slots[i], &state) ||
            (unsure && state == SPOOL_STATE_NEW))
            state = SPOOL_STATE_SENT;
        if (found && segment->offsets[i] == 0 && state != SPOOL_STATE_DONE) {
            state = SPOOL_STATE_DONE;
            lost++;
        }
        spool_segment_set_state(segment, i, state);
        segment->pending += state != SPOOL_STATE_DONE;
    }
    if (lost > 0 || unsure)
        finding->table_bad = true;
    return lost;
}

static int take_found(struct spool_segment *segment, bool newest, struct finding *finding,
                      unsigned *ret_lost)
{
    int r = find_records(segment, newest, finding);

    if (r < 0)
        return r;
    if (finding->head_bad && finding->kept == 0)
        return -EBADMSG;
    segment->count = MAX(finding->kept, finding->marked);
    segment->size_bytes = finding->kept_end;
    segment->cut_needed = finding->file_bytes > finding->kept_end;
    segment->closed = !newest;
    finding->table_bad |= !newest;
    *ret_lost = take_states(segment, true, finding);
    return 0;
}

/* Of a closed one the header says what is in it; its records are looked for when it wakes. */
static void take_closed(struct spool_segment *segment, struct finding *finding)
{
    segment->closed = true;
    segment->count = MIN(finding->table.head.count, finding->limit);
    finding->table_bad |= segment->count < finding->table.head.count;
    segment->size_bytes = (uint32_t) MIN(finding->file_bytes, (uint64_t) UINT32_MAX);
    segment->oldest_realtime_us = finding->table.head.realtime_us;
    (void) take_states(segment, false, finding);
}

int spool_segment_open(struct spool_segment **ret, int directory_fd, uint64_t first, uint64_t limit,
                       bool newest, unsigned *ret_lost)
{
    CLEANUP(spool_segment_freep) struct spool_segment *segment = NULL;
    CLEANUP_FREE struct finding *finding = calloc(1, sizeof(*finding));
    unsigned lost = 0;
    int r;

    segment = spool_segment_new(first, UINT64_MAX);
    if (!segment || !finding)
        return -ENOMEM;
    finding->limit = (uint32_t) MIN(limit - first, (uint64_t) SPOOL_SEGMENT_RECORDS_MAX);
    r = spool_segment_open_file(segment, directory_fd);
    if (r == 0)
        r = read_table(segment, finding);
    if (r == 0)
        r = check_head(segment, finding);
    if (r < 0)
        return r;
    look_at_slots(finding);
    if (!finding->head_bad && finding->table.head.count > 0)
        take_closed(segment, finding);
    else
        r = take_found(segment, newest, finding, &lost);
    if (r < 0)
        return r;
    segment->marks_behind = finding->table_bad;
    /* Where this fails, the states are right in memory, and appending tries again. */
    (void) spool_segment_repair(segment, directory_fd);
    if (segment->closed) {
        uint8_t *fitted = realloc(segment->states, segment->count / 4 + 1);

        if (fitted)
            segment->states = fitted;
        spool_segment_rest(segment);
    }
    *ret_lost = lost;
    *ret = TAKE(segment);
    return 0;
}

/* Marks done what is not to be found. Returns how many were not done before. */
static unsigned drop_lost(struct spool_segment *segment, int directory_fd)
{
    unsigned lost = 0;

    for (uint32_t i = 0; i < segment->count; i++) {
        uint64_t number = segment->first + i;

        if (segment->offsets[i] != 0 || spool_segment_state(segment, number) == SPOOL_STATE_DONE)
            continue;
        lost++;
        (void) spool_segment_mark(segment, directory_fd, number, number, SPOOL_MARK_DONE);
    }
    return lost;
}

int spool_segment_wake(struct spool_segment *segment, int directory_fd, unsigned *ret_lost)
{
    CLEANUP(spool_scan_freep) struct spool_scan *scan = NULL;
    struct spool_record_header header;
    struct stat status;
    uint64_t offset;
    int r = spool_segment_open_file(segment, directory_fd);

    *ret_lost = 0;
    if (r < 0 || segment->offsets)
        return r;
    if (fstat(segment->fd, &status) < 0)
        return -errno;
    segment->offsets = calloc(segment->count + 1u, sizeof(*segment->offsets));
    if (!segment->offsets)
        return -ENOMEM;
    r = spool_scan_new(&scan, segment->fd, SPOOL_SEGMENT_EMPTY_BYTES,
                       MIN((uint64_t) status.st_size, (uint64_t) UINT32_MAX), segment->first,
                       segment->first + segment->count);
    while (r == 0 && (r = spool_scan_next(scan, &header, &offset)) > 0) {
        segment->offsets[header.number - segment->first] = (uint32_t) offset;
        r = 0;
    }
    if (r < 0) {
        spool_segment_rest(segment);
        return r;
    }
    *ret_lost = drop_lost(segment, directory_fd);
    return 0;
}

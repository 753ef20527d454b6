/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where a record goes, disk or memory; what is dropped; what is said about it.
 *
 * Records on disk have lower numbers than those in memory: while the disk is refused, all that
 * comes goes to memory, and from there to the disk in order.
 */
#include "agent/publish/spool.h"

#include "agent/publish/spool-disk.h"
#include "agent/publish/spool-memory.h"
#include "common/base/clock.h"
#include "common/base/log.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#define RETRY_US         (UINT64_C(30) * USEC_PER_SEC)
#define SAY_AGAIN_US     (UINT64_C(600) * USEC_PER_SEC)
#define NUMBER_START_MAX (UINT64_C(1) << 52)

/* Something that is counted one by one and said in sums. */
struct loss {
    uint64_t total, unsaid;
    uint64_t said_at_us; /* realtime; 0: never */
};

struct spool {
    char *directory; /* NULL: memory only */
    uint64_t limit_bytes, age_limit_us;
    struct spool_disk disk;
    struct spool_memory memory;
    uint64_t next_number;
    uint64_t session_first;   /* the first that this process gave, or could have given */
    uint64_t known_below;     /* numbers below it were on disk when it was opened; 0: it had none */
    int disk_error;           /* an errno; 0: the disk is used */
    uint64_t tried_at_us;     /* the disk, in vain */
    uint64_t refused_said_us; /* realtime of the last warning; 0: never */
    bool refusal_said;
    struct loss dropped_size, dropped_age, lost;
    uint64_t bad_files_said;
    uint64_t now_us; /* as last given */
};

static bool uses_disk(const struct spool *spool)
{
    return spool->directory && spool->disk_error == 0;
}

/* Whether |interval_us| have passed; also when the clock was set back. */
static bool has_passed(uint64_t since_us, uint64_t now_us, uint64_t interval_us)
{
    return now_us < since_us || now_us - since_us >= interval_us;
}

/* --- What is said ----------------------------------------------------------------------------- */

static bool is_due(struct loss *loss, uint64_t now_us)
{
    if (loss->unsaid == 0 ||
        (loss->said_at_us > 0 && !has_passed(loss->said_at_us, now_us, SAY_AGAIN_US)))
        return false;
    loss->said_at_us = MAX(now_us, UINT64_C(1));
    return true;
}

static void count(struct loss *loss, uint64_t n)
{
    loss->total += n;
    loss->unsaid += n;
}

/* The disk counts what it misses; here it is given a voice. */
static void take_losses(struct spool *spool)
{
    count(&spool->lost, spool->disk.lost_records - spool->lost.total);
}

/* One line for a burst of losses, not one a record. */
static void say_losses(struct spool *spool)
{
    char age[CLOCK_TEXT_MAX];

    take_losses(spool);
    if (is_due(&spool->dropped_size, spool->now_us))
        log_warning("the spool is full: dropped its oldest %" PRIu64 " records",
                    TAKE(spool->dropped_size.unsaid));
    if (is_due(&spool->dropped_age, spool->now_us))
        log_warning("dropped %" PRIu64 " records from the spool that are older than %s",
                    TAKE(spool->dropped_age.unsaid),
                    clock_format_duration(age, spool->age_limit_us));
    if (is_due(&spool->lost, spool->now_us))
        log_warning("%s: %" PRIu64 " records are damaged or missing, going on without them",
                    spool->directory, TAKE(spool->lost.unsaid));
    if (spool->disk.bad_files > spool->bad_files_said) {
        log_warning("%s: %" PRIu64 " files are no segments of this spool, renamed them to *.bad",
                    spool->directory, spool->disk.bad_files - spool->bad_files_said);
        spool->bad_files_said = spool->disk.bad_files;
    }
}

/* From now on into memory. A disk that comes and goes is worth a line every ten minutes. */
static void refuse_disk(struct spool *spool, int error, const char *what)
{
    bool refused_before = spool->disk_error != 0;

    spool->disk_error = error;
    if (refused_before)
        return;
    spool->tried_at_us = spool->now_us;
    spool->refusal_said = spool->refused_said_us == 0 ||
                          has_passed(spool->refused_said_us, spool->now_us, SAY_AGAIN_US);
    if (!spool->refusal_said)
        return;
    spool->refused_said_us = MAX(spool->now_us, UINT64_C(1));
    log_warning_errno(error,
                      "can't %s the spool in %s: %m; metrics wait in memory, up to %" PRIu64
                      " MiB; they would be lost if agentd stopped",
                      what, spool->directory, SPOOL_MEMORY_LIMIT_BYTES / 1024 / 1024);
}

/* --- Opening ---------------------------------------------------------------------------------- */

/*
 * Opens the disk. Numbers that were given meanwhile must not be the disk's as well; where the clock
 * went back between two processes they may be, and then the disk waits until memory is empty. 0 or
 * a negative errno.
 */
static int attach(struct spool *spool)
{
    int r = spool_disk_open(&spool->disk, spool->directory, spool->limit_bytes);

    if (r < 0)
        return r;
    if (spool->disk.next_number > spool->session_first && spool->memory.n > 0) {
        spool_disk_close(&spool->disk);
        return -EEXIST;
    }
    spool->known_below = MAX(spool->known_below, spool->disk.next_number);
    spool->next_number = MAX(spool->next_number, spool->disk.next_number);
    return 0;
}

/*
 * The first number where no disk says it: milliseconds since 1970, and no process appends one each
 * millisecond. So numbers also grow where the directory was emptied or could not be read.
 */
static uint64_t start_number(uint64_t now_realtime_us)
{
    return MIN(MAX(now_realtime_us / USEC_PER_MSEC, UINT64_C(1)), NUMBER_START_MAX);
}

static int open_disk(struct spool *spool)
{
    int r = attach(spool);

    if (r == -EBUSY || r == -ENOMEM)
        return r;
    if (r < 0)
        refuse_disk(spool, -r, "open");
    if (spool->disk.next_number > 0)
        spool->session_first = spool->next_number = spool->disk.next_number;
    if (r == 0) {
        r = spool_disk_repair(&spool->disk);
        if (r < 0)
            refuse_disk(spool, -r, "write to");
    }
    return 0;
}

int spool_open(struct spool **ret, const struct spool_settings *settings, uint64_t now_realtime_us)
{
    CLEANUP(spool_freep) struct spool *spool = calloc(1, sizeof(*spool));
    int r;

    if (!spool)
        return -ENOMEM;
    spool->disk.directory_fd = -1;
    spool->limit_bytes = settings->limit_bytes;
    spool->age_limit_us = settings->age_limit_us;
    spool->now_us = now_realtime_us;
    if (settings->directory) {
        spool->directory = strdup(settings->directory);
        if (!spool->directory)
            return -ENOMEM;
        /* Whatever numbers are on disk: nothing was given yet that could be the same. */
        spool->session_first = UINT64_MAX;
        r = open_disk(spool);
        if (r < 0)
            return r;
    }
    if (spool->next_number == 0)
        spool->session_first = spool->next_number = start_number(now_realtime_us);
    spool_maintain(spool, now_realtime_us);
    *ret = TAKE(spool);
    return 0;
}

struct spool *spool_free(struct spool *spool)
{
    if (!spool)
        return NULL;
    spool_disk_close(&spool->disk);
    spool_memory_done(&spool->memory);
    free(spool->directory);
    free(spool);
    return NULL;
}

/* --- Appending -------------------------------------------------------------------------------- */

uint64_t spool_next_number(const struct spool *spool)
{
    return spool->next_number;
}

bool spool_has(const struct spool *spool, uint64_t number)
{
    return number > 0 && (number < spool->known_below ||
                          (number >= spool->session_first && number < spool->next_number));
}

static int pack_all(struct spool_record records[], const struct spool_part parts[], size_t n,
                    uint64_t first, uint64_t realtime_us)
{
    for (size_t i = 0; i < n; i++) {
        int r = spool_record_pack(&records[i], parts[i].data, parts[i].length, realtime_us);

        if (r < 0)
            return r;
        spool_record_seal(&records[i], first + i, i == n - 1);
    }
    return 0;
}

static int append_to_disk(struct spool *spool, const struct spool_record records[],
                          const enum spool_state states[], size_t n)
{
    uint64_t bytes = 0;
    int r;

    for (size_t i = 0; i < n; i++)
        bytes += spool_record_bytes(&records[i].header);
    count(&spool->dropped_size, spool_disk_make_room(&spool->disk, bytes, spool->limit_bytes));
    r = spool_disk_append(&spool->disk, records, states, n);
    if (r == 0)
        count(&spool->dropped_size, spool_disk_make_room(&spool->disk, 0, spool->limit_bytes));
    return r;
}

static int append_to_memory(struct spool *spool, struct spool_record records[], size_t n)
{
    int r = spool_memory_append(&spool->memory, records, n);

    if (r == 0)
        count(&spool->dropped_size, spool_memory_limit(&spool->memory, SPOOL_MEMORY_LIMIT_BYTES));
    return r;
}

int spool_append(struct spool *spool, uint64_t realtime_us, const struct spool_part parts[],
                 size_t n, uint64_t now_realtime_us)
{
    struct spool_record records[SPOOL_GROUP_MAX] = {0};
    bool stored = false;
    int r;

    if (n == 0 || n > SPOOL_GROUP_MAX)
        return -EINVAL;
    spool->now_us = now_realtime_us;
    r = pack_all(records, parts, n, spool->next_number, realtime_us);
    if (r == 0 && uses_disk(spool)) {
        int error = append_to_disk(spool, records, NULL, n);

        stored = error == 0;
        if (!stored)
            refuse_disk(spool, -error, "write to");
    }
    if (r == 0 && !stored)
        r = append_to_memory(spool, records, n);
    if (r == 0)
        spool->next_number += n;
    for (size_t i = 0; i < n; i++)
        spool_record_done(&records[i]);
    say_losses(spool);
    return r;
}

/* --- Reading and marking ---------------------------------------------------------------------- */

int spool_next(const struct spool *spool, uint64_t number, uint64_t *ret_number)
{
    uint64_t next = spool_disk_next(&spool->disk, number);

    if (next == 0)
        next = spool_memory_next(&spool->memory, number);
    if (next == 0)
        return -ENOENT;
    *ret_number = next;
    return 0;
}

int spool_read(struct spool *spool, uint64_t number, char **ret_data, size_t *ret_length,
               uint64_t *ret_realtime_us)
{
    const struct spool_memory_entry *entry = spool_memory_find(&spool->memory, number);
    int r;

    if (!entry)
        return spool_disk_read(&spool->disk, number, ret_data, ret_length, ret_realtime_us);
    r = spool_record_unpack(&entry->record.header, entry->record.data, ret_data, ret_length);
    if (r == 0)
        *ret_realtime_us = entry->record.header.realtime_us;
    return r;
}

static void mark(struct spool *spool, uint64_t first, uint64_t last, enum spool_mark mark)
{
    int r = spool_disk_mark(&spool->disk, first, last, mark);

    spool_memory_mark(&spool->memory, first, last, mark);
    if (r < 0)
        refuse_disk(spool, -r, "write to");
}

void spool_mark_sending(struct spool *spool, uint64_t first, uint64_t last)
{
    mark(spool, first, last, SPOOL_MARK_SENDING);
}

void spool_mark_failed(struct spool *spool, uint64_t first, uint64_t last)
{
    mark(spool, first, last, SPOOL_MARK_FAILED);
}

void spool_mark_done(struct spool *spool, uint64_t first, uint64_t last)
{
    mark(spool, first, last, SPOOL_MARK_DONE);
}

bool spool_is_ambiguous(const struct spool *spool, uint64_t number)
{
    const struct spool_memory_entry *entry = spool_memory_find(&spool->memory, number);
    enum spool_state state = entry ? entry->state : spool_disk_state(&spool->disk, number);

    return state == SPOOL_STATE_SENT || state == SPOOL_STATE_SENT_AGAIN;
}

/* --- Now and then ----------------------------------------------------------------------------- */

/* Brings what memory holds to the disk, in groups as they came. 0 or a negative errno. */
static int move_to_disk(struct spool *spool)
{
    const struct spool_memory *memory = &spool->memory;
    uint64_t moved = 0;
    size_t i = 0;
    int r = 0;

    while (r == 0 && i < memory->n) {
        struct spool_record records[SPOOL_GROUP_MAX];
        enum spool_state states[SPOOL_GROUP_MAX];
        uint64_t first = memory->entries[i].record.header.number;
        bool group_end = false;
        size_t n = 0;

        while (!group_end && i + n < memory->n && n < SPOOL_GROUP_MAX &&
               memory->entries[i + n].record.header.number == first + n) {
            records[n] = memory->entries[i + n].record; /* borrowed */
            states[n] = memory->entries[i + n].state;
            group_end = records[n].header.flags & SPOOL_RECORD_GROUP_END;
            n++;
        }
        /* The end of its group may be done and gone. */
        spool_record_seal(&records[n - 1], first + n - 1, true);
        r = append_to_disk(spool, records, states, n);
        if (r == 0) {
            i += n;
            moved = first + n - 1;
        }
    }
    if (moved > 0)
        spool_memory_mark(&spool->memory, 0, moved, SPOOL_MARK_DONE);
    return r;
}

static int try_disk(struct spool *spool)
{
    int r = 0;

    if (spool_disk_is_open(&spool->disk) && spool_disk_is_gone(&spool->disk)) {
        uint64_t records, bytes;

        spool_disk_count(&spool->disk, &records, &bytes);
        spool->disk.lost_records += records;
        spool_disk_close(&spool->disk);
    }
    if (!spool_disk_is_open(&spool->disk))
        r = attach(spool);
    if (r == 0)
        r = spool_disk_repair(&spool->disk);
    return r == 0 ? move_to_disk(spool) : r;
}

static void come_back(struct spool *spool)
{
    size_t waiting = spool->memory.n;
    int r;

    if (!spool->directory || spool->disk_error == 0 ||
        !has_passed(spool->tried_at_us, spool->now_us, RETRY_US))
        return;
    spool->tried_at_us = spool->now_us;
    r = try_disk(spool);
    if (r < 0) {
        refuse_disk(spool, -r, "write to");
        return;
    }
    spool->disk_error = 0;
    if (spool->refusal_said)
        log_notice("the spool in %s works again, moved %zu records from memory to it",
                   spool->directory, waiting);
}

static void drop_old(struct spool *spool)
{
    uint64_t before_us;

    if (spool->age_limit_us == 0 || spool->now_us <= spool->age_limit_us)
        return;
    before_us = spool->now_us - spool->age_limit_us;
    count(&spool->dropped_age, spool_disk_drop_older(&spool->disk, before_us) +
                                   spool_memory_drop_older(&spool->memory, before_us));
}

void spool_maintain(struct spool *spool, uint64_t now_realtime_us)
{
    spool->now_us = now_realtime_us;
    drop_old(spool);
    count(&spool->dropped_size, spool_disk_make_room(&spool->disk, 0, spool->limit_bytes));
    come_back(spool);
    say_losses(spool);
}

void spool_counts(const struct spool *spool, struct spool_counts *ret)
{
    uint64_t records, bytes;

    spool_disk_count(&spool->disk, &records, &bytes);
    *ret = (struct spool_counts){
        .records = records + spool->memory.n,
        .bytes = bytes + spool->memory.bytes,
        .dropped_size = spool->dropped_size.total,
        .dropped_age = spool->dropped_age.total,
        .dropped_bad = spool->disk.lost_records,
        .bad_files = spool->disk.bad_files,
        .in_memory = !uses_disk(spool),
        .disk_error = spool->disk_error,
    };
}

size_t spool_take_dirty(struct spool *spool, int ret_fds[SPOOL_SYNC_MAX])
{
    return spool_disk_take_dirty(&spool->disk, ret_fds);
}

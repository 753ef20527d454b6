/* SPDX-License-Identifier: Apache-2.0 */
/* A sorted array; a few hundred entries. */
#include "agent/publish/spool-memory.h"

#include "common/base/macro.h"

#include <errno.h>
#include <string.h>

static uint64_t number_at(const struct spool_memory *memory, size_t i)
{
    return memory->entries[i].record.header.number;
}

/* What an entry costs, with what the allocator adds. */
static uint64_t entry_bytes(const struct spool_memory_entry *entry)
{
    return sizeof(*entry) + 16 + entry->record.header.stored_length;
}

void spool_memory_done(struct spool_memory *memory)
{
    for (size_t i = 0; i < memory->n; i++)
        spool_record_done(&memory->entries[i].record);
    free(memory->entries);
    *memory = (struct spool_memory){0};
}

int spool_memory_append(struct spool_memory *memory, struct spool_record records[], size_t n)
{
    if (memory->n + n > memory->allocated) {
        size_t allocated = MAX(memory->allocated * 2, memory->n + n);
        struct spool_memory_entry *entries =
            reallocarray(memory->entries, allocated, sizeof(*entries));

        if (!entries)
            return -ENOMEM;
        memory->entries = entries;
        memory->allocated = allocated;
    }
    for (size_t i = 0; i < n; i++) {
        struct spool_memory_entry *entry = &memory->entries[memory->n++];

        entry->record = records[i];
        entry->state = SPOOL_STATE_NEW;
        records[i].data = NULL;
        memory->bytes += entry_bytes(entry);
    }
    return 0;
}

/* The place of the first entry from |number| on; |n| if there is none. */
static size_t place_of(const struct spool_memory *memory, uint64_t number)
{
    size_t low = 0, high = memory->n;

    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (number_at(memory, middle) < number)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

const struct spool_memory_entry *spool_memory_find(const struct spool_memory *memory,
                                                   uint64_t number)
{
    size_t i = place_of(memory, number);

    return i < memory->n && number_at(memory, i) == number ? &memory->entries[i] : NULL;
}

uint64_t spool_memory_next(const struct spool_memory *memory, uint64_t number)
{
    size_t i = place_of(memory, number);

    return i < memory->n ? number_at(memory, i) : 0;
}

/* Removes what is done. Returns how many. */
static size_t sweep(struct spool_memory *memory)
{
    size_t kept = 0, n = memory->n;

    for (size_t i = 0; i < n; i++) {
        struct spool_memory_entry *entry = &memory->entries[i];

        if (entry->state == SPOOL_STATE_DONE) {
            memory->bytes -= entry_bytes(entry);
            spool_record_done(&entry->record);
        } else {
            memory->entries[kept++] = *entry;
        }
    }
    memory->n = kept;
    if (kept == 0) {
        free(memory->entries);
        memory->entries = NULL;
        memory->allocated = 0;
    }
    return n - kept;
}

void spool_memory_mark(struct spool_memory *memory, uint64_t first, uint64_t last,
                       enum spool_mark mark)
{
    for (size_t i = place_of(memory, first); i < memory->n && number_at(memory, i) <= last; i++)
        memory->entries[i].state = spool_state_after(memory->entries[i].state, mark);
    if (mark == SPOOL_MARK_DONE)
        sweep(memory);
}

size_t spool_memory_limit(struct spool_memory *memory, uint64_t limit_bytes)
{
    uint64_t bytes = memory->bytes;

    if (bytes <= limit_bytes)
        return 0;
    for (size_t i = 0; i < memory->n && bytes > limit_bytes; i++) {
        memory->entries[i].state = SPOOL_STATE_DONE;
        bytes -= entry_bytes(&memory->entries[i]);
    }
    return sweep(memory);
}

size_t spool_memory_drop_older(struct spool_memory *memory, uint64_t before_realtime_us)
{
    for (size_t i = 0; i < memory->n; i++)
        if (memory->entries[i].record.header.realtime_us < before_realtime_us)
            memory->entries[i].state = SPOOL_STATE_DONE;
    return sweep(memory);
}

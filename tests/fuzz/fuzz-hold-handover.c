/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Any state of another version of agentd: it is refused or understood, and what was understood is
 * written as it was read. The input is the fields, behind a right header with a right checksum.
 */
#include "agent/hold/handover.h"

#include "agent/hold/holder.h"
#include "common/base/files.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t length);

static void require(bool condition)
{
    if (!condition)
        abort();
}

/* The number of running workers, counted anew. */
static unsigned count_running(const struct holder *holder)
{
    unsigned running = 0;

    for (const struct app *app = holder->slots.apps; app; app = app->next)
        for (unsigned i = 0; i < APP_SLOTS_MAX; i++)
            running += app->slots[i].state == HOLD_SLOT_RUNNING;
    return running;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t length)
{
    struct holder holder = {};
    struct record record, again;

    if (length > RECORD_LIMIT / 2)
        return 0;
    slots_init(&holder.slots, &holder);
    record_write(&record, HANDOVER_MAGIC, HANDOVER_VERSION);
    (void) buffer_append(&record.data, data, length);
    int fd = record_to_fd(&record, "fuzz");
    record_done(&record);
    require(fd >= 0);
    require(record_read(&record, fd, HANDOVER_MAGIC, HANDOVER_VERSION) == 0);
    record.dry = true;
    handover_walk(&holder, &record);
    if (record_read_end(&record) == 0) {
        require(holder.slots.running == count_running(&holder));
        record_write(&again, HANDOVER_MAGIC, HANDOVER_VERSION);
        handover_walk(&holder, &again);
        require(!again.data.failed);
        record_done(&again);
    }
    record_done(&record);
    fd_close(fd);
    slots_done(&holder.slots);
    listeners_done(&holder.listeners);
    config_free(holder.config);
    free(holder.runtime_dir);
    return 0;
}

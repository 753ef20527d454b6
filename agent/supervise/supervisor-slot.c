/* SPDX-License-Identifier: Apache-2.0 */
/* See the header. */
#include "agent/supervise/supervisor-slot.h"

#include "common/base/backoff.h"

static const struct backoff backoff = {SUPERVISOR_BACKOFF_BASE_US, SUPERVISOR_BACKOFF_CAP_US};

void supervisor_slot_put_right(struct supervisor_slot *slot)
{
    const uint8_t *flags = (const uint8_t *) &slot->crash_loop;
    bool sane = slot->state < WORKER_STATES_;

    for (size_t i = 0; i < (size_t) ((const uint8_t *) slot->last_exit - flags); i++)
        sane &= flags[i] <= 1;
    if (!sane)
        *slot = (struct supervisor_slot){.state = WORKER_STOPPED};
    slot->last_exit[sizeof(slot->last_exit) - 1] = '\0';
    slot->status[sizeof(slot->status) - 1] = '\0';
    slot->dead = false;
    slot->pid = 0;
}

bool supervisor_slot_is_live(const struct supervisor_slot *slot)
{
    return slot->state == WORKER_STARTING || slot->state == WORKER_READY ||
           slot->state == WORKER_BACKOFF;
}

bool supervisor_slot_is_asked_for(const struct supervisor_slot *slot)
{
    return slot->state == WORKER_STARTING && slot->serial == 0 && slot->deadline_us == 0;
}

void supervisor_slot_set_state(struct supervisor_slot *slot, enum worker_state state,
                               uint64_t now_us, uint64_t deadline_us)
{
    slot->state = state;
    slot->since_us = now_us;
    slot->deadline_us = deadline_us;
    if (state != WORKER_DRAINING)
        slot->kill_sent = slot->term_sent = false;
    if (state == WORKER_STOPPED || state == WORKER_BACKOFF) {
        slot->pid = 0;
        slot->serial = 0;
        slot->replace = slot->surge = false;
    }
    if (state != WORKER_READY && state != WORKER_DRAINING)
        slot->passed = false;
}

void supervisor_slot_forget_troubles(struct supervisor_slot *slot)
{
    slot->attempt = 0;
    slot->crash_loop = false;
}

static unsigned deaths_in_window(const struct supervisor_slot *slot, uint64_t now_us)
{
    unsigned n = 0;

    for (size_t i = 0; i < MIN(slot->n_deaths, (uint32_t) SUPERVISOR_LOOP_DEATHS); i++)
        n += slot->deaths_us[i] + SUPERVISOR_LOOP_WINDOW_US > now_us;
    return n;
}

uint64_t supervisor_slot_note_death(struct supervisor_slot *slot, uint64_t now_us, uint64_t random)
{
    const uint64_t half_us = SUPERVISOR_BACKOFF_CAP_US / 2;
    uint64_t wait_us;

    slot->deaths_us[slot->n_deaths++ % SUPERVISOR_LOOP_DEATHS] = now_us;
    if (slot->state == WORKER_READY && now_us - slot->since_us >= SUPERVISOR_STABLE_US) {
        supervisor_slot_forget_troubles(slot);
        return 0;
    }
    if (deaths_in_window(slot, now_us) >= SUPERVISOR_LOOP_DEATHS)
        slot->crash_loop = true;
    wait_us = slot->crash_loop ? half_us + random % (half_us + 1)
                               : backoff_wait_us(&backoff, slot->attempt, random);
    if (slot->attempt < 32)
        slot->attempt++;
    return wait_us;
}

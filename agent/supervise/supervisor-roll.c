/* SPDX-License-Identifier: Apache-2.0 */
/*
 * See supervisor-roll.h. A slot marked `replace` holds an old worker, `surge` a new one that is not
 * of use yet. A roll's record says that it runs only after its slots are marked, and that it is
 * over before the marks are taken away: so a core killed in between leaves either a roll that goes
 * on or none.
 */
#include "agent/supervise/supervisor-roll.h"

#include "agent/supervise/supervisor-internal.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#define OUTCOMES_MAX 32u /* bits of supervisor_roll.failed */

void supervisor_roll_put_right(struct supervisor_roll *roll)
{
    const uint8_t *flags[] = {(const uint8_t *) &roll->reload, (const uint8_t *) &roll->queued};

    if (roll->state > SUPERVISOR_RESTART_FAILED || roll->scale > WORKERS_MAX + 1 || *flags[0] > 1 ||
        *flags[1] > 1)
        *roll = (struct supervisor_roll){.state = SUPERVISOR_RESTART_DONE};
    roll->why[sizeof(roll->why) - 1] = '\0';
    if (roll->failed_slot > APP_SLOTS_MAX)
        roll->failed_slot = 0;
}

enum supervisor_restart supervisor_roll_outcome(const struct supervisor_roll *roll, uint32_t number)
{
    uint32_t age = roll->number - number;

    if (number > roll->number) /* to come, or of memory that was lost */
        return roll->queued ? SUPERVISOR_RESTART_RUNNING : SUPERVISOR_RESTART_DONE;
    if (age == 0 && roll->state == SUPERVISOR_RESTART_RUNNING)
        return SUPERVISOR_RESTART_RUNNING;
    return age < OUTCOMES_MAX && roll->failed >> age & 1 ? SUPERVISOR_RESTART_FAILED
                                                         : SUPERVISOR_RESTART_DONE;
}

bool supervisor_serves(const struct supervisor *s, unsigned app, const struct supervisor_slot *slot)
{
    return slot->state == WORKER_READY && !slot->kill_sent &&
           (slot->replace || slot->passed || !s->apps[app].policy.probed);
}

/* --- beginning and ending --------------------------------------------------------------------- */

static void note_next(struct supervisor_roll *roll, bool reload)
{
    roll->failed <<= 1;
    roll->number++;
    roll->reload = reload;
    roll->why[0] = '\0';
    roll->failed_slot = 0;
    roll->failed_pid = 0;
}

/* Marks the live slots (only |number|, if it isn't 0; only those of older generations with
 * |only_old|) and returns how many. */
static unsigned mark(struct supervisor *s, unsigned app, unsigned number, bool only_old,
                     uint64_t now_us)
{
    unsigned n = 0;

    for (unsigned i = 1; i <= APP_SLOTS_MAX; i++) {
        struct supervisor_slot *slot = supervisor_slot_of(s, app, i);

        if ((number && i != number) || !supervisor_slot_is_live(slot) ||
            (only_old && slot->generation == s->rolls[app].generation))
            continue;
        slot->replace = true;
        supervisor_slot_forget_troubles(slot);
        if (slot->state == WORKER_BACKOFF)
            slot->deadline_us = now_us;
        n++;
    }
    return n;
}

static void begin_reload(struct supervisor *s, unsigned app, uint64_t now_us)
{
    struct supervisor_roll *roll = &s->rolls[app];
    unsigned n = mark(s, app, 0, true, now_us);

    roll->queued = false;
    note_next(roll, true);
    roll->state = SUPERVISOR_RESTART_RUNNING;
    if (n > 0)
        supervisor_push_event(s, app, 0, SUPERVISOR_EVENT_RELOADING,
                              "reload: %u %s replaced, one after the other", n,
                              n == 1 ? "worker is" : "workers are");
}

static void end(struct supervisor *s, unsigned app, enum supervisor_restart how, const char *why)
{
    struct supervisor_roll *roll = &s->rolls[app];
    const char *what = roll->reload ? "reload" : "restart";

    snprintf(roll->why, sizeof(roll->why), "%s", why);
    roll->failed |= how == SUPERVISOR_RESTART_FAILED;
    roll->state = how;
    for (unsigned i = 0; i < APP_SLOTS_MAX; i++)
        s->slots[app][i].replace = s->slots[app][i].surge = false;
    if (how == SUPERVISOR_RESTART_DONE)
        supervisor_push_event(
            s, app, 0, roll->reload ? SUPERVISOR_EVENT_RELOAD_DONE : SUPERVISOR_EVENT_RESTART_DONE,
            "%s is done, all workers are %s", what,
            roll->reload ? "of the new generation" : "replaced");
    else
        supervisor_push_event(s, app, 0,
                              roll->reload ? SUPERVISOR_EVENT_RELOAD_FAILED
                                           : SUPERVISOR_EVENT_RESTART_FAILED,
                              "%s given up, the other workers stay: %s", what, why);
}

void supervisor_roll_note_failure(struct supervisor *s, unsigned app, unsigned number, int pid,
                                  const char *why)
{
    char text[sizeof(s->rolls[app].why)];

    if (!supervisor_is_rolling(s, app) || supervisor_slot_of(s, app, number)->replace)
        return;
    if (pid > 0)
        snprintf(text, sizeof(text), "worker %u (pid %d): %s", number, pid, why);
    else
        snprintf(text, sizeof(text), "worker %u: %s", number, why);
    s->rolls[app].failed_slot = number;
    s->rolls[app].failed_pid = pid;
    end(s, app, SUPERVISOR_RESTART_FAILED, text);
}

void supervisor_roll_cancel(struct supervisor *s, unsigned app, const char *why)
{
    struct supervisor_roll *roll = &s->rolls[app];

    if (!supervisor_is_rolling(s, app))
        return;
    if (roll->queued) { /* it shares the other's fate */
        roll->queued = false;
        note_next(roll, true);
        roll->failed |= 2;
    }
    end(s, app, SUPERVISOR_RESTART_FAILED, why);
}

/* --- what is wanted --------------------------------------------------------------------------- */

int supervisor_restart(struct supervisor *s, unsigned app, unsigned number, uint64_t now_us)
{
    struct supervisor_roll *roll = &s->rolls[app];
    unsigned n;

    assert(app < APPS_MAX && number <= APP_SLOTS_MAX);
    if (s->apps[app].wanted == 0)
        return -ENOENT;
    n = mark(s, app, number, false, now_us);
    if (n == 0)
        return -ENOENT;
    if (!supervisor_is_rolling(s, app)) /* else it grows by these */
        note_next(roll, false);
    roll->state = SUPERVISOR_RESTART_RUNNING;
    return (int) n;
}

void supervisor_renew(struct supervisor *s, unsigned app)
{
    assert(app < APPS_MAX);
    s->rolls[app].generation++;
}

uint32_t supervisor_reload(struct supervisor *s, unsigned app, uint64_t now_us)
{
    struct supervisor_roll *roll = &s->rolls[app];

    assert(app < APPS_MAX);
    if (supervisor_is_rolling(s, app)) {
        roll->queued = true;
        return roll->number + 1;
    }
    if (s->apps[app].wanted > 0) {
        begin_reload(s, app, now_us);
    } else { /* nothing to roll */
        note_next(roll, true);
        roll->state = SUPERVISOR_RESTART_DONE;
    }
    return roll->number;
}

const struct supervisor_roll *supervisor_roll(const struct supervisor *s, unsigned app)
{
    assert(app < APPS_MAX);
    return &s->rolls[app];
}

void supervisor_forget_rolls(struct supervisor *s)
{
    for (unsigned app = 0; app < APPS_MAX; app++) {
        if (!s->apps[app].active)
            continue;
        s->rolls[app].state = SUPERVISOR_RESTART_DONE;
        s->rolls[app].queued = false;
        for (unsigned i = 0; i < APP_SLOTS_MAX; i++)
            s->slots[app][i].replace = s->slots[app][i].surge = false;
        supervisor_scale(s, app, -1);
    }
}

/* --- one step --------------------------------------------------------------------------------- */

struct census {
    unsigned live, serving;
    unsigned old; /* an old worker that can be told to go, at best an untried one; 0: none */
    bool waits;   /* for a new one to be of use, or for an old one to come back */
};

static struct census count(const struct supervisor *s, unsigned app)
{
    struct census census = {.live = supervisor_count_live(s, app)};
    bool untried = false;

    for (unsigned number = 1; number <= APP_SLOTS_MAX; number++) {
        const struct supervisor_slot *slot = &s->slots[app][number - 1];

        census.serving += supervisor_serves(s, app, slot);
        if (slot->surge || (slot->replace && slot->state != WORKER_READY))
            census.waits = true;
        else if (slot->replace && (!census.old || (!untried && !slot->passed))) {
            census.old = number;
            untried = !slot->passed;
        }
    }
    return census;
}

/*
 * An extra worker, and when that serves an old one drains. At most one more than wanted, and no old
 * one goes while fewer than wanted would be left. Returns whether the next step can be taken at
 * once: it does not wait for the old one's end.
 */
static bool step(struct supervisor *s, unsigned app, uint64_t now_us)
{
    unsigned wanted = s->apps[app].wanted;
    struct census census;

    for (unsigned number = 1; number <= APP_SLOTS_MAX; number++) {
        const struct supervisor_slot *slot = supervisor_slot_of(s, app, number);

        if (slot->replace && slot->state == WORKER_STARTING)
            supervisor_retire(s, app, number, now_us); /* serves nobody yet */
    }
    census = count(s, app);
    if (census.waits)
        return false;
    if (!census.old) {
        if (census.serving < wanted)
            return false;
        end(s, app, SUPERVISOR_RESTART_DONE, "");
        return false;
    }
    if (census.serving > wanted) {
        supervisor_retire(s, app, census.old, now_us);
        return true;
    }
    if (census.live == wanted)
        supervisor_start_missing(s, app, wanted + 1, true, now_us);
    return false;
}

void supervisor_roll_run(struct supervisor *s, unsigned app, uint64_t now_us)
{
    do {
        if (!supervisor_is_rolling(s, app) && s->rolls[app].queued)
            begin_reload(s, app, now_us);
        while (supervisor_is_rolling(s, app) && step(s, app, now_us))
            continue;
    } while (s->rolls[app].queued && !supervisor_is_rolling(s, app));
}

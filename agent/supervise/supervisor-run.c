/* SPDX-License-Identifier: Apache-2.0 */
/* What is to be done, app by app: compares what is with what is wanted. See supervisor.h. */
#include "agent/supervise/supervisor-internal.h"

#include "common/base/clock.h"

#include <stdio.h>

#define RANK_SERVES 3u /* up to this one a slot holds a worker that serves */

/* It had its time. */
static void end_late(struct supervisor *s, unsigned app, unsigned number, uint64_t now_us)
{
    static const char *const missed[WORKER_STATES_] = {[WORKER_STARTING] = "ready",
                                                       [WORKER_READY] = "past its probe",
                                                       [WORKER_DRAINING] = "drained"};
    const struct supervisor_slot *slot = supervisor_slot_of(s, app, number);
    uint64_t since_us = slot->state == WORKER_READY ? slot->started_at_us : slot->since_us;
    char text[CLOCK_TEXT_MAX], why[96];

    if (slot->state == WORKER_READY && (slot->passed || !s->apps[app].policy.probed)) {
        supervisor_slot_of(s, app, number)->deadline_us = 0; /* there is no probe any more */
        return;
    }
    snprintf(why, sizeof(why), "not %s within %s: killed", missed[slot->state],
             clock_format_duration(text, now_us - MIN(since_us, now_us)));
    supervisor_push_event(s, app, number, SUPERVISOR_EVENT_LATE, "%s", why);
    if (slot->state == WORKER_DRAINING)
        s->rolls[app].drain_kills++;
    else
        supervisor_roll_note_failure(s, app, number, slot->pid, why);
    supervisor_kill(s, app, number);
}

static void run_deadlines(struct supervisor *s, unsigned app, unsigned number, uint64_t now_us)
{
    struct supervisor_slot *slot = supervisor_slot_of(s, app, number);

    if (slot->state == WORKER_READY && (slot->attempt > 0 || slot->crash_loop) &&
        now_us - slot->since_us >= SUPERVISOR_STABLE_US) {
        if (slot->crash_loop)
            supervisor_push_event(s, app, number, SUPERVISOR_EVENT_STABLE,
                                  "crash loop is over: ready for %d s",
                                  (int) (SUPERVISOR_STABLE_US / USEC_PER_SEC));
        supervisor_slot_forget_troubles(slot);
    }
    if (slot->deadline_us == 0 || now_us < slot->deadline_us)
        return;
    switch (slot->state) {
    case WORKER_BACKOFF:
        if (slot->dead)
            return; /* supervisor_on_empty() comes first */
        slot->restarts++;
        slot->surge = slot->replace;
        supervisor_start(s, app, number, now_us);
        break;
    case WORKER_STARTING:
    case WORKER_DRAINING:
    case WORKER_READY:
        if (slot->serial)
            end_late(s, app, number, now_us);
        else
            supervisor_start(s, app, number, now_us);
        break;
    default:
        slot->deadline_us = 0;
    }
}

/* Which slot to give up first when there is one too many: what serves least, the worst of them
 * the highest; 0 = never. */
static unsigned rank(const struct supervisor *s, unsigned app, const struct supervisor_slot *slot)
{
    switch (slot->state) {
    case WORKER_BACKOFF:
        return RANK_SERVES + 3;
    case WORKER_STARTING:
        return supervisor_slot_is_asked_for(slot) ? 0 : RANK_SERVES + 2;
    case WORKER_READY:
        return !supervisor_serves(s, app, slot) ? RANK_SERVES + 1
               : !slot->replace                 ? RANK_SERVES - 2
               : slot->passed                   ? RANK_SERVES - 1
                                                : RANK_SERVES;
    default:
        return 0;
    }
}

/* None that serves, where those that are left would be too few: the others are not ready yet.
 */
static unsigned pick_retired(const struct supervisor *s, unsigned app)
{
    unsigned picked = 0, worst = 0, serving = 0;

    for (unsigned number = APP_SLOTS_MAX; number >= 1; number--) {
        const struct supervisor_slot *slot = &s->slots[app][number - 1];
        unsigned r = rank(s, app, slot);

        serving += supervisor_serves(s, app, slot);
        if (r > worst) {
            worst = r;
            picked = number;
        }
    }
    return worst > RANK_SERVES || serving > s->apps[app].wanted ? picked : 0;
}

void supervisor_start_missing(struct supervisor *s, unsigned app, unsigned wanted, bool surge,
                              uint64_t now_us)
{
    unsigned missing = wanted - MIN(wanted, supervisor_count_live(s, app));

    for (unsigned number = 1; number <= APP_SLOTS_MAX && missing > 0; number++) {
        struct supervisor_slot *slot = supervisor_slot_of(s, app, number);

        if (slot->state != WORKER_STOPPED || slot->dead)
            continue;
        supervisor_start(s, app, number, now_us);
        slot->surge = surge;
        missing--;
    }
}

static void retire_surplus(struct supervisor *s, unsigned app, uint64_t now_us)
{
    unsigned most = s->apps[app].wanted + supervisor_is_rolling(s, app), number;

    while (supervisor_count_live(s, app) > most && (number = pick_retired(s, app)) > 0)
        supervisor_retire(s, app, number, now_us);
}

static void run_app(struct supervisor *s, unsigned app, uint64_t now_us)
{
    do { /* again, if a late worker has ended a roll and another one waited for that */
        supervisor_roll_run(s, app, now_us);
        retire_surplus(s, app, now_us);
        for (unsigned number = 1; number <= APP_SLOTS_MAX; number++)
            run_deadlines(s, app, number, now_us);
    } while (s->rolls[app].queued && !supervisor_is_rolling(s, app));
    retire_surplus(s, app, now_us);
    supervisor_start_missing(s, app, s->apps[app].wanted, false, now_us);
}

void supervisor_run(struct supervisor *s, uint64_t now_us)
{
    if (!s->synced)
        return;
    for (unsigned app = 0; app < APPS_MAX; app++)
        if (s->apps[app].active)
            run_app(s, app, now_us);
}

uint64_t supervisor_next_us(const struct supervisor *s)
{
    uint64_t next = SUPERVISOR_NEVER;

    if (!s->synced)
        return next;
    for (unsigned app = 0; app < APPS_MAX; app++)
        for (unsigned i = 0; s->apps[app].active && i < APP_SLOTS_MAX; i++) {
            const struct supervisor_slot *slot = &s->slots[app][i];

            if (slot->deadline_us && !(slot->state == WORKER_BACKOFF && slot->dead))
                next = MIN(next, slot->deadline_us);
            if (slot->state == WORKER_READY && (slot->attempt > 0 || slot->crash_loop))
                next = MIN(next, slot->since_us + SUPERVISOR_STABLE_US);
        }
    return next;
}

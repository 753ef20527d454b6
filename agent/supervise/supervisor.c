/* SPDX-License-Identifier: Apache-2.0 */
/* See the header. Each event changes one slot; supervisor_run() then compares what is with what is
 * wanted, app by app. */
#include "agent/supervise/supervisor.h"

#include "agent/supervise/supervisor-internal.h"
#include "common/base/clock.h"
#include "common/base/text.h"

#include <assert.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

unsigned supervisor_count_live(const struct supervisor *s, unsigned app)
{
    unsigned n = 0;

    for (unsigned i = 0; i < APP_SLOTS_MAX; i++)
        n += supervisor_slot_is_live(&s->slots[app][i]);
    return n;
}

struct supervisor_slot *supervisor_slot_of(struct supervisor *s, unsigned app, unsigned slot)
{
    assert(app < APPS_MAX && slot >= 1 && slot <= APP_SLOTS_MAX);
    return &s->slots[app][slot - 1];
}

/* --- actions ---------------------------------------------------------------------------------- */

static struct supervisor_action *push(struct supervisor *s, enum supervisor_action_type type,
                                      unsigned app, unsigned slot)
{
    struct supervisor_action *action = action_queue_push(&s->actions);

    *action = (struct supervisor_action){.type = type, .app = app, .slot = slot};
    if (slot) {
        action->serial = supervisor_slot_of(s, app, slot)->serial;
        action->pid = supervisor_slot_of(s, app, slot)->pid;
        action->killed = supervisor_slot_of(s, app, slot)->kill_sent;
    }
    return action;
}

void supervisor_push_event(struct supervisor *s, unsigned app, unsigned slot,
                           enum supervisor_event event, const char *format, ...)
{
    struct supervisor_action *action = push(s, SUPERVISOR_EVENT, app, slot);
    va_list args;

    action->event = event;
    va_start(args, format);
    vsnprintf(action->text, sizeof(action->text), format, args);
    va_end(args);
}

bool supervisor_next_action(struct supervisor *s, struct supervisor_action *ret)
{
    if (!action_queue_pop(&s->actions, ret))
        return false;
    if (ret->type == SUPERVISOR_TERMINATE)
        supervisor_slot_of(s, ret->app, ret->slot)->term_sent = true;
    return true;
}

/* --- changes of a slot -------------------------------------------------------------------------
 */

void supervisor_start(struct supervisor *s, unsigned app, unsigned number, uint64_t now_us)
{
    struct supervisor_slot *slot = supervisor_slot_of(s, app, number);

    /* The deadline runs from the holder's answer. */
    supervisor_slot_set_state(slot, WORKER_STARTING, now_us, 0);
    slot->serial = 0;
    slot->pid = 0;
    slot->generation = s->rolls[app].generation;
    slot->replace = false;
    slot->status[0] = '\0';
    push(s, SUPERVISOR_START, app, number);
}

void supervisor_kill(struct supervisor *s, unsigned app, unsigned number)
{
    struct supervisor_slot *slot = supervisor_slot_of(s, app, number);

    if (slot->kill_sent || slot->serial == 0)
        return;
    slot->kill_sent = true;
    slot->deadline_us = 0;
    push(s, SUPERVISOR_KILL, app, number);
}

static uint64_t drain_limit_us(const struct supervisor *s, unsigned app)
{
    return s->apps[app].policy.drain_timeout_us + SUPERVISOR_KILL_GRACE_US;
}

static void drain(struct supervisor *s, unsigned app, unsigned number, uint64_t now_us)
{
    struct supervisor_slot *slot = supervisor_slot_of(s, app, number);

    supervisor_slot_set_state(slot, WORKER_DRAINING, now_us, now_us + drain_limit_us(s, app));
    slot->replace = false;
    push(s, SUPERVISOR_TERMINATE, app, number);
    supervisor_push_event(s, app, number, SUPERVISOR_EVENT_DRAINING,
                          "drains: finishes its requests, then ends");
}

void supervisor_discard(struct supervisor *s, unsigned app, unsigned number, uint64_t now_us)
{
    supervisor_slot_set_state(supervisor_slot_of(s, app, number), WORKER_DRAINING, now_us, 0);
    supervisor_kill(s, app, number);
}

void supervisor_retire(struct supervisor *s, unsigned app, unsigned number, uint64_t now_us)
{
    struct supervisor_slot *slot = supervisor_slot_of(s, app, number);

    switch (slot->state) {
    case WORKER_BACKOFF:
        supervisor_slot_forget_troubles(slot);
        supervisor_slot_set_state(slot, WORKER_STOPPED, now_us, 0);
        break;
    case WORKER_STARTING:
        if (slot->serial)
            supervisor_discard(s, app, number, now_us);
        else if (!supervisor_slot_is_asked_for(slot)) /* those: when the holder has told them */
            supervisor_slot_set_state(slot, WORKER_STOPPED, now_us, 0);
        break;
    case WORKER_READY:
        if (slot->kill_sent)
            supervisor_discard(s, app, number, now_us);
        else
            drain(s, app, number, now_us);
        break;
    }
}

/* A worker ended that should not have, or could not be started. */
static void fail(struct supervisor *s, unsigned app, unsigned number, enum supervisor_event event,
                 const char *why, uint64_t now_us)
{
    struct supervisor_slot *slot = supervisor_slot_of(s, app, number);
    bool was_loop = slot->crash_loop, old = slot->replace;
    int pid = slot->pid;
    uint64_t wait_us = supervisor_slot_note_death(slot, now_us, s->random(s->userdata));
    char text[CLOCK_TEXT_MAX];

    if (slot->crash_loop && !was_loop)
        supervisor_push_event(
            s, app, number, SUPERVISOR_EVENT_CRASH_LOOP,
            "crash loop: %d deaths within a minute; goes on trying, up to %d s apart",
            SUPERVISOR_LOOP_DEATHS, (int) (SUPERVISOR_BACKOFF_CAP_US / USEC_PER_SEC));
    text_copy(slot->last_exit, sizeof(slot->last_exit), why);
    supervisor_push_event(s, app, number, event, "%s; next start %s%s", why,
                          wait_us ? "in " : "at once",
                          wait_us ? clock_format_duration(text, wait_us) : "");
    supervisor_slot_set_state(slot, WORKER_BACKOFF, now_us, now_us + wait_us);
    slot->replace = old; /* the next one is the roll's */
    supervisor_roll_note_failure(s, app, number, pid, why);
}

/* --- life cycle ------------------------------------------------------------------------------- */

int supervisor_new(struct supervisor **ret, struct supervisor_slot slots[APPS_MAX][APP_SLOTS_MAX],
                   struct supervisor_roll rolls[APPS_MAX], uint64_t (*random)(void *userdata),
                   void *userdata)
{
    CLEANUP(supervisor_freep) struct supervisor *s = calloc(1, sizeof(*s));

    if (!s)
        return -ENOMEM;
    s->slots = slots;
    s->rolls = rolls;
    s->random = random;
    s->userdata = userdata;
    *ret = TAKE(s);
    return 0;
}

struct supervisor *supervisor_free(struct supervisor *s)
{
    if (!s)
        return NULL;
    action_queue_done(&s->actions);
    free(s);
    return NULL;
}

static void update_wanted(struct supervisor *s, unsigned app)
{
    struct supervised_app *a = &s->apps[app];
    uint32_t scale = s->rolls[app].scale;

    a->wanted = s->stopping ? 0 : scale ? scale - 1 : a->policy.wanted;
    if (a->wanted == 0)
        supervisor_roll_cancel(s, app, s->stopping ? "agentd stops" : "the app is to end");
}

static void put_right(struct supervisor *s, unsigned app)
{
    supervisor_roll_put_right(&s->rolls[app]);
    for (unsigned i = 0; i < APP_SLOTS_MAX; i++) {
        struct supervisor_slot *slot = &s->slots[app][i];

        supervisor_slot_put_right(slot);
        if (!supervisor_is_rolling(s, app))
            slot->replace = slot->surge = false;
    }
}

void supervisor_set_policy(struct supervisor *s, unsigned app,
                           const struct supervisor_policy *policy)
{
    struct supervised_app *a = &s->apps[app];

    assert(app < APPS_MAX && (!policy || policy->wanted <= WORKERS_MAX));
    if (!a->active) {
        put_right(s, app);
        a->policy.drain_timeout_us = SUPERVISOR_DRAIN_DEFAULT_US;
    }
    a->active = true;
    if (policy) {
        a->policy = *policy;
    } else {
        a->policy.wanted = 0;
        s->rolls[app].scale = 0;
    }
    update_wanted(s, app);
}

void supervisor_scale(struct supervisor *s, unsigned app, int wanted)
{
    assert(app < APPS_MAX && wanted <= WORKERS_MAX);
    s->rolls[app].scale = wanted < 0 ? 0 : (uint32_t) wanted + 1;
    if (wanted >= 0)
        supervisor_push_event(s, app, 0, SUPERVISOR_EVENT_SCALED,
                              "scaled by hand: %d workers instead of %u", wanted,
                              s->apps[app].policy.wanted);
    update_wanted(s, app);
}

unsigned supervisor_wanted(const struct supervisor *s, unsigned app)
{
    uint32_t scale = s->rolls[app].scale;

    assert(app < APPS_MAX);
    return scale ? scale - 1 : s->apps[app].policy.wanted;
}

/* --- events ----------------------------------------------------------------------------------- */

void supervisor_on_running(struct supervisor *s, unsigned app, unsigned number, uint64_t serial,
                           int pid, uint64_t started_at_us, uint64_t now_us)
{
    struct supervisor_slot *slot = supervisor_slot_of(s, app, number);
    bool known;

    if (!s->apps[app].active)
        supervisor_set_policy(s, app, NULL);
    known = slot->serial == serial;
    slot->serial = serial;
    slot->pid = pid;
    slot->started_at_us = started_at_us;
    slot->dead = false;
    if (known)
        return; /* told to a new core: supervisor_on_synced() goes on with it */
    if (slot->state == WORKER_STARTING) {
        slot->deadline_us = now_us + s->apps[app].policy.ready_timeout_us;
        supervisor_push_event(s, app, number, SUPERVISOR_EVENT_STARTED, "started");
        return;
    }
    /* It runs and nothing is remembered of it: its READY=1 was taken by a core whose notes are
     * lost. */
    supervisor_slot_set_state(slot, WORKER_READY, now_us, 0);
    slot->generation = s->rolls[app].generation;
    supervisor_push_event(s, app, number, SUPERVISOR_EVENT_READY, "taken over");
}

void supervisor_on_dead(struct supervisor *s, unsigned app, unsigned number, uint64_t serial,
                        const char *obituary, uint64_t now_us)
{
    struct supervisor_slot *slot = supervisor_slot_of(s, app, number);

    if (!s->apps[app].active)
        supervisor_set_policy(s, app, NULL);
    slot->serial = serial; /* for the release; a core that never saw it run learns it here */
    push(s, SUPERVISOR_RELEASE, app, number);
    slot->dead = true;
    switch (slot->state) {
    case WORKER_DRAINING:
        text_copy(slot->last_exit, sizeof(slot->last_exit), obituary);
        supervisor_push_event(s, app, number, SUPERVISOR_EVENT_STOPPED, "stopped: %s", obituary);
        supervisor_slot_forget_troubles(slot);
        supervisor_slot_set_state(slot, WORKER_STOPPED, now_us, 0);
        break;
    case WORKER_STARTING:
    case WORKER_READY:
        fail(s, app, number, SUPERVISOR_EVENT_DIED, obituary, now_us);
        break;
    default: /* told again to a new core: this death was dealt with */
        break;
    }
}

void supervisor_on_empty(struct supervisor *s, unsigned app, unsigned number)
{
    struct supervisor_slot *slot = supervisor_slot_of(s, app, number);

    slot->dead = false;
    if (!supervisor_slot_is_live(slot) || slot->state == WORKER_BACKOFF)
        slot->serial = 0;
}

void supervisor_on_refused(struct supervisor *s, unsigned app, unsigned number, const char *why,
                           uint64_t now_us)
{
    if (supervisor_slot_is_asked_for(supervisor_slot_of(s, app, number)))
        fail(s, app, number, SUPERVISOR_EVENT_REFUSED, why, now_us);
}

/* Goes on with a worker that an earlier core was starting or draining. */
static void resume_worker(struct supervisor *s, unsigned app, unsigned number, uint64_t now_us)
{
    struct supervisor_slot *slot = supervisor_slot_of(s, app, number);
    bool draining = slot->state == WORKER_DRAINING;
    uint64_t latest_us =
        now_us + (draining ? drain_limit_us(s, app) : s->apps[app].policy.ready_timeout_us);

    if (slot->kill_sent) { /* and perhaps lost with that core */
        slot->kill_sent = false;
        supervisor_kill(s, app, number);
        return;
    }
    /* Not for good measure: a second SIGTERM makes many programs leave at once. */
    if (draining && !slot->term_sent)
        push(s, SUPERVISOR_TERMINATE, app, number);
    if (slot->deadline_us == 0 || slot->deadline_us > latest_us)
        slot->deadline_us = latest_us;
}

/* Goes on with what an earlier core left of a slot, now that the holder has told what there is. */
static void resume(struct supervisor *s, unsigned app, unsigned number, uint64_t now_us)
{
    struct supervisor_slot *slot = supervisor_slot_of(s, app, number);

    slot->since_us = MIN(slot->since_us, now_us);
    if (slot->state == WORKER_BACKOFF) {
        slot->deadline_us = MIN(MAX(slot->deadline_us, now_us), now_us + SUPERVISOR_BACKOFF_CAP_US);
    } else if (slot->state == WORKER_STARTING && !slot->pid) {
        slot->serial = 0; /* the START was lost with the core: due to be asked for again */
        slot->deadline_us = now_us;
    } else if (slot->state != WORKER_STOPPED && !slot->pid) {
        supervisor_slot_set_state(slot, WORKER_STOPPED, now_us, 0);
        supervisor_slot_forget_troubles(slot);
    } else if (slot->state == WORKER_STARTING || slot->state == WORKER_DRAINING ||
               (slot->state == WORKER_READY && slot->kill_sent)) {
        resume_worker(s, app, number, now_us);
    } else if (slot->state == WORKER_READY && slot->deadline_us) {
        slot->deadline_us = MIN(slot->deadline_us, now_us + s->apps[app].policy.ready_timeout_us);
    }
}

void supervisor_on_synced(struct supervisor *s, uint64_t now_us)
{
    s->synced = true;
    for (unsigned app = 0; app < APPS_MAX; app++)
        for (unsigned number = 1; s->apps[app].active && number <= APP_SLOTS_MAX; number++)
            resume(s, app, number, now_us);
}

void supervisor_on_ready(struct supervisor *s, unsigned app, unsigned number, uint64_t now_us)
{
    struct supervisor_slot *slot = supervisor_slot_of(s, app, number);
    char text[CLOCK_TEXT_MAX];

    if (slot->state != WORKER_STARTING || slot->kill_sent)
        return;
    /* The time to become ready includes the first probe. */
    supervisor_slot_set_state(slot, WORKER_READY, now_us,
                              s->apps[app].policy.probed ? slot->deadline_us : 0);
    slot->surge &= s->apps[app].policy.probed;
    supervisor_push_event(s, app, number, SUPERVISOR_EVENT_READY, "ready after %s",
                          clock_format_duration(text, now_us - slot->started_at_us));
}

void supervisor_on_probed(struct supervisor *s, unsigned app, unsigned number, bool passed,
                          uint64_t now_us)
{
    struct supervisor_slot *slot = supervisor_slot_of(s, app, number);

    if (slot->state != WORKER_READY || slot->kill_sent || slot->passed)
        return;
    if (passed) {
        slot->passed = true;
        slot->surge = false;
        slot->deadline_us = 0;
    } else if (slot->surge) {
        supervisor_roll_note_failure(s, app, number, slot->pid, "ready, but it failed its probe");
        supervisor_push_event(s, app, number, SUPERVISOR_EVENT_LATE,
                              "ready, but it failed its probe: killed");
        supervisor_discard(s, app, number, now_us);
    }
}

void supervisor_on_status(struct supervisor *s, unsigned app, unsigned number, const char *status)
{
    struct supervisor_slot *slot = supervisor_slot_of(s, app, number);

    text_copy(slot->status, sizeof(slot->status), status);
}

/* --- the end ---------------------------------------------------------------------------------- */

void supervisor_stop(struct supervisor *s)
{
    s->stopping = true;
    for (unsigned app = 0; app < APPS_MAX; app++)
        if (s->apps[app].active)
            update_wanted(s, app);
}

bool supervisor_is_stopped(const struct supervisor *s)
{
    if (!s->stopping)
        return false;
    for (unsigned app = 0; app < APPS_MAX; app++)
        for (unsigned i = 0; s->apps[app].active && i < APP_SLOTS_MAX; i++)
            if (s->slots[app][i].state != WORKER_STOPPED || s->slots[app][i].dead)
                return false;
    return true;
}

/* --- views ------------------------------------------------------------------------------------ */

const struct supervisor_slot *supervisor_slot(const struct supervisor *s, unsigned app,
                                              unsigned number)
{
    assert(app < APPS_MAX && number >= 1 && number <= APP_SLOTS_MAX);
    return &s->slots[app][number - 1];
}

unsigned supervisor_count(const struct supervisor *s, unsigned app, enum worker_state state)
{
    unsigned n = 0;

    for (unsigned i = 0; i < APP_SLOTS_MAX; i++)
        n += s->slots[app][i].state == state;
    return n;
}

bool supervisor_crash_loop(const struct supervisor *s, unsigned app)
{
    assert(app < APPS_MAX);
    for (unsigned i = 0; i < APP_SLOTS_MAX; i++)
        if (s->slots[app][i].crash_loop)
            return true;
    return false;
}

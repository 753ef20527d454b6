/* SPDX-License-Identifier: Apache-2.0 */
/* See the header. Each event changes one slot; supervisor_run() then compares what is with what is
 * wanted, app by app. */
#include "agent/supervise/supervisor.h"

#include "common/base/clock.h"
#include "common/base/text.h"

#include <assert.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

struct app {
    bool active; /* has, or had, a policy: the others' memory is never touched */
    struct supervisor_policy policy;
    enum supervisor_restart restart;
    char restart_why[160];
};

struct supervisor {
    struct supervisor_slot (*slots)[APP_SLOTS_MAX];
    struct app apps[APPS_MAX];
    uint64_t (*random)(void *userdata);
    void *userdata;
    bool stopping;
    bool synced; /* before, nothing is started: the holder may have it already */
    struct action_queue actions;
};

static unsigned count_live(const struct supervisor *s, unsigned app)
{
    unsigned n = 0;

    for (unsigned i = 0; i < APP_SLOTS_MAX; i++)
        n += supervisor_slot_is_live(&s->slots[app][i]);
    return n;
}

static struct supervisor_slot *slot_of(struct supervisor *s, unsigned app, unsigned slot)
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
        action->serial = slot_of(s, app, slot)->serial;
        action->pid = slot_of(s, app, slot)->pid;
    }
    return action;
}

PRINTF_LIKE(5, 6)
static void push_event(struct supervisor *s, unsigned app, unsigned slot,
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
        slot_of(s, ret->app, ret->slot)->term_sent = true;
    return true;
}

/* --- changes of a slot -------------------------------------------------------------------------
 */

static void start(struct supervisor *s, unsigned app, unsigned number, uint64_t now_us)
{
    struct supervisor_slot *slot = slot_of(s, app, number);

    /* The deadline runs from the holder's answer. */
    supervisor_slot_set_state(slot, WORKER_STARTING, now_us, 0);
    slot->serial = 0;
    slot->pid = 0;
    slot->replace = false;
    slot->status[0] = '\0';
    push(s, SUPERVISOR_START, app, number);
}

static void kill_worker(struct supervisor *s, unsigned app, unsigned number)
{
    struct supervisor_slot *slot = slot_of(s, app, number);

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
    struct supervisor_slot *slot = slot_of(s, app, number);

    supervisor_slot_set_state(slot, WORKER_DRAINING, now_us, now_us + drain_limit_us(s, app));
    slot->replace = false;
    push(s, SUPERVISOR_TERMINATE, app, number);
    push_event(s, app, number, SUPERVISOR_EVENT_DRAINING,
               "drains: finishes its requests, then ends");
}

/* Takes a live slot out of service, in the gentlest way that its state allows. */
static void retire(struct supervisor *s, unsigned app, unsigned number, uint64_t now_us)
{
    struct supervisor_slot *slot = slot_of(s, app, number);

    switch (slot->state) {
    case WORKER_BACKOFF:
        supervisor_slot_forget_troubles(slot);
        supervisor_slot_set_state(slot, WORKER_STOPPED, now_us, 0);
        break;
    case WORKER_STARTING:
        if (slot->serial) {
            supervisor_slot_set_state(slot, WORKER_DRAINING, now_us, 0);
            kill_worker(s, app, number);
        } else if (!supervisor_slot_is_asked_for(slot)) { /* those: when the holder has told them */
            supervisor_slot_set_state(slot, WORKER_STOPPED, now_us, 0);
        }
        break;
    case WORKER_READY:
        drain(s, app, number, now_us);
        break;
    }
}

static void end_restart(struct supervisor *s, unsigned app, enum supervisor_restart how,
                        const char *why)
{
    if (s->apps[app].restart != SUPERVISOR_RESTART_RUNNING)
        return;
    for (unsigned i = 0; i < APP_SLOTS_MAX; i++)
        s->slots[app][i].replace = s->slots[app][i].surge = false;
    s->apps[app].restart = how;
    snprintf(s->apps[app].restart_why, sizeof(s->apps[app].restart_why), "%s", why);
    if (how == SUPERVISOR_RESTART_DONE)
        push_event(s, app, 0, SUPERVISOR_EVENT_RESTART_DONE, "all workers are replaced");
    else
        push_event(s, app, 0, SUPERVISOR_EVENT_RESTART_FAILED,
                   "restart given up, the other workers stay: %s", why);
}

/* A worker ended that should not have, or could not be started. */
static void fail(struct supervisor *s, unsigned app, unsigned number, enum supervisor_event event,
                 const char *why, uint64_t now_us)
{
    struct supervisor_slot *slot = slot_of(s, app, number);
    bool surge = slot->surge, was_loop = slot->crash_loop;
    uint64_t wait_us = supervisor_slot_note_death(slot, now_us, s->random(s->userdata));
    char text[CLOCK_TEXT_MAX];

    if (slot->crash_loop && !was_loop)
        push_event(s, app, number, SUPERVISOR_EVENT_CRASH_LOOP,
                   "crash loop: %d deaths within a minute; goes on trying, up to %d s apart",
                   SUPERVISOR_LOOP_DEATHS, (int) (SUPERVISOR_BACKOFF_CAP_US / USEC_PER_SEC));
    text_copy(slot->last_exit, sizeof(slot->last_exit), why);
    push_event(s, app, number, event, "%s; next start %s%s", why, wait_us ? "in " : "at once",
               wait_us ? clock_format_duration(text, wait_us) : "");
    supervisor_slot_set_state(slot, WORKER_BACKOFF, now_us, now_us + wait_us);
    if (surge)
        end_restart(s, app, SUPERVISOR_RESTART_FAILED, why);
}

/* --- life cycle ------------------------------------------------------------------------------- */

int supervisor_new(struct supervisor **ret, struct supervisor_slot slots[APPS_MAX][APP_SLOTS_MAX],
                   uint64_t (*random)(void *userdata), void *userdata)
{
    CLEANUP(supervisor_freep) struct supervisor *s = calloc(1, sizeof(*s));

    if (!s)
        return -ENOMEM;
    s->slots = slots;
    s->random = random;
    s->userdata = userdata;
    for (unsigned app = 0; app < APPS_MAX; app++)
        s->apps[app].restart = SUPERVISOR_RESTART_DONE;
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

void supervisor_set_policy(struct supervisor *s, unsigned app,
                           const struct supervisor_policy *policy)
{
    struct app *a = &s->apps[app];

    assert(app < APPS_MAX && (!policy || policy->wanted <= WORKERS_MAX));
    if (!a->active) {
        for (unsigned i = 0; i < APP_SLOTS_MAX; i++)
            supervisor_slot_put_right(&s->slots[app][i]);
        a->policy.drain_timeout_us = SUPERVISOR_DRAIN_DEFAULT_US;
    }
    a->active = true;
    if (policy)
        a->policy = *policy;
    if (!policy || s->stopping)
        a->policy.wanted = 0;
    if (a->policy.wanted == 0)
        end_restart(s, app, SUPERVISOR_RESTART_FAILED, "the app is to end");
}

/* --- events ----------------------------------------------------------------------------------- */

void supervisor_on_running(struct supervisor *s, unsigned app, unsigned number, uint64_t serial,
                           int pid, uint64_t started_at_us, uint64_t now_us)
{
    struct supervisor_slot *slot = slot_of(s, app, number);
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
        push_event(s, app, number, SUPERVISOR_EVENT_STARTED, "started");
        return;
    }
    /* It runs and nothing is remembered of it: its READY=1 was taken by a core whose notes are
     * lost. */
    supervisor_slot_set_state(slot, WORKER_READY, now_us, 0);
    push_event(s, app, number, SUPERVISOR_EVENT_READY, "taken over");
}

void supervisor_on_dead(struct supervisor *s, unsigned app, unsigned number, uint64_t serial,
                        const char *obituary, uint64_t now_us)
{
    struct supervisor_slot *slot = slot_of(s, app, number);

    if (!s->apps[app].active)
        supervisor_set_policy(s, app, NULL);
    slot->serial = serial; /* for the release; a core that never saw it run learns it here */
    push(s, SUPERVISOR_RELEASE, app, number);
    slot->dead = true;
    switch (slot->state) {
    case WORKER_DRAINING:
        text_copy(slot->last_exit, sizeof(slot->last_exit), obituary);
        push_event(s, app, number, SUPERVISOR_EVENT_STOPPED, "stopped: %s", obituary);
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
    struct supervisor_slot *slot = slot_of(s, app, number);

    slot->dead = false;
    if (!supervisor_slot_is_live(slot) || slot->state == WORKER_BACKOFF)
        slot->serial = 0;
}

void supervisor_on_refused(struct supervisor *s, unsigned app, unsigned number, const char *why,
                           uint64_t now_us)
{
    if (supervisor_slot_is_asked_for(slot_of(s, app, number)))
        fail(s, app, number, SUPERVISOR_EVENT_REFUSED, why, now_us);
}

/* Goes on with a worker that an earlier core was starting or draining. */
static void resume_worker(struct supervisor *s, unsigned app, unsigned number, uint64_t now_us)
{
    struct supervisor_slot *slot = slot_of(s, app, number);
    bool draining = slot->state == WORKER_DRAINING;
    uint64_t latest_us =
        now_us + (draining ? drain_limit_us(s, app) : s->apps[app].policy.ready_timeout_us);

    if (slot->kill_sent) { /* and perhaps lost with that core */
        slot->kill_sent = false;
        kill_worker(s, app, number);
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
    struct supervisor_slot *slot = slot_of(s, app, number);

    slot->since_us = MIN(slot->since_us, now_us);
    if (slot->state == WORKER_BACKOFF) {
        slot->deadline_us = MIN(MAX(slot->deadline_us, now_us), now_us + SUPERVISOR_BACKOFF_CAP_US);
    } else if (slot->state == WORKER_STARTING && !slot->pid) {
        slot->serial = 0; /* the START was lost with the core: due to be asked for again */
        slot->deadline_us = now_us;
    } else if (slot->state != WORKER_STOPPED && !slot->pid) {
        supervisor_slot_set_state(slot, WORKER_STOPPED, now_us, 0);
        supervisor_slot_forget_troubles(slot);
    } else if (slot->state == WORKER_STARTING || slot->state == WORKER_DRAINING) {
        resume_worker(s, app, number, now_us);
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
    struct supervisor_slot *slot = slot_of(s, app, number);
    char text[CLOCK_TEXT_MAX];

    if (slot->state != WORKER_STARTING || slot->kill_sent)
        return;
    supervisor_slot_set_state(slot, WORKER_READY, now_us, 0);
    slot->surge = false;
    push_event(s, app, number, SUPERVISOR_EVENT_READY, "ready after %s",
               clock_format_duration(text, now_us - slot->started_at_us));
}

void supervisor_on_status(struct supervisor *s, unsigned app, unsigned number, const char *status)
{
    struct supervisor_slot *slot = slot_of(s, app, number);

    text_copy(slot->status, sizeof(slot->status), status);
}

/* --- what is wanted --------------------------------------------------------------------------- */

int supervisor_restart(struct supervisor *s, unsigned app, unsigned number, uint64_t now_us)
{
    int n = 0;

    assert(app < APPS_MAX && number <= APP_SLOTS_MAX);
    if (s->apps[app].policy.wanted == 0)
        return -ENOENT;
    for (unsigned i = 1; i <= APP_SLOTS_MAX; i++) {
        struct supervisor_slot *slot = slot_of(s, app, i);

        if ((number && i != number) || !supervisor_slot_is_live(slot))
            continue;
        slot->replace = true;
        supervisor_slot_forget_troubles(slot);
        if (slot->state == WORKER_BACKOFF)
            slot->deadline_us = now_us;
        n++;
    }
    if (n == 0)
        return -ENOENT;
    s->apps[app].restart = SUPERVISOR_RESTART_RUNNING;
    s->apps[app].restart_why[0] = '\0';
    return n;
}

enum supervisor_restart supervisor_restart_state(const struct supervisor *s, unsigned app,
                                                 const char **ret_why)
{
    assert(app < APPS_MAX);
    if (ret_why)
        *ret_why = s->apps[app].restart_why;
    return s->apps[app].restart;
}

void supervisor_stop(struct supervisor *s)
{
    s->stopping = true;
    for (unsigned app = 0; app < APPS_MAX; app++) {
        s->apps[app].policy.wanted = 0;
        end_restart(s, app, SUPERVISOR_RESTART_FAILED, "agentd stops");
    }
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

/* --- decisions -------------------------------------------------------------------------------- */

static void run_deadlines(struct supervisor *s, unsigned app, unsigned number, uint64_t now_us)
{
    struct supervisor_slot *slot = slot_of(s, app, number);
    char text[CLOCK_TEXT_MAX];

    if (slot->state == WORKER_READY && (slot->attempt > 0 || slot->crash_loop) &&
        now_us - slot->since_us >= SUPERVISOR_STABLE_US) {
        if (slot->crash_loop)
            push_event(s, app, number, SUPERVISOR_EVENT_STABLE,
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
        start(s, app, number, now_us);
        break;
    case WORKER_STARTING:
    case WORKER_DRAINING:
        if (slot->serial == 0) {
            start(s, app, number, now_us);
            break;
        }
        push_event(s, app, number, SUPERVISOR_EVENT_LATE, "not %s within %s: killed",
                   slot->state == WORKER_STARTING ? "ready" : "drained",
                   clock_format_duration(text, now_us - slot->since_us));
        kill_worker(s, app, number);
        break;
    default:
        slot->deadline_us = 0;
    }
}

/* The slot to give up first when there is one too many: what serves least. */
static unsigned pick_retired(struct supervisor *s, unsigned app)
{
    static const enum worker_state order[] = {WORKER_BACKOFF, WORKER_STARTING, WORKER_READY};

    for (size_t i = 0; i < ARRAY_SIZE(order); i++)
        for (unsigned number = APP_SLOTS_MAX; number >= 1; number--) {
            const struct supervisor_slot *slot = slot_of(s, app, number);

            if (slot->state == order[i] && !supervisor_slot_is_asked_for(slot))
                return number;
        }
    return 0;
}

static void start_missing(struct supervisor *s, unsigned app, unsigned wanted, bool surge,
                          uint64_t now_us)
{
    unsigned missing = wanted - MIN(wanted, count_live(s, app));

    for (unsigned number = 1; number <= APP_SLOTS_MAX && missing > 0; number++) {
        struct supervisor_slot *slot = slot_of(s, app, number);

        if (slot->state != WORKER_STOPPED || slot->dead)
            continue;
        start(s, app, number, now_us);
        slot->surge = surge;
        missing--;
    }
}

/*
 * One step of a restart: an extra worker, and when that is ready an old one drains. At most one
 * more than wanted, never fewer ready ones than before. Returns whether the next step can be taken
 * at once: it does not wait for the old one's end.
 */
static bool step_restart(struct supervisor *s, unsigned app, uint64_t now_us)
{
    unsigned wanted = s->apps[app].policy.wanted, old = 0, live;
    bool waiting = false;

    for (unsigned number = 1; number <= APP_SLOTS_MAX; number++) {
        struct supervisor_slot *slot = slot_of(s, app, number);

        if (slot->replace && slot->state == WORKER_STARTING)
            retire(s, app, number, now_us); /* serves nobody yet */
        if (slot->surge || (slot->replace && slot->state != WORKER_READY))
            waiting = true;
        else if (slot->replace && !old)
            old = number;
    }
    live = count_live(s, app);
    if (waiting)
        return false;
    if (!old)
        end_restart(s, app, SUPERVISOR_RESTART_DONE, "");
    else if (live > wanted)
        drain(s, app, old, now_us);
    else if (live == wanted)
        start_missing(s, app, wanted + 1, true, now_us);
    return old && live > wanted;
}

static void run_app(struct supervisor *s, unsigned app, uint64_t now_us)
{
    struct app *a = &s->apps[app];
    unsigned number, most;

    while (a->restart == SUPERVISOR_RESTART_RUNNING && step_restart(s, app, now_us))
        continue;
    most = a->policy.wanted + (a->restart == SUPERVISOR_RESTART_RUNNING);
    while (count_live(s, app) > most && (number = pick_retired(s, app)) > 0)
        retire(s, app, number, now_us);
    for (number = 1; number <= APP_SLOTS_MAX; number++)
        run_deadlines(s, app, number, now_us);
    start_missing(s, app, a->policy.wanted, false, now_us);
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

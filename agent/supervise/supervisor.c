/* SPDX-License-Identifier: Apache-2.0 */
/* See the header. Each event changes one slot; supervisor_run() then compares what is with what is
 * wanted, app by app. */
#include "agent/supervise/supervisor.h"

#include "common/base/backoff.h"
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

static const struct backoff backoff = {SUPERVISOR_BACKOFF_BASE_US, SUPERVISOR_BACKOFF_CAP_US};

static bool is_live(const struct supervisor_slot *slot)
{
    return slot->state == WORKER_STARTING || slot->state == WORKER_READY ||
           slot->state == WORKER_BACKOFF;
}

static unsigned count_live(const struct supervisor *s, unsigned app)
{
    unsigned n = 0;

    for (unsigned i = 0; i < APP_SLOTS_MAX; i++)
        n += is_live(&s->slots[app][i]);
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
    return action_queue_pop(&s->actions, ret);
}

/* --- state of a slot -------------------------------------------------------------------------- */

static void set_state(struct supervisor_slot *slot, enum worker_state state, uint64_t now_us,
                      uint64_t deadline_us)
{
    slot->state = state;
    slot->since_us = now_us;
    slot->deadline_us = deadline_us;
    if (state == WORKER_STOPPED || state == WORKER_BACKOFF) {
        slot->pid = 0;
        slot->serial = 0;
        slot->replace = slot->surge = slot->kill_sent = false;
    }
}

static void forget_troubles(struct supervisor_slot *slot)
{
    slot->attempt = 0;
    slot->crash_loop = false;
}

static void start(struct supervisor *s, unsigned app, unsigned number, uint64_t now_us)
{
    struct supervisor_slot *slot = slot_of(s, app, number);

    set_state(slot, WORKER_STARTING, now_us, now_us + s->apps[app].policy.ready_timeout_us);
    slot->serial = 0;
    slot->pid = 0;
    slot->replace = slot->kill_sent = false;
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

static void drain(struct supervisor *s, unsigned app, unsigned number, uint64_t now_us)
{
    struct supervisor_slot *slot = slot_of(s, app, number);

    set_state(slot, WORKER_DRAINING, now_us,
              now_us + s->apps[app].policy.drain_timeout_us + SUPERVISOR_KILL_GRACE_US);
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
        set_state(slot, WORKER_STOPPED, now_us, 0);
        break;
    case WORKER_STARTING:
        /* One that was asked for and isn't told yet is retired when the holder has told it. */
        if (slot->serial == 0)
            break;
        set_state(slot, WORKER_DRAINING, now_us, 0);
        kill_worker(s, app, number);
        break;
    case WORKER_READY:
        drain(s, app, number, now_us);
        break;
    }
}

static unsigned deaths_in_window(const struct supervisor_slot *slot, uint64_t now_us)
{
    unsigned n = 0;

    for (size_t i = 0; i < MIN(slot->n_deaths, (uint32_t) SUPERVISOR_LOOP_DEATHS); i++)
        n += slot->deaths_us[i] + SUPERVISOR_LOOP_WINDOW_US > now_us;
    return n;
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
    bool stable = slot->state == WORKER_READY && now_us - slot->since_us >= SUPERVISOR_STABLE_US;
    uint64_t wait_us = 0;
    char text[CLOCK_TEXT_MAX];
    bool surge = slot->surge;

    slot->deaths_us[slot->n_deaths++ % SUPERVISOR_LOOP_DEATHS] = now_us;
    if (stable) {
        forget_troubles(slot);
    } else {
        bool loop = slot->crash_loop || deaths_in_window(slot, now_us) >= SUPERVISOR_LOOP_DEATHS;
        uint64_t random = s->random(s->userdata);

        if (loop)
            wait_us = SUPERVISOR_BACKOFF_CAP_US / 2 + random % (SUPERVISOR_BACKOFF_CAP_US / 2 + 1);
        else
            wait_us = backoff_wait_us(&backoff, slot->attempt, random);
        if (slot->attempt < 32)
            slot->attempt++;
        if (loop && !slot->crash_loop) {
            slot->crash_loop = true;
            push_event(s, app, number, SUPERVISOR_EVENT_CRASH_LOOP,
                       "crash loop: %d deaths within a minute; goes on trying, up to %d s apart",
                       SUPERVISOR_LOOP_DEATHS, (int) (SUPERVISOR_BACKOFF_CAP_US / USEC_PER_SEC));
        }
    }

    text_copy(slot->last_exit, sizeof(slot->last_exit), why);
    push_event(s, app, number, event, "%s; next start %s%s", why, wait_us ? "in " : "at once",
               wait_us ? clock_format_duration(text, wait_us) : "");
    set_state(slot, WORKER_BACKOFF, now_us, now_us + wait_us);
    if (surge)
        end_restart(s, app, SUPERVISOR_RESTART_FAILED, why);
}

/* --- life cycle ------------------------------------------------------------------------------- */

/* The memory may come from a core that was killed between two stores, or from another version. */
static void put_right(struct supervisor_slot *slot)
{
    if (slot->state >= WORKER_STATES_)
        *slot = (struct supervisor_slot){.state = WORKER_STOPPED};
    slot->last_exit[sizeof(slot->last_exit) - 1] = '\0';
    slot->status[sizeof(slot->status) - 1] = '\0';
    slot->surge = slot->replace = slot->kill_sent = slot->dead = false;
    slot->pid = 0; /* until the holder says that it runs */
}

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
    assert(app < APPS_MAX && policy->wanted <= WORKERS_MAX);
    if (!s->apps[app].active)
        for (unsigned i = 0; i < APP_SLOTS_MAX; i++)
            put_right(&s->slots[app][i]);
    s->apps[app].active = true;
    s->apps[app].policy = *policy;
    if (s->stopping)
        s->apps[app].policy.wanted = 0;
}

/* --- events ----------------------------------------------------------------------------------- */

void supervisor_on_running(struct supervisor *s, unsigned app, unsigned number, uint64_t serial,
                           int pid, uint64_t started_at_us, uint64_t now_us)
{
    struct supervisor_slot *slot = slot_of(s, app, number);
    bool known = slot->serial == serial;

    slot->serial = serial;
    slot->pid = pid;
    slot->started_at_us = started_at_us;
    slot->dead = false;
    if (known) {
        /* Told to a new core. A kill that the old one asked for may be lost: the deadline asks
         * again. */
        if (slot->state != WORKER_READY)
            slot->deadline_us = MAX(slot->deadline_us, now_us);
        return;
    }
    if (slot->state == WORKER_STARTING) {
        push_event(s, app, number, SUPERVISOR_EVENT_STARTED, "started");
        return;
    }
    /* It runs and nothing is remembered of it: its READY=1 was taken by a core whose notes are
     * lost. */
    slot->state = WORKER_READY;
    slot->since_us = now_us;
    slot->deadline_us = 0;
    push_event(s, app, number, SUPERVISOR_EVENT_READY, "taken over");
}

void supervisor_on_dead(struct supervisor *s, unsigned app, unsigned number, uint64_t serial,
                        const char *obituary, uint64_t now_us)
{
    struct supervisor_slot *slot = slot_of(s, app, number);

    slot->serial = serial; /* for the release; a core that never saw it run learns it here */
    push(s, SUPERVISOR_RELEASE, app, number);
    slot->dead = true;
    switch (slot->state) {
    case WORKER_DRAINING:
        text_copy(slot->last_exit, sizeof(slot->last_exit), obituary);
        push_event(s, app, number, SUPERVISOR_EVENT_STOPPED, "stopped: %s", obituary);
        forget_troubles(slot);
        set_state(slot, WORKER_STOPPED, now_us, 0);
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
    if (!is_live(slot) || slot->state == WORKER_BACKOFF)
        slot->serial = 0;
}

void supervisor_on_refused(struct supervisor *s, unsigned app, unsigned number, const char *why,
                           uint64_t now_us)
{
    if (slot_of(s, app, number)->state == WORKER_STARTING)
        fail(s, app, number, SUPERVISOR_EVENT_REFUSED, why, now_us);
}

void supervisor_on_synced(struct supervisor *s, uint64_t now_us)
{
    s->synced = true;
    for (unsigned app = 0; app < APPS_MAX; app++)
        for (unsigned number = 1; s->apps[app].active && number <= APP_SLOTS_MAX; number++) {
            struct supervisor_slot *slot = slot_of(s, app, number);

            /* pid is what supervisor_on_running() has set anew in this life: see
             * supervisor_forget_pids() */
            if (slot->state != WORKER_STOPPED && slot->state != WORKER_BACKOFF && !slot->pid)
                set_state(slot, WORKER_STOPPED, now_us, 0);
        }
}

void supervisor_on_ready(struct supervisor *s, unsigned app, unsigned number, uint64_t now_us)
{
    struct supervisor_slot *slot = slot_of(s, app, number);
    char text[CLOCK_TEXT_MAX];

    if (slot->state != WORKER_STARTING || slot->kill_sent)
        return;
    set_state(slot, WORKER_READY, now_us, 0);
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
    for (unsigned i = 1; i <= APP_SLOTS_MAX; i++) {
        struct supervisor_slot *slot = slot_of(s, app, i);

        if ((number && i != number) || !is_live(slot))
            continue;
        slot->replace = true;
        forget_troubles(slot);
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

    if (slot->state == WORKER_READY && slot->attempt > 0 &&
        now_us - slot->since_us >= SUPERVISOR_STABLE_US) {
        if (slot->crash_loop)
            push_event(s, app, number, SUPERVISOR_EVENT_STABLE,
                       "crash loop is over: ready for %d s",
                       (int) (SUPERVISOR_STABLE_US / USEC_PER_SEC));
        forget_troubles(slot);
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
        push_event(s, app, number, SUPERVISOR_EVENT_LATE, "not %s within %s: killed",
                   slot->state == WORKER_STARTING ? "ready" : "drained",
                   clock_format_duration(text, now_us - slot->since_us));
        kill_worker(s, app, number);
        /* Asked for and never told (a lost core's request): ask again. */
        if (slot->serial == 0)
            set_state(slot, WORKER_STOPPED, now_us, 0);
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

            if (slot->state == order[i] && !(slot->state == WORKER_STARTING && slot->serial == 0))
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
 * One step of a restart, if one is under way: an extra worker, and when that is ready an old one
 * drains. At most one more than wanted, never fewer ready ones than before.
 */
static void run_restart(struct supervisor *s, unsigned app, uint64_t now_us)
{
    unsigned wanted = s->apps[app].policy.wanted, old = 0;
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
    if (waiting)
        return;
    if (!old)
        end_restart(s, app, SUPERVISOR_RESTART_DONE, "");
    else if (count_live(s, app) > wanted)
        drain(s, app, old, now_us);
    else
        start_missing(s, app, wanted + 1, true, now_us);
}

static void run_app(struct supervisor *s, unsigned app, uint64_t now_us)
{
    struct app *a = &s->apps[app];
    bool restarting = a->restart == SUPERVISOR_RESTART_RUNNING;

    for (unsigned number = 1; number <= APP_SLOTS_MAX; number++)
        run_deadlines(s, app, number, now_us);
    start_missing(s, app, a->policy.wanted, false, now_us);
    if (restarting)
        run_restart(s, app, now_us);
    for (unsigned live = count_live(s, app); live > a->policy.wanted + (restarting ? 1 : 0);
         live--) {
        unsigned number = pick_retired(s, app);

        if (number == 0)
            break;
        retire(s, app, number, now_us);
    }
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

    for (unsigned app = 0; app < APPS_MAX; app++)
        for (unsigned i = 0; s->apps[app].active && i < APP_SLOTS_MAX; i++) {
            const struct supervisor_slot *slot = &s->slots[app][i];

            if (slot->deadline_us && !(slot->state == WORKER_BACKOFF && slot->dead))
                next = MIN(next, slot->deadline_us);
            if (slot->state == WORKER_READY && slot->attempt > 0)
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

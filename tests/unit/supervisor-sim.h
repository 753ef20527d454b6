/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A holder with its workers, made of plain values, and a clock that moves when told to: what the
 * supervisor's tests talk to. It carries out the supervisor's actions as the real holder does, and
 * fails the test where the real one would refuse: a START for a slot in use, a signal for another
 * serial, a second release.
 */
#pragma once

#include "agent/supervise/supervisor.h"
#include "common/base/macro.h"
#include "tests/unit/unit.h"

#define SIM_APPS         2u
#define SIM_REQUESTS_MAX 1024u
#define SIM_SECOND       UINT64_C(1000000)
#define SIM_BEGIN_US     (1000 * SIM_SECOND)
/* What one round of decisions may give out before something must have gone round in circles. */
#define SIM_ACTIONS_MAX 600u

enum sim_state { SIM_EMPTY, SIM_RUNNING, SIM_DEAD };

struct sim_worker { /* what the holder has in a slot */
    enum sim_state state;
    uint64_t serial, started_at_us;
    int pid;
    unsigned terms, kills;
    bool kill_asked; /* by this core */
};

struct sim {
    struct supervisor *supervisor;
    struct supervisor_slot (*slots)[APP_SLOTS_MAX]; /* outlives a core, as the ledger does */
    struct supervisor_roll rolls[APPS_MAX];         /* so do these */
    struct sim_worker workers[SIM_APPS][APP_SLOTS_MAX];
    struct supervisor_policy policies[SIM_APPS];
    uint64_t now_us, seed, last_serial;
    struct supervisor_action requests[SIM_REQUESTS_MAX]; /* sent, not yet read by the holder */
    size_t n_requests;
    bool stopping;
    bool slow_holder;   /* requests wait for sim_deliver() */
    unsigned refuse;    /* so many STARTs to come */
    bool ignores_terms; /* workers go on after SIGTERM */
    unsigned starts, dead, released;
    unsigned ready_deaths; /* of those that were neither starting nor told to go */
    unsigned events[SUPERVISOR_EVENTS_];
    char last_text[160]; /* of the last event */
};

/* splitmix64 */
static inline uint64_t sim_random(void *userdata)
{
    struct sim *sim = userdata;
    uint64_t z = (sim->seed += UINT64_C(0x9e3779b97f4a7c15));

    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

static inline unsigned sim_below(struct sim *sim, unsigned n)
{
    return (unsigned) (sim_random(sim) % n);
}

static inline const struct supervisor_slot *sim_slot(const struct sim *sim, unsigned app,
                                                     unsigned number)
{
    return supervisor_slot(sim->supervisor, app, number);
}

static inline struct sim_worker *sim_worker(struct sim *sim, unsigned app, unsigned number)
{
    return &sim->workers[app][number - 1];
}

static inline unsigned sim_count(const struct sim *sim, unsigned app, enum worker_state state)
{
    return supervisor_count(sim->supervisor, app, state);
}

static inline unsigned sim_live(const struct sim *sim, unsigned app)
{
    return sim_count(sim, app, WORKER_STARTING) + sim_count(sim, app, WORKER_READY) +
           sim_count(sim, app, WORKER_BACKOFF);
}

/* --- the holder ------------------------------------------------------------------------------- */

/* The worker ends; the core is told unless there is none. */
static inline void sim_end_worker(struct sim *sim, unsigned app, unsigned number, const char *how)
{
    struct sim_worker *worker = sim_worker(sim, app, number);

    assert_int_equal(worker->state, SIM_RUNNING);
    worker->state = SIM_DEAD;
    sim->dead++;
    sim->ready_deaths += sim->slots[app][number - 1].state == WORKER_READY;
    if (sim->supervisor)
        supervisor_on_dead(sim->supervisor, app, number, worker->serial, how, sim->now_us);
}

static inline void sim_start(struct sim *sim, unsigned app, unsigned number)
{
    struct sim_worker *worker = sim_worker(sim, app, number);

    assert_int_equal(worker->state, SIM_EMPTY); /* neither occupied nor unreleased */
    if (sim->refuse > 0) {
        sim->refuse--;
        if (sim->supervisor)
            supervisor_on_refused(sim->supervisor, app, number, "no such user", sim->now_us);
        return;
    }
    sim->starts++;
    *worker = (struct sim_worker){.state = SIM_RUNNING,
                                  .serial = ++sim->last_serial,
                                  .pid = (int) sim->last_serial + 10000,
                                  .started_at_us = sim->now_us};
    if (sim->supervisor)
        supervisor_on_running(sim->supervisor, app, number, worker->serial, worker->pid,
                              worker->started_at_us, sim->now_us);
}

static inline void sim_carry_out(struct sim *sim, const struct supervisor_action *action)
{
    struct sim_worker *worker = sim_worker(sim, action->app, action->slot);

    if (action->type == SUPERVISOR_START) {
        sim_start(sim, action->app, action->slot);
        return;
    }
    assert_int_not_equal(action->serial, 0);
    assert_int_equal(action->serial, worker->serial);
    if (action->type == SUPERVISOR_RELEASE) {
        assert_int_equal(worker->state, SIM_DEAD);
        worker->state = SIM_EMPTY;
        sim->released++;
        if (sim->supervisor)
            supervisor_on_empty(sim->supervisor, action->app, action->slot);
    } else if (worker->state == SIM_RUNNING && action->type == SUPERVISOR_KILL) {
        worker->kills++;
        sim_end_worker(sim, action->app, action->slot, "killed by SIGKILL");
    } else if (worker->state == SIM_RUNNING) {
        assert_int_equal(action->type, SUPERVISOR_TERMINATE);
        assert_int_equal(worker->terms++, 0); /* a second one would cut requests off */
        if (!sim->ignores_terms)
            sim_end_worker(sim, action->app, action->slot, "exited with status 0");
    }
}

/* The holder reads up to |limit| requests. */
static inline void sim_deliver(struct sim *sim, size_t limit)
{
    for (; sim->n_requests > 0 && limit > 0; limit--) {
        struct supervisor_action action = sim->requests[0];

        sim->n_requests--;
        memmove(sim->requests, sim->requests + 1, sim->n_requests * sizeof(action));
        sim_carry_out(sim, &action);
    }
}

/* --- the core --------------------------------------------------------------------------------- */

static inline void sim_take_action(struct sim *sim, const struct supervisor_action *action)
{
    if (action->type == SUPERVISOR_EVENT) {
        assert_true(action->event < SUPERVISOR_EVENTS_);
        assert_string_not_equal(action->text, "");
        sim->events[action->event]++;
        memcpy(sim->last_text, action->text, sizeof(sim->last_text));
        return;
    }
    assert_true(action->app < SIM_APPS && action->slot >= 1 && action->slot <= APP_SLOTS_MAX);
    struct sim_worker *worker = sim_worker(sim, action->app, action->slot);
    if (action->type == SUPERVISOR_START) {
        assert_int_equal(worker->state, SIM_EMPTY); /* not even with the release on its way */
    } else if (action->type == SUPERVISOR_KILL) {
        assert_false(worker->kill_asked);
        worker->kill_asked = true;
    }
    assert_true(sim->n_requests < SIM_REQUESTS_MAX);
    sim->requests[sim->n_requests++] = *action;
}

/* Lets it decide, and the holder act, until both are at rest. */
static inline void sim_run(struct sim *sim)
{
    struct supervisor_action action;
    unsigned n = 0;
    bool more = true;

    while (more) {
        more = false;
        supervisor_run(sim->supervisor, sim->now_us);
        while (supervisor_next_action(sim->supervisor, &action)) {
            sim_take_action(sim, &action);
            assert_true(++n <= SIM_ACTIONS_MAX);
        }
        if (!sim->slow_holder && sim->n_requests > 0) {
            sim_deliver(sim, SIZE_MAX);
            more = true;
        }
    }
}

/* Goes to |until_us| by way of each moment at which the supervisor wants to run. */
static inline void sim_advance_to(struct sim *sim, uint64_t until_us)
{
    for (unsigned n = 0; sim->now_us < until_us; n++) {
        uint64_t next_us = supervisor_next_us(sim->supervisor);

        assert_true(next_us > sim->now_us); /* it has had its run */
        assert_true(n < 100000);
        sim->now_us = MIN(next_us, until_us);
        sim_run(sim);
    }
}

static inline void sim_advance(struct sim *sim, uint64_t by_us)
{
    sim_advance_to(sim, sim->now_us + by_us);
}

static inline void sim_want(struct sim *sim, unsigned app, unsigned wanted)
{
    sim->policies[app] = (struct supervisor_policy){.wanted = wanted,
                                                    .ready_timeout_us = 30 * SIM_SECOND,
                                                    .drain_timeout_us = 60 * SIM_SECOND,
                                                    .probed = sim->policies[app].probed};
    supervisor_set_policy(sim->supervisor, app, &sim->policies[app]);
}

/* A worker says READY=1, if the supervisor knows it (the edge looks its pid up). */
static inline void sim_say_ready(struct sim *sim, unsigned app, unsigned number)
{
    const struct sim_worker *worker = sim_worker(sim, app, number);

    if (worker->state == SIM_RUNNING && sim_slot(sim, app, number)->pid == worker->pid)
        supervisor_on_ready(sim->supervisor, app, number, sim->now_us);
}

/* Its probe's first verdict. */
static inline void sim_probe(struct sim *sim, unsigned app, unsigned number, bool passed)
{
    const struct sim_worker *worker = sim_worker(sim, app, number);

    if (worker->state == SIM_RUNNING && sim_slot(sim, app, number)->pid == worker->pid)
        supervisor_on_probed(sim->supervisor, app, number, passed, sim->now_us);
}

/* All that run and are not yet say it, and what follows from it, to the end. */
static inline void sim_all_ready(struct sim *sim, unsigned app)
{
    bool more = true;

    for (unsigned round = 0; more; round++) {
        assert_true(round < 1000);
        more = false;
        for (unsigned number = 1; number <= APP_SLOTS_MAX; number++)
            if (sim_slot(sim, app, number)->state == WORKER_STARTING) {
                sim_say_ready(sim, app, number);
                sim_run(sim);
                more = true;
            }
    }
}

static inline void sim_die(struct sim *sim, unsigned app, unsigned number)
{
    sim_end_worker(sim, app, number, "exited with status 1");
    sim_run(sim);
}

/* The core is gone, and what it had sent and the holder had not read. */
static inline void sim_lose_core(struct sim *sim)
{
    sim->supervisor = supervisor_free(sim->supervisor);
    sim->n_requests = 0;
}

/* A new core over the same memory: policies, then what the holder has. */
static inline void sim_new_core(struct sim *sim)
{
    assert_int_equal(supervisor_new(&sim->supervisor, sim->slots, sim->rolls, sim_random, sim), 0);
    for (unsigned app = 0; app < SIM_APPS; app++)
        supervisor_set_policy(sim->supervisor, app, &sim->policies[app]);
    for (unsigned app = 0; app < SIM_APPS; app++)
        for (unsigned number = 1; number <= APP_SLOTS_MAX; number++) {
            struct sim_worker *worker = sim_worker(sim, app, number);

            worker->kill_asked = false;
            if (worker->state == SIM_RUNNING)
                supervisor_on_running(sim->supervisor, app, number, worker->serial, worker->pid,
                                      worker->started_at_us, sim->now_us);
            else if (worker->state == SIM_DEAD)
                supervisor_on_dead(sim->supervisor, app, number, worker->serial,
                                   "exited with status 1", sim->now_us);
        }
    supervisor_on_synced(sim->supervisor, sim->now_us);
    sim_run(sim);
}

/* Synced, with no policy yet. */
static inline void sim_init(struct sim *sim, uint64_t seed)
{
    *sim = (struct sim){.now_us = SIM_BEGIN_US, .seed = seed};
    sim->slots = calloc(APPS_MAX, sizeof(*sim->slots));
    assert_non_null(sim->slots);
    assert_int_equal(supervisor_new(&sim->supervisor, sim->slots, sim->rolls, sim_random, sim), 0);
    supervisor_on_synced(sim->supervisor, sim->now_us);
}

static inline void sim_done(struct sim *sim)
{
    supervisor_free(sim->supervisor);
    free(sim->slots);
}

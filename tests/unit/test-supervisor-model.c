/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The supervisor as a model test: many runs of random events (deaths, reloads, restarts, failed
 * probes, new cores) against the simulated holder, and after each event what must always hold.
 * AGENTD_MODEL_RUNS says how many runs; the seed of a failed one is printed, and AGENTD_MODEL_SEED
 * repeats it alone.
 */
#include "tests/unit/supervisor-sim.h"

#include <errno.h>

#define RUNS_DEFAULT  2000u
#define EVENTS_A_RUN  120u
#define WANTED_MAX    5u
#define HEALTHY_START (50 * UINT64_C(1000)) /* a healthy worker's time to READY */

#define PROBED 1u /* the app with probes */

struct model {
    struct sim sim;
    uint32_t
        reload[SIM_APPS]; /* number of the last reload's roll; 0: there was none, or it was lost */
    unsigned serving[SIM_APPS], excused; /* before the event */
    bool lost;                           /* all memory was, in this event */
};

/* --- what must always hold ---------------------------------------------------------------------
 */

static unsigned wanted_of(const struct sim *sim, unsigned app)
{
    return sim->stopping ? 0 : supervisor_wanted(sim->supervisor, app);
}

static bool is_release_under_way(const struct sim *sim, unsigned app, unsigned number)
{
    for (size_t i = 0; i < sim->n_requests; i++)
        if (sim->requests[i].type == SUPERVISOR_RELEASE && sim->requests[i].app == app &&
            sim->requests[i].slot == number)
            return true;
    return false;
}

static void check_slot(struct sim *sim, unsigned app, unsigned number)
{
    const struct supervisor_slot *slot = sim_slot(sim, app, number);
    const struct sim_worker *worker = sim_worker(sim, app, number);

    assert_true(slot->state < WORKER_STATES_);
    assert_true(slot->since_us <= sim->now_us);
    if (worker->state == SIM_RUNNING) {
        assert_int_equal(slot->serial, worker->serial);
        assert_int_equal(slot->pid, worker->pid);
        assert_true(slot->state != WORKER_STOPPED && slot->state != WORKER_BACKOFF);
    } else {
        assert_int_equal(slot->pid, 0);
        assert_true(slot->state != WORKER_READY && slot->state != WORKER_DRAINING);
    }
    if (worker->state == SIM_DEAD) {
        assert_true(slot->dead);
        assert_true(is_release_under_way(sim, app, number));
    } else {
        assert_false(slot->dead);
    }
    if (slot->state == WORKER_BACKOFF) {
        assert_true(slot->deadline_us <= sim->now_us + SUPERVISOR_BACKOFF_CAP_US);
        if (slot->crash_loop && !slot->replace)
            assert_true(slot->deadline_us >= slot->since_us + SUPERVISOR_BACKOFF_CAP_US / 2);
        if (!slot->dead)
            assert_true(slot->deadline_us > sim->now_us);
    }
    /* Whoever is in a state that must end has a deadline, or is being killed. */
    if (worker->state == SIM_RUNNING && slot->state != WORKER_READY)
        assert_true(slot->kill_sent || slot->deadline_us > sim->now_us);
    if (slot->state == WORKER_STOPPED)
        assert_false(slot->crash_loop);
}

/* Workers that are of use for sure. */
static unsigned count_serving(const struct sim *sim, unsigned app)
{
    unsigned n = 0;

    for (unsigned number = 1; number <= APP_SLOTS_MAX; number++) {
        const struct supervisor_slot *slot = sim_slot(sim, app, number);

        n += slot->state == WORKER_READY && !slot->kill_sent && (app != PROBED || slot->passed);
    }
    return n;
}

/* What could be given up at any time. */
static bool is_useless(unsigned app, const struct supervisor_slot *slot)
{
    return slot->state == WORKER_BACKOFF ||
           (slot->state == WORKER_STARTING && !supervisor_slot_is_asked_for(slot)) ||
           (slot->state == WORKER_READY &&
            (slot->kill_sent || (app == PROBED && !slot->passed && !slot->replace)));
}

static void check_app(struct sim *sim, unsigned app)
{
    unsigned wanted = wanted_of(sim, app), live = sim_live(sim, app);
    unsigned useless = 0, unused = 0;
    bool restarting = supervisor_roll(sim->supervisor, app)->state == SUPERVISOR_RESTART_RUNNING;

    for (unsigned number = 1; number <= APP_SLOTS_MAX; number++) {
        const struct supervisor_slot *slot = sim_slot(sim, app, number);

        check_slot(sim, app, number);
        useless += is_useless(app, slot);
        unused += slot->state == WORKER_STOPPED && !slot->dead;
    }
    /* One too many is given up, save while the holder hasn't answered for those that were to be in
     * its place. */
    if (live > wanted + restarting) {
        assert_int_equal(useless, 0);
        assert_true(count_serving(sim, app) <= wanted);
    }
    assert_false(supervisor_roll(sim->supervisor, app)->queued && !restarting);
    if (live < wanted)
        assert_int_equal(unused, 0);
}

/* Nobody is told to go while too few would be left: what serves is as much as before, or as much as
 * is wanted, but for deaths. */
static void check_serving(struct model *model)
{
    struct sim *sim = &model->sim;
    unsigned excused = sim->ready_deaths + sim->events[SUPERVISOR_EVENT_LATE] - model->excused;

    for (unsigned app = 0; app < SIM_APPS && !model->lost; app++)
        assert_true(count_serving(sim, app) + excused >=
                    MIN(model->serving[app], wanted_of(sim, app)));
}

static void check(struct sim *sim)
{
    for (unsigned app = 0; app < SIM_APPS; app++)
        check_app(sim, app);
    assert_true(supervisor_next_us(sim->supervisor) > sim->now_us); /* it is at rest */
    assert_true(sim->released <= sim->dead);
}

/* --- what may happen ---------------------------------------------------------------------------
 */

/* A random slot of |app| with a running worker, or 0. */
static unsigned pick_running(struct sim *sim, unsigned app)
{
    unsigned first = sim_below(sim, APP_SLOTS_MAX);

    for (unsigned i = 0; i < APP_SLOTS_MAX; i++) {
        unsigned number = (first + i) % APP_SLOTS_MAX + 1;

        if (sim_worker(sim, app, number)->state == SIM_RUNNING)
            return number;
    }
    return 0;
}

static void on_policy(struct sim *sim, unsigned app)
{
    /* Mostly one more or less, so that there is something to restart. */
    unsigned wanted = sim_below(sim, 3)
                          ? MIN(sim->policies[app].wanted + sim_below(sim, 2), WANTED_MAX)
                          : sim_below(sim, WANTED_MAX + 1);

    sim_want(sim, app, wanted);
}

static void on_scale(struct sim *sim, unsigned app)
{
    supervisor_scale(sim->supervisor, app, (int) sim_below(sim, WANTED_MAX + 2) - 1);
}

/* Another configuration, as the edge takes it. */
static void on_reload(struct model *model, unsigned app)
{
    struct sim *sim = &model->sim;

    supervisor_renew(sim->supervisor, app);
    if (sim_below(sim, 2))
        supervisor_scale(sim->supervisor, app, -1);
    model->reload[app] = supervisor_reload(sim->supervisor, app, sim->now_us);
}

static void on_restart(struct sim *sim, unsigned app)
{
    unsigned number = sim_below(sim, 2) ? 0 : 1 + sim_below(sim, 2 * WANTED_MAX);
    unsigned live = sim_live(sim, app);
    int r = supervisor_restart(sim->supervisor, app, number, sim->now_us);

    if (number == 0)
        assert_int_equal(r, wanted_of(sim, app) && live ? (int) live : -ENOENT);
    else
        assert_true(r == 1 || r == -ENOENT);
}

static void on_core_death(struct model *model)
{
    struct sim *sim = &model->sim;
    static const int garbage[] = {0, 0xa5, 0xff};

    /* The holder reads some of what it was sent; nobody is there to be told. */
    sim->supervisor = supervisor_free(sim->supervisor);
    sim_deliver(sim, sim_below(sim, 4));
    sim_lose_core(sim);
    for (unsigned app = 0; app < SIM_APPS; app++) {
        unsigned number = sim_below(sim, 3) ? 0 : pick_running(sim, app);

        if (number)
            sim_end_worker(sim, app, number, "killed by SIGKILL");
    }
    if (sim_below(sim, 8) == 0) {
        int value = garbage[sim_below(sim, ARRAY_SIZE(garbage))];

        memset(sim->slots, value, SIM_APPS * sizeof(*sim->slots));
        memset(sim->rolls, value, sizeof(sim->rolls));
        memset(model->reload, 0, sizeof(model->reload));
        model->lost = true;
        /* Nobody knows any more who was asked to end. */
        for (unsigned app = 0; app < SIM_APPS; app++)
            for (unsigned number = 1; number <= APP_SLOTS_MAX; number++)
                sim_worker(sim, app, number)->terms = 0;
    }
    sim_new_core(sim);
}

/* Time goes on: to the next decision, or some way to it. */
static void on_time(struct sim *sim)
{
    static const uint64_t steps_us[] = {1000, 100000, SIM_SECOND, 7 * SIM_SECOND, 40 * SIM_SECOND};
    uint64_t next_us = supervisor_next_us(sim->supervisor);
    uint64_t step_us = steps_us[sim_below(sim, ARRAY_SIZE(steps_us))];

    step_us = 1 + sim_random(sim) % step_us;
    if (next_us != SUPERVISOR_NEVER && sim_below(sim, 2))
        sim->now_us = next_us;
    else /* past it as well: a busy or stopped core decides late */
        sim->now_us += step_us;
}

static void one_event(struct model *model)
{
    struct sim *sim = &model->sim;
    unsigned app = sim_below(sim, SIM_APPS), what = sim_below(sim, 100);
    unsigned number = pick_running(sim, app);

    for (unsigned i = 0; i < SIM_APPS; i++)
        model->serving[i] = count_serving(sim, i);
    model->excused = sim->ready_deaths + sim->events[SUPERVISOR_EVENT_LATE];
    model->lost = false;
    sim->ignores_terms = sim_below(sim, 2);
    sim->slow_holder = sim_below(sim, 3) == 0;
    sim->refuse = sim_below(sim, 10) == 0;
    if (what < 28 && number)
        sim_say_ready(sim, app, number);
    else if (what < 38 && number && app == PROBED)
        sim_probe(sim, app, number, sim_below(sim, 6));
    else if (what < 48 && number)
        sim_end_worker(sim, app, number, "exited with status 1");
    else if (what < 53)
        on_policy(sim, app);
    else if (what < 56)
        on_scale(sim, app);
    else if (what < 60)
        on_restart(sim, app);
    else if (what < 66)
        on_reload(model, app);
    else if (what < 69)
        on_core_death(model);
    else if (what < 77)
        sim_deliver(sim, sim_below(sim, 5));
    else
        on_time(sim);
    sim_run(sim);
    check(sim);
    check_serving(model);
}

/* --- how it must end ---------------------------------------------------------------------------
 */

/* Every worker is well: ready soon after its start, and gone when asked to. */
static void live_healthily(struct sim *sim, uint64_t for_us)
{
    uint64_t end_us = sim->now_us + for_us;

    sim->ignores_terms = sim->slow_holder = false;
    sim->refuse = 0;
    while (sim->now_us < end_us) {
        sim_advance(sim, HEALTHY_START);
        for (unsigned app = 0; app < SIM_APPS; app++)
            for (unsigned number = 1; number <= APP_SLOTS_MAX; number++)
                sim_say_ready(sim, app, number);
        sim_run(sim);
        for (unsigned number = 1; number <= APP_SLOTS_MAX; number++)
            sim_probe(sim, PROBED, number, true);
        sim_run(sim);
        /* Nothing to do for a while: straight to the next decision. */
        if (sim_count(sim, 0, WORKER_STARTING) + sim_count(sim, 1, WORKER_STARTING) == 0)
            sim_advance_to(sim, MIN(supervisor_next_us(sim->supervisor), end_us));
        check(sim);
    }
}

static void check_generation(struct sim *sim, unsigned app)
{
    for (unsigned number = 1; number <= APP_SLOTS_MAX; number++)
        if (sim_slot(sim, app, number)->state == WORKER_READY)
            assert_int_equal(sim_slot(sim, app, number)->generation,
                             supervisor_roll(sim->supervisor, app)->generation);
}

static void converge(struct model *model)
{
    struct sim *sim = &model->sim;

    live_healthily(sim, 300 * SIM_SECOND);
    for (unsigned app = 0; app < SIM_APPS; app++) {
        const struct supervisor_roll *roll = supervisor_roll(sim->supervisor, app);
        unsigned wanted = wanted_of(sim, app);

        assert_int_equal(sim_count(sim, app, WORKER_READY), wanted);
        assert_int_equal(sim_count(sim, app, WORKER_STOPPED), APP_SLOTS_MAX - wanted);
        assert_false(supervisor_crash_loop(sim->supervisor, app));
        assert_int_not_equal(roll->state, SUPERVISOR_RESTART_RUNNING);
        assert_false(roll->queued);
        if (model->reload[app] &&
            supervisor_roll_outcome(roll, model->reload[app]) == SUPERVISOR_RESTART_DONE)
            check_generation(sim, app);
    }
    assert_int_equal(supervisor_next_us(sim->supervisor), SUPERVISOR_NEVER);
}

/* Whatever there was: one more reload of what is well makes one generation of it. */
static void reload_all(struct model *model)
{
    struct sim *sim = &model->sim;

    for (unsigned app = 0; app < SIM_APPS; app++)
        on_reload(model, app);
    sim_run(sim);
    converge(model);
    for (unsigned app = 0; app < SIM_APPS; app++) {
        assert_int_equal(
            supervisor_roll_outcome(supervisor_roll(sim->supervisor, app), model->reload[app]),
            SUPERVISOR_RESTART_DONE);
        check_generation(sim, app);
    }
}

static void stop(struct sim *sim)
{
    unsigned starts = sim->starts, asked = 0;

    for (unsigned app = 0; app < SIM_APPS; app++) {
        for (unsigned number = 1; number <= APP_SLOTS_MAX; number++) {
            const struct supervisor_slot *slot = sim_slot(sim, app, number);

            asked += slot->state == WORKER_STARTING && slot->serial == 0;
        }
        sim->policies[app].wanted = 0;
    }
    sim->stopping = true;
    supervisor_stop(sim->supervisor);
    sim_run(sim);
    check(sim);
    live_healthily(sim, 100 * SIM_SECOND);
    assert_true(supervisor_is_stopped(sim->supervisor));
    assert_true(sim->starts <= starts + asked);
    assert_int_equal(sim->released, sim->starts); /* each once: the simulation checks the serials */
    assert_int_equal(supervisor_next_us(sim->supervisor), SUPERVISOR_NEVER);
}

static void one_run(uint64_t seed)
{
    struct model model = {.lost = false};
    struct sim *sim = &model.sim;

    sim_init(sim, seed);
    sim->policies[PROBED].probed = true;
    for (unsigned app = 0; app < SIM_APPS; app++)
        sim_want(sim, app, sim_below(sim, WANTED_MAX + 1));
    sim_run(sim);
    for (unsigned i = 0; i < EVENTS_A_RUN; i++)
        one_event(&model);
    if (sim_below(sim, 2)) {
        sim_run(sim);
        sim_deliver(sim, SIZE_MAX);
        sim->slow_holder = false;
        sim_run(sim);
        converge(&model);
        reload_all(&model);
    }
    stop(sim);
    sim_done(sim);
}

static void test_model(void **state)
{
    const char *runs_text = getenv("AGENTD_MODEL_RUNS"), *seed_text = getenv("AGENTD_MODEL_SEED");
    unsigned long runs = runs_text ? strtoul(runs_text, NULL, 10) : RUNS_DEFAULT;
    uint64_t *seed = *state;

    assert_true(runs > 0);
    if (seed_text) {
        *seed = strtoull(seed_text, NULL, 10);
        one_run(*seed);
        return;
    }
    for (*seed = 1; *seed <= runs; ++*seed)
        one_run(*seed);
    print_message("%lu runs of %u events\n", runs, EVENTS_A_RUN);
}

static int setup(void **state)
{
    *state = calloc(1, sizeof(uint64_t));
    return *state ? 0 : -1;
}

static int teardown(void **state)
{
    print_message("AGENTD_MODEL_SEED=%llu was the last\n", *(unsigned long long *) *state);
    free(*state);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_model, setup, teardown),
    };

    return cmocka_run_group_tests_name("supervisor-model", tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* A new core over the memory of an old one: it starts nothing twice and forgets nothing. */
#include "tests/unit/supervisor-cases.h"

/* --- a new core ------------------------------------------------------------------------------- */

static void test_new_core_starts_nothing_twice(void **state)
{
    struct sim *sim = begin(state, 3);

    sim_advance(sim, SUPERVISOR_STABLE_US);
    sim_die(sim, APP, 3); /* starting again */
    for (unsigned i = 0; i < 5; i++) {
        sim_lose_core(sim);
        sim_new_core(sim);
        assert_int_equal(sim_count(sim, APP, WORKER_READY), 2);
        assert_int_equal(sim_count(sim, APP, WORKER_STARTING), 1);
    }
    assert_int_equal(sim->starts, 4);
    assert_int_equal(sim_slot(sim, APP, 3)->restarts, 1);
    sim_all_ready(sim, APP);
    assert_int_equal(sim_count(sim, APP, WORKER_READY), 3);
    /* Readiness is still bounded. */
    sim_die(sim, APP, 1);
    sim_advance_to(sim, sim_slot(sim, APP, 1)->deadline_us);
    sim_lose_core(sim);
    sim_new_core(sim);
    sim_advance(sim, 30 * SIM_SECOND);
    assert_int_equal(sim->events[SUPERVISOR_EVENT_LATE], 1);
}

static void test_new_core_forgets_no_trouble(void **state)
{
    struct sim *sim = begin(state, 2);
    uint64_t deadline_us;

    crash(sim, 1, 5);
    crash(sim, 2, 2);
    deadline_us = sim_slot(sim, APP, 1)->deadline_us;
    sim_lose_core(sim);
    sim_new_core(sim);
    assert_true(supervisor_crash_loop(sim->supervisor, APP));
    assert_int_equal(sim_slot(sim, APP, 1)->state, WORKER_BACKOFF);
    assert_int_equal(sim_slot(sim, APP, 1)->deadline_us, deadline_us);
    assert_int_equal(sim_slot(sim, APP, 2)->attempt, 2);
    assert_int_equal(sim->events[SUPERVISOR_EVENT_CRASH_LOOP], 1);
    crash(sim, 1, 1);
    assert_in_range(wait_of(sim, 1), SUPERVISOR_BACKOFF_CAP_US / 2, SUPERVISOR_BACKOFF_CAP_US);
}

static void test_new_core_asks_again_for_a_lost_start(void **state)
{
    struct sim *sim = begin(state, 1);

    sim_advance(sim, SUPERVISOR_STABLE_US);
    sim->slow_holder = true;
    sim_die(sim, APP, 1);
    sim_deliver(sim, 1); /* the release; */
    sim_run(sim);
    assert_int_equal(sim->n_requests, 1); /* the START is lost */
    sim->slow_holder = false;
    sim_lose_core(sim);
    sim_new_core(sim);
    assert_int_equal(sim->starts, 2);
    assert_int_equal(sim_slot(sim, APP, 1)->restarts, 1);
    assert_int_equal(sim_slot(sim, APP, 1)->state, WORKER_STARTING);
    sim_all_ready(sim, APP);
    assert_int_equal(sim_count(sim, APP, WORKER_READY), 1);
}

static void test_new_core_goes_on_draining(void **state)
{
    struct sim *sim = begin(state, 3);

    sim->ignores_terms = true;
    sim_want(sim, APP, 2);
    sim_run(sim);
    sim_advance(sim, 10 * SIM_SECOND);
    sim_lose_core(sim);
    sim_new_core(sim); /* sends no second SIGTERM: the simulation would object */
    sim_advance(sim, 50 * SIM_SECOND + SUPERVISOR_KILL_GRACE_US - 1);
    assert_int_equal(sim_count(sim, APP, WORKER_DRAINING), 1);
    sim_advance(sim, 1);
    assert_int_equal(sim_worker(sim, APP, 3)->kills, 1);
    assert_int_equal(sim_count(sim, APP, WORKER_DRAINING), 0);
}

static void test_new_core_sends_the_sigterm_that_was_not_sent(void **state)
{
    struct sim *sim = begin(state, 2);

    sim_want(sim, APP, 1);
    supervisor_run(sim->supervisor,
                   sim->now_us); /* decided, and killed before it was carried out */
    assert_int_equal(sim_count(sim, APP, WORKER_DRAINING), 1);
    sim_lose_core(sim);
    sim_new_core(sim);
    assert_int_equal(sim_worker(sim, APP, 2)->terms, 1);
}

static void test_new_core_kills_again(void **state)
{
    struct sim *sim = *state;

    sim_want(sim, APP, 1);
    sim_run(sim);
    sim->slow_holder = true;
    sim_advance(sim, 30 * SIM_SECOND);
    assert_int_equal(sim->n_requests, 1);
    sim->slow_holder = false;
    sim_lose_core(sim);
    sim_new_core(sim);
    assert_int_equal(sim_worker(sim, APP, 1)->kills, 1);
}

static void test_new_core_counts_a_death_once(void **state)
{
    struct sim *sim = begin(state, 2);

    sim->slow_holder = true; /* the release is not read */
    sim_die(sim, APP, 1);
    sim_lose_core(sim);
    sim_end_worker(sim, APP, 2, "exited with status 1"); /* nobody was there to see it */
    sim_new_core(sim);
    assert_int_equal(sim_slot(sim, APP, 1)->n_deaths, 1);
    assert_int_equal(sim_slot(sim, APP, 2)->n_deaths, 1);
    assert_int_equal(sim->n_requests, 2); /* two releases, no START before they are done */
    assert_int_equal(sim->requests[0].type, SUPERVISOR_RELEASE);
    assert_int_equal(sim->requests[1].type, SUPERVISOR_RELEASE);
    sim_advance(sim, SIM_SECOND);
    assert_int_equal(sim->n_requests, 2);
    sim->slow_holder = false;
    sim_deliver(sim, SIZE_MAX);
    sim_run(sim);
    assert_int_equal(sim->released, 2);
    assert_int_equal(sim->starts, 4);
}

/* Memory that says nothing, or nonsense: what runs is taken over as ready. */
static void adopts(void **state, int garbage)
{
    struct sim *sim = begin(state, 2);

    sim_lose_core(sim);
    memset(sim->slots, garbage, APPS_MAX * sizeof(*sim->slots));
    sim_new_core(sim);
    assert_int_equal(sim->starts, 2);
    assert_int_equal(sim_count(sim, APP, WORKER_READY), 2);
    assert_int_equal(sim_count(sim, APP, WORKER_STOPPED), APP_SLOTS_MAX - 2);
    assert_int_equal(sim_slot(sim, APP, 1)->pid, sim_worker(sim, APP, 1)->pid);
    assert_int_equal(sim_slot(sim, APP, 1)->n_deaths, 0);
    assert_string_equal(sim_slot(sim, APP, 1)->last_exit, "");
    sim_advance(sim, SUPERVISOR_STABLE_US);
    sim_die(sim, APP, 1);
    assert_int_equal(sim_slot(sim, APP, 1)->state, WORKER_STARTING);
}

static void test_zeroed_memory(void **state)
{
    adopts(state, 0);
}

static void test_garbage_memory(void **state)
{
    adopts(state, 0xa5);
}

static void test_plausible_nonsense_is_bounded(void **state)
{
    struct sim *sim = begin(state, 4);
    struct supervisor_slot *slots = sim->slots[APP];

    sim_lose_core(sim);
    sim_end_worker(sim, APP, 4, "exited with status 1");
    for (unsigned i = 0; i < 3; i++)
        slots[i].since_us = slots[i].deadline_us = UINT64_MAX - 1;
    slots[0].state = WORKER_DRAINING; /* and no SIGTERM was sent */
    sim->ignores_terms = true;
    slots[1].crash_loop = true; /* with no attempt counted */
    slots[2].attempt = UINT32_MAX;
    slots[3] = (struct supervisor_slot){.state = WORKER_BACKOFF,
                                        .n_deaths = UINT32_MAX,
                                        .attempt = UINT32_MAX,
                                        .deadline_us = UINT64_MAX};
    memset(&slots[4], 0xa5, sizeof(slots[4]));
    slots[4].state = WORKER_BACKOFF; /* its flags are neither true nor false */
    sim_new_core(sim);
    assert_int_equal(slots[0].deadline_us,
                     sim->now_us + 60 * SIM_SECOND + SUPERVISOR_KILL_GRACE_US);
    for (unsigned i = 0; i < 5; i++)
        assert_true(slots[i].since_us <= sim->now_us);
    assert_int_equal(slots[3].deadline_us, sim->now_us + SUPERVISOR_BACKOFF_CAP_US);
    sim_all_ready(sim, APP);
    assert_true(supervisor_crash_loop(sim->supervisor, APP));
    sim_advance(sim, SUPERVISOR_BACKOFF_CAP_US);
    sim_all_ready(sim, APP);
    assert_false(supervisor_crash_loop(sim->supervisor, APP));
    sim_advance(sim, SUPERVISOR_STABLE_US);
    assert_int_equal(sim_count(sim, APP, WORKER_READY), 4);
    assert_int_equal(sim->starts, 6);
    for (unsigned i = 1; i < 5; i++)
        assert_int_equal(slots[i].attempt, 0);
}

static void test_workers_of_an_unknown_app_end(void **state)
{
    struct sim *sim = begin(state, 1);

    sim_lose_core(sim);
    assert_int_equal(supervisor_new(&sim->supervisor, sim->slots, sim->rolls, sim_random, sim), 0);
    supervisor_on_running(sim->supervisor, APP, 1, sim_worker(sim, APP, 1)->serial,
                          sim_worker(sim, APP, 1)->pid, sim->now_us, sim->now_us);
    supervisor_on_synced(sim->supervisor, sim->now_us);
    sim_run(sim);
    assert_int_equal(sim_worker(sim, APP, 1)->terms, 1);
    assert_int_equal(sim_worker(sim, APP, 1)->state, SIM_EMPTY);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(test_new_core_starts_nothing_twice),
        CASE(test_new_core_forgets_no_trouble),
        CASE(test_new_core_asks_again_for_a_lost_start),
        CASE(test_new_core_goes_on_draining),
        CASE(test_new_core_sends_the_sigterm_that_was_not_sent),
        CASE(test_new_core_kills_again),
        CASE(test_new_core_counts_a_death_once),
        CASE(test_zeroed_memory),
        CASE(test_garbage_memory),
        CASE(test_plausible_nonsense_is_bounded),
        CASE(test_workers_of_an_unknown_app_end),
    };

    return cmocka_run_group_tests_name("supervisor, new core", tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* The supervisor's decisions, case by case, against a simulated holder. */
#include "tests/unit/supervisor-cases.h"

#include <errno.h>

/* --- starting and dying ----------------------------------------------------------------------- */

static void test_starts_what_is_wanted(void **state)
{
    struct sim *sim = *state;

    sim_want(sim, APP, 3);
    assert_int_equal(supervisor_next_us(sim->supervisor), SUPERVISOR_NEVER);
    sim_run(sim);
    assert_int_equal(sim_count(sim, APP, WORKER_STARTING), 3);
    assert_int_equal(sim->events[SUPERVISOR_EVENT_STARTED], 3);
    sim_all_ready(sim, APP);
    assert_int_equal(sim_count(sim, APP, WORKER_READY), 3);
    assert_int_equal(sim->events[SUPERVISOR_EVENT_READY], 3);
    assert_int_equal(sim->starts, 3);
    sim_advance(sim, 3600 * SIM_SECOND);
    assert_int_equal(sim->starts, 3);
    assert_int_equal(sim_slot(sim, APP, 1)->restarts, 0);
}

static void test_nothing_before_synced(void **state)
{
    struct sim *sim = *state;
    struct supervisor_action action;

    sim_lose_core(sim);
    assert_int_equal(supervisor_new(&sim->supervisor, sim->slots, sim->rolls, sim_random, sim), 0);
    sim_want(sim, APP, 2);
    supervisor_run(sim->supervisor, sim->now_us);
    assert_false(supervisor_next_action(sim->supervisor, &action));
    assert_int_equal(supervisor_next_us(sim->supervisor), SUPERVISOR_NEVER);
    supervisor_on_synced(sim->supervisor, sim->now_us);
    sim_run(sim);
    assert_int_equal(sim->starts, 2);
}

static void test_stable_worker_is_restarted_at_once(void **state)
{
    struct sim *sim = begin(state, 2);
    uint64_t old = sim_slot(sim, APP, 1)->serial;

    sim_advance(sim, SUPERVISOR_STABLE_US);
    sim_die(sim, APP, 1);
    assert_int_equal(sim_slot(sim, APP, 1)->state, WORKER_STARTING);
    assert_int_not_equal(sim_slot(sim, APP, 1)->serial, old);
    assert_int_equal(sim_slot(sim, APP, 1)->restarts, 1);
    assert_string_equal(sim_slot(sim, APP, 1)->last_exit, "exited with status 1");
    assert_int_equal(sim->released, 1);
    assert_int_equal(sim_count(sim, APP, WORKER_READY), 1);
}

static void test_unstable_worker_waits(void **state)
{
    struct sim *sim = begin(state, 1);

    sim_advance(sim, SUPERVISOR_STABLE_US - 1);
    sim_die(sim, APP, 1);
    assert_in_range(wait_of(sim, 1), 0, SUPERVISOR_BACKOFF_BASE_US);
    assert_int_equal(sim->starts, 1);
    sim_advance(sim, SUPERVISOR_BACKOFF_BASE_US);
    assert_int_equal(sim->starts, 2);
    /* The second death in a row may wait twice as long. */
    sim_die(sim, APP, 1);
    assert_in_range(wait_of(sim, 1), 0, 2 * SUPERVISOR_BACKOFF_BASE_US);
}

static void test_late_worker_is_killed(void **state)
{
    struct sim *sim = *state;

    sim_want(sim, APP, 1);
    sim_run(sim);
    sim->slow_holder = true;
    sim_advance(sim, 30 * SIM_SECOND - 1);
    assert_int_equal(sim->n_requests, 0);
    sim_advance(sim, 1);
    assert_int_equal(sim->n_requests, 1);
    assert_int_equal(sim->requests[0].type, SUPERVISOR_KILL);
    assert_int_equal(sim->events[SUPERVISOR_EVENT_LATE], 1);
    /* Too late: it is as good as dead. */
    sim_say_ready(sim, APP, 1);
    sim_run(sim);
    assert_int_equal(sim_count(sim, APP, WORKER_READY), 0);
    assert_int_equal(sim->events[SUPERVISOR_EVENT_READY], 0);
    sim->slow_holder = false;
    sim_run(sim);
    sim_deliver(sim, SIZE_MAX);
    sim_run(sim);
    assert_int_equal(sim_slot(sim, APP, 1)->n_deaths, 1);
    assert_int_equal(sim_slot(sim, APP, 1)->attempt, 1);
    assert_int_equal(sim->events[SUPERVISOR_EVENT_DIED], 1);
    assert_int_equal(sim_slot(sim, APP, 1)->state, WORKER_BACKOFF);
    sim_advance(sim, SIM_SECOND);
    assert_int_equal(sim->starts, 2);
}

static void test_readiness_counts_from_the_start(void **state)
{
    struct sim *sim = *state;

    /* The holder was stopped for longer than a worker may take. */
    sim->slow_holder = true;
    sim_want(sim, APP, 1);
    sim_run(sim);
    assert_int_equal(supervisor_next_us(sim->supervisor), SUPERVISOR_NEVER);
    sim_advance(sim, 100 * SIM_SECOND);
    assert_int_equal(sim->n_requests, 1); /* asked for once */
    sim_deliver(sim, SIZE_MAX);
    sim_advance(sim, 30 * SIM_SECOND - 1);
    assert_int_equal(sim->events[SUPERVISOR_EVENT_LATE], 0);
    sim_say_ready(sim, APP, 1);
    sim_run(sim);
    assert_int_equal(sim_count(sim, APP, WORKER_READY), 1);
}

static void test_crash_loop(void **state)
{
    struct sim *sim = begin(state, 2);

    crash(sim, 1, 4);
    assert_false(supervisor_crash_loop(sim->supervisor, APP));
    crash(sim, 1, 1);
    assert_true(supervisor_crash_loop(sim->supervisor, APP));
    assert_int_equal(sim->events[SUPERVISOR_EVENT_CRASH_LOOP], 1);
    for (unsigned i = 0; i < 50; i++) {
        assert_in_range(wait_of(sim, 1), SUPERVISOR_BACKOFF_CAP_US / 2, SUPERVISOR_BACKOFF_CAP_US);
        crash(sim, 1, 1); /* tries again, and again */
    }
    assert_int_equal(sim->events[SUPERVISOR_EVENT_CRASH_LOOP], 1); /* said once */
    assert_int_equal(sim_count(sim, APP, WORKER_READY), 1);        /* the other one serves */
    /* Well at last: the loop is over when it has been ready for ten seconds. */
    sim_advance_to(sim, sim_slot(sim, APP, 1)->deadline_us);
    sim_all_ready(sim, APP);
    sim_advance(sim, SUPERVISOR_STABLE_US - 1);
    assert_true(supervisor_crash_loop(sim->supervisor, APP));
    sim_advance(sim, 1);
    assert_false(supervisor_crash_loop(sim->supervisor, APP));
    assert_int_equal(sim->events[SUPERVISOR_EVENT_STABLE], 1);
}

static void test_slow_deaths_are_no_crash_loop(void **state)
{
    struct sim *sim = begin(state, 1);

    /* Four a minute, for an hour. */
    for (unsigned i = 0; i < 240; i++) {
        sim_advance(sim, 5 * SIM_SECOND);
        sim_die(sim, APP, 1);
        sim_advance(sim, 10 * SIM_SECOND);
        if (sim_slot(sim, APP, 1)->state == WORKER_BACKOFF)
            sim_advance_to(sim, sim_slot(sim, APP, 1)->deadline_us);
        sim_all_ready(sim, APP);
        assert_in_range(sim_slot(sim, APP, 1)->attempt, 0, 32);
    }
    assert_int_equal(sim->events[SUPERVISOR_EVENT_CRASH_LOOP], 0);
}

static void test_refused_start_backs_off(void **state)
{
    struct sim *sim = *state;

    sim->refuse = 5;
    sim_want(sim, APP, 1);
    sim_run(sim);
    assert_int_equal(sim->events[SUPERVISOR_EVENT_REFUSED], 1);
    assert_string_equal(sim_slot(sim, APP, 1)->last_exit, "no such user");
    for (unsigned i = 1; i < 5; i++) {
        assert_in_range(wait_of(sim, 1), 0, SUPERVISOR_BACKOFF_BASE_US << (i - 1));
        sim_advance_to(sim, sim_slot(sim, APP, 1)->deadline_us);
    }
    assert_true(supervisor_crash_loop(sim->supervisor, APP)); /* they count like deaths */
    assert_int_equal(sim->released, 0);
    sim_advance(sim, SUPERVISOR_BACKOFF_CAP_US);
    sim_all_ready(sim, APP);
    assert_int_equal(sim_count(sim, APP, WORKER_READY), 1);
    /* A refusal that comes for a worker that runs is about something else. */
    supervisor_on_refused(sim->supervisor, APP, 1, "in use", sim->now_us);
    sim_run(sim);
    assert_int_equal(sim_count(sim, APP, WORKER_READY), 1);
}

static void test_refusal_of_a_running_worker_is_ignored(void **state)
{
    struct sim *sim = *state;

    sim_want(sim, APP, 1);
    sim_run(sim);
    supervisor_on_refused(sim->supervisor, APP, 1, "the slot is in use", sim->now_us);
    sim_run(sim);
    assert_int_equal(sim_slot(sim, APP, 1)->state, WORKER_STARTING);
    assert_int_equal(sim->starts, 1);
}

/* --- fewer workers, none ---------------------------------------------------------------------- */

static void test_scale_down_drains(void **state)
{
    struct sim *sim = begin(state, 4);

    sim->ignores_terms = true;
    sim_want(sim, APP, 1);
    sim_run(sim);
    assert_int_equal(sim_count(sim, APP, WORKER_READY), 1);
    assert_int_equal(sim_count(sim, APP, WORKER_DRAINING), 3);
    sim_end_worker(sim, APP, 4, "exited with status 0");
    sim_run(sim);
    assert_int_equal(sim->events[SUPERVISOR_EVENT_STOPPED], 1);
    /* What does not end gets the drain's time and the grace, then SIGKILL. */
    sim_advance(sim, 60 * SIM_SECOND + SUPERVISOR_KILL_GRACE_US - 1);
    assert_int_equal(sim_count(sim, APP, WORKER_DRAINING), 2);
    assert_int_equal(sim->events[SUPERVISOR_EVENT_LATE], 0);
    sim_advance(sim, 1);
    assert_int_equal(sim_count(sim, APP, WORKER_DRAINING), 0);
    assert_int_equal(sim->events[SUPERVISOR_EVENT_LATE], 2);
    assert_int_equal(sim->events[SUPERVISOR_EVENT_DIED], 0); /* asked to: no fault of theirs */
    assert_int_equal(sim->released, 3);
    assert_int_equal(sim->starts, 4);
}

static void test_scale_down_takes_the_worst_first(void **state)
{
    struct sim *sim = begin(state, 3);

    sim_die(sim, APP, 1); /* waits in backoff */
    sim_want(sim, APP, 2);
    sim_run(sim);
    assert_int_equal(sim_slot(sim, APP, 1)->state, WORKER_STOPPED);
    assert_int_equal(sim_count(sim, APP, WORKER_READY), 2);
    sim_advance(sim, 60 * SIM_SECOND);
    assert_int_equal(sim->starts, 3);
}

static void test_scale_down_ends_a_crash_loop(void **state)
{
    struct sim *sim = begin(state, 2);

    crash(sim, 2, 6);
    assert_true(supervisor_crash_loop(sim->supervisor, APP));
    sim_want(sim, APP, 1);
    sim_run(sim);
    assert_false(supervisor_crash_loop(sim->supervisor, APP));
}

static void test_nothing_is_started_that_is_not_wanted(void **state)
{
    struct sim *sim = begin(state, 1);

    sim_die(sim, APP, 1);
    sim->now_us = sim_slot(sim, APP, 1)->deadline_us; /* due, and at that moment: */
    sim_want(sim, APP, 0);
    sim_run(sim);
    assert_int_equal(sim->starts, 1);
    assert_int_equal(sim_slot(sim, APP, 1)->state, WORKER_STOPPED);
}

static void test_gone_app_drains_by_its_old_time(void **state)
{
    struct sim *sim = begin(state, 1);

    sim->ignores_terms = true;
    supervisor_set_policy(sim->supervisor, APP, NULL);
    sim_run(sim);
    sim_advance(sim, 60 * SIM_SECOND + SUPERVISOR_KILL_GRACE_US - 1);
    assert_int_equal(sim_count(sim, APP, WORKER_DRAINING), 1);
    sim_advance(sim, 1);
    assert_int_equal(sim_count(sim, APP, WORKER_STOPPED), APP_SLOTS_MAX);
}

static void test_stop_ends_everything(void **state)
{
    struct sim *sim = begin(state, 3);

    sim_advance(sim, SUPERVISOR_STABLE_US);
    sim_die(sim, APP, 1);      /* starting */
    crash(sim, 2, 2);          /* in backoff */
    sim->ignores_terms = true; /* 3 is ready */
    assert_int_equal(supervisor_restart(sim->supervisor, APP, 3, sim->now_us), 1);
    sim_run(sim);
    assert_int_equal(restart_state(sim), SUPERVISOR_RESTART_RUNNING);
    assert_false(supervisor_is_stopped(sim->supervisor));

    supervisor_stop(sim->supervisor);
    sim_run(sim);
    assert_int_equal(restart_state(sim), SUPERVISOR_RESTART_FAILED);
    assert_string_equal(supervisor_roll(sim->supervisor, APP)->why, "agentd stops");
    assert_int_equal(sim_live(sim, APP), 0);
    assert_int_equal(sim_worker(sim, APP, 1)->kills, 1);
    assert_int_equal(sim_worker(sim, APP, 3)->terms, 1);
    assert_int_equal(sim_worker(sim, APP, 3)->kills, 0);
    assert_int_equal(supervisor_restart(sim->supervisor, APP, 0, sim->now_us), -ENOENT);
    assert_false(supervisor_is_stopped(sim->supervisor));
    sim_end_worker(sim, APP, 3, "exited with status 0");
    sim_run(sim);
    assert_true(supervisor_is_stopped(sim->supervisor));
    sim_want(sim, APP, 3); /* a reload comes too late */
    sim_run(sim);
    assert_true(supervisor_is_stopped(sim->supervisor));
    assert_int_equal(sim->released, sim->starts);
}

static void test_stop_while_a_start_is_under_way(void **state)
{
    struct sim *sim = *state;

    sim->slow_holder = true;
    sim_want(sim, APP, 2);
    sim_run(sim);
    supervisor_stop(sim->supervisor);
    sim_run(sim);
    assert_false(supervisor_is_stopped(sim->supervisor));
    sim->slow_holder = false;
    sim->refuse = 1;
    sim_deliver(sim, SIZE_MAX);
    sim_run(sim);
    assert_true(supervisor_is_stopped(sim->supervisor));
    assert_int_equal(sim->starts, 1);
    assert_int_equal(sim->released, 1);
}

/* --- restart ---------------------------------------------------------------------------------- */

static void test_restart_replaces_one_by_one(void **state)
{
    struct sim *sim = begin(state, 4);

    sim->ignores_terms = true; /* long drains: the restart does not wait for them */
    assert_int_equal(supervisor_restart(sim->supervisor, APP, 0, sim->now_us), 4);
    sim_run(sim);
    for (unsigned i = 1; i <= 4; i++) {
        unsigned number = 0;

        assert_int_equal(restart_state(sim), SUPERVISOR_RESTART_RUNNING);
        assert_int_equal(sim_count(sim, APP, WORKER_STARTING), 1);
        assert_int_equal(sim_count(sim, APP, WORKER_READY), 4); /* never fewer than before */
        assert_int_equal(sim_live(sim, APP), 5);                /* and one more at most */
        assert_int_equal(sim_count(sim, APP, WORKER_DRAINING), i - 1);
        while (sim_slot(sim, APP, ++number)->state != WORKER_STARTING)
            continue;
        sim_advance(sim, SIM_SECOND);
        sim_say_ready(sim, APP, number);
        sim_run(sim);
    }
    assert_int_equal(restart_state(sim), SUPERVISOR_RESTART_DONE);
    assert_int_equal(sim->events[SUPERVISOR_EVENT_RESTART_DONE], 1);
    assert_int_equal(sim->starts, 8);
    assert_int_equal(sim_count(sim, APP, WORKER_READY), 4);
    assert_int_equal(sim_count(sim, APP, WORKER_DRAINING), 4);
    for (unsigned number = 1; number <= APP_SLOTS_MAX; number++)
        if (sim_slot(sim, APP, number)->state == WORKER_READY)
            assert_in_range(sim_slot(sim, APP, number)->serial, 5, 8); /* all are new */
}

static void test_restart_waits_for_a_free_slot(void **state)
{
    struct sim *sim = begin(state, WORKERS_MAX);

    sim->ignores_terms = true;
    assert_int_equal(supervisor_restart(sim->supervisor, APP, 0, sim->now_us), WORKERS_MAX);
    sim_run(sim);
    sim_all_ready(sim, APP);
    /* All slots are taken, by those that serve and those that drain. */
    assert_int_equal(sim_count(sim, APP, WORKER_READY), WORKERS_MAX);
    assert_int_equal(sim_count(sim, APP, WORKER_DRAINING), APP_SLOTS_MAX - WORKERS_MAX);
    assert_int_equal(restart_state(sim), SUPERVISOR_RESTART_RUNNING);
    sim->ignores_terms = false;
    sim_advance(sim, 60 * SIM_SECOND + SUPERVISOR_KILL_GRACE_US);
    sim_all_ready(sim, APP);
    assert_int_equal(restart_state(sim), SUPERVISOR_RESTART_DONE);
    assert_int_equal(sim->starts, 2 * WORKERS_MAX);
    assert_int_equal(sim_count(sim, APP, WORKER_READY), WORKERS_MAX);
}

static void test_failed_restart_keeps_the_old(void **state)
{
    struct sim *sim = begin(state, 3);

    assert_int_equal(supervisor_restart(sim->supervisor, APP, 0, sim->now_us), 3);
    sim_run(sim);
    sim_die(sim, APP, 4);
    assert_int_equal(restart_state(sim), SUPERVISOR_RESTART_FAILED);
    assert_string_equal(supervisor_roll(sim->supervisor, APP)->why,
                        "worker 4 (pid 10004): exited with status 1");
    assert_int_equal(sim->events[SUPERVISOR_EVENT_RESTART_FAILED], 1);
    assert_int_equal(sim_count(sim, APP, WORKER_READY), 3);
    assert_int_equal(sim_live(sim, APP), 3);
    sim_advance(sim, 3600 * SIM_SECOND);
    assert_int_equal(sim->starts, 4);
    for (unsigned number = 1; number <= 3; number++)
        assert_int_equal(sim_slot(sim, APP, number)->serial, number);
}

static void test_restart_fails_when_the_new_one_is_late_or_refused(void **state)
{
    struct sim *sim = begin(state, 2);

    assert_int_equal(supervisor_restart(sim->supervisor, APP, 0, sim->now_us), 2);
    sim_run(sim);
    sim_advance(sim, 30 * SIM_SECOND);
    assert_int_equal(restart_state(sim), SUPERVISOR_RESTART_FAILED);
    sim->refuse = 1;
    assert_int_equal(supervisor_restart(sim->supervisor, APP, 0, sim->now_us), 2);
    sim_run(sim);
    assert_int_equal(restart_state(sim), SUPERVISOR_RESTART_FAILED);
    assert_int_equal(sim_count(sim, APP, WORKER_READY), 2);
    assert_int_equal(sim_live(sim, APP), 2);
}

static void test_restart_of_one_slot(void **state)
{
    struct sim *sim = begin(state, 3);

    assert_int_equal(supervisor_restart(sim->supervisor, APP, 2, sim->now_us), 1);
    sim_run(sim);
    sim_all_ready(sim, APP);
    assert_int_equal(restart_state(sim), SUPERVISOR_RESTART_DONE);
    assert_int_equal(sim->starts, 4);
    assert_int_equal(sim_slot(sim, APP, 1)->serial, 1);
    assert_int_equal(sim_slot(sim, APP, 2)->state, WORKER_STOPPED);
    assert_int_equal(sim_slot(sim, APP, 3)->serial, 3);
    assert_int_equal(sim_slot(sim, APP, 4)->serial, 4);
    assert_int_equal(supervisor_restart(sim->supervisor, APP, 2, sim->now_us), -ENOENT);
    assert_int_equal(supervisor_restart(sim->supervisor, 1, 0, sim->now_us), -ENOENT);
}

static void test_restart_starts_what_waits(void **state)
{
    struct sim *sim = begin(state, 2);

    crash(sim, 1, 6);
    assert_int_equal(supervisor_restart(sim->supervisor, APP, 1, sim->now_us), 1);
    sim_run(sim);
    assert_int_equal(sim_slot(sim, APP, 1)->state, WORKER_STARTING); /* not at the cap */
    sim_all_ready(sim, APP);
    assert_int_equal(restart_state(sim), SUPERVISOR_RESTART_DONE);
    assert_false(supervisor_crash_loop(sim->supervisor, APP));
    assert_int_equal(sim_slot(sim, APP, 2)->serial, 2);
}

static void test_restart_while_starting(void **state)
{
    struct sim *sim = *state;

    sim_want(sim, APP, 2);
    sim_run(sim);
    assert_int_equal(supervisor_restart(sim->supervisor, APP, 0, sim->now_us), 2);
    sim_run(sim);
    /* What serves nobody yet is replaced at once. */
    assert_int_equal(sim->released, 2);
    assert_int_equal(sim_count(sim, APP, WORKER_STARTING), 2);
    sim_all_ready(sim, APP);
    assert_int_equal(restart_state(sim), SUPERVISOR_RESTART_DONE);
    assert_int_equal(sim_count(sim, APP, WORKER_READY), 2);
    for (unsigned number = 1; number <= APP_SLOTS_MAX; number++)
        if (sim_slot(sim, APP, number)->state == WORKER_READY)
            assert_in_range(sim_slot(sim, APP, number)->serial, 3, 4);
}

static void test_restart_of_an_app_that_goes(void **state)
{
    struct sim *sim = begin(state, 3);

    assert_int_equal(supervisor_restart(sim->supervisor, APP, 0, sim->now_us), 3);
    sim_run(sim);
    sim_want(sim, APP, 0);
    sim_run(sim);
    assert_int_equal(restart_state(sim), SUPERVISOR_RESTART_FAILED);
    assert_int_equal(sim_count(sim, APP, WORKER_STOPPED), APP_SLOTS_MAX);
    assert_int_equal(sim->starts, 4);
}

static void test_scale_down_during_a_restart(void **state)
{
    struct sim *sim = begin(state, 4);

    assert_int_equal(supervisor_restart(sim->supervisor, APP, 0, sim->now_us), 4);
    sim_run(sim);
    sim_want(sim, APP, 2);
    sim_run(sim);
    sim_all_ready(sim, APP);
    assert_int_equal(restart_state(sim), SUPERVISOR_RESTART_DONE);
    assert_int_equal(sim_count(sim, APP, WORKER_READY), 2);
    assert_int_equal(sim_live(sim, APP), 2);
    for (unsigned number = 1; number <= APP_SLOTS_MAX; number++)
        if (sim_slot(sim, APP, number)->state == WORKER_READY)
            assert_true(sim_slot(sim, APP, number)->serial > 4);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(test_starts_what_is_wanted),
        CASE(test_nothing_before_synced),
        CASE(test_stable_worker_is_restarted_at_once),
        CASE(test_unstable_worker_waits),
        CASE(test_late_worker_is_killed),
        CASE(test_readiness_counts_from_the_start),
        CASE(test_crash_loop),
        CASE(test_slow_deaths_are_no_crash_loop),
        CASE(test_refused_start_backs_off),
        CASE(test_refusal_of_a_running_worker_is_ignored),
        CASE(test_scale_down_drains),
        CASE(test_scale_down_takes_the_worst_first),
        CASE(test_scale_down_ends_a_crash_loop),
        CASE(test_nothing_is_started_that_is_not_wanted),
        CASE(test_gone_app_drains_by_its_old_time),
        CASE(test_stop_ends_everything),
        CASE(test_stop_while_a_start_is_under_way),
        CASE(test_restart_replaces_one_by_one),
        CASE(test_restart_waits_for_a_free_slot),
        CASE(test_failed_restart_keeps_the_old),
        CASE(test_restart_fails_when_the_new_one_is_late_or_refused),
        CASE(test_restart_of_one_slot),
        CASE(test_restart_starts_what_waits),
        CASE(test_restart_while_starting),
        CASE(test_restart_of_an_app_that_goes),
        CASE(test_scale_down_during_a_restart),
    };

    return cmocka_run_group_tests_name("supervisor", tests, NULL, NULL);
}

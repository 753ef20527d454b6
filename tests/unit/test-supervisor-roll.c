/* SPDX-License-Identifier: Apache-2.0 */
/* Reloads, probes, scaling: the supervisor's decisions, case by case. */
#include "tests/unit/supervisor-cases.h"

static const struct supervisor_roll *roll_of(const struct sim *sim)
{
    return supervisor_roll(sim->supervisor, APP);
}

/* As the edge does with another configuration. */
static uint32_t reload(struct sim *sim)
{
    supervisor_renew(sim->supervisor, APP);

    uint32_t number = supervisor_reload(sim->supervisor, APP, sim->now_us);
    sim_run(sim);
    return number;
}

static enum supervisor_restart outcome(const struct sim *sim, uint32_t number)
{
    return supervisor_roll_outcome(roll_of(sim), number);
}

/* How many ready workers are of the newest generation. */
static unsigned count_new(const struct sim *sim)
{
    unsigned n = 0;

    for (unsigned number = 1; number <= APP_SLOTS_MAX; number++)
        n += sim_slot(sim, APP, number)->state == WORKER_READY &&
             sim_slot(sim, APP, number)->generation == roll_of(sim)->generation;
    return n;
}

/* The slot that is starting. */
static unsigned starting(const struct sim *sim)
{
    for (unsigned number = 1; number <= APP_SLOTS_MAX; number++)
        if (sim_slot(sim, APP, number)->state == WORKER_STARTING)
            return number;
    fail_msg("none is starting");
    return 0;
}

/* |wanted| workers that have passed their probes. */
static struct sim *begin_probed(void **state, unsigned wanted)
{
    struct sim *sim = *state;

    sim->policies[APP].probed = true;
    begin(state, wanted);
    for (unsigned number = 1; number <= wanted; number++)
        sim_probe(sim, APP, number, true);
    sim_run(sim);
    return sim;
}

/* --- generations ------------------------------------------------------------------------------ */

static void test_reload_makes_a_new_generation(void **state)
{
    struct sim *sim = begin(state, 3);
    uint32_t number = reload(sim);

    assert_int_equal(outcome(sim, number), SUPERVISOR_RESTART_RUNNING);
    assert_int_equal(sim->events[SUPERVISOR_EVENT_RELOADING], 1);
    sim_all_ready(sim, APP);
    assert_int_equal(outcome(sim, number), SUPERVISOR_RESTART_DONE);
    assert_int_equal(sim->events[SUPERVISOR_EVENT_RELOAD_DONE], 1);
    assert_int_equal(sim->events[SUPERVISOR_EVENT_RESTART_DONE], 0);
    assert_int_equal(count_new(sim), 3);
    assert_int_equal(sim->starts, 6);
}

static void test_reload_of_an_app_without_workers(void **state)
{
    struct sim *sim = *state;
    uint32_t number;

    sim_want(sim, APP, 0);
    sim_run(sim);
    number = reload(sim);
    assert_int_equal(outcome(sim, number), SUPERVISOR_RESTART_DONE);
    assert_int_equal(sim->starts, 0);
}

/* Who asks for a new app's reload is told whether it came up. */
static void test_reload_of_a_new_app(void **state)
{
    struct sim *sim = *state;
    uint32_t number;

    sim_want(sim, APP, 2);
    number = reload(sim);
    assert_int_equal(outcome(sim, number), SUPERVISOR_RESTART_RUNNING);
    sim_all_ready(sim, APP);
    assert_int_equal(outcome(sim, number), SUPERVISOR_RESTART_DONE);
    assert_int_equal(sim->starts, 2);
}

static void test_second_reload_is_queued_and_a_third_joins(void **state)
{
    struct sim *sim = begin(state, 2);
    uint32_t first = reload(sim), second = reload(sim), third = reload(sim);

    assert_int_equal(second, first + 1);
    assert_int_equal(third, second);
    assert_int_equal(outcome(sim, third), SUPERVISOR_RESTART_RUNNING);
    sim_all_ready(sim, APP);
    assert_int_equal(outcome(sim, first), SUPERVISOR_RESTART_DONE);
    assert_int_equal(outcome(sim, second), SUPERVISOR_RESTART_DONE);
    assert_int_equal(sim->events[SUPERVISOR_EVENT_RELOAD_DONE], 2);
    assert_int_equal(count_new(sim), 2);
    /* One was started before it was known that it would not be the last. */
    assert_int_equal(sim->starts, 2 + 2 + 1);
}

/* The queued one is what mends the first. */
static void test_queued_reload_follows_a_failed_one(void **state)
{
    struct sim *sim = begin(state, 2);
    uint32_t first = reload(sim), second = reload(sim);

    sim_die(sim, APP, starting(sim));
    assert_int_equal(outcome(sim, first), SUPERVISOR_RESTART_FAILED);
    assert_int_equal(outcome(sim, second), SUPERVISOR_RESTART_RUNNING);
    sim_all_ready(sim, APP);
    assert_int_equal(outcome(sim, first), SUPERVISOR_RESTART_FAILED);
    assert_int_equal(outcome(sim, second), SUPERVISOR_RESTART_DONE);
    assert_int_equal(count_new(sim), 2);
}

static void test_late_worker_lets_the_queued_one_begin(void **state)
{
    struct sim *sim = begin(state, 2);
    uint32_t first = reload(sim), second = reload(sim);

    sim_advance(sim, 30 * SIM_SECOND);
    assert_int_equal(outcome(sim, first), SUPERVISOR_RESTART_FAILED);
    assert_int_equal(sim_count(sim, APP, WORKER_READY), 2);
    sim_all_ready(sim, APP);
    assert_int_equal(outcome(sim, second), SUPERVISOR_RESTART_DONE);
    assert_int_equal(count_new(sim), 2);
}

static void test_stop_ends_both(void **state)
{
    struct sim *sim = begin(state, 2);
    uint32_t first = reload(sim), second = reload(sim);

    supervisor_stop(sim->supervisor);
    sim_run(sim);
    assert_int_equal(outcome(sim, first), SUPERVISOR_RESTART_FAILED);
    assert_int_equal(outcome(sim, second), SUPERVISOR_RESTART_FAILED);
    assert_string_equal(roll_of(sim)->why, "agentd stops");
}

/* --- what fails ------------------------------------------------------------------------------- */

static void test_failure_names_the_worker(void **state)
{
    struct sim *sim = begin(state, 2);
    uint32_t number = reload(sim);

    sim_die(sim, APP, 3);
    assert_int_equal(outcome(sim, number), SUPERVISOR_RESTART_FAILED);
    assert_string_equal(roll_of(sim)->why, "worker 3 (pid 10003): exited with status 1");
    assert_int_equal(roll_of(sim)->failed_slot, 3);
    assert_int_equal(roll_of(sim)->failed_pid, 10003);
    assert_int_equal(sim->events[SUPERVISOR_EVENT_RELOAD_FAILED], 1);
    assert_int_equal(sim->events[SUPERVISOR_EVENT_DRAINING], 0);
    assert_int_equal(sim_live(sim, APP), 2);
    assert_int_equal(count_new(sim), 0);
}

static void test_late_is_killed_and_named(void **state)
{
    struct sim *sim = begin(state, 2);
    uint32_t number = reload(sim);

    sim_advance(sim, 30 * SIM_SECOND);
    assert_int_equal(outcome(sim, number), SUPERVISOR_RESTART_FAILED);
    assert_string_equal(roll_of(sim)->why, "worker 3 (pid 10003): not ready within 30 s: killed");
    assert_int_equal(sim_worker(sim, APP, 3)->kills, 1);
    assert_int_equal(sim_live(sim, APP), 2);
    assert_int_equal(roll_of(sim)->drain_kills, 0);
}

/* A program that gets ready and dies must not take all the old ones' places. */
static void test_death_after_ready_ends_it_too(void **state)
{
    struct sim *sim = begin(state, 3);
    uint32_t number = reload(sim);
    unsigned first = starting(sim);

    sim_say_ready(sim, APP, first);
    sim_run(sim);
    assert_int_equal(sim_count(sim, APP, WORKER_READY), 3); /* an old one has gone */
    sim_die(sim, APP, first);
    assert_int_equal(outcome(sim, number), SUPERVISOR_RESTART_FAILED);
    sim_advance(sim, SIM_SECOND);
    assert_int_equal(sim_count(sim, APP, WORKER_READY), 2);
    assert_int_equal(sim_live(sim, APP), 3);
}

/* An old one that dies is replaced by a new one, and the others wait for it. */
static void test_death_of_an_old_one_takes_no_other(void **state)
{
    struct sim *sim = begin(state, 3);
    uint32_t number = reload(sim);
    unsigned surge = starting(sim);

    sim_advance(sim, SIM_SECOND);
    sim_die(sim, APP, 1); /* unstable: in backoff */
    sim_say_ready(sim, APP, surge);
    sim_run(sim);
    assert_int_equal(sim_count(sim, APP, WORKER_READY), 3);
    assert_int_equal(sim_count(sim, APP, WORKER_DRAINING), 0);
    sim_advance(sim, SUPERVISOR_BACKOFF_BASE_US);
    sim_all_ready(sim, APP);
    assert_int_equal(outcome(sim, number), SUPERVISOR_RESTART_DONE);
    assert_int_equal(count_new(sim), 3);
}

/* --- probes ----------------------------------------------------------------------------------- */

static void test_ready_is_not_enough_with_a_probe(void **state)
{
    struct sim *sim = begin_probed(state, 2);
    uint32_t number = reload(sim);

    for (unsigned i = 1; i <= 2; i++) {
        unsigned surge = starting(sim);

        sim_say_ready(sim, APP, surge);
        sim_run(sim);
        sim_advance(sim, SIM_SECOND);
        assert_int_equal(sim_count(sim, APP, WORKER_READY), 3);
        assert_int_equal(outcome(sim, number), SUPERVISOR_RESTART_RUNNING);
        sim_probe(sim, APP, surge, true);
        sim_run(sim);
        assert_int_equal(sim_count(sim, APP, WORKER_READY), 2);
    }
    assert_int_equal(outcome(sim, number), SUPERVISOR_RESTART_DONE);
    assert_int_equal(count_new(sim), 2);
    sim_probe(sim, APP, 3, false); /* of a worker that has passed: not the roll's matter */
    sim_advance(sim, 3600 * SIM_SECOND);
    assert_int_equal(sim->starts, 4);
}

static void test_failed_probe_ends_a_reload(void **state)
{
    struct sim *sim = begin_probed(state, 2);
    uint32_t number = reload(sim);

    sim_say_ready(sim, APP, 3);
    sim_probe(sim, APP, 3, false);
    sim_run(sim);
    assert_int_equal(outcome(sim, number), SUPERVISOR_RESTART_FAILED);
    assert_string_equal(roll_of(sim)->why, "worker 3 (pid 10003): ready, but it failed its probe");
    assert_int_equal(sim_worker(sim, APP, 3)->kills, 1);
    assert_int_equal(sim_count(sim, APP, WORKER_READY), 2);
    assert_int_equal(sim_live(sim, APP), 2);
    assert_int_equal(sim->events[SUPERVISOR_EVENT_DRAINING], 0);
}

static void test_probe_that_never_passes_is_late(void **state)
{
    struct sim *sim = begin_probed(state, 2);
    uint32_t number = reload(sim);

    sim_advance(sim, 10 * SIM_SECOND);
    sim_say_ready(sim, APP, 3);
    sim_run(sim);
    sim_advance(sim, 20 * SIM_SECOND);
    assert_int_equal(outcome(sim, number), SUPERVISOR_RESTART_FAILED);
    assert_string_equal(roll_of(sim)->why,
                        "worker 3 (pid 10003): not past its probe within 30 s: killed");
    assert_int_equal(sim_live(sim, APP), 2);
    assert_int_equal(sim_worker(sim, APP, 3)->kills, 1);
    assert_int_equal(sim_worker(sim, APP, 3)->terms, 0);
}

/* The old ones had no probe, or it never passed: they serve all the same. */
static void test_probes_come_with_the_reload(void **state)
{
    struct sim *sim = begin(state, 2);
    uint32_t number;

    sim->policies[APP].probed = true;
    sim_want(sim, APP, 2);
    number = reload(sim);
    for (unsigned i = 0; i < 2; i++) {
        unsigned surge = starting(sim);

        sim_say_ready(sim, APP, surge);
        sim_run(sim);
        assert_int_equal(sim_count(sim, APP, WORKER_READY), 3);
        sim_probe(sim, APP, surge, true);
        sim_run(sim);
    }
    assert_int_equal(outcome(sim, number), SUPERVISOR_RESTART_DONE);
    assert_int_equal(count_new(sim), 2);
}

/* --- scale ------------------------------------------------------------------------------------ */

static void test_scale_overrides_the_policy(void **state)
{
    struct sim *sim = begin(state, 2);

    supervisor_scale(sim->supervisor, APP, 4);
    sim_run(sim);
    sim_all_ready(sim, APP);
    assert_int_equal(sim_count(sim, APP, WORKER_READY), 4);
    assert_int_equal(sim->events[SUPERVISOR_EVENT_SCALED], 1);
    sim_want(sim, APP, 3); /* a new core reads the policy again */
    sim_run(sim);
    assert_int_equal(sim_count(sim, APP, WORKER_READY), 4);
    sim_lose_core(sim);
    sim_new_core(sim);
    assert_int_equal(supervisor_wanted(sim->supervisor, APP), 4);
    assert_int_equal(sim_count(sim, APP, WORKER_READY), 4);
    supervisor_scale(sim->supervisor, APP, -1);
    sim_run(sim);
    assert_int_equal(sim_count(sim, APP, WORKER_READY), 3);
    supervisor_scale(sim->supervisor, APP, 0);
    sim_run(sim);
    assert_int_equal(sim_live(sim, APP), 0);
}

static void test_scale_within_a_reload(void **state)
{
    struct sim *sim = begin(state, 4);
    uint32_t number = reload(sim);

    supervisor_scale(sim->supervisor, APP, 2);
    sim_run(sim);
    sim_all_ready(sim, APP);
    assert_int_equal(outcome(sim, number), SUPERVISOR_RESTART_DONE);
    assert_int_equal(sim_count(sim, APP, WORKER_READY), 2);
    assert_int_equal(count_new(sim), 2);
}

/* Fewer are wanted while more are asked for: none that serves goes before those have come. */
static void test_scale_down_spares_those_that_serve(void **state)
{
    struct sim *sim = begin(state, 3);

    sim->slow_holder = true;
    supervisor_scale(sim->supervisor, APP, 5);
    sim_run(sim);
    supervisor_scale(sim->supervisor, APP, 3);
    sim_run(sim);
    assert_int_equal(sim_count(sim, APP, WORKER_READY), 3);
    sim->slow_holder = false;
    sim_deliver(sim, SIZE_MAX);
    sim_run(sim);
    assert_int_equal(sim_count(sim, APP, WORKER_READY), 3);
    assert_int_equal(sim_live(sim, APP), 3);
}

/* --- the next core ---------------------------------------------------------------------------- */

static void test_new_core_goes_on_with_a_reload(void **state)
{
    struct sim *sim = begin(state, 3);
    uint32_t first = reload(sim), second = reload(sim);

    for (unsigned i = 0; i < 12 && roll_of(sim)->state == SUPERVISOR_RESTART_RUNNING; i++) {
        sim_lose_core(sim);
        sim_new_core(sim);
        assert_true(sim_live(sim, APP) <= 4);
        assert_true(sim_count(sim, APP, WORKER_READY) >= 3);
        if (sim_count(sim, APP, WORKER_STARTING))
            sim_say_ready(sim, APP, starting(sim));
        sim_run(sim);
    }
    assert_int_equal(outcome(sim, first), SUPERVISOR_RESTART_DONE);
    assert_int_equal(outcome(sim, second), SUPERVISOR_RESTART_DONE);
    assert_int_equal(count_new(sim), 3);
    assert_int_equal(sim->starts, 3 + 3 + 1);
}

/* The new worker died while there was no core: the next one sees that it was the roll's. */
static void test_new_core_ends_a_reload_that_failed(void **state)
{
    struct sim *sim = begin(state, 2);
    uint32_t number = reload(sim);

    sim_lose_core(sim);
    sim_end_worker(sim, APP, 3, "exited with status 1");
    sim_new_core(sim);
    assert_int_equal(outcome(sim, number), SUPERVISOR_RESTART_FAILED);
    assert_int_equal(sim_live(sim, APP), 2);
    assert_int_equal(count_new(sim), 0);
}

static void test_new_core_remembers_a_passed_probe(void **state)
{
    struct sim *sim = begin_probed(state, 2);
    uint32_t number = reload(sim);

    sim_say_ready(sim, APP, 3);
    sim_run(sim);
    sim_lose_core(sim);
    sim_new_core(sim);
    assert_int_equal(sim_count(sim, APP, WORKER_READY), 3);
    sim_probe(sim, APP, 3, true);
    sim_lose_core(sim); /* before it has decided */
    sim_new_core(sim);
    assert_int_equal(sim_count(sim, APP, WORKER_READY), 2);
    assert_int_equal(outcome(sim, number), SUPERVISOR_RESTART_RUNNING);
}

static void test_restarted_agentd_forgets(void **state)
{
    struct sim *sim = begin(state, 2);

    supervisor_scale(sim->supervisor, APP, 4);
    sim_run(sim);
    (void) reload(sim);
    sim_lose_core(sim);
    for (unsigned number = 1; number <= APP_SLOTS_MAX; number++)
        *sim_worker(sim, APP, number) = (struct sim_worker){.state = SIM_EMPTY};
    assert_int_equal(supervisor_new(&sim->supervisor, sim->slots, sim->rolls, sim_random, sim), 0);
    sim_want(sim, APP, 2);
    supervisor_forget_rolls(sim->supervisor);
    supervisor_on_synced(sim->supervisor, sim->now_us);
    sim_run(sim);
    sim_all_ready(sim, APP);
    assert_int_equal(sim_count(sim, APP, WORKER_READY), 2);
    assert_int_equal(roll_of(sim)->state, SUPERVISOR_RESTART_DONE);
}

/* --- the record ------------------------------------------------------------------------------- */

static void test_outcomes(void **state)
{
    const struct supervisor_roll roll = {
        .number = 40, .failed = 1u << 31 | 1u << 1, .state = SUPERVISOR_RESTART_RUNNING};
    static const struct {
        uint32_t number;
        enum supervisor_restart outcome;
    } cases[] = {
        {40, SUPERVISOR_RESTART_RUNNING}, {39, SUPERVISOR_RESTART_FAILED},
        {38, SUPERVISOR_RESTART_DONE},    {9, SUPERVISOR_RESTART_FAILED},
        {8, SUPERVISOR_RESTART_DONE},  /* forgotten */
        {41, SUPERVISOR_RESTART_DONE}, /* of lost memory */
    };
    struct supervisor_roll garbage;

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
        assert_int_equal(supervisor_roll_outcome(&roll, cases[i].number), cases[i].outcome);
    memset(&garbage, 0xa5, sizeof(garbage));
    supervisor_roll_put_right(&garbage);
    assert_int_equal(garbage.state, SUPERVISOR_RESTART_DONE);
    assert_int_equal(garbage.scale, 0);
    assert_false(garbage.queued);
}

static void test_drain_kills_are_counted(void **state)
{
    struct sim *sim = begin(state, 2);

    sim->ignores_terms = true;
    (void) reload(sim);
    sim_all_ready(sim, APP);
    assert_int_equal(sim_count(sim, APP, WORKER_DRAINING), 2);
    sim_advance(sim, 60 * SIM_SECOND + SUPERVISOR_KILL_GRACE_US);
    assert_int_equal(roll_of(sim)->drain_kills, 2);
    assert_int_equal(sim->events[SUPERVISOR_EVENT_LATE], 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(test_reload_makes_a_new_generation),
        CASE(test_reload_of_an_app_without_workers),
        CASE(test_reload_of_a_new_app),
        CASE(test_second_reload_is_queued_and_a_third_joins),
        CASE(test_queued_reload_follows_a_failed_one),
        CASE(test_late_worker_lets_the_queued_one_begin),
        CASE(test_stop_ends_both),
        CASE(test_failure_names_the_worker),
        CASE(test_late_is_killed_and_named),
        CASE(test_death_after_ready_ends_it_too),
        CASE(test_death_of_an_old_one_takes_no_other),
        CASE(test_ready_is_not_enough_with_a_probe),
        CASE(test_failed_probe_ends_a_reload),
        CASE(test_probe_that_never_passes_is_late),
        CASE(test_probes_come_with_the_reload),
        CASE(test_scale_overrides_the_policy),
        CASE(test_scale_within_a_reload),
        CASE(test_scale_down_spares_those_that_serve),
        CASE(test_new_core_goes_on_with_a_reload),
        CASE(test_new_core_ends_a_reload_that_failed),
        CASE(test_new_core_remembers_a_passed_probe),
        CASE(test_restarted_agentd_forgets),
        CASE(test_outcomes),
        CASE(test_drain_kills_are_counted),
    };

    return cmocka_run_group_tests_name("supervisor, rolls", tests, NULL, NULL);
}

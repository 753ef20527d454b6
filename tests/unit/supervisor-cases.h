/* SPDX-License-Identifier: Apache-2.0 */
/* What the supervisor's cases share: a simulated holder each, and the ways into the states that
 * they begin from. */
#pragma once

#include "tests/unit/supervisor-sim.h"

#define APP 0u

static inline int setup(void **state)
{
    struct sim *sim = malloc(sizeof(*sim));

    assert_non_null(sim);
    sim_init(sim, 1);
    *state = sim;
    return 0;
}

static inline int teardown(void **state)
{
    sim_done(*state);
    free(*state);
    return 0;
}

/* |wanted| ready workers. */
static inline struct sim *begin(void **state, unsigned wanted)
{
    struct sim *sim = *state;

    sim_want(sim, APP, wanted);
    sim_run(sim);
    sim_all_ready(sim, APP);
    assert_int_equal(sim_count(sim, APP, WORKER_READY), wanted);
    assert_int_equal(sim->starts, wanted);
    return sim;
}

static inline enum supervisor_restart restart_state(const struct sim *sim)
{
    return supervisor_roll(sim->supervisor, APP)->state;
}

/* How long the slot waits in backoff. */
static inline uint64_t wait_of(const struct sim *sim, unsigned number)
{
    const struct supervisor_slot *slot = sim_slot(sim, APP, number);

    assert_int_equal(slot->state, WORKER_BACKOFF);
    return slot->deadline_us - slot->since_us;
}

/* It dies at once, |n| times in a row. */
static inline void crash(struct sim *sim, unsigned number, unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        if (sim_slot(sim, APP, number)->state == WORKER_BACKOFF)
            sim_advance_to(sim, sim_slot(sim, APP, number)->deadline_us);
        sim_die(sim, APP, number);
    }
}

#define CASE(function) cmocka_unit_test_setup_teardown(function, setup, teardown)

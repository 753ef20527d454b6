/* SPDX-License-Identifier: Apache-2.0 */
/* Which worker is replaced for its memory. */
#include "agent/supervise/limits.h"

#include "tests/unit/unit.h"

#include <math.h>

#define LIMIT 1000u

static struct app_view *make(const enum worker_state *states, const uint64_t *memory, size_t n)
{
    struct app_view *app = calloc(1, sizeof(*app));

    assert_non_null(app);
    app->index = 3;
    app->n_workers = n;
    for (size_t i = 0; i < n; i++)
        app->workers[i] = (struct worker_view){
            .slot = (unsigned) i + 1, .state = states[i], .memory_bytes = (double) memory[i]};
    return app;
}

static void test_pick(void **state)
{
    static const struct {
        enum worker_state states[3];
        uint64_t memory[3];
        unsigned slot; /* 0: none */
    } cases[] = {
        {{WORKER_READY, WORKER_READY, WORKER_READY}, {1, LIMIT, 0}, 0},
        {{WORKER_READY, WORKER_READY, WORKER_READY}, {1, LIMIT + 1, 0}, 2},
        {{WORKER_READY, WORKER_READY, WORKER_READY}, {LIMIT + 1, LIMIT + 9, LIMIT + 2}, 2},
        /* one that drains goes anyway, and one that starts may need it only then */
        {{WORKER_DRAINING, WORKER_STARTING, WORKER_READY}, {LIMIT * 9, LIMIT * 9, 1}, 0},
        {{WORKER_DRAINING, WORKER_STARTING, WORKER_READY}, {LIMIT * 9, LIMIT * 9, LIMIT * 2}, 3},
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        struct limits limits = {{0}};
        struct app_view *app = make(cases[i].states, cases[i].memory, 3);
        const struct worker_view *worker = limits_pick(&limits, app, LIMIT, 5);

        if ((worker ? worker->slot : 0) != cases[i].slot)
            fail_msg("case %zu: slot %u", i, worker ? worker->slot : 0);
        assert_null(limits_pick(&limits, app, 0, 5)); /* no limit */
        free(app);
    }
}

static void test_pause(void **state)
{
    static const enum worker_state ready[] = {WORKER_READY};
    static const uint64_t large[] = {LIMIT + 1};
    struct limits limits = {{0}};
    struct app_view *app = make(ready, large, 1);

    assert_non_null(limits_pick(&limits, app, LIMIT, 100));
    assert_null(limits_pick(&limits, app, LIMIT, 100));
    assert_null(limits_pick(&limits, app, LIMIT, 99 + LIMITS_PAUSE_US));
    app->index = 4; /* each app for itself */
    assert_non_null(limits_pick(&limits, app, LIMIT, 101));
    app->index = 3;
    assert_non_null(limits_pick(&limits, app, LIMIT, 100 + LIMITS_PAUSE_US));
    free(app);
}

/* Said once an app, and of none that may be sampled yet. */
static void test_blind(void **state)
{
    static const enum worker_state states[] = {WORKER_READY, WORKER_STARTING};
    static const uint64_t memory[] = {LIMIT + 1, 0};
    struct limits limits = {{0}};
    struct app_view *app = make(states, memory, 2);

    app->workers[1].memory_bytes = (double) NAN;
    assert_false(limits_are_blind(&limits, app, LIMITS_BLIND_US));
    app->workers[0].memory_bytes = (double) NAN;
    app->workers[0].since_us = 7;
    assert_null(limits_pick(&limits, app, LIMIT, 100));
    assert_false(limits_are_blind(&limits, app, 6 + LIMITS_BLIND_US));
    assert_true(limits_are_blind(&limits, app, 7 + LIMITS_BLIND_US));
    assert_false(limits_are_blind(&limits, app, 8 + LIMITS_BLIND_US));
    app->index = 4;
    assert_true(limits_are_blind(&limits, app, 8 + LIMITS_BLIND_US));
    free(app);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_pick),
        cmocka_unit_test(test_pause),
        cmocka_unit_test(test_blind),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

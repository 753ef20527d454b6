/* SPDX-License-Identifier: Apache-2.0 */
/* The stress guards against made-up snapshots, a second apart. */
#include "agent/stress/guards.h"

#include "common/base/clock.h"
#include "common/base/macro.h"
#include "tests/unit/unit.h"

static const struct stress_guard_limits limits = {.latency_ms = 100, .steal_percent = 20};

struct fixture {
    struct stress_guards guards;
    struct snapshot snapshot; /* serving, one app with one of two workers */
};

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));

    assert_non_null(f);
    f->snapshot.taken_at_us = 1000 * USEC_PER_SEC;
    f->snapshot.node = NODE_SERVING;
    f->snapshot.n_apps = 1;
    strcpy(f->snapshot.apps[0].name, "web");
    f->snapshot.apps[0].index = 3;
    f->snapshot.apps[0].wanted = 2;
    f->snapshot.apps[0].ready = 1;
    f->snapshot.apps[0].fed = true;
    f->snapshot.host[METRIC_CPU_STEAL].present = true;
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    stress_guards_done(&((struct fixture *) *state)->guards);
    free(*state);
    return 0;
}

static const char *trouble(const struct fixture *f)
{
    static char text[STRESS_TROUBLE_MAX];

    return stress_guards_trouble(&f->guards, &f->snapshot, &limits, text);
}

/* So many seconds with |n| requests of |latency_ms| each, and that steal. */
static void pass(struct fixture *f, unsigned seconds, unsigned n, unsigned latency_ms, double steal)
{
    for (unsigned i = 0; i < seconds; i++) {
        f->snapshot.taken_at_us += USEC_PER_SEC;
        histogram_add(&f->snapshot.apps[0].total.latency, latency_ms * USEC_PER_MSEC, n);
        f->snapshot.host[METRIC_CPU_STEAL].last = steal;
        stress_guards_look(&f->guards, &f->snapshot, &limits);
    }
}

static void test_at_once(void **state)
{
    struct fixture *f = *state;

    assert_string_equal(trouble(f), "");
    f->snapshot.apps[0].ready = 0;
    assert_string_equal(trouble(f), "no worker of web is ready");
    f->snapshot.apps[0].wanted = 0; /* scaled to none */
    assert_string_equal(trouble(f), "");
    f->snapshot.node = NODE_DRAINED;
    assert_string_equal(trouble(f), "the node is drained, not serving");
    f->snapshot.node = NODE_DRAINING;
    assert_string_equal(trouble(f), "the node is draining, not serving");
    f->snapshot.node = NODE_STARTING;
    assert_string_equal(trouble(f), "the node is starting, not serving");
}

static void test_latency(void **state)
{
    struct fixture *f = *state;

    pass(f, 1, 1000, 500, 0); /* before the first interval: not of it */
    pass(f, 20, 100, 50, 0);
    assert_string_equal(trouble(f), "");
    pass(f, 5, 100, 300, 0);
    assert_string_equal(trouble(f), ""); /* one interval */
    pass(f, 4, 100, 300, 0);
    assert_string_equal(trouble(f), "");
    pass(f, 1, 100, 300, 0);
    assert_non_null(strstr(trouble(f), "the p99 of web is "));
    assert_non_null(strstr(trouble(f), "over stress.latency_ms (100)"));
    pass(f, 5, 100, 50, 0);
    assert_string_equal(trouble(f), "");
}

/* Each second one in 200 is slow: that is not the p99. */
static void test_a_few_slow_ones(void **state)
{
    struct fixture *f = *state;

    for (unsigned i = 0; i < 30; i++) {
        histogram_add(&f->snapshot.apps[0].total.latency, 2 * USEC_PER_SEC, 1);
        pass(f, 1, 199, 5, 0);
    }
    assert_string_equal(trouble(f), "");
}

/* Without an answer nothing is proven, neither way. */
static void test_silence(void **state)
{
    struct fixture *f = *state;

    pass(f, 1, 0, 0, 0);
    pass(f, 5, 10, 300, 0);
    pass(f, 20, 0, 0, 0);
    assert_string_equal(trouble(f), "");
    pass(f, 5, 10, 300, 0);
    assert_non_null(strstr(trouble(f), "the p99"));
    pass(f, 20, 0, 0, 0);
    assert_non_null(strstr(trouble(f), "the p99"));
    f->snapshot.apps[0].fed = false;
    pass(f, 20, 10, 5, 0);
    assert_non_null(strstr(trouble(f), "the p99"));
}

static void test_steal(void **state)
{
    struct fixture *f = *state;

    pass(f, 1, 0, 0, 0);
    pass(f, 5, 0, 0, 90);
    pass(f, 5, 0, 0, 10);
    assert_string_equal(trouble(f), "");
    pass(f, 5, 0, 0, 21);
    assert_string_equal(trouble(f), "");
    pass(f, 1, 0, 0, 61); /* on average it counts */
    pass(f, 4, 0, 0, 15);
    assert_string_equal(trouble(f), "CPUSteal is 24 %, over stress.steal_percent (20)");
    f->snapshot.host[METRIC_CPU_STEAL].present = false; /* not known any more: as it was */
    pass(f, 10, 0, 0, 0);
    assert_non_null(strstr(trouble(f), "CPUSteal"));
    f->snapshot.host[METRIC_CPU_STEAL].present = true;
    pass(f, 6, 0, 0, 20);
    assert_string_equal(trouble(f), "");
}

static void test_turned_off(void **state)
{
    static const struct stress_guard_limits none = {0, 0};
    struct fixture *f = *state;
    char text[STRESS_TROUBLE_MAX];

    pass(f, 30, 10, 300, 90);
    assert_string_not_equal(trouble(f), "");
    assert_string_equal(stress_guards_trouble(&f->guards, &f->snapshot, &none, text), "");
    f->snapshot.apps[0].ready = 0; /* that one can't be */
    assert_string_not_equal(stress_guards_trouble(&f->guards, &f->snapshot, &none, text), "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(function) cmocka_unit_test_setup_teardown(function, setup, teardown)
        TEST(test_at_once), TEST(test_latency), TEST(test_a_few_slow_ones),
        TEST(test_silence), TEST(test_steal),   TEST(test_turned_off),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

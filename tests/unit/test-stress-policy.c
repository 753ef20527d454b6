/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The stress policy against a holder of this test's own: one slot, which refuses what it can't do
 * now, and tells each core its state. What is asked for is written down as a line a step.
 */
#include "agent/stress/policy.h"

#include "common/base/clock.h"
#include "common/base/macro.h"
#include "common/base/text.h"
#include "tests/unit/unit.h"

#include <errno.h>
#include <signal.h>
#include <syslog.h>

#define S(seconds) ((uint64_t) (seconds) *USEC_PER_SEC)

struct fixture {
    struct stress_notes notes;
    struct stress_policy policy;
    struct stress_limits limits;
    uint64_t now_us;
    /* The holder's slot. */
    enum hold_slot_state slot;
    uint64_t serial;
    uint64_t ends_at_us; /* by its own clock */
    bool deaf;           /* to SIGTERM */
    struct stress_order started;
    bool can_start;
    struct hold_message answers[8]; /* not told yet */
    size_t n_answers;
    char acts[256], notes_taken[512];
    unsigned starts;
};

static void tell(struct fixture *f, const struct hold_message *message)
{
    assert_true(f->n_answers < ARRAY_SIZE(f->answers));
    f->answers[f->n_answers++] = *message;
}

static void tell_slot(struct fixture *f, int code, int status)
{
    struct hold_message m;

    hold_message_init(&m, HOLD_SLOT);
    strcpy(m.app, STRESS_APP);
    m.slot = STRESS_SLOT;
    m.serial = f->serial;
    m.state = f->slot;
    m.pid = f->slot == HOLD_SLOT_EMPTY ? 0 : (int) f->serial + 100;
    m.started_at_us = f->slot == HOLD_SLOT_RUNNING ? f->now_us : 0;
    m.ended_at_us = f->slot == HOLD_SLOT_DEAD ? f->now_us : 0;
    m.exit_code = code;
    m.exit_status = status;
    assert_int_equal(hold_message_check(&m, sizeof(m), false), 0);
    tell(f, &m);
}

static void refuse(struct fixture *f, enum hold_message_type type)
{
    struct hold_message request, m;

    hold_message_init(&request, type);
    strcpy(request.app, STRESS_APP);
    request.slot = STRESS_SLOT;
    hold_message_init_refused(&m, &request, -EBUSY, "not now");
    tell(f, &m);
}

static void process_ends(struct fixture *f, int code, int status)
{
    assert_int_equal(f->slot, HOLD_SLOT_RUNNING);
    f->slot = HOLD_SLOT_DEAD;
    tell_slot(f, code, status);
}

static void act(enum stress_action action, uint64_t serial, const struct stress_order *order,
                void *userdata)
{
    static const char *const names[] = {"start ", "terminate ", "kill ", "release "};
    struct fixture *f = userdata;
    char text[STRESS_TEXT_MAX];
    struct stress_order parsed;

    if (strlen(f->acts) + 16 < sizeof(f->acts))
        strcat(f->acts, names[action]);
    if (action == STRESS_START) {
        assert_int_equal(stress_parse(stress_print(order, text), &parsed), 0);
        if (f->slot != HOLD_SLOT_EMPTY || !f->can_start) {
            refuse(f, HOLD_START);
            return;
        }
        f->starts++;
        f->serial++;
        f->slot = HOLD_SLOT_RUNNING;
        f->started = *order;
        f->ends_at_us = f->now_us + S(order->seconds);
        tell_slot(f, 0, 0);
        return;
    }
    assert_int_equal(serial, f->serial);
    if (action == STRESS_RELEASE) {
        assert_int_equal(f->slot, HOLD_SLOT_DEAD);
        f->slot = HOLD_SLOT_EMPTY;
        tell_slot(f, 0, 0);
    } else if (f->slot != HOLD_SLOT_RUNNING) {
        refuse(f, action == STRESS_KILL ? HOLD_KILL : HOLD_SIGNAL);
    } else if (action == STRESS_KILL) {
        process_ends(f, CLD_KILLED, SIGKILL);
    } else if (!f->deaf) {
        process_ends(f, CLD_EXITED, 0);
    }
}

static void note(int level, const char *event, const char *text, void *userdata)
{
    struct fixture *f = userdata;

    snprintf(f->notes_taken, sizeof(f->notes_taken), "%s: %s", event, text);
}

static void deliver(struct fixture *f)
{
    while (f->n_answers > 0) {
        struct hold_message m = f->answers[0];

        memmove(f->answers, f->answers + 1, --f->n_answers * sizeof(f->answers[0]));
        stress_policy_on_message(&f->policy, &m, f->now_us);
    }
}

/* A core begins: the first one, or after another's death, with what that was not told any more. */
static void begin_core(struct fixture *f)
{
    const struct stress_owner owner = {act, note, f};
    struct hold_message synced;

    f->n_answers = 0;
    stress_policy_init(&f->policy, &f->notes, &owner);
    stress_policy_configure(&f->policy, &f->limits, f->now_us);
    if (f->slot != HOLD_SLOT_EMPTY)
        tell_slot(f, f->slot == HOLD_SLOT_DEAD ? CLD_EXITED : 0, 0);
    hold_message_init(&synced, HOLD_SYNCED);
    tell(f, &synced);
}

/* Time passes, with the policy's timer and the process's own end. */
static void pass_to(struct fixture *f, uint64_t to_us)
{
    deliver(f);
    while (f->now_us < to_us) {
        uint64_t next_us = MIN(stress_policy_next_us(&f->policy), to_us);

        if (f->slot == HOLD_SLOT_RUNNING)
            next_us = MIN(next_us, f->ends_at_us);
        f->now_us = MAX(next_us, f->now_us + 1);
        if (f->slot == HOLD_SLOT_RUNNING && f->now_us >= f->ends_at_us)
            process_ends(f, CLD_EXITED, 0);
        stress_policy_tick(&f->policy, f->now_us);
        deliver(f);
    }
}

static int order_on(struct fixture *f, unsigned load, unsigned seconds, const char *trouble,
                    char why[STRESS_WHY_MAX])
{
    const struct stress_order order = {.load_percent = load, .seconds = seconds};
    const struct stress_asker asker = {1000, 4242};

    return stress_policy_on(&f->policy, &order, &asker, trouble, f->now_us, why);
}

static void on(struct fixture *f, unsigned load, unsigned seconds)
{
    char why[STRESS_WHY_MAX] = "";

    if (order_on(f, load, seconds, "", why) < 0)
        fail_msg("%s", why);
    deliver(f);
}

static bool off(struct fixture *f)
{
    bool was_on = stress_policy_off(&f->policy, &(struct stress_asker){0, 7}, f->now_us);

    deliver(f);
    return was_on;
}

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));

    assert_non_null(f);
    f->now_us = S(1000);
    f->limits = (struct stress_limits){true, 3600, 4};
    f->can_start = true;
    begin_core(f);
    deliver(f);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    free(*state);
    return 0;
}

static void test_on_and_off(void **state)
{
    struct fixture *f = *state;

    assert_false(off(f));
    assert_int_equal(stress_policy_next_us(&f->policy), UINT64_MAX);
    on(f, 85, 600);
    assert_string_equal(f->acts, "start ");
    assert_int_equal(f->started.load_percent, 85);
    assert_int_equal(f->started.seconds, 600);
    assert_string_equal(f->notes_taken, "stress-started: stress of 85 % of all CPUs for 10 min, "
                                        "priority idle, asked for by uid 1000, pid 4242");
    assert_int_equal(stress_policy_next_us(&f->policy), S(1600));
    pass_to(f, S(1060));
    assert_true(off(f));
    assert_string_equal(f->acts, "start terminate release ");
    assert_string_equal(f->notes.last, "ended by uid 0, pid 7 after 1 min");
    assert_string_equal(f->notes_taken, "stress-ended: stress ended by uid 0, pid 7 after 1 min");
    pass_to(f, S(3000));
    assert_int_equal(f->starts, 1);
    assert_int_equal(f->slot, HOLD_SLOT_EMPTY);
}

static void test_ends_by_time(void **state)
{
    struct fixture *f = *state;

    on(f, 50, 10);
    pass_to(f, S(1009));
    assert_int_equal(f->slot, HOLD_SLOT_RUNNING);
    pass_to(f, S(1010));
    assert_false(f->notes.on);
    assert_int_equal(f->slot, HOLD_SLOT_EMPTY);
    assert_string_equal(f->notes.last, "ended after 10 s");
    assert_null(strstr(f->acts, "kill"));
}

/* agentd-stress is first by its own clock: that is no death. */
static void test_process_ends_a_moment_early(void **state)
{
    struct fixture *f = *state;

    on(f, 50, 10);
    f->now_us = S(1010) - 1000;
    process_ends(f, CLD_EXITED, 0);
    deliver(f);
    assert_string_equal(f->notes_taken, "stress-ended: stress ended after 10 s");
    assert_int_equal(f->slot, HOLD_SLOT_EMPTY);
    assert_int_equal(f->starts, 1);
}

static void test_a_deaf_process_is_killed(void **state)
{
    struct fixture *f = *state;

    f->deaf = true;
    on(f, 50, 10);
    assert_true(off(f));
    pass_to(f, f->now_us + STRESS_END_WAIT_US - 1);
    assert_int_equal(f->slot, HOLD_SLOT_RUNNING);
    pass_to(f, f->now_us + 1);
    assert_string_equal(f->acts, "start terminate kill release ");
    assert_int_equal(f->slot, HOLD_SLOT_EMPTY);
}

static void test_a_death_ends_it(void **state)
{
    static const struct {
        int code, status;
        const char *last;
    } cases[] = {
        {CLD_KILLED, SIGKILL, "ended after 5 s: agentd-stress died with signal 9"},
        {CLD_EXITED, 203, "ended after 5 s: agentd-stress died with exit status 203"},
        {CLD_EXITED, 0, "ended after 5 s: agentd-stress died with exit status 0"},
    };
    struct fixture *f = *state;

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        on(f, 50, 600);
        pass_to(f, f->now_us + S(5));
        process_ends(f, cases[i].code, cases[i].status);
        pass_to(f, f->now_us + S(5));
        assert_string_equal(f->notes.last, cases[i].last);
        assert_int_equal(f->starts, i + 1);
        assert_int_equal(f->slot, HOLD_SLOT_EMPTY);
    }
}

static void test_cant_be_started(void **state)
{
    struct fixture *f = *state;

    f->can_start = false;
    on(f, 50, 600);
    assert_string_equal(f->notes.last,
                        "ended after 0 ms: the holder can't start agentd-stress: not now");
    assert_false(f->notes.on);
    pass_to(f, f->now_us + S(5));
    assert_string_equal(f->acts, "start ");
}

static void test_second_order(void **state)
{
    struct fixture *f = *state;

    on(f, 50, 600);
    pass_to(f, S(1100));
    on(f, 70, 60);
    assert_string_equal(f->acts, "start terminate release start ");
    assert_non_null(strstr(f->notes_taken, "stress-changed: stress of 70 % of all CPUs for 1 min"));
    assert_int_equal(f->started.load_percent, 70);
    assert_int_equal(f->started.seconds, 60);
    pass_to(f, S(1159));
    assert_int_equal(f->slot, HOLD_SLOT_RUNNING);
    pass_to(f, S(1161));
    assert_int_equal(f->slot, HOLD_SLOT_EMPTY);
    assert_string_equal(f->notes.last, "ended after 2 min 40 s");
}

/* Three orders while the first process does not go: the last one counts. */
static void test_orders_in_a_row(void **state)
{
    struct fixture *f = *state;

    f->deaf = true;
    on(f, 10, 600);
    on(f, 20, 600);
    assert_true(off(f));
    on(f, 30, 600);
    pass_to(f, f->now_us + STRESS_END_WAIT_US);
    assert_string_equal(f->acts, "start terminate kill release start ");
    assert_int_equal(f->started.load_percent, 30);
    assert_int_equal(f->slot, HOLD_SLOT_RUNNING);
}

static void test_refused_orders(void **state)
{
    struct fixture *f = *state;
    const struct stress_order many = {.load_percent = 1, .seconds = 1, .cores = 5};
    char why[STRESS_WHY_MAX];

    assert_int_equal(order_on(f, 50, 3601, "", why), -EINVAL);
    assert_non_null(strstr(why, "1 to 3600 s are allowed"));
    assert_int_equal(
        stress_policy_on(&f->policy, &many, &(struct stress_asker){0, 1}, "", f->now_us, why),
        -EINVAL);
    assert_non_null(strstr(why, "1 to 4 are allowed"));
    assert_int_equal(order_on(f, 50, 60, "no worker of web is ready", why), -EBUSY);
    assert_string_equal(why, "no stress now: no worker of web is ready");
    f->limits.enabled = false;
    stress_policy_configure(&f->policy, &f->limits, f->now_us);
    assert_int_equal(order_on(f, 50, 60, "", why), -EBUSY);
    assert_non_null(strstr(why, "stress.enabled"));
    assert_string_equal(f->acts, "");
    assert_false(f->notes.on);
}

static void test_guard(void **state)
{
    struct fixture *f = *state;

    stress_policy_guard(&f->policy, "the sky falls", f->now_us);
    assert_string_equal(f->notes_taken, "");
    on(f, 50, 60);
    stress_policy_guard(&f->policy, "", f->now_us);
    assert_true(f->notes.on);
    pass_to(f, S(1003));
    stress_policy_guard(&f->policy, "the sky falls", f->now_us);
    deliver(f);
    assert_string_equal(f->notes_taken, "stress-ended: stress ended after 3 s: the sky falls");
    assert_int_equal(f->slot, HOLD_SLOT_EMPTY);
}

static void test_configuration(void **state)
{
    struct fixture *f = *state;

    on(f, 50, 3600);
    f->limits.max_seconds = 30;
    stress_policy_configure(&f->policy, &f->limits, f->now_us);
    pass_to(f, S(1031));
    assert_int_equal(f->slot, HOLD_SLOT_EMPTY);
    on(f, 50, 30);
    f->limits.enabled = false;
    stress_policy_configure(&f->policy, &f->limits, f->now_us);
    deliver(f);
    assert_int_equal(f->slot, HOLD_SLOT_EMPTY);
    assert_non_null(strstr(f->notes.last, "stress.enabled"));
}

/* The next core knows it, and ends it when it was to end. */
static void test_core_dies(void **state)
{
    struct fixture *f = *state;

    on(f, 50, 60);
    f->now_us += S(20);
    begin_core(f);
    deliver(f);
    assert_string_equal(f->acts, "start ");
    assert_true(f->notes.on);
    assert_int_equal(f->policy.process.pid, f->serial + 100);
    pass_to(f, S(1061));
    assert_int_equal(f->slot, HOLD_SLOT_EMPTY);
    assert_string_equal(f->notes.last, "ended after 1 min");
}

/* It ended in between: the next core tells, and starts none. */
static void test_ends_between_cores(void **state)
{
    struct fixture *f = *state;

    on(f, 50, 60);
    f->now_us += S(61);
    process_ends(f, CLD_EXITED, 0);
    begin_core(f);
    deliver(f);
    assert_string_equal(f->notes.last, "ended after 1 min");
    assert_int_equal(f->slot, HOLD_SLOT_EMPTY);
    assert_int_equal(f->starts, 1);
}

static void test_agentd_restarts(void **state)
{
    struct fixture *f = *state;
    const struct stress_owner owner = {act, note, f};

    on(f, 50, 60);
    f->slot = HOLD_SLOT_EMPTY; /* dead with the holder */
    stress_policy_init(&f->policy, &f->notes, &owner);
    stress_policy_begin_anew(&f->policy, f->now_us);
    begin_core(f);
    pass_to(f, f->now_us + S(5));
    assert_int_equal(f->starts, 1);
    assert_non_null(strstr(f->notes.last, "agentd was restarted"));
}

/* Of another version, or scribbled over: no order, and a process that nobody knows ends. */
static void test_nonsense_in_the_notes(void **state)
{
    struct fixture *f = *state;

    on(f, 50, 60);
    memset(&f->notes, 0xff, sizeof(f->notes));
    begin_core(f);
    deliver(f);
    assert_false(f->notes.on);
    assert_int_equal(f->slot, HOLD_SLOT_EMPTY);
    assert_null(strpbrk(f->notes.last, "\n\x1b"));
    assert_true(strlen(f->notes.last) < sizeof(f->notes.last));
}

static unsigned random_below(uint32_t *seed, unsigned n)
{
    *seed = *seed * 1664525u + 1013904223u;
    return (*seed >> 8) % n;
}

/* Whatever happens in whatever order: at the end of the last order and its grace nothing is left,
 * and as long as an order stands, what runs was started by it. */
static void test_model(void **state)
{
    struct fixture *f = *state;
    uint32_t seed = 1;

    for (unsigned round = 0; round < 20000; round++) {
        char why[STRESS_WHY_MAX];

        f->acts[0] = '\0';
        f->deaf = random_below(&seed, 4) == 0;
        f->can_start = random_below(&seed, 16) != 0;
        switch (random_below(&seed, 8)) {
        case 0:
        case 1:
            (void) order_on(f, 1 + random_below(&seed, 100), 1 + random_below(&seed, 30), "", why);
            break;
        case 2:
            (void) stress_policy_off(&f->policy, &(struct stress_asker){0, 1}, f->now_us);
            break;
        case 3:
            begin_core(f);
            break;
        case 4:
            if (f->slot == HOLD_SLOT_RUNNING)
                process_ends(f, CLD_KILLED, SIGSEGV);
            break;
        case 5:
            stress_policy_guard(&f->policy, "a guard", f->now_us);
            break;
        default:
            pass_to(f, f->now_us + random_below(&seed, 3000000));
        }
        if (random_below(&seed, 2))
            deliver(f);
        if (f->n_answers == 0 && f->notes.on && f->slot == HOLD_SLOT_RUNNING &&
            !f->policy.process.kill_at_us) {
            assert_int_equal(f->started.load_percent, f->notes.load_percent);
            assert_true(f->policy.synced);
        }
        if (f->n_answers == 0 && !f->notes.on && f->slot == HOLD_SLOT_RUNNING)
            assert_true(f->policy.process.kill_at_us);
        if (f->n_answers == 0 && f->notes.on)
            assert_true(f->slot != HOLD_SLOT_EMPTY && f->now_us <= f->notes.ends_at_us);
        if (round % 100 == 0) {
            f->deaf = true;
            pass_to(f, MAX(f->now_us, f->notes.ends_at_us) + 2 * STRESS_END_WAIT_US);
            assert_false(f->notes.on);
            assert_int_equal(f->slot, HOLD_SLOT_EMPTY);
        }
    }
    assert_true(f->starts > 1000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(function) cmocka_unit_test_setup_teardown(function, setup, teardown)
        TEST(test_on_and_off),
        TEST(test_ends_by_time),
        TEST(test_process_ends_a_moment_early),
        TEST(test_a_deaf_process_is_killed),
        TEST(test_a_death_ends_it),
        TEST(test_cant_be_started),
        TEST(test_second_order),
        TEST(test_orders_in_a_row),
        TEST(test_refused_orders),
        TEST(test_guard),
        TEST(test_configuration),
        TEST(test_core_dies),
        TEST(test_ends_between_cores),
        TEST(test_agentd_restarts),
        TEST(test_nonsense_in_the_notes),
        TEST(test_model),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

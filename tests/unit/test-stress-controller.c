/* SPDX-License-Identifier: Apache-2.0 */
/* The controller of agentd-stress in a loop with a simulated host. */
#include "agent/stress/controller.h"
#include "common/base/clock.h"
#include "common/base/macro.h"
#include "tests/unit/stress-host.h"
#include "tests/unit/unit.h"

#include <math.h>

#define INTERVAL_US (100 * USEC_PER_MSEC)
#define INTERVALS   10u /* a second */
#define SECONDS_MAX 120u

/* Host and controller, and what /proc/stat said at each interval. */
struct loop {
    struct stress_host host;
    struct controller controller;
    double busy_us[SECONDS_MAX * INTERVALS + 1], total_us[SECONDS_MAX * INTERVALS + 1];
    unsigned n;
};

static void loop_start(struct loop *loop, double target, struct stress_host host)
{
    *loop = (struct loop){.host = host};
    controller_init(&loop->controller, target, STRESS_HOST_USER);
}

static void loop_run(struct loop *loop, unsigned seconds)
{
    for (unsigned i = 0; i < seconds * INTERVALS; i++) {
        struct stress_host *host = &loop->host;
        struct controller_reading reading = {
            .now_us = host->now_us + 1,
            .busy_us = stress_host_busy(host),
            .total_us = stress_host_total(host),
            .own_us = host->own_us,
            .cpus = host->cpus,
            .threads = host->threads,
        };

        host->duty = controller_step(&loop->controller, &reading);
        assert_true(host->duty >= 0 && host->duty <= 1);
        loop->busy_us[loop->n] = reading.busy_us;
        loop->total_us[loop->n] = reading.total_us;
        loop->n++;
        assert_true(loop->n < ARRAY_SIZE(loop->busy_us));
        for (uint64_t us = 0; us < INTERVAL_US; us += STRESS_HOST_STEP)
            stress_host_step(host);
    }
}

/* How busy the host was in the second that ends with interval |end|, in percent. */
static double second_before(const struct loop *loop, unsigned end)
{
    return 100 * (loop->busy_us[end] - loop->busy_us[end - INTERVALS]) /
           (loop->total_us[end] - loop->total_us[end - INTERVALS]);
}

struct figures {
    double mean, deviation; /* of whole seconds */
    double most, least;     /* of any second */
};

/* From second |from| to the end. */
static struct figures loop_figures(const struct loop *loop, unsigned from)
{
    struct figures figures = {.most = 0, .least = 100};
    double sum = 0, squares = 0;
    unsigned n = 0;

    for (unsigned end = (from + 1) * INTERVALS; end < loop->n; end++) {
        double percent = second_before(loop, end);

        figures.most = fmax(figures.most, percent);
        figures.least = fmin(figures.least, percent);
        if (end % INTERVALS != 0)
            continue;
        sum += percent;
        squares += percent * percent;
        n++;
    }
    figures.mean = sum / n;
    figures.deviation = sqrt(fmax(squares / n - figures.mean * figures.mean, 0));
    return figures;
}

#define assert_within(value, low, high)                                                            \
    do {                                                                                           \
        double value_ = (value), low_ = (low), high_ = (high);                                     \
        if (!(value_ >= low_ && value_ <= high_))                                                  \
            fail_msg("%s: %s is %g, not from %g to %g", name, #value, value_, low_, high_);        \
    } while (0)

static const struct stress_host base = {
    .cpus = 2, .threads = 2, .tick_us = 4000, .burst_us = 2000, .random = 1};

/* Settled after 3 s, then on the target by the mean and within the deviation of the seconds. Where
 * nobody else bursts, no second since the start is 3 points over. */
static void test_steady(void **state)
{
    static const struct {
        const char *name;
        unsigned cpus, tick_us;
        double other, hog, steal;
        bool competes;
        double deviation;
    } cases[] = {
        {"idle", 2, 4000, 0, 0, 0, false, 0.8},
        {"idle, 8 CPUs", 8, 4000, 0, 0, 0, false, 0.8},
        {"idle, 1 CPU", 1, 4000, 0, 0, 0, false, 1.5},
        {"idle, 1000 Hz", 2, 1000, 0, 0, 0, false, 0.8},
        {"idle, 100 Hz", 2, 10000, 0, 0, 0, false, 1.5},
        {"some noise", 2, 4000, 0.03, 0, 0, false, 0.8},
        {"others 30 %", 2, 4000, 0.3, 0, 0, false, 1.5},
        {"others 30 %, 4 CPUs", 4, 4000, 0.3, 0, 0, false, 1.5},
        {"others 30 %, competing", 2, 4000, 0.3, 0, 0, true, 1.5},
        {"others 60 % of one CPU", 2, 4000, 0, 0.6, 0, false, 1.5},
        {"one CPU is somebody's", 4, 4000, 0, 1, 0, false, 1.5},
        {"steal 5 %", 2, 4000, 0, 0, 0.05, false, 1.5},
    };
    static const double targets[] = {30, 50, 70, 90};
    static struct loop loop;

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
        for (size_t j = 0; j < ARRAY_SIZE(targets); j++) {
            struct stress_host host = base;
            struct figures all, settled;
            double wanted =
                fmax(targets[j], 100 * (cases[i].other + cases[i].hog / cases[i].cpus) + 15);
            char name[80];

            snprintf(name, sizeof(name), "%s, target %g", cases[i].name, targets[j]);
            host.cpus = host.threads = cases[i].cpus;
            host.tick_us = cases[i].tick_us;
            host.other = cases[i].other;
            host.hog = cases[i].hog;
            host.steal = cases[i].steal;
            host.competes = cases[i].competes;
            loop_start(&loop, targets[j] / 100, host);
            loop_run(&loop, 60);
            all = loop_figures(&loop, 0);
            settled = loop_figures(&loop, 3);
            if (wanted > targets[j])
                continue; /* others alone use that much at times */
            assert_within(settled.mean - targets[j], -0.1, 0.1);
            assert_within(settled.deviation, 0, cases[i].deviation);
            if (cases[i].other < 0.1)
                assert_within(all.most - targets[j], -3, 3);
        }
}

/* From the start on: nothing is burnt before others are known, and no more than 3 points too much.
 */
static void test_start(void **state)
{
    static const double targets[] = {10, 50, 85, 100};
    static const double others[] = {0, 0.2, 0.4};
    static struct loop loop;

    for (size_t i = 0; i < ARRAY_SIZE(targets); i++)
        for (size_t j = 0; j < ARRAY_SIZE(others); j++) {
            struct stress_host host = base;
            double wanted = fmax(targets[i], 100 * others[j]);
            char name[80];

            snprintf(name, sizeof(name), "target %g, others %g", targets[i], others[j]);
            host.other = others[j];
            host.steady = true;
            loop_start(&loop, targets[i] / 100, host);
            loop_run(&loop, 8);
            assert_within(loop_figures(&loop, 0).most, 0, wanted + 3);
            assert_within(loop_figures(&loop, 3).least, wanted - 3, 100);
        }
}

/* Others come with 30 % of the host and go. */
static void test_others_step(void **state)
{
    static const double targets[] = {50, 85};
    static struct loop loop;

    for (size_t i = 0; i < ARRAY_SIZE(targets); i++) {
        struct figures came, gone;
        const char *name = targets[i] == 50 ? "target 50" : "target 85";

        loop_start(&loop, targets[i] / 100, base);
        loop.host.steady = true;
        loop_run(&loop, 10);
        loop.host.other = 0.3;
        loop_run(&loop, 10);
        /* Their first second is theirs: nobody knew that they would come. */
        came = loop_figures(&loop, 12);
        assert_within(came.most, 0, targets[i] + 3);
        assert_within(came.mean, targets[i] - 1, targets[i] + 1);
        loop.host.other = 0;
        loop_run(&loop, 10);
        gone = loop_figures(&loop, 20);
        assert_within(gone.most, 0, targets[i] + 3);
        gone = loop_figures(&loop, 23);
        assert_within(gone.mean, targets[i] - 1, targets[i] + 1);
        assert_within(gone.least, targets[i] - 3, 100);
    }
}

/* Others that use more than the target get nothing on top; and when they go, what wasn't burnt
 * while they were there is not made good. */
static void test_others_above(void **state)
{
    static struct loop loop;
    const char *name = "others above the target";
    double own_us;

    loop_start(&loop, 0.3, base);
    loop.host.steady = true;
    loop.host.other = 0.7;
    loop_run(&loop, 5);
    own_us = loop.host.own_us;
    loop_run(&loop, 40);
    assert_within(loop.host.own_us - own_us, 0, 0.005 * 40e6 * base.cpus);
    loop.host.other = 0;
    loop_run(&loop, 10);
    assert_within(loop_figures(&loop, 46).most, 0, 33);
    assert_within(loop_figures(&loop, 48).mean, 29, 31);
}

/* CPUs come and go, as do those that the threads may use. */
static void test_cpus(void **state)
{
    static struct loop loop;
    static const struct {
        unsigned cpus, threads;
        double target, mean;
    } cases[] = {
        {4, 4, 70, 70}, {8, 8, 70, 70}, {2, 2, 70, 70},
        {8, 8, 30, 30}, {8, 4, 40, 40}, /* each burns 80 % */
        {8, 2, 40, 25},                 /* out of reach: all that two can */
    };

    loop_start(&loop, 0, base);
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        char name[80];
        unsigned from = loop.n / INTERVALS;

        snprintf(name, sizeof(name), "%u threads on %u CPUs", cases[i].threads, cases[i].cpus);
        loop.controller.target = cases[i].target / 100;
        loop.host.cpus = cases[i].cpus;
        loop.host.threads = cases[i].threads;
        loop_run(&loop, 12);
        assert_within(loop_figures(&loop, from + 3).mean, cases[i].mean - 1, cases[i].mean + 1);
        assert_within(loop_figures(&loop, from + 3).most, 0, cases[i].mean + 3);
    }
}

/* Much is stolen: that isn't busy, so the target may be out of reach; when it ends, no debt. */
static void test_steal(void **state)
{
    static struct loop loop;
    const char *name = "steal";

    loop_start(&loop, 0.6, base);
    loop.host.steal = 0.6;
    loop_run(&loop, 20);
    assert_within(loop_figures(&loop, 3).mean, 30, 60);
    loop.host.steal = 0;
    loop_run(&loop, 10);
    assert_within(loop_figures(&loop, 21).most, 0, 63);
    assert_within(loop_figures(&loop, 24).mean, 59, 61);
}

/* Others leave the CPU that they had to themselves for all CPUs: what the thread there could not
 * burn is not burnt on top. */
static void test_hog_moves(void **state)
{
    static struct loop loop;
    const char *name = "hog moves";

    loop_start(&loop, 0.7, base);
    loop.host.steady = true;
    loop.host.hog = 1;
    loop_run(&loop, 20);
    assert_within(loop_figures(&loop, 3).mean, 69, 71);
    loop.host.hog = 0;
    loop.host.other = 0.5;
    loop_run(&loop, 10);
    assert_within(loop_figures(&loop, 20).most, 0, 73);
    assert_within(loop_figures(&loop, 23).mean, 69, 71);
}

/* Readings late, twice at the same time, and with counters that stand still. */
static void test_odd_readings(void **state)
{
    struct controller controller;
    struct controller_reading reading = {.cpus = 2, .threads = 2};

    controller_init(&controller, 0.5, STRESS_HOST_USER);
    assert_true(controller_step(&controller, &reading) <= 0);
    assert_true(controller_step(&controller, &reading) <= 0);
    for (unsigned i = 0; i < 50; i++) {
        double duty;

        reading.now_us += i % 7 * 300 * USEC_PER_MSEC;
        reading.threads = i % 3; /* none: nothing to divide by */
        duty = controller_step(&controller, &reading);
        assert_true(duty >= 0 && duty <= 1);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_steady),      cmocka_unit_test(test_start),
        cmocka_unit_test(test_others_step), cmocka_unit_test(test_others_above),
        cmocka_unit_test(test_cpus),        cmocka_unit_test(test_steal),
        cmocka_unit_test(test_hog_moves),   cmocka_unit_test(test_odd_readings),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Windows on injected clocks: sums, boundaries, and every way in which a wall clock jumps. */
#include "agent/observe/windows.h"

#include "common/base/clock.h"
#include "tests/unit/unit.h"

#include <errno.h>
#include <math.h>

#define S(seconds) ((uint64_t) ((seconds) *1e6))

/* A round number of boundaries since 1970. */
#define EPOCH S(1763760000)

static struct windows *make(unsigned length_s, uint64_t last_start, double realtime_s)
{
    struct windows *windows = NULL;

    assert_int_equal(windows_new(&windows, length_s, last_start, S(1000), EPOCH + S(realtime_s)),
                     0);
    return windows;
}

static void test_gauges(void **state)
{
    struct windows *windows = make(10, 0, 0);
    const struct window *window;
    const struct window_series *series;
    struct sample_view view;

    windows_view(windows, METRIC_CPU_UTILIZATION, WINDOW_NO_APP, &view);
    assert_false(view.present || view.window_present);

    windows_observe(windows, METRIC_CPU_UTILIZATION, WINDOW_NO_APP, 40);
    windows_observe(windows, METRIC_CPU_UTILIZATION, WINDOW_NO_APP, -2);
    windows_observe(windows, METRIC_CPU_UTILIZATION, WINDOW_NO_APP, NAN);
    windows_observe(windows, METRIC_CPU_UTILIZATION, WINDOW_NO_APP, INFINITY);
    windows_observe(windows, METRIC_CPU_UTILIZATION, WINDOW_NO_APP, 10.5);
    windows_observe(windows, METRIC_IN_FLIGHT, 3, 7);
    windows_observe(windows, METRIC_AGENT_CPU, WINDOW_NO_APP, 0.25);
    window = windows_close(windows, S(1010), EPOCH + S(10));
    assert_int_equal(window->start_realtime_us, EPOCH);
    assert_int_equal(window->length_us, S(10));
    series = &window->host[METRIC_CPU_UTILIZATION];
    assert_int_equal(series->count, 3);
    assert_true(series->sum == 48.5 && series->minimum == -2 && series->maximum == 40);
    assert_int_equal(window->apps[3][METRIC_IN_FLIGHT].count, 1);
    assert_int_equal(window->apps[2][METRIC_IN_FLIGHT].count, 0);
    assert_int_equal(window->host[METRIC_AGENT_CPU].count, 1);
    assert_int_equal(window->host[METRIC_CPU_STEAL].count, 0);

    windows_observe(windows, METRIC_CPU_UTILIZATION, WINDOW_NO_APP, 99);
    windows_view(windows, METRIC_CPU_UTILIZATION, WINDOW_NO_APP, &view);
    assert_true(view.present && view.last == 99);
    assert_true(view.window_present && view.window_count == 3 && view.window_sum == 48.5);
    assert_true(view.window_minimum == -2 && view.window_maximum == 40);

    /* Each starts empty. */
    window = windows_close(windows, S(1020), EPOCH + S(20));
    assert_int_equal(window->host[METRIC_CPU_UTILIZATION].count, 1);
    assert_true(window->host[METRIC_CPU_UTILIZATION].minimum == 99);
    window = windows_close(windows, S(1030), EPOCH + S(30));
    assert_int_equal(window->host[METRIC_CPU_UTILIZATION].count, 0);
    windows_view(windows, METRIC_CPU_UTILIZATION, WINDOW_NO_APP, &view);
    assert_true(view.present && view.last == 99 && !view.window_present);
    windows_free(windows);
}

static void test_counters(void **state)
{
    struct windows *windows = make(60, 0, 0);
    const struct window *window;

    for (unsigned i = 0; i < 60; i++)
        windows_count(windows, METRIC_REQUEST_COUNT, 0, i);
    windows_count(windows, METRIC_ERRORS_5XX, 0, 0);
    windows_count(windows, METRIC_NETWORK_IN, WINDOW_NO_APP, NAN);
    window = windows_close(windows, S(1060), EPOCH + S(60));
    assert_int_equal(window->apps[0][METRIC_REQUEST_COUNT].count, 1);
    assert_true(window->apps[0][METRIC_REQUEST_COUNT].sum == 1770);
    assert_true(window->apps[0][METRIC_REQUEST_COUNT].minimum == 1770);
    assert_true(window->apps[0][METRIC_REQUEST_COUNT].maximum == 1770);
    assert_int_equal(window->apps[0][METRIC_ERRORS_5XX].count, 1); /* none is a number too */
    assert_true(window->apps[0][METRIC_ERRORS_5XX].sum == 0);
    assert_int_equal(window->host[METRIC_NETWORK_IN].count, 0);
    assert_int_equal(window->apps[0][METRIC_ERRORS_4XX].count, 0);
    windows_free(windows);
}

static void test_distributions(void **state)
{
    struct windows *windows = make(10, 0, 0);
    struct histogram delta = {0};
    const struct window *window;
    const struct histogram *histogram;

    histogram_add(&delta, 50, 3);
    histogram_add(&delta, 40, 1);
    assert_int_equal(windows_distribution(windows, METRIC_REQUEST_LATENCY, 5, &delta), 0);
    assert_int_equal(windows_distribution(windows, METRIC_REQUEST_LATENCY, 5, &delta), 0);
    window = windows_close(windows, S(1010), EPOCH + S(10));
    histogram = window->distributions[5][METRIC_REQUEST_LATENCY];
    assert_int_equal(histogram_count(histogram), 8);
    assert_int_equal(histogram->counts[histogram_bucket(50)], 6);
    assert_int_equal(window->apps[5][METRIC_REQUEST_LATENCY].count, 8);
    assert_true(window->apps[5][METRIC_REQUEST_LATENCY].minimum == 0.040);
    assert_true(window->apps[5][METRIC_REQUEST_LATENCY].maximum == 0.050);
    assert_true(fabs(window->apps[5][METRIC_REQUEST_LATENCY].sum - 0.380) < 1e-9);

    /* The memory comes back empty the time after next. */
    windows_close(windows, S(1020), EPOCH + S(20));
    window = windows_close(windows, S(1030), EPOCH + S(30));
    assert_ptr_equal(window->distributions[5][METRIC_REQUEST_LATENCY], histogram);
    assert_int_equal(histogram_count(histogram), 0);
    windows_free(windows);
}

static void test_host_sample(void **state)
{
    struct windows *windows = make(10, 0, 0);
    struct host_sample sample = {.at_us = 1};
    const struct window *window;

    for (size_t i = 0; i < METRIC_COUNT_; i++)
        sample.value[i] = (double) i + 1;
    sample.value[METRIC_PRESSURE_IO] = NAN;
    windows_observe_host(windows, &sample);
    windows_observe_host(windows, &sample);
    window = windows_close(windows, S(1010), EPOCH + S(10));
    for (enum metric metric = 0; metric < METRIC_COUNT_; metric++) {
        const struct metric_info *info = metric_info(metric);
        bool wanted = info->scope == METRIC_HOST && metric != METRIC_PRESSURE_IO;

        assert_int_equal(window->host[metric].count, !wanted                      ? 0
                                                     : info->kind == METRIC_COUNT ? 1
                                                                                  : 2);
        if (wanted)
            assert_true(window->host[metric].sum == 2.0 * (metric + 1));
    }
    windows_free(windows);
}

static void test_forget_app(void **state)
{
    struct windows *windows = make(10, 0, 0);
    struct histogram delta = {.counts[9] = 1};
    struct sample_view view;

    windows_observe(windows, METRIC_IN_FLIGHT, 1, 7);
    windows_observe(windows, METRIC_IN_FLIGHT, 2, 8);
    assert_int_equal(windows_distribution(windows, METRIC_REQUEST_LATENCY, 1, &delta), 0);
    windows_close(windows, S(1004), EPOCH + S(4));
    windows_observe(windows, METRIC_IN_FLIGHT, 1, 7);
    windows_forget_app(windows, 1);
    windows_view(windows, METRIC_IN_FLIGHT, 1, &view);
    assert_false(view.present || view.window_present);
    windows_view(windows, METRIC_REQUEST_LATENCY, 1, &view);
    assert_false(view.present || view.window_present);
    windows_view(windows, METRIC_IN_FLIGHT, 2, &view);
    assert_true(view.present && view.window_present);
    assert_int_equal(
        windows_close(windows, S(1010), EPOCH + S(10))->apps[1][METRIC_IN_FLIGHT].count, 0);
    windows_free(windows);
}

static void test_due(void **state)
{
    static const struct {
        double elapsed_s, realtime_s; /* opened at 1003 s of the day, in [1000, 1010) */
        enum window_due due;
    } cases[] = {
        {0, 1003, WINDOW_RUNNING},   {6.9, 1009.9, WINDOW_RUNNING},
        {7, 1010, WINDOW_DUE},       {7.5, 1010.5, WINDOW_DUE},
        {8, 1011, WINDOW_OVERDUE},   {1, 5000, WINDOW_OVERDUE},
        {1, 1010, WINDOW_DUE},                           /* a short step forwards */
        {1, 1002, WINDOW_RUNNING},                       /* a step back inside */
        {1, 999.5, WINDOW_RUNNING},                      /* hardly outside */
        {1, 998.5, WINDOW_DUE},      {1, 5, WINDOW_DUE}, /* out of it */
        {8, 1003, WINDOW_OVERDUE},                       /* its time is over by the other clock */
        {7.9, 1003, WINDOW_RUNNING},
    };

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct windows *windows = make(10, 0, 1003);

        assert_int_equal(windows_end_realtime_us(windows), EPOCH + S(1010));
        assert_int_equal(
            windows_due(windows, S(1000) + S(cases[i].elapsed_s), EPOCH + S(cases[i].realtime_s)),
            cases[i].due);
        windows_free(windows);
    }
}

/* The starts of the windows that are closed at these moments. */
static void test_starts(void **state)
{
    static const struct {
        const char *what;
        unsigned length_s;
        double last_start_s; /* < 0: not known */
        double opened_s;
        double closed_s[6];
        double starts_s[6];
    } cases[] = {
        {"late start", 10, -1, 1003, {1010, 1020.3, 1030}, {1000, 1010, 1020}},
        {"minutes", 60, -1, 1003, {1020, 1080, 1140.1}, {960, 1020, 1080}},
        {"forwards", 10, -1, 1003, {1010, 5555, 5560}, {1000, 1010, 5550}},
        {"back over used ones",
         10,
         -1,
         1003,
         {1010, 995, 1000, 1010, 1020, 1030},
         {1000, 1010, 990, 1001, 1011, 1020}},
        {"back by hours", 10, -1, 9000, {9010, 1003, 1010, 1020}, {9000, 9010, 1000, 1010}},
        {"closed early, twice", 10, -1, 1000, {1004, 1004.2, 1010, 1020}, {1000, 1001, 1002, 1010}},
        {"earlier core, this period", 10, 1000, 1004, {1010, 1020}, {1001, 1010}},
        {"its last was a repeat", 10, 1003, 1004, {1010, 1020}, {1004, 1010}},
        {"no second left", 10, 1009, 1009.5, {1010, 1020}, {1009.001, 1010}},
        {"earlier core, before", 10, 990, 1004, {1010, 1020}, {1000, 1010}},
        {"earlier core, clock was ahead", 10, 1010, 1004, {1010, 1020}, {1000, 1011}},
    };

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct windows *windows = make(
            cases[i].length_s, cases[i].last_start_s < 0 ? 0 : EPOCH + S(cases[i].last_start_s),
            cases[i].opened_s);

        for (size_t k = 0; k < 6 && cases[i].closed_s[k] > 0; k++) {
            const struct window *window =
                windows_close(windows, S(2000), EPOCH + S(cases[i].closed_s[k]));

            if (window->start_realtime_us != EPOCH + S(cases[i].starts_s[k]))
                fail_msg("%s: window %zu starts at %.3f", cases[i].what, k,
                         (double) (window->start_realtime_us - EPOCH) / 1e6);
        }
        windows_free(windows);
    }
}

static void test_no_length(void **state)
{
    struct windows *windows = NULL;

    assert_int_equal(windows_new(&windows, 0, 0, 1, 1), -EINVAL);
    assert_null(windows);
}

/* --- thousands of clocks that jump about ---------------------------------------------------------
 */

static uint64_t next_random(uint64_t *seed)
{
    *seed ^= *seed << 13;
    *seed ^= *seed >> 7;
    *seed ^= *seed << 17;
    return *seed;
}

static int compare_starts(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *) a, y = *(const uint64_t *) b;

    return x < y ? -1 : x > y;
}

/* Signed microseconds by which the wall clock steps now: mostly none. */
static int64_t random_step(uint64_t *seed)
{
    static const int64_t scales_us[] = {50000, 900000, 4000000, 30000000, 900000000};
    int64_t scale = scales_us[next_random(seed) % ARRAY_SIZE(scales_us)];

    if (next_random(seed) % 40 != 0)
        return 0;
    return (int64_t) (next_random(seed) % (uint64_t) (2 * scale)) - scale;
}

struct run {
    uint64_t starts[512];
    size_t n;
    double counted;
};

static void take(struct run *run, const struct window *window)
{
    assert_true(run->n < ARRAY_SIZE(run->starts));
    run->starts[run->n++] = window->start_realtime_us;
    run->counted += window->apps[0][METRIC_REQUEST_COUNT].sum;
}

static void run_clock(uint64_t seed)
{
    const uint64_t tick_us = S(1), length_us = seed % 2 ? S(10) : S(60);
    uint64_t now_us = S(500), realtime_us = EPOCH + S(100000) + next_random(&seed) % S(100);
    uint64_t opened_us = now_us;
    struct windows *windows;
    struct run run = {0};
    double sent = 0;

    assert_int_equal(windows_new(&windows, (unsigned) (length_us / S(1)), 0, now_us, realtime_us),
                     0);
    for (unsigned i = 0; i < 300; i++) {
        enum window_due due;
        unsigned jumps = run.n < 10; /* few enough for the memory of used starts */

        now_us += tick_us;
        realtime_us += tick_us + (uint64_t) (jumps ? random_step(&seed) : 0);
        due = windows_due(windows, now_us, realtime_us);
        if (due == WINDOW_OVERDUE)
            take(&run, windows_close(windows, now_us, realtime_us));
        windows_count(windows, METRIC_REQUEST_COUNT, 0, 1);
        sent++;
        if (due == WINDOW_DUE)
            take(&run, windows_close(windows, now_us, realtime_us));
        if (due != WINDOW_RUNNING) {
            assert_true(now_us - opened_us <= length_us + WINDOW_SLACK_US + tick_us);
            assert_int_equal(windows_due(windows, now_us, realtime_us), WINDOW_RUNNING);
            opened_us = now_us;
        }
    }
    take(&run, windows_close(windows, now_us, realtime_us));
    assert_true(run.counted == sent);
    qsort(run.starts, run.n, sizeof(run.starts[0]), compare_starts);
    for (size_t i = 1; i < run.n; i++)
        assert_true(run.starts[i] != run.starts[i - 1]);
    windows_free(windows);
}

static void test_random_clocks(void **state)
{
    for (uint64_t seed = 1; seed <= 3000; seed++)
        run_clock(seed * UINT64_C(0x9e3779b97f4a7c15));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_gauges),        cmocka_unit_test(test_counters),
        cmocka_unit_test(test_distributions), cmocka_unit_test(test_host_sample),
        cmocka_unit_test(test_forget_app),    cmocka_unit_test(test_due),
        cmocka_unit_test(test_starts),        cmocka_unit_test(test_no_length),
        cmocka_unit_test(test_random_clocks),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* The host's sampler on a /proc of our own, step by step, and on the machine's beside a reader that
 * shares no code with it. */
#include "agent/observe/host-sampler.h"
#include "common/base/clock.h"
#include "tests/unit/proc-tree.h"

#include <errno.h>
#include <math.h>

#define assert_close(actual, expected, tolerance)                                                  \
    do {                                                                                           \
        double actual_ = (actual), expected_ = (expected);                                         \
        if (!(fabs(actual_ - expected_) <= (tolerance)))                                           \
            fail_msg("%s is %g, not %g", #actual, actual_, expected_);                             \
    } while (0)

#define NETWORK_HEAD "Inter-| Receive | Transmit\n face |bytes packets |bytes packets\n"

struct fixture {
    struct proc_tree tree;
    struct host_sampler *sampler;
};

/* A tree as |name| has it, with a sampler that has taken its first sample at 1 s. */
static void start(struct fixture *fixture, const char *name, struct host_sample *first)
{
    static const char *const files[] = {"stat",         "meminfo",         "net/dev",
                                        "pressure/cpu", "pressure/memory", "pressure/io"};

    unit_directory_make(fixture->tree.path);
    for (size_t i = 0; i < ARRAY_SIZE(files); i++) {
        char source[64];

        if (strcmp(name, "no-psi") == 0 && strncmp(files[i], "pressure/", 9) == 0)
            continue;
        snprintf(source, sizeof(source), "%s/%s", name, files[i]);
        proc_tree_copy(&fixture->tree, source, files[i]);
    }
    assert_int_equal(host_sampler_new(&fixture->sampler, fixture->tree.path, "/"), 0);
    host_sampler_sample(fixture->sampler, USEC_PER_SEC, first);
}

static void stop(struct fixture *fixture)
{
    assert_null(host_sampler_free(fixture->sampler));
    unit_directory_remove(fixture->tree.path);
}

static void test_first_sample(void **state)
{
    static const struct {
        const char *name;
        double memory, swap;
    } cases[] = {
        {"linux-6.1", 100.0 * (1 - 1214632.0 / 1937884), 100.0 * (1 - 393213.0 / 524284)},
        {"no-psi", 100.0 * (1 - 1214632.0 / 1937884), 0},
        {"96-cpus", 100.0 * (1 - 380012344.0 / 394843212), 100.0 * (1 - 393213.0 / 524284)},
    };

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct fixture fixture;
        struct host_sample sample;

        start(&fixture, cases[i].name, &sample);
        assert_int_equal(sample.at_us, USEC_PER_SEC);
        assert_close(sample.value[METRIC_MEMORY_UTILIZATION], cases[i].memory, 1e-9);
        assert_close(sample.value[METRIC_SWAP_UTILIZATION], cases[i].swap, 1e-9);
        assert_true(sample.value[METRIC_DISK_UTILIZATION] > 0);
        /* What is a difference has no value yet; what isn't the host's never has. */
        assert_true(isnan(sample.value[METRIC_CPU_UTILIZATION]));
        assert_true(isnan(sample.value[METRIC_CPU_STEAL]));
        assert_true(isnan(sample.value[METRIC_NETWORK_IN]));
        assert_true(isnan(sample.value[METRIC_PRESSURE_CPU]));
        assert_true(isnan(sample.value[METRIC_REQUEST_COUNT]));
        assert_true(isnan(sample.value[METRIC_AGENT_CPU]));
        stop(&fixture);
    }
}

static void test_cpu(void **state)
{
    /* Step by step on one host; NAN: absent. */
    static const struct {
        const char *stat;
        double busy, steal;
    } steps[] = {
        {"cpu  1000 100 500 9000 50 10 20 300 0 0\n", NAN, NAN},
        /* 30 + 5 + 10 + 2 + 3 of 100 busy, 10 stolen */
        {"cpu  1030 105 510 9035 55 12 23 310 0 0\n", 50, 10},
        {"cpu  1030 105 510 9035 55 12 23 310 0 0\n", NAN, NAN}, /* no tick has passed */
        {"cpu  1030 105 510 9135 55 12 23 310 0 0\n", 0, 0},
        /* A guest ran: its 40 are in user already. */
        {"cpu  1070 105 510 9195 55 12 23 310 40 0\n", 40, 0},
        {"cpu  1070 115 510 9195 55 12 23 310 40 10\n", 100, 0}, /* a niced one */
        {"cpu  1120 115 510 9245 15 12 23 310 40 10\n", 50, 0},  /* iowait went back by 40 */
        {"cpu  1170 115 510 9235 65 12 23 310 40 10\n", 50, 0},  /* idle went back by 10 */
        /* steal underflowed, as after a move to another host */
        {"cpu  1220 115 510 9285 65 12 23 18446744073709551000 40 10\n", 50, 0},
        {"cpu  1270 115 510 9335 65 12 23 400 40 10\n", 50, 0},
        {"nonsense\n", NAN, NAN},
        {"cpu  1370 115 510 9435 65 12 23 400 40 10\n", NAN, NAN}, /* starts anew */
        {"cpu  1470 115 510 9435 65 12 23 400 40 10\n", 100, 0},
    };
    struct fixture fixture;
    struct host_sample sample;

    start(&fixture, "no-psi", &sample);
    for (size_t i = 0; i < ARRAY_SIZE(steps); i++) {
        proc_tree_write(&fixture.tree, "stat", steps[i].stat);
        host_sampler_sample(fixture.sampler, (i + 2) * USEC_PER_SEC, &sample);
        if (i == 0)
            continue; /* it comes after another host's numbers */
        if (isnan(steps[i].busy)) {
            assert_true(isnan(sample.value[METRIC_CPU_UTILIZATION]));
            assert_true(isnan(sample.value[METRIC_CPU_STEAL]));
            continue;
        }
        assert_close(sample.value[METRIC_CPU_UTILIZATION], steps[i].busy, 1e-9);
        assert_close(sample.value[METRIC_CPU_STEAL], steps[i].steal, 1e-9);
    }
    stop(&fixture);
}

static void test_network(void **state)
{
    static const struct {
        const char *interfaces;
        double in, out;
    } steps[] = {
        {"eth0: 1000 0 0 0 0 0 0 0 500 0\nlo: 7 0 0 0 0 0 0 0 7 0\n", 0, 0},
        {"eth0: 1500 0 0 0 0 0 0 0 700 0\nlo: 99 0 0 0 0 0 0 0 99 0\n", 500, 200},
        /* one more starts with its next sample */
        {"eth0: 1600 0 0 0 0 0 0 0 700 0\neth1: 9000 0 0 0 0 0 0 0 9000 0\n", 100, 0},
        {"eth0: 1600 0 0 0 0 0 0 0 750 0\neth1: 9030 0 0 0 0 0 0 0 9001 0\n", 30, 51},
        {"eth1: 9040 0 0 0 0 0 0 0 9001 0\n", 10, 0},                           /* eth0 is gone */
        {"eth0: 5 0 0 0 0 0 0 0 5 0\neth1: 9040 0 0 0 0 0 0 0 9002 0\n", 0, 1}, /* and back */
        {"eth0: 9 0 0 0 0 0 0 0 5 0\neth1: 4294967290 0 0 0 0 0 0 0 9002 0\n", 4294958254.0, 0},
        {"eth0: 9 0 0 0 0 0 0 0 5 0\neth1: 4 0 0 0 0 0 0 0 9002 0\n", 10, 0}, /* 32 bits wrap */
        {"eth0: 2 0 0 0 0 0 0 0 9 0\neth1: 4 0 0 0 0 0 0 0 9002 0\n", 0, 4},  /* reset */
        {"eth0: 99000000000 0 0 0 0 0 0 0 9 0\n", 98999999998.0, 0},
        {"eth0: 98000000000 0 0 0 0 0 0 0 9 0\n", 0, 0}, /* of 64 bits: no wrap */
        {"", 0, 0},
        {"eth0: 1 0 0 0 0 0 0 0 1 0\n", 0, 0},
        {"eth0: 2 0 0 0 0 0 0 0 4 0\n", 1, 3},
    };
    struct fixture fixture;
    struct host_sample sample;

    start(&fixture, "no-psi", &sample);
    for (size_t i = 0; i < ARRAY_SIZE(steps); i++) {
        char text[1024];

        snprintf(text, sizeof(text), NETWORK_HEAD "%s", steps[i].interfaces);
        proc_tree_write(&fixture.tree, "net/dev", text);
        host_sampler_sample(fixture.sampler, (i + 2) * USEC_PER_SEC, &sample);
        if (i == 0)
            continue;
        assert_close(sample.value[METRIC_NETWORK_IN], steps[i].in, 0);
        assert_close(sample.value[METRIC_NETWORK_OUT], steps[i].out, 0);
    }
    stop(&fixture);
}

/* More interfaces than it counts: those behind are left out, nothing is overrun. */
static void test_many_interfaces(void **state)
{
    struct fixture fixture;
    struct host_sample sample;

    start(&fixture, "no-psi", &sample);
    for (unsigned round = 0; round < 3; round++) {
        char text[64 * 1024];
        size_t length = 0;

        for (unsigned i = 0; i < HOST_INTERFACES_MAX + 44; i++)
            length += (size_t) snprintf(text + length, sizeof(text) - length,
                                        "veth%u: %u 0 0 0 0 0 0 0 %u 0\n", i, round * 10, round);
        proc_tree_write(&fixture.tree, "net/dev", text);
        host_sampler_sample(fixture.sampler, (round + 2) * USEC_PER_SEC, &sample);
    }
    assert_close(sample.value[METRIC_NETWORK_IN], 10.0 * HOST_INTERFACES_MAX, 0);
    assert_close(sample.value[METRIC_NETWORK_OUT], 1.0 * HOST_INTERFACES_MAX, 0);
    stop(&fixture);
}

static void test_pressure(void **state)
{
    static const struct {
        uint64_t total_us, at_us;
        double percent;
    } steps[] = {
        {92311234, 2000000, 0},    {92811234, 3000000, 50},
        {93811234, 4000000, 100},  {94821234, 5000000, 100},  /* 1.01 s in a second: two clocks */
        {94921234, 10000000, 2},                              /* what happened in 5 s, not avg10 */
        {94021234, 11000000, NAN},                            /* goes back */
        {94121234, 12000000, 10},  {94221234, 12000000, NAN}, /* no time has passed */
    };
    struct fixture fixture;
    struct host_sample sample;

    start(&fixture, "linux-6.1", &sample);
    for (size_t i = 0; i < ARRAY_SIZE(steps); i++) {
        char text[128];

        snprintf(text, sizeof(text), "some avg10=77.00 total=%llu\nfull avg10=0.00 total=5\n",
                 (unsigned long long) steps[i].total_us);
        proc_tree_write(&fixture.tree, "pressure/io", text);
        proc_tree_write(&fixture.tree, "pressure/cpu", text);
        host_sampler_sample(fixture.sampler, steps[i].at_us, &sample);
        if (i == 0)
            continue;
        if (steps[i].at_us > steps[i - 1].at_us)
            assert_close(sample.value[METRIC_PRESSURE_MEMORY], 0, 0);
        if (isnan(steps[i].percent)) {
            assert_true(isnan(sample.value[METRIC_PRESSURE_IO]));
            continue;
        }
        assert_close(sample.value[METRIC_PRESSURE_IO], steps[i].percent, 1e-9);
        assert_close(sample.value[METRIC_PRESSURE_CPU], steps[i].percent, 1e-9);
    }
    stop(&fixture);
}

static void test_no_pressure(void **state)
{
    struct fixture fixture;
    struct host_sample sample;

    start(&fixture, "no-psi", &sample);
    host_sampler_sample(fixture.sampler, 2 * USEC_PER_SEC, &sample);
    assert_true(isnan(sample.value[METRIC_PRESSURE_CPU]));
    assert_true(isnan(sample.value[METRIC_PRESSURE_MEMORY]));
    assert_true(isnan(sample.value[METRIC_PRESSURE_IO]));
    assert_close(sample.value[METRIC_NETWORK_IN], 0, 0);
    stop(&fixture);
}

static void test_cannot_open(void **state)
{
    struct host_sampler *sampler = NULL;
    char path[PATH_MAX];

    unit_directory_make(path);
    assert_int_equal(host_sampler_new(&sampler, "/nonexistent", "/"), -ENOENT);
    assert_int_equal(host_sampler_new(&sampler, path, "/"), -ENOENT); /* no stat in it */
    assert_null(sampler);
    unit_directory_remove(path);
}

static void test_missing_disk(void **state)
{
    struct host_sampler *sampler;
    struct host_sample sample;

    assert_int_equal(host_sampler_new(&sampler, "/proc", "/nonexistent"), 0);
    host_sampler_sample(sampler, 1, &sample);
    assert_true(isnan(sample.value[METRIC_DISK_UTILIZATION]));
    assert_false(isnan(sample.value[METRIC_MEMORY_UTILIZATION]));
    host_sampler_free(sampler);
}

/* --- beside the machine's own /proc, read by other means ----------------------------------------
 */

struct reading {
    unsigned long long busy, all, in;
    double memory_percent;
};

static void read_machine(struct reading *ret)
{
    unsigned long long cpu[8] = {0}, total = 1, available = 0, in;
    char line[512], name[64];
    FILE *file = fopen("/proc/stat", "r");

    *ret = (struct reading){0};
    assert_int_equal(fscanf(file, "cpu %llu %llu %llu %llu %llu %llu %llu %llu", &cpu[0], &cpu[1],
                            &cpu[2], &cpu[3], &cpu[4], &cpu[5], &cpu[6], &cpu[7]),
                     8);
    fclose(file);
    for (unsigned i = 0; i < 8; i++)
        ret->all += cpu[i];
    ret->busy = cpu[0] + cpu[1] + cpu[2] + cpu[5] + cpu[6];

    file = fopen("/proc/meminfo", "r");
    while (fgets(line, sizeof(line), file)) {
        sscanf(line, "MemTotal: %llu", &total);
        sscanf(line, "MemAvailable: %llu", &available);
    }
    fclose(file);
    ret->memory_percent = 100.0 * (double) (total - available) / (double) total;

    file = fopen("/proc/net/dev", "r");
    while (fgets(line, sizeof(line), file))
        if (sscanf(line, " %63[^:]: %llu", name, &in) == 2 && strcmp(name, "lo") != 0)
            ret->in += in;
    fclose(file);
}

static double percent_of_df(void)
{
    unsigned long long used, available;
    FILE *df = popen("df --output=used,avail -B1 / | tail -n 1", "r");

    assert_non_null(df);
    assert_int_equal(fscanf(df, "%llu %llu", &used, &available), 2);
    assert_int_equal(pclose(df), 0);
    return 100.0 * (double) used / (double) (used + available);
}

static void test_machine(void **state)
{
    struct host_sampler *sampler;
    struct host_sample sample;
    struct reading before, after;
    uint64_t until_us;
    volatile unsigned work = 0;

    assert_int_equal(host_sampler_new(&sampler, "/proc", "/"), 0);
    read_machine(&before);
    host_sampler_sample(sampler, clock_monotonic_us(), &sample);
    until_us = clock_monotonic_us() + 500 * USEC_PER_MSEC;
    while (clock_monotonic_us() < until_us)
        work++;
    host_sampler_sample(sampler, clock_monotonic_us(), &sample);
    read_machine(&after);

    /* Some ticks pass between the two readers: 5 points of half a second on two CPUs are 5. */
    assert_close(sample.value[METRIC_CPU_UTILIZATION],
                 100.0 * (double) (after.busy - before.busy) / (double) (after.all - before.all),
                 6);
    assert_true(sample.value[METRIC_CPU_UTILIZATION] > 0);
    assert_close(sample.value[METRIC_MEMORY_UTILIZATION], after.memory_percent, 2);
    assert_close(sample.value[METRIC_NETWORK_IN], (double) (after.in - before.in), 1e6);
    assert_close(sample.value[METRIC_DISK_UTILIZATION], percent_of_df(), 1);
    if (access("/proc/pressure/cpu", R_OK) == 0)
        assert_true(sample.value[METRIC_PRESSURE_CPU] >= 0 &&
                    sample.value[METRIC_PRESSURE_CPU] <= 100);
    host_sampler_free(sampler);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_first_sample), cmocka_unit_test(test_cpu),
        cmocka_unit_test(test_network),      cmocka_unit_test(test_many_interfaces),
        cmocka_unit_test(test_pressure),     cmocka_unit_test(test_no_pressure),
        cmocka_unit_test(test_cannot_open),  cmocka_unit_test(test_missing_disk),
        cmocka_unit_test(test_machine),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* The readers of /proc on whole files of several kernels, and on every way to be cut off. */
#include "agent/observe/procfs.h"
#include "common/base/macro.h"
#include "tests/unit/proc-tree.h"
#include "tests/unit/unit.h"

#include <errno.h>

static void test_stat(void **state)
{
    static const struct {
        const char *fixture;
        struct procfs_cpu cpu;
    } cases[] = {
        {"linux-6.1/stat", {80499, 624, 42003, 3602536, 11041, 0, 3104, 1761, 0, 0}},
        {"linux-6.18/stat", {20534, 78, 12976, 347880, 1365, 0, 320, 160, 0, 0}},
        {"no-psi/stat", {90000, 40, 8000, 400000, 120, 3, 77, 0, 60000, 10}},
        {"96-cpus/stat", {4871687231, 44976, 52191517, 48076210081, 484919, 0, 458072, 4726, 0, 0}},
    };

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        CLEANUP_FREE char *text = proc_fixture(cases[i].fixture);
        struct procfs_cpu cpu;

        assert_int_equal(procfs_parse_stat(text, &cpu), 0);
        assert_memory_equal(&cpu, &cases[i].cpu, sizeof(cpu));
        text[MIN(strlen(text), (size_t) 511)] = '\0'; /* what the sampler reads of it */
        assert_int_equal(procfs_parse_stat(text, &cpu), 0);
        assert_memory_equal(&cpu, &cases[i].cpu, sizeof(cpu));
    }
}

static void test_stat_odd(void **state)
{
    static const struct {
        const char *text;
        int result;
        uint64_t user, idle, steal;
    } cases[] = {
        {"cpu  1 2 3 4\n", 0, 1, 4, 0}, /* a very old kernel */
        {"cpu  1 2 3 4 5 6 7 8\n", 0, 1, 4, 8},
        {"cpu  1 2 3 4 5 6 7 8 9 10 11\n", 0, 1, 4, 8}, /* a field of the future */
        {"junk 1\ncpu  1 2 3 4 5 6 7 8 9 10\n", 0, 1, 4, 8},
        {"cpu  18446744073709551615 0 0 1\n", 0, UINT64_MAX, 1, 0},
        {"cpu  18446744073709551616 0 0 1\n", -EBADMSG, 0, 0, 0},
        {"cpu  1 2 3\n", -EBADMSG, 0, 0, 0},
        {"cpu  1 2 3 4 -5 6\n", -EBADMSG, 0, 0, 0},
        {"cpu  1 2 3 4 5 6 7 8", -EBADMSG, 0, 0, 0}, /* cut off: 8 may be 80 */
        {"cpu0 1 2 3 4 5 6 7 8\n", -EBADMSG, 0, 0, 0},
        {"", -EBADMSG, 0, 0, 0},
    };

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct procfs_cpu cpu = {0};

        assert_int_equal(procfs_parse_stat(cases[i].text, &cpu), cases[i].result);
        assert_int_equal(cpu.user, cases[i].user);
        assert_int_equal(cpu.idle, cases[i].idle);
        assert_int_equal(cpu.steal, cases[i].steal);
    }
}

static void test_meminfo(void **state)
{
    static const struct {
        const char *fixture;
        struct procfs_memory memory; /* in KiB */
    } cases[] = {
        {"linux-6.1/meminfo", {1937884, 1214632, 524284, 393213}},
        {"no-psi/meminfo", {1937884, 1214632, 0, 0}},
        {"96-cpus/meminfo", {394843212, 380012344, 524284, 393213}},
    };

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        CLEANUP_FREE char *text = proc_fixture(cases[i].fixture);
        struct procfs_memory memory;

        assert_int_equal(procfs_parse_meminfo(text, &memory), 0);
        assert_int_equal(memory.total_bytes, cases[i].memory.total_bytes * 1024);
        assert_int_equal(memory.available_bytes, cases[i].memory.available_bytes * 1024);
        assert_int_equal(memory.swap_total_bytes, cases[i].memory.swap_total_bytes * 1024);
        assert_int_equal(memory.swap_free_bytes, cases[i].memory.swap_free_bytes * 1024);
    }
}

static void test_meminfo_odd(void **state)
{
    static const struct {
        const char *text;
        int result;
    } cases[] = {
        {"MemTotal: 4 kB\nMemAvailable: 2 kB\n", 0}, /* no swap in the kernel */
        {"MemTotal: 4 kB\nMemAvailable: 2 kB\nSwapTotal: 9 kB\n", -EBADMSG},
        {"MemTotal: 4 kB\nMemAvailable: 2 kB\nSwapTotal: x kB\n", -EBADMSG},
        {"MemTotal: 4 kB\nMemFree: 2 kB\n", -EBADMSG},
        {"MemTotal: 4 kB\nMemAvailable: 2 MB\n", -EBADMSG},
        {"MemTotal: 4 kB\nMemAvailable: 2 kB", -EBADMSG},
        {"MemTotal: 99999999999999999 kB\nMemAvailable: 2 kB\n", -EBADMSG}, /* over 2^64 bytes */
        {"", -EBADMSG},
    };

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct procfs_memory memory;

        assert_int_equal(procfs_parse_meminfo(cases[i].text, &memory), cases[i].result);
    }
}

static void test_interfaces(void **state)
{
    static const struct procfs_interface expected[] = {
        {"lo", 10, 10},
        {"eth0", 4294967000, 99},
        {"docker0", 0, 0},
        {"veth1a2b3c4", 77, 4294960000},
    };
    CLEANUP_FREE char *text = proc_fixture("no-psi/net/dev");
    struct procfs_interface interface;
    const char *cursor = text;

    for (size_t i = 0; i < ARRAY_SIZE(expected); i++) {
        assert_int_equal(procfs_next_interface(&cursor, &interface), 1);
        assert_string_equal(interface.name, expected[i].name);
        assert_int_equal(interface.received_bytes, expected[i].received_bytes);
        assert_int_equal(interface.sent_bytes, expected[i].sent_bytes);
    }
    assert_int_equal(procfs_next_interface(&cursor, &interface), 0);
    assert_int_equal(procfs_next_interface(&cursor, &interface), 0);
}

static void test_interfaces_odd(void **state)
{
    static const struct {
        const char *text;
        int n; /* interfaces in it */
    } cases[] = {
        {"eth0:1 2 3 4 5 6 7 8 9 10\n", 1}, /* old kernels print no blank */
        {"eth0: 1 2 3 4 5 6 7 8 9\n", 1},
        {"eth0: 1 2 3 4 5 6 7 8\n", 0},
        {"eth0: 1 2 3 4 5 6 7 8 9", 0},
        {"eth0 1 2 3 4 5 6 7 8 9\n", 0},
        {": 1 2 3 4 5 6 7 8 9\n", 0},
        {"a-name-of-16-chr: 1 2 3 4 5 6 7 8 9\n", 0},
        {"\n\n\nb: 1 2 3 4 5 6 7 8 9\nc: -1 2 3 4 5 6 7 8 9\n", 1},
        {"", 0},
    };

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct procfs_interface interface;
        const char *cursor = cases[i].text;
        int n = 0;

        while (procfs_next_interface(&cursor, &interface))
            n++;
        assert_int_equal(n, cases[i].n);
    }
}

static void test_pressure(void **state)
{
    static const struct {
        const char *text;
        int result;
        uint64_t some_us;
    } cases[] = {
        {"some avg10=1.02 avg60=0.31 avg300=0.12 total=92311234\nfull avg10=0.00 total=7\n", 0,
         92311234},
        {"full avg10=0.00 total=7\nsome avg10=0.00 total=8\n", 0, 8},
        {"some total=9\n", 0, 9},
        {"some avg10=1.02 total=92\nfull", 0, 92},
        {"some avg10=1.02 avg60=0.31 avg300=0.12\ntotal=5\n", -EBADMSG, 0},
        {"some avg10=1.02 total=92", -EBADMSG, 0},
        {"some avg10=1.02 total=\n", -EBADMSG, 0},
        {"some avg10=1.02 total=9x\n", -EBADMSG, 0},
        {"full avg10=0.00 total=7\n", -EBADMSG, 0},
        {"", -EBADMSG, 0},
    };

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        uint64_t some_us = 0;

        assert_int_equal(procfs_parse_pressure(cases[i].text, &some_us), cases[i].result);
        assert_int_equal(some_us, cases[i].some_us);
    }
}

static void test_process(void **state)
{
    static const struct {
        const char *pid;
        struct procfs_process process;
        struct procfs_process_memory memory; /* in KiB */
    } cases[] = {
        {"101", {101, 1, "visitor-board", 'S', 150, 50, 137304}, {1480, 96}},
        {"102", {102, 1, "a) R 1 (b", 'R', 7, 3, 500}, {148, 0}},
        {"103", {103, 1, "x\ny) Z", 'S', 0, 0, 501}, {8, 4}},
        {"104", {104, 1, "gone", 'Z', 9, 9, 502}, {0, 0}},
    };

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        char name[64];
        CLEANUP_FREE char *stat = NULL, *status = NULL;
        struct procfs_process process;
        struct procfs_process_memory memory;

        snprintf(name, sizeof(name), "processes/%s/stat", cases[i].pid);
        stat = proc_fixture(name);
        snprintf(name, sizeof(name), "processes/%s/status", cases[i].pid);
        status = proc_fixture(name);

        assert_int_equal(procfs_parse_process_stat(stat, &process), 0);
        assert_int_equal(process.pid, cases[i].process.pid);
        assert_int_equal(process.parent_pid, 1);
        assert_string_equal(process.comm, cases[i].process.comm);
        assert_int_equal(process.state, cases[i].process.state);
        assert_int_equal(process.user_ticks, cases[i].process.user_ticks);
        assert_int_equal(process.system_ticks, cases[i].process.system_ticks);
        assert_int_equal(process.start_ticks, cases[i].process.start_ticks);
        assert_int_equal(procfs_parse_process_status(status, &memory), 0);
        assert_int_equal(memory.anonymous_bytes, cases[i].memory.anonymous_bytes * 1024);
        assert_int_equal(memory.shared_bytes, cases[i].memory.shared_bytes * 1024);
    }
}

/* However the text is cut off, it is either refused or read the same. */
static void test_process_cut_off(void **state)
{
    CLEANUP_FREE char *stat = proc_fixture("processes/102/stat");
    CLEANUP_FREE char *status = proc_fixture("processes/101/status");
    struct procfs_process process;
    struct procfs_process_memory memory;
    size_t refused = 0;

    for (size_t length = strlen(stat); length-- > 0;) {
        stat[length] = '\0';
        if (procfs_parse_process_stat(stat, &process) == 0)
            assert_int_equal(process.start_ticks, 500);
        else
            refused++;
    }
    assert_true(refused > 40);
    refused = 0;
    for (size_t length = strlen(status); length-- > 0;) {
        status[length] = '\0';
        if (procfs_parse_process_status(status, &memory) == 0)
            assert_int_equal(memory.anonymous_bytes + memory.shared_bytes, (1480 + 96) * 1024);
        else
            refused++;
    }
    assert_true(refused > 40);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_stat),
        cmocka_unit_test(test_stat_odd),
        cmocka_unit_test(test_meminfo),
        cmocka_unit_test(test_meminfo_odd),
        cmocka_unit_test(test_interfaces),
        cmocka_unit_test(test_interfaces_odd),
        cmocka_unit_test(test_pressure),
        cmocka_unit_test(test_process),
        cmocka_unit_test(test_process_cut_off),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

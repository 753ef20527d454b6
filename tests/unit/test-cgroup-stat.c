/* SPDX-License-Identifier: Apache-2.0 */
/* cpu.stat and memory.stat, as kernels write them and as they may not be. */
#include "agent/observe/cgroup-stat.h"
#include "common/base/macro.h"
#include "tests/unit/proc-tree.h"

#include <errno.h>

/* What the files in tests/data/proc/cgroup say, from Linux 6.1 (and 6.18, without controller). */
#define CPU_US       4289740u
#define BARE_CPU_US  201390u
#define MEMORY_BYTES (1396736u + 4096u)

static void test_real(void **state)
{
    char *cpu = proc_fixture("cgroup/cpu.stat"), *memory = proc_fixture("cgroup/memory.stat");
    char *bare = proc_fixture("cgroup/cpu.stat-without-controller");
    uint64_t value;

    assert_int_equal(cgroup_stat_parse_cpu(cpu, &value), 0);
    assert_int_equal(value, CPU_US);
    assert_int_equal(cgroup_stat_parse_cpu(bare, &value), 0);
    assert_int_equal(value, BARE_CPU_US);
    assert_int_equal(cgroup_stat_parse_memory(memory, &value), 0);
    assert_int_equal(value, MEMORY_BYTES);
    free(cpu);
    free(memory);
    free(bare);
}

static void test_cpu(void **state)
{
    static const struct {
        const char *text;
        int r;
        uint64_t us;
    } cases[] = {
        {"usage_usec 0\n", 0, 0},
        {"usage_usec 18446744073709551615\nuser_usec 1\n", 0, UINT64_MAX},
        {"user_usec 1\nusage_usec 7\n", 0, 7},
        {"usage_usec 18446744073709551616\n", -EBADMSG, 0},
        {"usage_usec 12", -EBADMSG, 0}, /* cut off */
        {"usage_usec \n", -EBADMSG, 0},
        {"usage_usec -1\n", -EBADMSG, 0},
        {"usage_usec 1 2\n", -EBADMSG, 0},
        {"usage_usec", -EBADMSG, 0},
        {"usage_usecs 4\n", -EBADMSG, 0},
        {"xusage_usec 4\n", -EBADMSG, 0},
        {"", -EBADMSG, 0},
        {"\n\n", -EBADMSG, 0},
    };

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        uint64_t us = 99;
        int r = cgroup_stat_parse_cpu(cases[i].text, &us);

        if (r != cases[i].r || us != (r == 0 ? cases[i].us : 99))
            fail_msg("\"%s\": %d, %ju", cases[i].text, r, (uintmax_t) us);
    }
}

static void test_memory(void **state)
{
    static const struct {
        const char *text;
        int r;
        uint64_t bytes;
    } cases[] = {
        {"anon 4096\nfile 1\nkernel 2\nshmem 8192\n", 0, 12288},
        {"shmem 1\nanon 2\n", 0, 3},
        {"anon 18446744073709551615\nshmem 1\n", -EBADMSG, 0},
        {"anon 1\nshmem_thp 5\n", -EBADMSG, 0},
        {"anon_thp 1\nshmem 5\n", -EBADMSG, 0},
        {"anon 1\nshmem 5", -EBADMSG, 0},
        {"anon 1\n", -EBADMSG, 0},
        {"", -EBADMSG, 0},
    };

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        uint64_t bytes = 99;
        int r = cgroup_stat_parse_memory(cases[i].text, &bytes);

        if (r != cases[i].r || bytes != (r == 0 ? cases[i].bytes : 99))
            fail_msg("\"%s\": %d, %ju", cases[i].text, r, (uintmax_t) bytes);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_real),
        cmocka_unit_test(test_cpu),
        cmocka_unit_test(test_memory),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

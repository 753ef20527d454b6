/* SPDX-License-Identifier: Apache-2.0 */
/* Control groups of a directory of our own, with injected time. */
#include "agent/observe/cgroup-sampler.h"
#include "common/base/clock.h"
#include "tests/unit/proc-tree.h"

#include <errno.h>
#include <math.h>

#define GROUP "workers/web.1"

/* What tests/data/proc/cgroup/memory.stat says. */
#define MEMORY_BYTES (1396736u + 4096u)

struct fixture {
    struct proc_tree tree;
    struct cgroup_sampler *sampler;
};

static int set_up(void **state)
{
    struct fixture *fixture = calloc(1, sizeof(*fixture));

    unit_directory_make(fixture->tree.path);
    assert_int_equal(cgroup_sampler_new(&fixture->sampler, fixture->tree.path), 0);
    *state = fixture;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *fixture = *state;

    assert_null(cgroup_sampler_free(fixture->sampler));
    unit_directory_remove(fixture->tree.path);
    free(fixture);
    return 0;
}

static void write_cpu(struct fixture *fixture, const char *group, uint64_t us)
{
    char name[64], text[64];

    snprintf(name, sizeof(name), "%s/cpu.stat", group);
    snprintf(text, sizeof(text), "usage_usec %ju\nuser_usec 1\n", (uintmax_t) us);
    proc_tree_write(&fixture->tree, name, text);
}

static void test_cpu(void **state)
{
    struct fixture *fixture = *state;
    const struct {
        int pid;
        uint64_t at_us, cpu_us;
        double percent; /* NAN: not known */
    } steps[] = {
        {7, 1000000, 500000, NAN},  /* the group may have been used before */
        {7, 2000000, 1000000, 50},  /* */
        {7, 4000000, 4000000, 150}, /* threads, children */
        {7, 4000000, 4100000, NAN}, /* no time passed */
        {7, 5000000, 10000, 0},     /* goes back: it was made anew */
        {9, 6000000, 900000, NAN},  /* the next worker, in the old one's group */
        {9, 7000000, 1150000, 25},  /* */
    };

    for (size_t i = 0; i < ARRAY_SIZE(steps); i++) {
        struct usage usage;

        write_cpu(fixture, GROUP, steps[i].cpu_us);
        assert_int_equal(
            cgroup_sampler_sample(fixture->sampler, GROUP, steps[i].pid, steps[i].at_us, &usage),
            0);
        assert_true(isnan(usage.memory_bytes)); /* no controller: not known, and not 0 */
        if (isnan(steps[i].percent) ? !isnan(usage.cpu_percent)
                                    : fabs(usage.cpu_percent - steps[i].percent) > 0.01)
            fail_msg("step %zu: %f", i, usage.cpu_percent);
    }
}

static void test_memory(void **state)
{
    struct fixture *fixture = *state;
    struct usage usage;

    proc_tree_copy(&fixture->tree, "cgroup/cpu.stat", GROUP "/cpu.stat");
    proc_tree_copy(&fixture->tree, "cgroup/memory.stat", GROUP "/memory.stat");
    assert_int_equal(cgroup_sampler_sample(fixture->sampler, GROUP, 7, 1, &usage), 0);
    assert_int_equal((uint64_t) usage.memory_bytes, MEMORY_BYTES);
    proc_tree_write(&fixture->tree, GROUP "/memory.stat", "anon 1\n");
    assert_int_equal(cgroup_sampler_sample(fixture->sampler, GROUP, 7, 2, &usage), -EBADMSG);
}

static void test_gone(void **state)
{
    struct fixture *fixture = *state;
    struct usage usage;
    char path[PATH_MAX + 64];

    assert_int_equal(cgroup_sampler_sample(fixture->sampler, GROUP, 7, 1, &usage), -ENOENT);
    write_cpu(fixture, GROUP, 1);
    assert_int_equal(cgroup_sampler_sample(fixture->sampler, GROUP, 7, 1, &usage), 0);
    snprintf(path, sizeof(path), "%s/workers", fixture->tree.path);
    unit_directory_remove(path);
    assert_int_equal(cgroup_sampler_sample(fixture->sampler, GROUP, 7, 2, &usage), -ENOENT);
    proc_tree_write(&fixture->tree, GROUP "/cpu.stat", "garbage\n");
    assert_int_equal(cgroup_sampler_sample(fixture->sampler, GROUP, 7, 2, &usage), -EBADMSG);
}

/* Each group has its own time, and those that are not asked for any more are forgotten. */
static void test_forget(void **state)
{
    struct fixture *fixture = *state;
    struct usage usage;

    for (uint64_t second = 1; second <= 3; second++)
        for (int pid = 1; pid <= 3; pid++) {
            char group[32];

            snprintf(group, sizeof(group), "workers/web.%d", pid);
            write_cpu(fixture, group, second * (uint64_t) pid * 100000);
            assert_int_equal(
                cgroup_sampler_sample(fixture->sampler, group, pid, second * USEC_PER_SEC, &usage),
                0);
            assert_true(second == 1 ? isnan(usage.cpu_percent)
                                    : fabs(usage.cpu_percent - pid * 10) < 0.01);
        }
    cgroup_sampler_forget(fixture->sampler, 3 * USEC_PER_SEC + 1);
    assert_int_equal(cgroup_sampler_sample(fixture->sampler, GROUP, 1, 4 * USEC_PER_SEC, &usage),
                     0);
    assert_true(isnan(usage.cpu_percent));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_cpu, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_memory, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_gone, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_forget, set_up, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

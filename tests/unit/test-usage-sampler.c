/* SPDX-License-Identifier: Apache-2.0 */
/* Which of control groups and /proc tells what, where one of them, both or none is to be seen. */
#include "agent/observe/usage-sampler.h"
#include "common/base/clock.h"
#include "common/schema/stress.h"
#include "tests/unit/proc-tree.h"

#include <errno.h>
#include <math.h>

#define CORE   101
#define HOLDER 102

/* What tests/data/proc/processes says of both. */
#define CORE_BYTES   ((1480 + 96) * 1024.0)
#define HOLDER_BYTES (148 * 1024.0)

struct fixture {
    struct proc_tree tree; /* proc/ and unit/ in it */
    char proc[PATH_MAX + 8], unit[PATH_MAX + 8];
    struct usage_sampler *sampler;
    struct usage usage;
};

static int set_up(void **state)
{
    struct fixture *fixture = calloc(1, sizeof(*fixture));

    unit_directory_make(fixture->tree.path);
    snprintf(fixture->proc, sizeof(fixture->proc), "%s/proc", fixture->tree.path);
    snprintf(fixture->unit, sizeof(fixture->unit), "%s/unit", fixture->tree.path);
    assert_int_equal(directory_make(fixture->proc, 0700), 0);
    assert_int_equal(directory_make(fixture->unit, 0700), 0);
    assert_int_equal(usage_sampler_new(&fixture->sampler, fixture->proc, fixture->unit), 0);
    *state = fixture;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *fixture = *state;

    assert_null(usage_sampler_free(fixture->sampler));
    unit_directory_remove(fixture->tree.path);
    free(fixture);
    return 0;
}

static void show_process(struct fixture *fixture, int pid)
{
    static const char *const files[] = {"stat", "status"};
    char from[64], to[64];

    for (size_t i = 0; i < ARRAY_SIZE(files); i++) {
        snprintf(from, sizeof(from), "processes/%d/%s", pid, files[i]);
        snprintf(to, sizeof(to), "proc/%d/%s", pid, files[i]);
        proc_tree_copy(&fixture->tree, from, to);
    }
}

static int sample_worker(struct fixture *fixture, uint64_t second)
{
    return usage_sampler_slot(fixture->sampler, "web", 3, CORE, second * USEC_PER_SEC,
                              &fixture->usage);
}

static int sample_agent(struct fixture *fixture, uint64_t second)
{
    return usage_sampler_agent(fixture->sampler, HOLDER, CORE, second * USEC_PER_SEC,
                               &fixture->usage);
}

/* The worker's group, which wins where it can. */
static void test_group(void **state)
{
    struct fixture *fixture = *state;

    show_process(fixture, CORE);
    proc_tree_write(&fixture->tree, "unit/workers/web.3/cpu.stat", "usage_usec 100\n");
    proc_tree_write(&fixture->tree, "unit/workers/web.3/memory.stat", "anon 5\nshmem 6\n");
    assert_int_equal(sample_worker(fixture, 1), 0);
    assert_true(isnan(fixture->usage.cpu_percent));
    assert_true(fixture->usage.memory_bytes == 11);
    proc_tree_write(&fixture->tree, "unit/workers/web.3/cpu.stat", "usage_usec 200100\n");
    assert_int_equal(sample_worker(fixture, 2), 0);
    assert_true(fabs(fixture->usage.cpu_percent - 20) < 0.01);
    usage_sampler_forget(fixture->sampler, 3 * USEC_PER_SEC);
    assert_int_equal(sample_worker(fixture, 3), 0);
    assert_true(isnan(fixture->usage.cpu_percent));
}

/* Without the memory controller: what /proc shows, if it does. */
static void test_no_memory_controller(void **state)
{
    struct fixture *fixture = *state;

    proc_tree_write(&fixture->tree, "unit/workers/web.3/cpu.stat", "usage_usec 100\n");
    assert_int_equal(sample_worker(fixture, 1), 0);
    assert_true(isnan(fixture->usage.memory_bytes));
    show_process(fixture, CORE);
    proc_tree_write(&fixture->tree, "unit/workers/web.3/cpu.stat", "usage_usec 300100\n");
    assert_int_equal(sample_worker(fixture, 2), 0);
    assert_true(fixture->usage.memory_bytes == CORE_BYTES);
    assert_true(fabs(fixture->usage.cpu_percent - 30) < 0.01);
}

static void test_no_group(void **state)
{
    struct fixture *fixture = *state;

    assert_int_equal(sample_worker(fixture, 1), -ESRCH);
    show_process(fixture, CORE);
    for (uint64_t second = 1; second <= 2; second++) {
        assert_int_equal(sample_worker(fixture, second), 0);
        assert_true(fixture->usage.memory_bytes == CORE_BYTES);
        assert_true(second == 1 ? isnan(fixture->usage.cpu_percent)
                                : fixture->usage.cpu_percent == 0);
    }
}

/* Holder and core are one group, or two processes. */
static void test_agent(void **state)
{
    struct fixture *fixture = *state;

    show_process(fixture, CORE);
    assert_int_equal(sample_agent(fixture, 1), -ESRCH); /* half is nothing */
    show_process(fixture, HOLDER);
    assert_int_equal(sample_agent(fixture, 1), 0);
    assert_true(fixture->usage.memory_bytes == CORE_BYTES + HOLDER_BYTES);
    assert_int_equal(sample_agent(fixture, 2), 0);
    assert_true(fixture->usage.cpu_percent == 0);
    proc_tree_write(&fixture->tree, "unit/hold/cpu.stat", "usage_usec 100\n");
    proc_tree_write(&fixture->tree, "unit/hold/memory.stat", "anon 50\nshmem 6\n");
    assert_int_equal(sample_agent(fixture, 3), 0);
    assert_true(fixture->usage.memory_bytes == 56);
}

static void test_stress(void **state)
{
    struct fixture *fixture = *state;

    proc_tree_write(&fixture->tree, "unit/stress/cpu.stat", "usage_usec 100\n");
    for (uint64_t second = 1; second <= 2; second++)
        assert_int_equal(usage_sampler_slot(fixture->sampler, STRESS_APP, 1, CORE,
                                            second * USEC_PER_SEC, &fixture->usage),
                         0);
    assert_true(fixture->usage.cpu_percent == 0);
}

/* As without systemd. */
static void test_no_control_groups(void **state)
{
    struct fixture *fixture = *state;
    struct usage_sampler *sampler;

    show_process(fixture, CORE);
    assert_int_equal(usage_sampler_new(&sampler, fixture->proc, NULL), 0);
    assert_int_equal(usage_sampler_slot(sampler, "web", 3, CORE, 1, &fixture->usage), 0);
    assert_true(fixture->usage.memory_bytes == CORE_BYTES);
    usage_sampler_forget(sampler, 2);
    usage_sampler_free(sampler);
    assert_int_equal(usage_sampler_new(&sampler, "/nonexistent", NULL), -ENOENT);
    assert_int_equal(usage_sampler_new(&sampler, fixture->proc, "/nonexistent"), -ENOENT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_group, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_no_memory_controller, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_no_group, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_agent, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_stress, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_no_control_groups, set_up, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

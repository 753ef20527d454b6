/* SPDX-License-Identifier: Apache-2.0 */
/* Processes of a /proc of our own, with injected time; and this very process. */
#include "agent/observe/process-sampler.h"
#include "common/base/clock.h"
#include "tests/unit/proc-tree.h"

#include <errno.h>
#include <math.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>

struct fixture {
    struct proc_tree tree;
    struct process_sampler *sampler;
    long ticks_per_s;
};

static int set_up(void **state)
{
    struct fixture *fixture = calloc(1, sizeof(*fixture));

    unit_directory_make(fixture->tree.path);
    assert_int_equal(process_sampler_new(&fixture->sampler, fixture->tree.path), 0);
    fixture->ticks_per_s = sysconf(_SC_CLK_TCK);
    *state = fixture;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *fixture = *state;

    assert_null(process_sampler_free(fixture->sampler));
    unit_directory_remove(fixture->tree.path);
    free(fixture);
    return 0;
}

static void write_process(struct fixture *fixture, int pid, long user, long system, long start)
{
    char name[64], text[512];

    snprintf(name, sizeof(name), "%d/stat", pid);
    snprintf(text, sizeof(text), "%d (a) b) S 1 1 1 0 -1 0 0 0 0 0 %ld %ld 0 0 20 0 1 0 %ld 0 0\n",
             pid, user, system, start);
    proc_tree_write(&fixture->tree, name, text);
    snprintf(name, sizeof(name), "%d/status", pid);
    proc_tree_write(
        &fixture->tree, name,
        "Name:\ta\nRssAnon:\t 100 kB\nRssFile:\t 7 kB\nRssShmem:\t 20 kB\nThreads:\t1\n");
}

static void remove_process(struct fixture *fixture, int pid)
{
    char path[PATH_MAX + 64];

    snprintf(path, sizeof(path), "%s/%d", fixture->tree.path, pid);
    unit_directory_remove(path);
}

static void test_cpu_and_memory(void **state)
{
    struct fixture *fixture = *state;
    const long second = fixture->ticks_per_s;
    const struct {
        uint64_t at_us;
        long user, system, start;
        double percent; /* NAN: not known */
    } steps[] = {
        {1000000, 700, 300, 42, NAN},
        {2000000, 700 + second / 4, 300 + second / 4, 42, 50},
        {4000000, 700 + second / 4 + 3 * second, 300 + second / 4, 42, 150}, /* threads */
        {5000000, 700, 300, 42, 0},                                          /* goes back */
        {5000000, 701, 300, 42, NAN},                                        /* no time passed */
        {6000000, 900 + 9 * second, 300, 43, NAN}, /* another process has that pid now */
        {7000000, 900 + 10 * second, 300, 43, 100},
    };

    for (size_t i = 0; i < ARRAY_SIZE(steps); i++) {
        struct usage usage;

        write_process(fixture, 7, steps[i].user, steps[i].system, steps[i].start);
        assert_int_equal(process_sampler_sample(fixture->sampler, 7, steps[i].at_us, &usage), 0);
        assert_int_equal((int) usage.memory_bytes, 120 * 1024);
        if (isnan(steps[i].percent))
            assert_true(isnan(usage.cpu_percent));
        else
            assert_true(fabs(usage.cpu_percent - steps[i].percent) < 0.01);
    }
}

static void test_gone(void **state)
{
    struct fixture *fixture = *state;
    struct usage usage;

    assert_int_equal(process_sampler_sample(fixture->sampler, 9, 1, &usage), -ESRCH);
    assert_int_equal(process_sampler_sample(fixture->sampler, 0, 1, &usage), -ESRCH);
    assert_int_equal(process_sampler_sample(fixture->sampler, -1, 1, &usage), -ESRCH);
    proc_tree_write(&fixture->tree, "9/stat", "9 (x) garbage\n");
    proc_tree_write(&fixture->tree, "9/status", "garbage\n");
    assert_int_equal(process_sampler_sample(fixture->sampler, 9, 1, &usage), -EBADMSG);
    proc_tree_copy(&fixture->tree, "processes/104/stat", "9/stat");
    proc_tree_copy(&fixture->tree, "processes/104/status", "9/status");
    assert_int_equal(process_sampler_sample(fixture->sampler, 9, 1, &usage), 0); /* a zombie */
    assert_int_equal((int) usage.memory_bytes, 0);
}

/* Many pids, in no order; those that are not asked for any more are forgotten. */
static void test_many(void **state)
{
    struct fixture *fixture = *state;
    const int n = 200;
    struct usage usage;

    for (int round = 0; round < 3; round++) {
        for (int i = 0; i < n; i++) {
            int pid = (i * 77) % 211 + 1;

            write_process(fixture, pid, pid + round * pid, 0, pid);
            assert_int_equal(process_sampler_sample(fixture->sampler, pid,
                                                    (uint64_t) (round + 1) * USEC_PER_SEC, &usage),
                             0);
            if (round == 0)
                assert_true(isnan(usage.cpu_percent));
            else
                assert_true(fabs(usage.cpu_percent - pid * 100.0 / (double) fixture->ticks_per_s) <
                            0.01);
        }
    }
    assert_int_equal(process_sampler_sample(fixture->sampler, 78, 5 * USEC_PER_SEC, &usage), 0);
    process_sampler_forget(fixture->sampler, 4 * USEC_PER_SEC);
    assert_int_equal(process_sampler_sample(fixture->sampler, 78, 6 * USEC_PER_SEC, &usage), 0);
    assert_false(isnan(usage.cpu_percent));
    assert_int_equal(process_sampler_sample(fixture->sampler, 1, 6 * USEC_PER_SEC, &usage), 0);
    assert_true(isnan(usage.cpu_percent));
}

static void test_limit(void **state)
{
    struct fixture *fixture = *state;
    struct usage usage;

    for (int pid = 1; pid <= (int) CPU_SHARES_MAX; pid++) {
        write_process(fixture, pid, 1, 1, 1);
        assert_int_equal(process_sampler_sample(fixture->sampler, pid, 1, &usage), 0);
        remove_process(fixture, pid);
    }
    write_process(fixture, CPU_SHARES_MAX + 1, 1, 1, 1);
    assert_int_equal(process_sampler_sample(fixture->sampler, CPU_SHARES_MAX + 1, 2, &usage),
                     -ENOSPC);
    process_sampler_forget(fixture->sampler, 2);
    assert_int_equal(process_sampler_sample(fixture->sampler, CPU_SHARES_MAX + 1, 2, &usage), 0);
}

/* A child that computes and holds 32 MiB, seen from outside. */
static void test_real_process(void **state)
{
    enum { BYTES = 32 * 1024 * 1024 };
    struct process_sampler *sampler;
    struct usage usage;
    int ready[2], status;
    char byte;
    pid_t pid;

    assert_int_equal(pipe(ready), 0);
    pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        char *memory =
            mmap(NULL, BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

        memset(memory, 1, BYTES);
        if (write(ready[1], "", 1) != 1)
            _exit(1);
        alarm(20);
        for (;;)
            ;
    }
    assert_int_equal(read(ready[0], &byte, 1), 1);
    assert_int_equal(process_sampler_new(&sampler, "/proc"), 0);
    assert_int_equal(process_sampler_sample(sampler, pid, clock_monotonic_us(), &usage), 0);
    assert_true(isnan(usage.cpu_percent));
    assert_true(usage.memory_bytes >= BYTES);
    usleep(400000);
    assert_int_equal(process_sampler_sample(sampler, pid, clock_monotonic_us(), &usage), 0);
    /* How much it gets is the machine's affair: more than nothing, hardly more than one CPU. */
    assert_true(usage.cpu_percent > 1 && usage.cpu_percent < 110);
    kill(pid, SIGKILL);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(process_sampler_sample(sampler, pid, clock_monotonic_us(), &usage), -ESRCH);
    process_sampler_free(sampler);
    close(ready[0]);
    close(ready[1]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_cpu_and_memory, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_gone, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_many, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_limit, set_up, tear_down),
        cmocka_unit_test(test_real_process),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * As in the unit: a child of root's becomes a user with CAP_SETUID alone, and signals processes of
 * others. It prints which check has failed, and exits with 1.
 */
#include "tests/unit/unit.h"

#include "common/base/kill-as.h"
#include "common/base/macro.h"
#include "common/base/spawn.h"

#include <errno.h>
#include <linux/capability.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>

/* Of nobody, on any system. */
#define HOLDER_UID 61001u
#define WORKER_UID 61002u
#define OTHER_UID  61003u

/* In a child cmocka's assertions would run the remaining tests twice. */
#define CHECK(condition)                                                                           \
    do                                                                                             \
        if (!(condition)) {                                                                        \
            fprintf(stderr, "line %d: %s (errno %d)\n", __LINE__, #condition, errno);              \
            _exit(1);                                                                              \
        }                                                                                          \
    while (0)

struct privileges {
    struct __user_cap_data_struct sets[_LINUX_CAPABILITY_U32S_3];
    uid_t real, effective, saved;
    int ambient, dumpable, death_signal;
};

static struct privileges look(void)
{
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct privileges now;

    memset(&now, 0, sizeof(now)); /* for memcmp() */
    CHECK(syscall(SYS_capget, &header, now.sets) == 0);
    CHECK(getresuid(&now.real, &now.effective, &now.saved) == 0);
    now.ambient = prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_IS_SET, CAP_SETUID, 0, 0);
    now.dumpable = prctl(PR_GET_DUMPABLE);
    CHECK(prctl(PR_GET_PDEATHSIG, &now.death_signal) == 0);
    return now;
}

/* What the unit file makes of agentd. */
static void become_holder(void)
{
    const unsigned set = 1u << CAP_SETUID;
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3] = {{set, set, set}};

    CHECK(prctl(PR_SET_KEEPCAPS, 1) == 0);
    CHECK(setresuid(HOLDER_UID, HOLDER_UID, HOLDER_UID) == 0);
    CHECK(syscall(SYS_capset, &header, data) == 0);
    CHECK(prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, CAP_SETUID, 0, 0) == 0);
    CHECK(prctl(PR_SET_DUMPABLE, 1) == 0);
    CHECK(prctl(PR_SET_PDEATHSIG, SIGUSR2) == 0);
}

/* A process in the group |group| (0: its own), of |uid| once this has returned. It ends with this
 * one, if not before. */
static pid_t start(uid_t uid, pid_t group)
{
    int ready[2], life[2];
    char byte;

    CHECK(pipe(ready) == 0 && pipe(life) == 0);
    pid_t pid = fork();
    CHECK(pid >= 0);
    if (pid == 0) {
        CHECK(setpgid(0, group) == 0);
        CHECK(setresuid(uid, uid, uid) == 0);
        CHECK(write(ready[1], "", 1) == 1 && close(life[1]) == 0);
        CHECK(read(life[0], &byte, 1) == 0);
        _exit(0);
    }
    CHECK(close(life[0]) == 0 && close(ready[1]) == 0 && read(ready[0], &byte, 1) == 1 &&
          close(ready[0]) == 0);
    return pid;
}

static bool has_died_of(pid_t pid, int number)
{
    siginfo_t info;

    CHECK(waitid(P_PID, (id_t) pid, &info, WEXITED) == 0);
    return info.si_code == CLD_KILLED && info.si_status == number;
}

static void run_as_holder(void (*checks)(void))
{
    int status;
    pid_t pid;

    if (geteuid() != 0) {
        print_message("skipped: only root can become other users\n");
        skip();
    }
    pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        alarm(60);
        become_holder();
        checks();
        _exit(0);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
}

static void check_other_user(void)
{
    const struct privileges before = look();
    pid_t pid = start(WORKER_UID, 0);

    CHECK(before.effective == HOLDER_UID && before.ambient == 1 && before.dumpable == 1);
    CHECK(kill(pid, SIGTERM) < 0 && errno == EPERM); /* else this shows nothing */
    CHECK(kill_as(OTHER_UID, pid, SIGTERM) == -EPERM);
    CHECK(kill_as(KILL_AS_SELF, pid, SIGTERM) == -EPERM);
    CHECK(kill_as(WORKER_UID, pid, 0) == 0);
    CHECK(kill_as(WORKER_UID, pid, SIGTERM) == 0);
    CHECK(has_died_of(pid, SIGTERM));
    CHECK(kill_as(WORKER_UID, pid, SIGTERM) == -ESRCH);
    CHECK(kill_as(WORKER_UID, getppid(), 0) == -EPERM); /* root's */

    const struct privileges after = look();
    CHECK(memcmp(&before, &after, sizeof(before)) == 0);
}

/* Between fork and setuid a worker is of the holder's user yet. */
static void check_own_user(void)
{
    pid_t pid = start(HOLDER_UID, 0);

    CHECK(kill_as(WORKER_UID, pid, SIGABRT) == 0);
    CHECK(has_died_of(pid, SIGABRT));
    pid = start(HOLDER_UID, 0);
    CHECK(kill_as(HOLDER_UID, pid, SIGKILL) == 0);
    CHECK(has_died_of(pid, SIGKILL));
    pid = start(HOLDER_UID, 0);
    CHECK(kill_as(KILL_AS_SELF, pid, SIGKILL) == 0);
    CHECK(has_died_of(pid, SIGKILL));
}

/* All of a group that may be signalled, whosever it is. */
static void check_group(void)
{
    pid_t first = start(WORKER_UID, 0), second = start(HOLDER_UID, first);
    pid_t third = start(WORKER_UID, first), other = start(OTHER_UID, first);

    CHECK(kill_as(WORKER_UID, -first, SIGKILL) == 0);
    CHECK(has_died_of(first, SIGKILL) && has_died_of(second, SIGKILL));
    CHECK(has_died_of(third, SIGKILL));
    CHECK(waitpid(other, NULL, WNOHANG) == 0);
    CHECK(kill_as(OTHER_UID, other, SIGKILL) == 0);
    CHECK(has_died_of(other, SIGKILL));
}

static void check_undumpable(void)
{
    pid_t pid = start(WORKER_UID, 0);

    CHECK(prctl(PR_SET_DUMPABLE, 0) == 0);
    CHECK(kill_as(WORKER_UID, pid, SIGKILL) == 0);
    CHECK(has_died_of(pid, SIGKILL));
    CHECK(prctl(PR_GET_DUMPABLE) == 0);
}

/* The way back from there would cost all capabilities: so nothing is tried, nor started. */
static void check_root(void)
{
    const struct spawn_means means = {.switch_user = true};
    const struct spawn_user *chosen;
    struct spawn_user known = {.is_known = false};
    const struct privileges before = look();
    pid_t pid = start(0, 0);

    CHECK(!kill_as_may(0) && kill_as_may(WORKER_UID) && kill_as_may(HOLDER_UID));
    CHECK(kill_as(0, pid, SIGKILL) == -EPERM);
    CHECK(spawn_user_choose(&means, "root", "", &known, &chosen) == -EPERM && !chosen);
    CHECK(waitpid(pid, NULL, WNOHANG) == 0);

    const struct privileges after = look();
    CHECK(memcmp(&before, &after, sizeof(before)) == 0);
}

static void test_other_user(void **state)
{
    run_as_holder(check_other_user);
}

static void test_own_user(void **state)
{
    run_as_holder(check_own_user);
}

static void test_group(void **state)
{
    run_as_holder(check_group);
}

static void test_undumpable(void **state)
{
    run_as_holder(check_undumpable);
}

static void test_root(void **state)
{
    run_as_holder(check_root);
}

/* Who may anyway, changes nothing. */
static void test_privileged(void **state)
{
    const bool is_root = geteuid() == 0;
    pid_t pid = is_root ? start(WORKER_UID, 0) : start(getuid(), 0);

    assert_true(kill_as_may(geteuid()));
    assert_int_equal(kill_as_may(0), is_root);
    assert_int_equal(kill_as(is_root ? WORKER_UID : getuid(), pid, SIGKILL), 0);
    assert_true(has_died_of(pid, SIGKILL));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_other_user), cmocka_unit_test(test_own_user),
        cmocka_unit_test(test_group),      cmocka_unit_test(test_undumpable),
        cmocka_unit_test(test_root),       cmocka_unit_test(test_privileged),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Grandchildren that lose their parent: found by their environment, ended and reaped. */
#include "common/base/orphans.h"

#include "tests/unit/unit.h"

#include "common/base/macro.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <sys/wait.h>

#define PATIENCE_MS 10000

static const struct orphans_names names = {"LEFT_BY", "LEFT_SLOT"};

struct fixture {
    pid_t known;
    char left[16]; /* value of LEFT_BY that is to be ended */
};

static bool is_known(pid_t pid, void *userdata)
{
    return pid == ((struct fixture *) userdata)->known;
}

static bool is_left(const char *app, unsigned slot, void *userdata)
{
    return slot == 3 && strcmp(app, ((struct fixture *) userdata)->left) == 0;
}

/* A shell that starts a `sleep` in the background, tells its pid and ends. */
static pid_t make_orphan(const char *left_by)
{
    int fds[2];
    char text[32] = "";

    assert_int_equal(pipe(fds), 0);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        dup2(fds[1], STDOUT_FILENO);
        setenv("LEFT_BY", left_by, 1);
        setenv("LEFT_SLOT", "3", 1);
        execl("/bin/sh", "sh", "-c", "sleep 1000 >/dev/null & echo $!", (char *) NULL);
        _exit(1);
    }
    close(fds[1]);
    assert_true(read(fds[0], text, sizeof(text) - 1) > 0);
    close(fds[0]);
    assert_int_equal(waitpid(pid, NULL, 0), pid);
    pid = atoi(text);
    assert_true(pid > 1);
    /* Its exec, after which the environment is there to be read. */
    for (int i = 0; i < PATIENCE_MS; i++) {
        if (orphans_environment(pid, "LEFT_BY", text, sizeof(text)) == 0)
            return pid;
        usleep(1000);
    }
    fail_msg("the orphan has no environment");
    return -1;
}

static bool is_there(pid_t pid)
{
    return kill(pid, 0) == 0;
}

static int on_child(sd_event_source *source, const struct signalfd_siginfo *info, void *userdata)
{
    return 0;
}

static void test_sweep(void **state)
{
    struct fixture f = {.left = "dead"};
    pid_t left, other, known;

    CLEANUP(sd_event_unrefp) sd_event *event = NULL;
    sigset_t mask;

    sigemptyset(&mask);
    sigaddset(&mask, SIGCHLD);
    assert_int_equal(sigprocmask(SIG_BLOCK, &mask, NULL), 0);
    assert_int_equal(sd_event_new(&event), 0);
    assert_int_equal(orphans_adopt(event, on_child, NULL), 0);
    left = make_orphan("dead");
    other = make_orphan("alive");
    known = f.known = fork();
    if (known == 0)
        _exit(7); /* a zombie that somebody waits for */

    for (int i = 0; i < PATIENCE_MS && is_there(left); i++) {
        orphans_sweep(&names, is_known, is_left, &f);
        usleep(1000);
    }
    assert_false(is_there(left)); /* reaped as well */
    assert_true(is_there(other));
    siginfo_t info;
    assert_int_equal(waitid(P_PID, (id_t) known, &info, WEXITED), 0);
    assert_int_equal(info.si_status, 7);
    f.known = 0;

    strcpy(f.left, "alive");
    for (int i = 0; i < PATIENCE_MS && is_there(other); i++) {
        orphans_sweep(&names, is_known, is_left, &f);
        usleep(1000);
    }
    assert_false(is_there(other));
}

static void test_environment(void **state)
{
    char value[6];
    pid_t pid = fork();

    if (pid == 0) {
        setenv("SHORT", "12345", 1);
        setenv("LONG", "123456", 1);
        setenv("XSHORT", "no", 1);
        execl("/bin/sleep", "sleep", "1000", (char *) NULL);
        _exit(1);
    }
    for (int i = 0; i < PATIENCE_MS; i++) {
        if (orphans_environment(pid, "SHORT", value, sizeof(value)) == 0)
            break;
        usleep(1000);
    }
    assert_string_equal(value, "12345");
    assert_int_equal(orphans_environment(pid, "LONG", value, sizeof(value)), -ENOENT);
    assert_int_equal(orphans_environment(pid, "SHOR", value, sizeof(value)), -ENOENT);
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
    assert_true(orphans_environment(pid, "SHORT", value, sizeof(value)) < 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_environment),
        cmocka_unit_test(test_sweep),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

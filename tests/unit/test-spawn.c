/* SPDX-License-Identifier: Apache-2.0 */
/* Children as they come to life: environment, descriptors, failures, users. */
#include "common/base/spawn.h"

#include "common/base/files.h"
#include "tests/unit/unit.h"

#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>

struct fixture {
    struct spawn_means means;
    char directory[PATH_MAX], output[PATH_MAX + 8];
    int null_fd, output_fd;
    char *argv[4];
};

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));

    unit_directory_make(f->directory);
    snprintf(f->output, sizeof(f->output), "%s/output", f->directory);
    f->null_fd = open("/dev/null", O_RDWR | O_CLOEXEC);
    f->output_fd = open(f->output, O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    spawn_means_init(&f->means);
    *state = f;
    return f->null_fd < 0 || f->output_fd < 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    fd_close(f->null_fd);
    fd_close(f->output_fd);
    unit_directory_remove(f->directory);
    free(f);
    return 0;
}

/* To run |program|, or a shell with |script| if there is one. */
static struct spawn prepare(struct fixture *f, const char *program, const char *script)
{
    f->argv[0] = (char *) program;
    f->argv[1] = script ? (char *) "-c" : NULL;
    f->argv[2] = (char *) script;
    return (struct spawn){.means = &f->means,
                          .argv = f->argv,
                          .directory = "",
                          .null_fd = f->null_fd,
                          .output_fd = f->output_fd,
                          .cgroup_fd = -1};
}

/* Runs it to its end: the exit status, and what it wrote. */
static int run(const struct fixture *f, struct spawn *spawn, char output[4096])
{
    siginfo_t info;
    pid_t pid = spawn_run(spawn);

    assert_true(pid > 0);
    spawn_done(spawn);
    assert_int_equal(waitid(P_PID, (id_t) pid, &info, WEXITED), 0);
    assert_int_equal(info.si_code, CLD_EXITED);
    assert_true(file_read_small(AT_FDCWD, f->output, output, 4096) >= 0);
    return info.si_status;
}

/* All in one: in "/", with the standard environment, and nothing is left to free. */
static void test_launch(void **state)
{
    struct fixture *f = *state;
    char *const argv[] = {(char *) "/bin/sh", (char *) "-c", (char *) "pwd; echo \"$OWN $PATH\"",
                          NULL};
    char output[4096];
    struct spawn spawn;
    siginfo_t info;

    setenv("PATH", "/bin", 1);
    spawn_init(&spawn, &f->means, argv, f->null_fd);
    spawn.output_fd = f->output_fd;
    spawn_add(&spawn, "OWN=%d", 1);
    pid_t pid = spawn_launch(&spawn);
    assert_true(pid > 0);
    assert_int_equal(spawn.n_environment, 0);
    assert_int_equal(waitid(P_PID, (id_t) pid, &info, WEXITED), 0);
    assert_true(file_read_small(AT_FDCWD, f->output, output, sizeof(output)) >= 0);
    assert_string_equal(output, "/\n1 /bin\n");
}

static void test_environment(void **state)
{
    struct spawn spawn = prepare(*state, "/usr/bin/env", NULL);
    char output[4096], expected[4096];
    const struct fixture *f = *state;

    spawn_add(&spawn, "PATH=%s", "/first");
    spawn_add(&spawn, "PAT=another name");
    spawn_add(&spawn, "PATH=/second");
    setenv("LANG", "C.UTF-8", 1);
    spawn_add_standard(&spawn);
    assert_int_equal(run(f, &spawn, output), 0);
    snprintf(expected, sizeof(expected), "PATH=/first\nPAT=another name\nLANG=C.UTF-8\n");
    assert_string_equal(output, expected);
}

/* A stream of its own wins over this process's; a file or pipe is none. */
static void test_journal(void **state)
{
    struct spawn spawn = prepare(*state, "/usr/bin/env", NULL);
    int pair[2];
    struct stat status;
    char expected[64];

    setenv("JOURNAL_STREAM", "1:2", 1);
    spawn_add_journal(&spawn);
    assert_int_equal(spawn.n_environment, 0);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
    assert_int_equal(fstat(pair[0], &status), 0);
    spawn.output_fd = pair[0];
    spawn_add_journal(&spawn);
    snprintf(expected, sizeof(expected), "JOURNAL_STREAM=%ju:%ju", (uintmax_t) status.st_dev,
             (uintmax_t) status.st_ino);
    assert_string_equal(spawn.environment[0], expected);
    spawn_done(&spawn);
    spawn = prepare(*state, "/usr/bin/env", NULL);
    spawn.output_fd = -1;
    spawn_add_journal(&spawn);
    assert_string_equal(spawn.environment[0], "JOURNAL_STREAM=1:2");
    unsetenv("JOURNAL_STREAM");
    spawn_done(&spawn);
    close(pair[0]);
    close(pair[1]);
}

/* Both pids are the child's own, as plain numbers. */
static void test_own_pid(void **state)
{
    const struct fixture *f = *state;
    struct spawn spawn = prepare(*state, "/bin/sh",
                                 "test $LISTEN_PID = $$ && test $WATCHDOG_PID = $$ && "
                                 "echo $WATCHDOG_USEC $LISTEN_FDNAMES");
    char output[4096];

    spawn_give(&spawn, "web", f->null_fd);
    spawn_add_watchdog(&spawn, 30000000);
    spawn_add_standard(&spawn);
    assert_int_equal(run(f, &spawn, output), 0);
    assert_string_equal(output, "30000000 web\n");
}

static void test_too_many_variables(void **state)
{
    struct spawn spawn = prepare(*state, "/bin/true", NULL);

    for (int i = 0; i <= SPAWN_ENV_MAX; i++)
        spawn_add(&spawn, "N%d=", i);
    assert_int_equal(spawn_run(&spawn), -E2BIG);
    spawn_done(&spawn);
}

/* Sources and targets overlap crosswise. */
static void test_descriptors(void **state)
{
    static const char script[] = "test $LISTEN_PID = $$ && echo $LISTEN_FDS $LISTEN_FDNAMES && "
                                 "cd /proc/self/fd && for n in *; do test $n -lt 9 && "
                                 "echo $n $(readlink $n | sed 's,.*/,,'); done; ulimit -n";
    struct fixture *f = *state;
    struct spawn spawn = prepare(f, "/bin/sh", script);
    char output[4096], expected[4096], path[PATH_MAX + 8];
    int low[6];

    for (int i = 0; i < 6; i++) {
        snprintf(path, sizeof(path), "%s/f%d", f->directory, i);
        low[i] = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
        assert_true(low[i] >= 0);
        spawn.fds[5 - i] = low[i]; /* reversed: each target is another one's source */
    }
    spawn.n_fds = 6;
    spawn.n_listen_fds = 2;
    strcpy(spawn.fd_names, "a:b");
    spawn_add_standard(&spawn);
    assert_int_equal(run(f, &spawn, output), 0);
    snprintf(expected, sizeof(expected),
             "2 a:b\n0 null\n1 output\n2 output\n3 f5\n4 f4\n5 f3\n6 f2\n7 f1\n8 f0\n%lu\n",
             f->means.nofile);
    assert_string_equal(output, expected);
    for (int i = 0; i < 6; i++)
        fd_close(low[i]);
}

/* Children get what this process was started with, not what it wants for itself. */
static void test_umask(void **state)
{
    struct fixture *f = *state;
    struct spawn spawn = prepare(f, "/bin/sh", "umask");
    char output[4096];
    mode_t before = umask(037);

    spawn_means_init(&f->means);
    assert_int_equal(umask(before), 022);
    assert_int_equal(run(f, &spawn, output), 0);
    assert_string_equal(output, "0037\n");
}

/* Also not what this process was given by a careless parent. */
static void test_nothing_else_is_inherited(void **state)
{
    struct fixture *f = *state;
    struct spawn spawn = prepare(f, "/bin/sh", "test ! -e /proc/self/fd/20");
    char output[4096];

    assert_int_equal(dup2(f->null_fd, 20), 20);
    assert_int_equal(run(f, &spawn, output), 0);
    close(20);
}

static void test_failures(void **state)
{
    static const struct {
        const char *program, *directory;
        int status;
        const char *said;
    } cases[] = {
        {"/no/such", "", SPAWN_EXIT_EXEC, "agentd: could not start: /no/such: errno 2\n"},
        {"/etc/passwd", "", SPAWN_EXIT_EXEC, "agentd: could not start: /etc/passwd: errno 13\n"},
        {"/bin/true", "/no/such", SPAWN_EXIT_CHDIR, "agentd: could not start: /no/such: errno 2\n"},
    };
    struct fixture *f = *state;
    char output[4096];

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct spawn spawn = prepare(f, cases[i].program, NULL);

        spawn.directory = cases[i].directory;
        assert_int_equal(ftruncate(f->output_fd, 0), 0);
        assert_int_equal(run(f, &spawn, output), cases[i].status);
        assert_string_equal(output, cases[i].said);
    }
}

static void test_privileges(void **state)
{
    static const char script[] = "grep -E '^(Cap(Inh|Prm|Eff|Amb)|NoNewPrivs|SigBlk|SigIgn):' "
                                 "/proc/self/status | tr -d '\\t0' | tr '\\n' ' '";
    struct spawn spawn = prepare(*state, "/bin/sh", script);
    char output[4096];
    sigset_t all, before;

    sigfillset(&all);
    assert_int_equal(sigprocmask(SIG_SETMASK, &all, &before), 0);
    signal(SIGPIPE, SIG_IGN);
    setenv("PATH", "/usr/bin:/bin", 1);
    spawn_add_standard(&spawn);
    assert_int_equal(run(*state, &spawn, output), 0);
    assert_int_equal(sigprocmask(SIG_SETMASK, &before, NULL), 0);
    signal(SIGPIPE, SIG_DFL);
    assert_string_equal(output, "SigBlk: SigIgn: CapInh: CapPrm: CapEff: CapAmb: NoNewPrivs:1 ");
}

static void test_users(void **state)
{
    struct spawn_user user = {.uid = 7};
    const struct passwd *root = getpwuid(0);

    assert_int_equal(spawn_user_find("no-such-user", "", &user), -ESRCH);
    assert_int_equal(spawn_user_find("", "no-such-group", &user), -ESRCH);
    assert_int_equal(user.uid, 7); /* untouched */
    assert_int_equal(spawn_user_find(root->pw_name, "", &user), 0);
    assert_true(user.uid == 0 && user.gid == root->pw_gid && user.n_groups >= 1);
    assert_int_equal(spawn_user_find("", "daemon", &user), 0);
    assert_true(user.uid == getuid() && user.gid == 1 && user.n_groups == 1);
    assert_int_equal(user.groups[0], 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_launch, setup, teardown),
        cmocka_unit_test_setup_teardown(test_environment, setup, teardown),
        cmocka_unit_test_setup_teardown(test_journal, setup, teardown),
        cmocka_unit_test_setup_teardown(test_own_pid, setup, teardown),
        cmocka_unit_test_setup_teardown(test_too_many_variables, setup, teardown),
        cmocka_unit_test_setup_teardown(test_descriptors, setup, teardown),
        cmocka_unit_test_setup_teardown(test_umask, setup, teardown),
        cmocka_unit_test_setup_teardown(test_nothing_else_is_inherited, setup, teardown),
        cmocka_unit_test_setup_teardown(test_failures, setup, teardown),
        cmocka_unit_test_setup_teardown(test_privileges, setup, teardown),
        cmocka_unit_test(test_users),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

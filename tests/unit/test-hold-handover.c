/* SPDX-License-Identifier: Apache-2.0 */
/* Of the exec itself, tests/integration/test_upgrade.py. */
#include "tests/unit/unit.h"

#include "agent/hold/handover.h"
#include "agent/hold/holder.h"
#include "common/base/event.h"
#include "common/base/kill-as.h"
#include "common/base/scoreboard.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>

#define FDS_MAX 64

static int on_signal(sd_event_source *source, const struct signalfd_siginfo *info, void *userdata)
{
    return 0;
}

/* |fd| < 0 there: as a start makes it. */
static void make_holder(struct holder *holder)
{
    static const int signals[] = {SIGTERM};

    *holder = (struct holder){
        .config_fd = -1, .ledger_fd = -1, .notify_fd = -1, .null_fd = -1, .cgroup_fd = -1};
    slots_init(&holder->slots, holder);
    hold_message_init(&holder->upgraded, HOLD_UPGRADED);
    assert_int_equal(event_new(&holder->event, signals, 1, on_signal, holder), 0);
}

static void free_holder(struct holder *holder)
{
    slots_done(&holder->slots);
    listeners_done(&holder->listeners);
    fd_close(holder->config_fd);
    fd_close(holder->ledger_fd);
    fd_close(holder->notify_fd);
    fd_close(holder->cgroup_fd);
    config_free(holder->config);
    free(holder->runtime_dir);
    sd_event_unref(holder->event);
}

static int some_fd(void)
{
    int fd = open("/dev/null", O_RDWR | O_CLOEXEC);

    assert_true(fd >= 0 && fd < FDS_MAX);
    return fd;
}

static pid_t start_child(void)
{
    pid_t pid = fork();

    assert_true(pid >= 0);
    if (pid == 0) {
        pause();
        _exit(0);
    }
    return pid;
}

/* One of everything; the worker in web.2 runs, that of web.5 is dead. */
static void fill(struct holder *holder, pid_t pid)
{
    holder->means.nofile = 1234;
    holder->means.umask = 027;
    holder->runtime_dir = strdup("/run/agentd");
    holder->config = calloc(1, sizeof(*holder->config));
    strcpy(holder->config->health_listen, "127.0.0.1:1");
    holder->config->statsd_listen[0] = strdup("127.0.0.1:2");
    strcpy(holder->config->apps[0].name, "web");
    holder->config->apps[0].enabled = true;
    holder->config->apps[0].listen[0] = strdup("/web");
    holder->config->n_apps = 1;
    holder->config_fd = some_fd();
    holder->ledger_fd = some_fd();
    holder->notify_fd = some_fd();
    holder->upgraded.serial = 77;
    strcpy(holder->upgraded.text, "0.9.1");
    holder->core_past = (struct core_past){3, 1, 5000, {.spent = 2, .failures = 4}, true};
    assert_int_equal(listeners_adopt(&holder->listeners, some_fd(), "listen.[__]_80"), 0);
    assert_int_equal(listeners_adopt(&holder->listeners, some_fd(), "a socket unit's"), 0);
    for (unsigned i = 0; i < 2; i++)
        slots_adopt(&holder->slots, scoreboard_new_fd("test"),
                    i ? "slot.web.5.18" : "slot.web.2.17");
    struct slot *slot = &holder->slots.apps->slots[1];
    slot->state = HOLD_SLOT_RUNNING;
    slot->pid = pid;
    slot->uid = 998;
    slot->started_at_us = 6000;
    slot->ended_at_us = 0;
    holder->slots.running = 1;
    slot = &holder->slots.apps->slots[4];
    slot->exit_code = CLD_KILLED;
    slot->exit_status = SIGKILL;
}

/* As an exec leaves them: those of the record are there, and are inherited on. */
static void open_for_reading(int state_fd)
{
    char number[16];

    for (int fd = STDERR_FILENO + 1; fd < FDS_MAX; fd++)
        (void) fd_set_cloexec(fd, false);
    snprintf(number, sizeof(number), "%d", fcntl(state_fd, F_DUPFD, 3));
    assert_int_equal(setenv(ENV_HANDOVER, number, true), 0);
}

static size_t content(int fd, char *data, size_t size)
{
    ssize_t n = pread(fd, data, size, 0);

    assert_true(n > 0 && (size_t) n < size);
    return (size_t) n;
}

static char first_text[RECORD_LIMIT], second_text[RECORD_LIMIT];

static void test_everything_comes_over(void **state)
{
    struct holder before, after;
    char error[CONFIG_ERROR_MAX] = "";
    const pid_t pid = start_child();
    siginfo_t info;

    make_holder(&before);
    fill(&before, pid);
    make_holder(&after);
    CLEANUP_CLOSE int first = handover_save(&before);
    assert_true(first >= 0);
    open_for_reading(first);
    int r = handover_restore(&after, false, error);
    assert_string_equal(error, "");
    assert_int_equal(r, 1);
    assert_null(getenv(ENV_HANDOVER));

    /* What it would write is what it has read, so no field is forgotten or mixed up. */
    CLEANUP_CLOSE int second = handover_save(&after);
    size_t length = content(first, first_text, sizeof(first_text));
    assert_int_equal(content(second, second_text, sizeof(second_text)), length);
    assert_memory_equal(first_text, second_text, length);

    const struct app *app = after.slots.apps;
    assert_string_equal(app->name, "web");
    assert_int_equal(app->in_use, 2);
    assert_int_equal(after.slots.running, 1);
    assert_int_equal(app->slots[1].pid, pid);
    assert_int_equal(app->slots[1].uid, 998);
    assert_int_equal(app->slots[4].exit_status, SIGKILL);
    assert_int_equal(after.core_past.restart.failures, 4);
    assert_int_equal(after.listeners.n, 2);
    assert_non_null(app->slots[1].child); /* its end will be seen, */
    assert_null(app->slots[4].child);
    (void) kill(pid, SIGKILL);
    assert_int_equal(waitid(P_PID, (id_t) pid, &info, WEXITED | WNOWAIT), 0); /* and its status */
    assert_int_equal(info.si_status, SIGKILL);

    free_holder(&after);
    free_holder(&before); /* its descriptors are the same, and closed now */
    (void) waitpid(pid, NULL, 0);
}

/* Versions before 3 had CAP_KILL, and noted no worker's user. */
static void test_older_version(void **state)
{
    CLEANUP(record_done) struct record record;
    struct holder before, after;
    char error[CONFIG_ERROR_MAX] = "";

    make_holder(&before);
    fill(&before, getppid());
    record_write(&record, HANDOVER_MAGIC, 2);
    handover_walk(&before, &record);
    CLEANUP_CLOSE int fd = record_to_fd(&record, "older");
    open_for_reading(fd);
    make_holder(&after);
    assert_int_equal(handover_restore(&after, true, error), 1);
    assert_int_equal(after.slots.apps->slots[1].pid, getppid());
    assert_int_equal(after.slots.apps->slots[1].uid, KILL_AS_SELF);
    free_holder(&after);
    free_holder(&before);
}

/* A pid that is not our child's can't be watched: a state that isn't ours. */
static void test_foreign_worker(void **state)
{
    struct holder before, after;
    char error[CONFIG_ERROR_MAX] = "";

    make_holder(&before);
    fill(&before, getppid());
    make_holder(&after);
    CLEANUP_CLOSE int fd = handover_save(&before);
    open_for_reading(fd);
    assert_int_equal(handover_restore(&after, false, error), -EBADMSG);
    assert_non_null(strstr(error, "state"));
    free_holder(&after);
    free_holder(&before);
}

static void test_check(void **state)
{
    char newer_text[16];
    struct holder holder;
    char error[CONFIG_ERROR_MAX] = "";
    struct record record;

    assert_int_equal(handover_check(error), 0); /* by hand */
    make_holder(&holder);
    fill(&holder, getppid());
    CLEANUP_CLOSE int fd = handover_save(&holder);
    open_for_reading(fd);
    assert_int_equal(handover_check(error), 1); /* touches neither processes nor descriptors */
    assert_int_equal(fcntl(holder.config_fd, F_GETFD), 0);

    record_write(&record, HANDOVER_MAGIC, HANDOVER_VERSION + 1);
    CLEANUP_CLOSE int newer = record_to_fd(&record, "newer");
    open_for_reading(newer);
    assert_int_equal(handover_check(error), -EPROTONOSUPPORT);
    snprintf(newer_text, sizeof(newer_text), "version %u", HANDOVER_VERSION + 1);
    assert_non_null(strstr(error, newer_text));
    record_done(&record);

    record_write(&record, HANDOVER_MAGIC, HANDOVER_VERSION);
    CLEANUP_CLOSE int empty = record_to_fd(&record, "empty");
    open_for_reading(empty);
    assert_int_equal(handover_check(error), -EBADMSG);
    record_done(&record);

    assert_int_equal(setenv(ENV_HANDOVER, "999", true), 0);
    assert_int_equal(handover_check(error), -EBADMSG);
    assert_int_equal(setenv(ENV_HANDOVER, "x", true), 0);
    assert_int_equal(handover_check(error), -EINVAL);
    free_holder(&holder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_everything_comes_over),
        cmocka_unit_test(test_older_version),
        cmocka_unit_test(test_foreign_worker),
        cmocka_unit_test(test_check),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

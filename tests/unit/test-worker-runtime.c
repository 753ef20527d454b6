/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/worker-harness.h"

#include "common/base/macro.h"
#include "common/base/scoreboard.h"
#include "common/net/trial.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>

#define CONNECTIONS_MAX 8

/* The access log has a line for each request, also for those that were never answered. */
static void expect_log_lines(const struct agent *a)
{
    static const char *const LINES[] = {" GET / 200 ", " GET /nope 404 ", " GET /slow 200 ",
                                        " GET /never 0 "};
    size_t length;
    CLEANUP_FREE char *log = unit_file_read(AT_FDCWD, a->log_path, &length);

    for (size_t i = 0; i < ARRAY_SIZE(LINES); i++)
        if (!strstr(log, LINES[i]))
            fail_msg("no line%s in: %s", LINES[i], log);
}

static void expect_in_flight(const struct scoreboard *board, unsigned wanted)
{
    for (unsigned i = 0; i < PATIENCE_MS && scoreboard_in_flight(board) != wanted; i++)
        usleep(1000);
    assert_int_equal(scoreboard_in_flight(board), wanted);
}

static void expect_worker_in_flight(const struct agent *a, unsigned slot, unsigned wanted)
{
    const struct scoreboard *board;

    assert_int_equal(scoreboard_map_readonly(a->scoreboard_fd[slot], &board), 0);
    expect_in_flight(board, wanted);
    scoreboard_unmap_readonly(board);
}

static void expect_counted(const struct agent *a, unsigned slot, uint64_t wanted)
{
    const struct scoreboard *board;
    struct tally tally;

    assert_int_equal(scoreboard_map_readonly(a->scoreboard_fd[slot], &board), 0);
    assert_int_equal(scoreboard_read(board, &tally), 0);
    assert_int_equal(tally_requests(&tally), wanted);
    scoreboard_unmap_readonly(board);
}

static void test_serve_and_count(void **state)
{
    const struct scoreboard *board;
    struct tally tally;
    struct agent a;
    char answer[500];
    int fd, before, after;

    agent_start(&a);
    fd = client_connect(&a); /* before anybody accepts: it waits */
    client_send(fd, GET("/"));
    agent_spawn(&a, 2);
    expect_notice(&a, "READY=1");
    expect_body(fd, "unit-app 2 i-unit", false);
    assert_int_equal(scoreboard_map_readonly(a.scoreboard_fd[2], &board), 0);
    client_send(fd, GET("/nope"));
    client_read(fd, answer, sizeof(answer));
    client_send(fd, GET("/slow"));
    expect_in_flight(board, 1);
    assert_int_equal(board->connections, 1);
    expect_body(fd, "slow", false);
    client_send(fd, GET("/never"));
    expect_in_flight(board, 1);
    close(fd); /* it gives up */
    expect_in_flight(board, 0);
    for (unsigned i = 0; i < PATIENCE_MS && board->connections > 0; i++)
        usleep(1000);
    assert_int_equal(board->connections, 0);
    assert_int_equal(scoreboard_read(board, &tally), 0);
    assert_int_equal(tally.requests[SCOREBOARD_2XX], 2);
    assert_int_equal(tally.requests[SCOREBOARD_4XX], 1);
    assert_int_equal(tally_requests(&tally), 3);
    assert_int_equal(histogram_count(&tally.latency), 3);
    assert_in_range(histogram_quantile_us(&tally.latency, 1000), 290 * 1000, 5000 * 1000);
    assert_int_equal(tally.bytes_sent, 17 + strlen("Not Found\n") + 4);
    scoreboard_unmap_readonly(board);
    expect_log_lines(&a);

    before = client_connect(&a);
    client_send(before, GET("/"));
    expect_body(before, "unit-app 2 i-unit", false);
    close(before);
    kill(a.pids[2], SIGTERM);
    expect_notice(&a, "STOPPING=1");
    assert_int_equal(agent_wait(&a, 2, PATIENCE_MS), 0); /* nobody is left */
    /* The socket is still there for the next worker: nothing was refused meanwhile. */
    after = client_connect(&a);
    client_send(after, GET("/"));
    agent_spawn(&a, 1);
    expect_body(after, "unit-app 1 i-unit", false);
    close(after);
    agent_stop(&a);
}

static void test_drain(void **state)
{
    struct agent a;
    char answer[10];
    int idle, slow, late;

    agent_start(&a);
    agent_spawn(&a, 1);
    expect_notice(&a, "READY=1");
    idle = client_connect(&a);
    slow = client_connect(&a);
    client_send(idle, GET("/"));
    expect_body(idle, "unit-app 1 i-unit", false);
    client_send(slow, GET("/slow"));
    expect_worker_in_flight(&a, 1, 1);
    kill(a.pids[1], SIGTERM);
    expect_notice(&a, "STOPPING=1");
    late = client_connect(&a);
    client_send(late, GET("/"));
    expect_body(slow, "slow", true); /* what was in flight is finished */
    assert_string_equal(client_read(slow, answer, sizeof(answer)), "");
    usleep(200 * 1000);
    client_send(idle, GET("/")); /* who is idle may still speak, once */
    expect_body(idle, "unit-app 1 i-unit", true);
    assert_string_equal(client_read(idle, answer, sizeof(answer)), "");
    assert_int_equal(agent_wait(&a, 1, PATIENCE_MS), 0);
    assert_false(has_input(late, 0)); /* it waits in the queue for the next worker */
    agent_spawn(&a, 2);
    expect_body(late, "unit-app 2 i-unit", false);
    close(idle);
    close(slow);
    close(late);
    agent_stop(&a);
}

/* Who waits when the last worker goes is served by it: its copy of the socket may be the last. */
static void test_drain_queue(void **state)
{
    struct agent a;
    int fds[CONNECTIONS_MAX - 2];

    agent_start(&a);
    agent_spawn(&a, 1);
    expect_notice(&a, "READY=1");
    kill(a.pids[1], SIGSTOP);
    for (size_t i = 0; i < ARRAY_SIZE(fds); i++) {
        fds[i] = client_connect(&a);
        client_send(fds[i], GET("/"));
    }
    kill(a.pids[1], SIGTERM);
    kill(a.pids[1], SIGCONT);
    for (size_t i = 0; i < ARRAY_SIZE(fds); i++)
        expect_body(fds[i], "unit-app 1 i-unit", true);
    assert_int_equal(agent_wait(&a, 1, PATIENCE_MS), 0);
    for (size_t i = 0; i < ARRAY_SIZE(fds); i++)
        close(fds[i]);
    agent_stop(&a);
}

static void test_idle_deadline(void **state)
{
    struct agent a;
    int fd;

    agent_start(&a);
    a.idle_s = "1";
    agent_spawn(&a, 1);
    fd = client_connect(&a);
    client_send(fd, GET("/"));
    expect_body(fd, "unit-app 1 i-unit", false);
    kill(a.pids[1], SIGTERM);
    usleep(700 * 1000);
    assert_int_equal(waitpid(a.pids[1], NULL, WNOHANG), 0);
    assert_int_equal(agent_wait(&a, 1, PATIENCE_MS), 0);
    close(fd);
    agent_stop(&a);
}

static void test_request_deadline(void **state)
{
    struct agent a;
    int fd;

    agent_start(&a);
    a.drain_s = "1";
    a.idle_s = "0";
    agent_spawn(&a, 1);
    fd = client_connect(&a);
    client_send(fd, GET("/never"));
    expect_worker_in_flight(&a, 1, 1);
    kill(a.pids[1], SIGTERM);
    usleep(700 * 1000);
    assert_int_equal(waitpid(a.pids[1], NULL, WNOHANG), 0);
    assert_int_equal(agent_wait(&a, 1, PATIENCE_MS), 1); /* one was abandoned */
    close(fd);
    agent_stop(&a);
}

static void test_second_signal(void **state)
{
    static const int SIGNALS[][2] = {{SIGTERM, SIGTERM}, {SIGINT, SIGINT}, {SIGTERM, SIGINT}};

    for (size_t i = 0; i < ARRAY_SIZE(SIGNALS); i++) {
        struct agent a;
        int fd;

        agent_start(&a);
        agent_spawn(&a, 1);
        expect_notice(&a, "READY=1");
        fd = client_connect(&a);
        client_send(fd, GET("/"));
        expect_body(fd, "unit-app 1 i-unit", false);
        kill(a.pids[1], SIGNALS[i][0]);
        expect_notice(&a, "STOPPING=1");
        usleep(50 * 1000);
        assert_int_equal(waitpid(a.pids[1], NULL, WNOHANG), 0);
        kill(a.pids[1], SIGNALS[i][1]);
        assert_int_equal(agent_wait(&a, 1, PATIENCE_MS), 0);
        close(fd);
        agent_stop(&a);
    }
}

/* One question on the worker's own socket. */
static void ask_probe(const struct agent *a, const char *request, const char *body)
{
    int probe = probe_connect(a);

    client_send(probe, request);
    assert_true(has_input(probe, PATIENCE_MS));
    expect_body(probe, body, false);
    close(probe);
}

/* The probe reaches this worker, also when it takes no more connections. */
static void test_probe(void **state)
{
    struct agent a;
    int fds[CONNECTIONS_MAX + 1];

    agent_start(&a);
    a.connections_max = CONNECTIONS_MAX;
    a.probed = true;
    agent_spawn(&a, 1);
    expect_notice(&a, "READY=1");
    ask_probe(&a, GET("/"), "unit-app 1 i-unit");
    for (unsigned i = 0; i <= CONNECTIONS_MAX; i++) {
        fds[i] = client_connect(&a);
        if (i == CONNECTIONS_MAX) /* the others have just come, and may be about to ask */
            client_send(fds[i], GET("/"));
    }
    assert_false(has_input(fds[CONNECTIONS_MAX], 100));
    ask_probe(&a, GET("/"), "unit-app 1 i-unit");
    expect_counted(&a, 1, 0); /* it is no request of the app's */
    close(fds[0]);            /* now there is room, just enough */
    expect_body(fds[CONNECTIONS_MAX], "unit-app 1 i-unit", true);
    for (unsigned i = 1; i <= CONNECTIONS_MAX; i++)
        close(fds[i]);
    agent_stop(&a);
}

/* A worker with a probe takes nothing before it has answered that well, or nobody asks. */
static void test_trial(void **state)
{
    struct agent a;
    int fd, mute;

    agent_start(&a);
    a.probed = true;
    fd = client_connect(&a);
    client_send(fd, GET("/"));
    agent_spawn(&a, 1);
    expect_notice(&a, "READY=1");
    ask_probe(&a, GET("/sick"), "sick");
    mute = probe_connect(&a);
    client_send(mute, GET("/never"));
    /* Longer than it would wait for a question: it has one. */
    assert_false(has_input(fd, (int) (TRIAL_SILENCE_US / 1000) + 500));
    close(mute);
    ask_probe(&a, GET("/sick"), "sick");
    assert_false(has_input(fd, 100));
    ask_probe(&a, GET("/"), "unit-app 1 i-unit");
    assert_true(has_input(fd, PATIENCE_MS));
    expect_body(fd, "unit-app 1 i-unit", false);
    close(fd);
    agent_stop(&a);
}

static void test_trial_that_nobody_judges(void **state)
{
    struct agent a;
    int fd, other;

    agent_start(&a);
    a.probed = true;
    agent_spawn(&a, 1);
    expect_notice(&a, "READY=1");
    fd = client_connect(&a);
    client_send(fd, GET("/"));
    assert_false(has_input(fd, 100));
    assert_true(has_input(fd, (int) (TRIAL_SILENCE_US / 1000) + PATIENCE_MS));
    expect_body(fd, "unit-app 1 i-unit", false);
    close(fd);
    kill(a.pids[1], SIGTERM);
    expect_notice(&a, "STOPPING=1");
    assert_int_equal(agent_wait(&a, 1, PATIENCE_MS), 0);
    /* One that is told to go in its trial, alone, takes what waits: its copies may be the last. */
    agent_spawn(&a, 2);
    expect_notice(&a, "READY=1");
    other = client_connect(&a);
    client_send(other, GET("/"));
    kill(a.pids[2], SIGTERM);
    expect_body(other, "unit-app 2 i-unit", true);
    close(other);
    agent_stop(&a);
}

static void test_watchdog(void **state)
{
    struct agent a;

    agent_start(&a);
    a.watchdog_us = "20000";
    agent_spawn(&a, 1);
    expect_notice(&a, "READY=1");
    for (int i = 0; i < 3; i++)
        expect_notice(&a, "WATCHDOG=1");
    agent_stop(&a);
}

/* The agent is stopped and its queue full: the worker serves on, and says READY when it can. */
static void test_full_notify_queue(void **state)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    struct agent a;
    unsigned n = 0;
    char message[100];
    int fill, fd;

    agent_start(&a);
    memcpy(address.sun_path, a.notify_path, strlen(a.notify_path) + 1);
    fill = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    assert_int_equal(connect(fill, (struct sockaddr *) &address, sizeof(address)), 0);
    while (send(fill, "STATUS=x", 8, 0) > 0)
        n++;
    assert_true(n > 0);
    agent_spawn(&a, 1);
    fd = client_connect(&a);
    client_send(fd, GET("/"));
    expect_body(fd, "unit-app 1 i-unit", false);
    for (; n > 0; n--)
        assert_int_equal(recv(a.notify_fd, message, sizeof(message), 0), 8);
    expect_notice(&a, "READY=1");
    close(fd);
    close(fill);
    agent_stop(&a);
}

/* 64 kept-alive connections over two workers: neither has more than 60 %. */
static void test_gate_balance(void **state)
{
    enum { N = 64 };
    struct agent a;
    unsigned counts[3] = {0};
    int fds[N];

    agent_start(&a);
    agent_spawn(&a, 1);
    agent_spawn(&a, 2);
    expect_notice(&a, "READY=1");
    expect_notice(&a, "READY=1");
    for (unsigned i = 0; i < N; i++) {
        fds[i] = client_connect(&a);
        client_send(fds[i], GET("/"));
    }
    for (unsigned i = 0; i < N; i++) {
        char answer[500], *name;

        client_read(fds[i], answer, sizeof(answer));
        name = strstr(answer, "unit-app ");
        assert_non_null(name);
        counts[name[9] == '1' ? 1 : 2]++;
    }
    assert_int_equal(counts[1] + counts[2], N);
    if (counts[1] * 10 > N * 6 || counts[2] * 10 > N * 6)
        fail_msg("uneven: %u and %u", counts[1], counts[2]);
    for (unsigned i = 0; i < N; i++)
        close(fds[i]);
    agent_stop(&a);
}

/* A sibling that is ready but stopped costs its connections a millisecond, and loses none. */
static void test_stopped_sibling(void **state)
{
    struct agent a;
    int fds[CONNECTIONS_MAX];

    agent_start(&a);
    agent_spawn(&a, 1);
    agent_spawn(&a, 2);
    expect_notice(&a, "READY=1");
    expect_notice(&a, "READY=1");
    kill(a.pids[2], SIGSTOP);
    for (unsigned i = 0; i < CONNECTIONS_MAX; i++) {
        fds[i] = client_connect(&a);
        client_send(fds[i], GET("/"));
        expect_body(fds[i], "unit-app 1 i-unit", false);
    }
    kill(a.pids[2], SIGCONT);
    for (unsigned i = 0; i < CONNECTIONS_MAX; i++)
        close(fds[i]);
    agent_stop(&a);
}

/* By hand: it listens itself, and has a name. */
static void test_without_agent(void **state)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    char directory[PATH_MAX], path[PATH_MAX + 8];
    pid_t pid;
    int fd, status;

    unit_directory_make(directory);
    snprintf(path, sizeof(path), "%s/web", directory);
    pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        int null_fd = open("/dev/null", O_WRONLY);

        dup2(null_fd, STDERR_FILENO);
        clearenv();
        setenv("INSTANCE_ID", "by-hand", 1);
        _exit(worker_main(path, 10));
    }
    memcpy(address.sun_path, path, strlen(path) + 1);
    fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    for (unsigned i = 0; i < 500; i++) {
        if (connect(fd, (struct sockaddr *) &address, sizeof(address)) == 0)
            break;
        usleep(10 * 1000);
    }
    client_send(fd, GET("/"));
    expect_body(fd, "test-worker-runtime 0 by-hand", false);
    kill(pid, SIGINT);
    assert_int_equal(waitpid(pid, &status, 0), pid); /* idle connections have no time here */
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    close(fd);
    unit_directory_remove(directory);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_serve_and_count),
        cmocka_unit_test(test_drain),
        cmocka_unit_test(test_drain_queue),
        cmocka_unit_test(test_idle_deadline),
        cmocka_unit_test(test_request_deadline),
        cmocka_unit_test(test_second_signal),
        cmocka_unit_test(test_probe),
        cmocka_unit_test(test_trial),
        cmocka_unit_test(test_trial_that_nobody_judges),
        cmocka_unit_test(test_watchdog),
        cmocka_unit_test(test_full_notify_queue),
        cmocka_unit_test(test_gate_balance),
        cmocka_unit_test(test_stopped_sibling),
        cmocka_unit_test(test_without_agent),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

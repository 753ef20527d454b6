/* SPDX-License-Identifier: Apache-2.0 */
/* See the header. */
#include "tests/unit/worker-harness.h"

#include "common/base/accept-gate.h"
#include "common/base/clock.h"
#include "common/base/scoreboard.h"
#include "common/net/worker-runtime.h"
#include "common/schema/contract.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/un.h>
#include <sys/wait.h>

#define FIRST_SPARE_FD 50 /* where descriptors wait while 3 and up are filled */

/* --- the worker ------------------------------------------------------------------------------ */

struct app {
    struct worker_runtime *runtime;
    sd_event *event;
    struct http_request *slow;
};

static void on_identity(struct http_request *request, void *userdata)
{
    const struct app *app = userdata;
    char text[200];

    snprintf(text, sizeof(text), "%s %u %s", worker_runtime_app(app->runtime),
             worker_runtime_slot(app->runtime), worker_runtime_instance(app->runtime));
    http_respond_bytes(request, 200, "text/plain", text, strlen(text));
}

static int on_slow_timer(sd_event_source *source, uint64_t usec, void *userdata)
{
    struct app *app = userdata;

    if (app->slow)
        http_respond_bytes(TAKE(app->slow), 200, "text/plain", "slow", 4);
    return 0;
}

static void on_abort(struct http_request *request, void *context)
{
    struct app *app = context;

    app->slow = NULL;
}

static void on_slow(struct http_request *request, void *userdata)
{
    struct app *app = userdata;

    app->slow = request;
    http_request_suspend(request, on_abort, app);
    sd_event_add_time_relative(app->event, NULL, CLOCK_MONOTONIC, 300 * USEC_PER_MSEC, 0,
                               on_slow_timer, app);
}

static void on_never(struct http_request *request, void *userdata)
{
    http_request_suspend(request, on_abort, userdata);
}

static void on_sick(struct http_request *request, void *userdata)
{
    http_respond_bytes(request, 503, "text/plain", "sick", 4);
}

static const struct http_route ROUTES[] = {
    {HTTP_GET, "/", 0, on_identity},
    {HTTP_GET, "/sick", 0, on_sick},
    {HTTP_GET, "/slow", 0, on_slow},
    {HTTP_GET, "/never", 0, on_never},
    {0},
};

int worker_main(const char *fallback_listen, unsigned connections_max)
{
    struct app app = {0};
    struct worker_runtime_options options = {
        .routes = ROUTES,
        .userdata = &app,
        .fallback_listen = fallback_listen,
        .connections_max = connections_max,
        .idle_timeout_s = 75,
        .access_log = true,
    };
    int status;

    alarm(30); /* whatever goes wrong, it does not stay */
    if (sd_event_new(&app.event) < 0 || worker_runtime_new(&app.runtime, app.event, &options) < 0 ||
        worker_runtime_ready(app.runtime) < 0)
        return 99;
    status = worker_runtime_run(app.runtime);
    worker_runtime_free(app.runtime);
    sd_event_unref(app.event);
    return status;
}

/* --- the agent ------------------------------------------------------------------------------- */

static int listen_unix(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    memcpy(address.sun_path, path, strlen(path) + 1);
    assert_int_equal(bind(fd, (struct sockaddr *) &address, sizeof(address)), 0);
    assert_int_equal(listen(fd, 100), 0);
    return fd;
}

void agent_start(struct agent *a)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct sockaddr_un notify = {.sun_family = AF_UNIX};
    socklen_t length = sizeof(address);

    memset(a, 0, sizeof(*a));
    a->drain_s = "10";
    a->idle_s = "10";
    a->connections_max = 1000;
    unit_directory_make(a->directory);
    snprintf(a->notify_path, sizeof(a->notify_path), "%s/notify", a->directory);
    snprintf(a->probe_path, sizeof(a->probe_path), "%s/probe", a->directory);
    a->web_fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(a->web_fd, (struct sockaddr *) &address, length), 0);
    assert_int_equal(listen(a->web_fd, 1000), 0);
    assert_int_equal(getsockname(a->web_fd, (struct sockaddr *) &address, &length), 0);
    a->port = ntohs(address.sin_port);
    a->probe_fd = listen_unix(a->probe_path);
    a->notify_fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    memcpy(notify.sun_path, a->notify_path, strlen(a->notify_path) + 1);
    assert_int_equal(bind(a->notify_fd, (struct sockaddr *) &notify, sizeof(notify)), 0);
    a->gate_fd = accept_gate_new_fd();
    assert_true(a->gate_fd >= 0);
    for (unsigned slot = 1; slot < 3; slot++)
        a->scoreboard_fd[slot] = scoreboard_new_fd("test");
    snprintf(a->log_path, sizeof(a->log_path), "%s/log", a->directory);
    a->log_fd = open(a->log_path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
}

static void set_fd_variable(const char *name, int fd)
{
    char text[16];

    snprintf(text, sizeof(text), "%d", fd);
    setenv(name, text, 1);
}

static void child_environment(const struct agent *a, unsigned slot)
{
    int web = fcntl(a->web_fd, F_DUPFD, FIRST_SPARE_FD);
    int probe = fcntl(a->probe_fd, F_DUPFD, FIRST_SPARE_FD);
    char number[16];

    set_fd_variable(ENV_SCOREBOARD, fcntl(a->scoreboard_fd[slot], F_DUPFD, FIRST_SPARE_FD));
    set_fd_variable(ENV_GATE, fcntl(a->gate_fd, F_DUPFD, FIRST_SPARE_FD));
    dup2(a->log_fd, STDERR_FILENO);
    dup2(web, 3);
    dup2(probe, 4);
    /* An exec would have closed them: a client's connection ends when the client closes it. */
    close_range(a->probed ? 5 : 4, FIRST_SPARE_FD - 1, 0);
    setenv("LISTEN_FDS", a->probed ? "2" : "1", 1);
    snprintf(number, sizeof(number), "%d", getpid());
    setenv("LISTEN_PID", number, 1);
    setenv("LISTEN_FDNAMES", a->probed ? "web:probe" : "web", 1);
    setenv("NOTIFY_SOCKET", a->notify_path, 1);
    setenv(ENV_APP, "unit-app", 1);
    set_fd_variable(ENV_SLOT, (int) slot);
    setenv(ENV_INSTANCE, "i-unit", 1);
    setenv(ENV_DRAIN_S, a->drain_s, 1);
    setenv(ENV_IDLE_S, a->idle_s, 1);
    if (a->watchdog_us)
        setenv("WATCHDOG_USEC", a->watchdog_us, 1);
}

void agent_spawn(struct agent *a, unsigned slot)
{
    a->pids[slot] = fork();
    assert_true(a->pids[slot] >= 0);
    if (a->pids[slot] == 0) {
        child_environment(a, slot);
        _exit(worker_main(NULL, a->connections_max));
    }
}

void expect_notice(const struct agent *a, const char *text)
{
    struct pollfd poll_fd = {.fd = a->notify_fd, .events = POLLIN};
    char message[100];
    ssize_t n;

    assert_int_equal(poll(&poll_fd, 1, PATIENCE_MS), 1);
    n = recv(a->notify_fd, message, sizeof(message) - 1, 0);
    assert_true(n > 0);
    message[n] = '\0';
    assert_string_equal(message, text);
}

int agent_wait(struct agent *a, unsigned slot, unsigned limit_ms)
{
    for (unsigned ms = 0; ms <= limit_ms; ms += 5) {
        int status;

        if (waitpid(a->pids[slot], &status, WNOHANG) == a->pids[slot]) {
            a->pids[slot] = 0;
            assert_true(WIFEXITED(status));
            return WEXITSTATUS(status);
        }
        usleep(5000);
    }
    kill(a->pids[slot], SIGKILL);
    waitpid(a->pids[slot], NULL, 0);
    fail_msg("worker did not leave within %u ms", limit_ms);
    return -1;
}

void agent_stop(struct agent *a)
{
    for (unsigned slot = 1; slot < 3; slot++) {
        if (a->pids[slot] > 0) {
            kill(a->pids[slot], SIGTERM);
            kill(a->pids[slot], SIGTERM);
            assert_in_range(agent_wait(a, slot, PATIENCE_MS), 0, 1);
        }
        close(a->scoreboard_fd[slot]);
    }
    close(a->web_fd);
    close(a->probe_fd);
    close(a->notify_fd);
    close(a->gate_fd);
    close(a->log_fd);
    unit_directory_remove(a->directory);
}

/* --- clients --------------------------------------------------------------------------------- */

int client_connect(const struct agent *a)
{
    struct sockaddr_in address = {
        .sin_family = AF_INET,
        .sin_port = htons(a->port),
        .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
    };
    struct timeval patience = {.tv_sec = PATIENCE_MS / 1000};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience)), 0);
    assert_int_equal(connect(fd, (struct sockaddr *) &address, sizeof(address)), 0);
    return fd;
}

int probe_connect(const struct agent *a)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    memcpy(address.sun_path, a->probe_path, strlen(a->probe_path) + 1);
    assert_int_equal(connect(fd, (struct sockaddr *) &address, sizeof(address)), 0);
    return fd;
}

void client_send(int fd, const char *request)
{
    assert_int_equal(send(fd, request, strlen(request), MSG_NOSIGNAL), strlen(request));
}

const char *client_read(int fd, char *answer, size_t size)
{
    ssize_t n = recv(fd, answer, size - 1, 0);

    assert_true(n >= 0);
    answer[n] = '\0';
    return answer;
}

void expect_body(int fd, const char *body, bool closes)
{
    char answer[1000];
    const char *end;

    client_read(fd, answer, sizeof(answer));
    end = strstr(answer, "\r\n\r\n");
    assert_non_null(end);
    assert_string_equal(end + 4, body);
    assert_int_equal(strstr(answer, "\r\nConnection: close\r\n") != NULL, closes);
}

bool has_input(int fd, int wait_ms)
{
    struct pollfd poll_fd = {.fd = fd, .events = POLLIN};

    return poll(&poll_fd, 1, wait_ms) == 1;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* One question over real sockets, to a peer that answers in pieces, nonsense, too much or not. */
#include "agent/supervise/probe-client.h"

#include "common/base/clock.h"
#include "tests/unit/unit.h"

#include <errno.h>
#include <netinet/in.h>
#include <sys/un.h>

#define PATIENCE_US (20 * USEC_PER_SEC)

struct fixture {
    sd_event *event;
    int listen_fd, peer_fd;
    struct sockaddr_un address;
    char directory[PATH_MAX];
    sd_event_source *accept, *peer;
    const char *const *pieces; /* sent one after the other, NULL at the end */
    bool keep_open;            /* after them */
    char request[1024];
    int status;
    bool done;
    struct probe_client *client;
};

static int on_send(sd_event_source *source, int fd, uint32_t revents, void *userdata)
{
    struct fixture *f = userdata;

    if (*f->pieces) {
        (void) !send(fd, *f->pieces, strlen(*f->pieces), MSG_NOSIGNAL);
        f->pieces++;
        return 0;
    }
    sd_event_source_set_enabled(source, SD_EVENT_OFF);
    if (!f->keep_open)
        shutdown(fd, SHUT_RDWR);
    return 0;
}

static int on_request(sd_event_source *source, int fd, uint32_t revents, void *userdata)
{
    struct fixture *f = userdata;
    size_t used = strlen(f->request);
    ssize_t n = recv(fd, f->request + used, sizeof(f->request) - 1 - used, 0);

    if (n <= 0 || !strstr(f->request, "\r\n\r\n"))
        return 0;
    f->peer = sd_event_source_unref(f->peer);
    assert_true(sd_event_add_io(f->event, &f->peer, fd, EPOLLOUT, on_send, f) >= 0);
    return 0;
}

static int on_accept(sd_event_source *source, int fd, uint32_t revents, void *userdata)
{
    struct fixture *f = userdata;

    f->peer_fd = accept(fd, NULL, NULL);
    assert_true(f->peer_fd >= 0);
    assert_true(sd_event_add_io(f->event, &f->peer, f->peer_fd, EPOLLIN, on_request, f) >= 0);
    return 0;
}

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));

    assert_true(sd_event_new(&f->event) >= 0);
    unit_directory_make(f->directory);
    f->address.sun_family = AF_UNIX;
    snprintf(f->address.sun_path, sizeof(f->address.sun_path), "%.90s/peer", f->directory);
    f->listen_fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    f->peer_fd = -1;
    assert_int_equal(bind(f->listen_fd, (struct sockaddr *) &f->address, sizeof(f->address)), 0);
    assert_int_equal(listen(f->listen_fd, 1), 0);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    probe_client_free(f->client);
    sd_event_source_disable_unref(f->accept);
    sd_event_source_disable_unref(f->peer);
    if (f->peer_fd >= 0)
        close(f->peer_fd);
    close(f->listen_fd);
    sd_event_unref(f->event);
    unit_directory_remove(f->directory);
    free(f);
    return 0;
}

static void on_done(int status, void *userdata)
{
    struct fixture *f = userdata;

    assert_false(f->done);
    f->done = true;
    f->status = status;
    f->client = probe_client_free(f->client);
}

static int start(struct fixture *f, uint64_t timeout_us)
{
    return probe_client_new(&f->client, f->event, (struct sockaddr *) &f->address,
                            sizeof(f->address), "/health", timeout_us, on_done, f);
}

static int ask(struct fixture *f, uint64_t timeout_us)
{
    assert_int_equal(start(f, timeout_us), 0);
    while (!f->done)
        assert_true(sd_event_run(f->event, PATIENCE_US) > 0);
    return f->status;
}

static void answer_with(struct fixture *f, const char *const *pieces)
{
    f->pieces = pieces;
    assert_true(sd_event_add_io(f->event, &f->accept, f->listen_fd, EPOLLIN, on_accept, f) >= 0);
}

static void test_answered(void **state)
{
    static const char *const pieces[] = {"HT",           "TP/1.1 20", "0 OK\r\n",
                                         "X: y\r\n\r\n", "body",      NULL};
    struct fixture *f = *state;

    answer_with(f, pieces);
    assert_int_equal(ask(f, PATIENCE_US), 200);
    assert_int_equal(strncmp(f->request, "GET /health HTTP/1.0\r\nHost: localhost\r\n", 39), 0);
}

static void test_refusal(void **state)
{
    static const char *const pieces[] = {"HTTP/1.1 503 Busy\r\n\r\n", NULL};

    answer_with(*state, pieces);
    assert_int_equal(ask(*state, PATIENCE_US), 503);
}

static void test_nonsense(void **state)
{
    static const char *const pieces[] = {"220 mail.example ESMTP\r\n", NULL};
    struct fixture *f = *state;

    f->keep_open = true;
    answer_with(f, pieces);
    assert_int_equal(ask(f, PATIENCE_US), -EBADMSG);
}

static void test_closed(void **state)
{
    static const char *const pieces[] = {NULL};

    answer_with(*state, pieces);
    assert_int_equal(ask(*state, PATIENCE_US), -EBADMSG);
}

/* It has answered, and keeps the connection: that is an answer. */
static void test_kept_open(void **state)
{
    static const char *const pieces[] = {"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", NULL};
    struct fixture *f = *state;

    f->keep_open = true;
    answer_with(f, pieces);
    assert_int_equal(ask(f, 100 * USEC_PER_MSEC), 200);
}

/* Nobody accepts: the connection waits in the queue. */
static void test_no_answer(void **state)
{
    assert_int_equal(ask(*state, 50 * USEC_PER_MSEC), -ETIMEDOUT);
}

/* An answer without an end is an answer, and ends here. */
static void test_endless(void **state)
{
    enum { PIECES = 40 };
    static char block[4000];
    static const char *pieces[PIECES + 2];
    struct fixture *f = *state;

    memset(block, 'x', sizeof(block) - 1);
    pieces[0] = "HTTP/1.1 200 OK\r\n\r\n";
    for (int i = 1; i <= PIECES; i++)
        pieces[i] = block;
    f->keep_open = true;
    answer_with(f, pieces);
    assert_int_equal(ask(f, PATIENCE_US), 200);
}

static void test_at_once(void **state)
{
    struct fixture *f = *state;
    struct sockaddr_in in = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof(in);

    assert_int_equal(unlink(f->address.sun_path), 0);
    assert_int_equal(start(f, PATIENCE_US), -ENOENT);
    assert_null(f->client);

    /* A port that is bound and not listened on refuses. */
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(fd, (struct sockaddr *) &in, length), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *) &in, &length), 0);
    int r = probe_client_new(&f->client, f->event, (struct sockaddr *) &in, length, "/",
                             PATIENCE_US, on_done, f);
    while (r == 0 && !f->done)
        assert_true(sd_event_run(f->event, PATIENCE_US) > 0);
    assert_int_equal(r < 0 ? r : f->status, -ECONNREFUSED);
    close(fd);
}

static void test_given_up(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(start(f, 1000), 0);
    f->client = probe_client_free(f->client);
    assert_int_equal(sd_event_run(f->event, 20 * USEC_PER_MSEC), 0);
    assert_false(f->done);
    assert_null(probe_client_free(NULL));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_answered), TEST(test_refusal),   TEST(test_nonsense),
        TEST(test_closed),   TEST(test_kept_open), TEST(test_no_answer),
        TEST(test_endless),  TEST(test_at_once),   TEST(test_given_up),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

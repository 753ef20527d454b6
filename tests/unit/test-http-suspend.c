/* SPDX-License-Identifier: Apache-2.0 */
/* Requests that are answered later, or never, and the drain. */
#include "tests/unit/http-harness.h"

#define HOST  "Host: test\r\n"
#define WAIT  "GET /wait HTTP/1.1\r\n" HOST "\r\n"
#define HELLO "GET / HTTP/1.1\r\n" HOST "\r\n"

static void send_text(struct harness *h, int fd, const char *text)
{
    harness_send(h, fd, text, strlen(text));
}

static void wait_for_request(struct harness *h)
{
    for (unsigned i = 0; i < 100 && !h->waiting; i++)
        harness_turn(h, 5);
    assert_non_null(h->waiting);
}

static void expect_answer(struct harness *h, int fd, unsigned status, const char *body)
{
    char *answer = harness_read(h, fd, 1, NULL);

    assert_int_equal(status_of(answer), status);
    assert_string_equal(body_of(answer), body);
    free(answer);
}

static void test_resume(void **state)
{
    struct harness h;
    int fd, other;

    harness_start(&h, NULL);
    fd = harness_connect(&h);
    other = harness_connect(&h);
    for (unsigned i = 0; i < 3; i++) {
        struct http_request *request;

        send_text(&h, fd, WAIT);
        wait_for_request(&h);
        send_text(&h, other, HELLO); /* others are served meanwhile */
        expect_answer(&h, other, 200, "hello\n");
        assert_int_equal(http_server_in_flight(h.server), 1);
        request = TAKE(h.waiting);
        assert_string_equal(http_request_path(request), "/wait");
        http_respond_text(request, 202, "later");
        expect_answer(&h, fd, 202, "later\n");
    }
    /* The same with a prepared one, a body before it, and the next request already behind it. */
    send_text(&h, fd, "POST /wait HTTP/1.1\r\n" HOST "Content-Length: 3\r\n\r\nabc" HELLO);
    wait_for_request(&h);
    {
        size_t length;
        char *answers;

        assert_memory_equal(http_request_body(h.waiting, &length), "abc", 3);
        assert_int_equal(length, 3);
        http_respond(TAKE(h.waiting), h.hello);
        answers = harness_read(&h, fd, 2, NULL);
        assert_int_equal(status_of(answers), 200);
        assert_non_null(strstr(answers, "hello\nHTTP/1.1 200 OK"));
        free(answers);
    }
    assert_int_equal(h.aborted, 0);
    assert_int_equal(h.lost, 0);
    close(fd);
    close(other);
    harness_stop(&h);
}

/* The count of answered requests is right before the client can know. */
static void test_counted_before_sent(void **state)
{
    struct harness h;
    char byte;
    int fd;

    harness_start(&h, NULL);
    fd = harness_connect(&h);
    send_text(&h, fd, WAIT);
    wait_for_request(&h);
    assert_int_equal(h.ended, 0);
    http_respond(TAKE(h.waiting), h.hello);
    assert_int_equal(h.ended, 1);
    assert_int_equal(h.last_bytes, 6);
    assert_int_equal(recv(fd, &byte, 1, 0), -1); /* nothing was written yet */
    expect_answer(&h, fd, 200, "hello\n");
    close(fd);
    harness_stop(&h);
}

static void test_abort(void **state)
{
    enum { BY_CLOSE, BY_RESET, BY_HALF_CLOSE, WAYS };
    struct linger at_once = {.l_onoff = 1};

    for (int way = 0; way < WAYS; way++) {
        struct harness h;
        int fd;

        harness_start(&h, NULL);
        fd = harness_connect(&h);
        send_text(&h, fd, HELLO); /* it is not the connection's first */
        expect_answer(&h, fd, 200, "hello\n");
        send_text(&h, fd, WAIT);
        wait_for_request(&h);
        if (way == BY_RESET)
            setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
        if (way == BY_HALF_CLOSE)
            shutdown(fd, SHUT_WR);
        else
            close(fd);
        harness_turn(&h, 100);
        assert_int_equal(h.aborted, 1);
        assert_int_equal(h.lost, 1);
        assert_null(h.waiting);
        assert_int_equal(h.connections, 0);
        assert_int_equal(http_server_in_flight(h.server), 0);
        if (way == BY_HALF_CLOSE)
            close(fd);
        harness_stop(&h);
        assert_int_equal(h.aborted, 1);
    }
}

static void on_second_abort(struct http_request *request, void *context)
{
    ++*(unsigned *) context;
}

/* What it waited for leads to the next thing to wait for. */
static void test_wait_again(void **state)
{
    unsigned aborted = 0;
    struct harness h;
    int fd;

    harness_start(&h, NULL);
    fd = harness_connect(&h);
    send_text(&h, fd, WAIT);
    wait_for_request(&h);
    http_request_suspend(h.waiting, on_second_abort, &aborted);
    http_respond_text(TAKE(h.waiting), 200, "at last");
    expect_answer(&h, fd, 200, "at last\n");
    send_text(&h, fd, WAIT);
    wait_for_request(&h);
    http_request_suspend(h.waiting, on_second_abort, &aborted);
    close(fd);
    for (unsigned i = 0; i < 100 && aborted == 0; i++)
        harness_turn(&h, 10);
    assert_int_equal(aborted, 1);
    assert_int_equal(h.aborted, 0);
    harness_stop(&h);
}

/* The peer was gone before the handler asked to wait. */
static void test_abort_at_once(void **state)
{
    struct harness h;
    int fd;

    harness_start(&h, NULL);
    fd = harness_connect(&h);
    send_text(&h, fd, WAIT); /* the connection is watched from now on */
    wait_for_request(&h);
    http_respond(TAKE(h.waiting), h.hello);
    expect_answer(&h, fd, 200, "hello\n");
    send_text(&h, fd, WAIT);
    close(fd);
    harness_turn(&h, 100);
    assert_null(h.waiting);
    assert_true(h.aborted <= 1); /* it may not have got so far */
    assert_int_equal(h.lost, h.begun - h.ended);
    assert_int_equal(h.connections, 0);
    harness_stop(&h);
}

static void test_free_while_waiting(void **state)
{
    enum { N = 5 };
    struct harness h;
    int fds[N];

    harness_start(&h, NULL);
    for (unsigned i = 0; i < N; i++) {
        fds[i] = harness_connect(&h);
        h.waiting = NULL;
        send_text(&h, fds[i], i % 2 ? WAIT : "POST /wait HTTP/1.1\r\n" HOST "\r\n");
        wait_for_request(&h);
    }
    http_respond(TAKE(h.waiting), h.hello); /* one has its answer, which was not sent yet */
    harness_stop(&h);
    assert_int_equal(h.aborted, N - 1);
    assert_int_equal(h.lost, N - 1);
    for (unsigned i = 0; i < N; i++)
        close(fds[i]);
}

static void test_drain(void **state)
{
    struct harness h;
    int idle, waiting, late;
    char *answer;

    harness_start(&h, NULL);
    idle = harness_connect(&h);
    waiting = harness_connect(&h);
    send_text(&h, idle, HELLO);
    expect_answer(&h, idle, 200, "hello\n");
    send_text(&h, waiting, WAIT);
    wait_for_request(&h);
    http_server_drain(h.server);
    late = harness_connect(&h); /* the kernel takes it, nobody accepts */
    send_text(&h, late, HELLO);
    harness_turn(&h, 50);
    assert_int_equal(h.connections, 2);
    /* Who speaks is served, and told that it was the last time. */
    send_text(&h, idle, HELLO);
    answer = harness_read(&h, idle, 1, NULL);
    assert_int_equal(status_of(answer), 200);
    assert_non_null(strstr(answer, "\r\nConnection: close\r\n"));
    assert_string_equal(body_of(answer), "hello\n");
    free(answer);
    assert_true(is_closed(&h, idle));
    http_respond(TAKE(h.waiting), h.hello);
    answer = harness_read(&h, waiting, 1, NULL);
    assert_non_null(strstr(answer, "\r\nConnection: close\r\n"));
    free(answer);
    assert_true(is_closed(&h, waiting));
    assert_int_equal(h.connections, 0);
    assert_int_equal(h.lost, 0);
    close(idle);
    close(waiting);
    close(late);
    harness_stop(&h);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_resume),        cmocka_unit_test(test_counted_before_sent),
        cmocka_unit_test(test_abort),         cmocka_unit_test(test_wait_again),
        cmocka_unit_test(test_abort_at_once), cmocka_unit_test(test_free_while_waiting),
        cmocka_unit_test(test_drain),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

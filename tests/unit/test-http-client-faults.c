/* SPDX-License-Identifier: Apache-2.0 */
/* What goes wrong: which error it becomes, and whether the request may have been carried out. */
#include "tests/unit/http-peer.h"

#include "common/base/clock.h"
#include "common/base/macro.h"

#include <arpa/inet.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <semaphore.h>

#define SOON_US     (300 * USEC_PER_MSEC)
#define LIMIT_BYTES 1000

/* --- answers that aren't whole ---------------------------------------------------------------- */

static void serve_once(struct peer *peer, int fd)
{
    if (!peer_read(peer, fd))
        return;
    peer_say(fd, peer->userdata);
    shutdown(fd, SHUT_WR);
    peer_wait_close(fd);
}

static void test_bad_answers(void **state)
{
    static const struct {
        const char *answer; /* and then the end of the connection */
        int error;
        unsigned status;
    } CASES[] = {
        {"", -ECONNRESET, 0},
        {"HTTP/1.1 100 Continue\r\n\r\n", -ECONNRESET, 0},
        {"SSH-2.0-OpenSSH_9.2\r\n", -EPROTO, 0},
        {"<html>hello</html>", -EPROTO, 0},
        {"\r\n\r\n", -EPROTO, 0},
        {"HTTP/9.9 200 OK\r\n\r\n", -EPROTO, 0},
        {"HTTP/1.1 abc OK\r\n\r\n", -EPROTO, 0},
        {"HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n", -EPROTO, 200},
        {"HTTP/1.1 200 OK\r\n", -EBADMSG, 200},
        {"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n", -EBADMSG, 200},
        {"HTTP/1.1 200 OK\r\nContent-Le", -EBADMSG, 200},
        {"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n", -EBADMSG, 200},
        {"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf", -EBADMSG, 200},
        {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n", -EBADMSG, 200},
        {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nha", -EBADMSG, 200},
        {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\nhalf\r\n", -EBADMSG, 200},
        {"HTTP/1.1 503 No\r\nContent-Length: 10\r\n\r\n", -EBADMSG, 503},
        /* HTTP/1.0's: its end is the connection's. */
        {"HTTP/1.0 200 OK\r\n\r\nwhole", 0, 200},
        {"HTTP/1.1 200 OK\r\n\r\nwhole", 0, 200},
    };
    struct bench bench;

    bench_start(&bench);
    for (size_t i = 0; i < ARRAY_SIZE(CASES); i++) {
        struct answer answer = {0};
        char url[PEER_URL_MAX];
        struct peer peer;

        peer_start(&peer, serve_once, CASES[i].answer);
        bench_get(&bench, peer_url(url, "http", peer.port, "/"), &answer);
        if (answer.error != CASES[i].error || answer.status != CASES[i].status)
            fail_msg("\"%s\": %d (%s), status %u", CASES[i].answer, answer.error, answer.text,
                     answer.status);
        assert_true(answer.sent);
        assert_int_equal(peer.requests, 1); /* and not again */
        answer_done(&answer);
        peer_stop(&peer);
    }
    bench_stop(&bench);
}

/* Closes with a reset, before or after the request was read. */
static void serve_reset(struct peer *peer, int fd)
{
    const struct linger linger = {.l_onoff = 1};

    if (peer->userdata)
        peer_read(peer, fd);
    setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger));
}

static void test_reset(void **state)
{
    for (int read_first = 0; read_first < 2; read_first++) {
        struct answer answer = {0};
        char url[PEER_URL_MAX];
        struct bench bench;
        struct peer peer;

        peer_start(&peer, serve_reset, read_first ? "" : NULL);
        bench_start(&bench);
        bench_get(&bench, peer_url(url, "http", peer.port, "/"), &answer);
        /* A reset may come before the connection is seen to stand. */
        assert_true(answer.error == -ECONNRESET ||
                    (!read_first && answer.error == -ECONNREFUSED && !answer.sent));
        assert_int_equal(answer.status, 0);
        assert_int_equal(peer.connections, 1);
        answer_done(&answer);
        bench_stop(&bench);
        peer_stop(&peer);
    }
}

/* --- limits ----------------------------------------------------------------------------------- */

enum over {
    OVER_LENGTH,  /* of the body, announced */
    OVER_CHUNKS,  /* of the body, unannounced */
    OVER_HEADERS, /* many lines */
    OVER_LINE,    /* one without an end */
    OVER_INTERIM, /* interim answers without an end */
    OVER_TRAILERS,
    OVER_N
};

static void serve_too_much(struct peer *peer, int fd)
{
    static const char *const BEGIN[OVER_N] = {
        [OVER_LENGTH] = "HTTP/1.1 200 OK\r\nContent-Length: 100000000\r\n\r\n",
        [OVER_CHUNKS] = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
        [OVER_HEADERS] = "HTTP/1.1 200 OK\r\n",
        [OVER_LINE] = "HTTP/1.1 200 OK\r\nX: ",
        [OVER_INTERIM] = "",
        [OVER_TRAILERS] = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n",
    };
    static const char *const AGAIN[OVER_N] = {
        [OVER_LENGTH] = "0123456789abcdef",
        [OVER_CHUNKS] = "4\r\nmore\r\n",
        [OVER_HEADERS] = "X-More: more\r\n",
        [OVER_LINE] = "0123456789abcdef",
        [OVER_INTERIM] = "HTTP/1.1 103 Early\r\nX: y\r\n\r\n",
        [OVER_TRAILERS] = "X-More: more\r\n",
    };
    enum over over = *(const enum over *) peer->userdata;

    if (!peer_read(peer, fd) || !peer_say(fd, BEGIN[over]))
        return;
    while (peer_say(fd, AGAIN[over]))
        ;
}

static void test_limits(void **state)
{
    struct bench bench;

    bench_start(&bench);
    for (enum over over = 0; over < OVER_N; over++) {
        struct answer answer = {0};
        struct http_client_request request;
        char url[PEER_URL_MAX];
        struct peer peer;

        peer_start(&peer, serve_too_much, &over);
        request = bench_request(peer_url(url, "http", peer.port, "/"));
        request.response_limit_bytes = LIMIT_BYTES;
        assert_int_equal(http_client_start(bench.client, &request, answer_on_done, &answer, NULL),
                         0);
        bench_wait(&bench, &answer);
        if (answer.error != -EMSGSIZE)
            fail_msg("%d: %d (%s)", over, answer.error, answer.text);
        assert_true(answer.body_length <= LIMIT_BYTES);
        assert_int_equal(answer.status, over == OVER_INTERIM ? 0 : 200);
        assert_true(answer.sent);
        answer_done(&answer);
        peer_stop(&peer);
    }
    bench_stop(&bench);
}

/* --- deadlines -------------------------------------------------------------------------------- */

static void serve_nothing(struct peer *peer, int fd)
{
    peer_read(peer, fd);
    peer_wait_close(fd);
}

static void serve_drip(struct peer *peer, int fd)
{
    if (!peer_read(peer, fd) || !peer_say(fd, "HTTP/1.1 200 OK\r\nContent-Length: 99999\r\n\r\n"))
        return;
    while (peer_say(fd, "."))
        usleep(1000);
}

static void test_deadlines(void **state)
{
    static const struct {
        peer_script script;
        unsigned status;
    } CASES[] = {{serve_nothing, 0}, {serve_drip, 200}};
    struct bench bench;

    bench_start(&bench);
    for (size_t i = 0; i < ARRAY_SIZE(CASES); i++) {
        struct answer answer = {0};
        struct http_client_request request;
        char url[PEER_URL_MAX];
        struct peer peer;
        uint64_t begin;

        peer_start(&peer, CASES[i].script, NULL);
        request = bench_request(peer_url(url, "http", peer.port, "/"));
        request.timeout_us = SOON_US;
        begin = clock_monotonic_us();
        assert_int_equal(http_client_start(bench.client, &request, answer_on_done, &answer, NULL),
                         0);
        bench_wait(&bench, &answer);
        assert_true(clock_monotonic_us() - begin >= SOON_US); /* not before: that is certain */
        assert_int_equal(answer.error, -ETIMEDOUT);
        assert_true(answer.sent);
        assert_int_equal(answer.status, CASES[i].status);
        answer_done(&answer);
        peer_stop(&peer);
    }
    bench_stop(&bench);
}

/* --- connections that don't come about -------------------------------------------------------- */

static int listen_here(int backlog, unsigned short *ret_port)
{
    struct sockaddr_in address = {
        .sin_family = AF_INET,
        .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
    };
    socklen_t length = sizeof(address);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    assert_int_equal(bind(fd, (struct sockaddr *) &address, length), 0);
    if (backlog >= 0)
        assert_int_equal(listen(fd, backlog), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *) &address, &length), 0);
    *ret_port = ntohs(address.sin_port);
    return fd;
}

static void test_unconnected(void **state)
{
    struct answer answer = {0};
    struct http_client_request request;
    unsigned short closed_port, full_port;
    char url[PEER_URL_MAX];
    int closed = listen_here(-1, &closed_port), full = listen_here(0, &full_port), fillers[8];
    struct sockaddr_in address = {
        .sin_family = AF_INET,
        .sin_port = htons(full_port),
        .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
    };
    struct bench bench;

    bench_start(&bench);
    bench_get(&bench, peer_url(url, "http", closed_port, "/"), &answer);
    assert_int_equal(answer.error, -ECONNREFUSED);
    assert_false(answer.sent);
    bench_get(&bench, "http://agentd-test.invalid/", &answer);
    assert_int_equal(answer.error, -ENOENT);
    assert_false(answer.sent);
    bench_get(&bench, "http://127.0.0.1:99999/", &answer);
    assert_int_equal(answer.error, -EIO);
    assert_false(answer.sent);
    answer_done(&answer);

    /* A backlog that is full lets no further connection come about: a black hole. */
    for (size_t i = 0; i < ARRAY_SIZE(fillers); i++) {
        fillers[i] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
        (void) connect(fillers[i], (struct sockaddr *) &address, sizeof(address));
    }
    for (int whole = 0; whole < 2; whole++) {
        request = bench_request(peer_url(url, "http", full_port, "/"));
        if (whole)
            request.timeout_us = SOON_US;
        else
            request.connect_timeout_us = SOON_US;
        assert_int_equal(http_client_start(bench.client, &request, answer_on_done, &answer, NULL),
                         0);
        bench_wait(&bench, &answer);
        assert_int_equal(answer.error, -ETIMEDOUT);
        assert_false(answer.sent);
        answer_done(&answer);
    }
    for (size_t i = 0; i < ARRAY_SIZE(fillers); i++)
        close(fillers[i]);
    close(closed);
    close(full);
    bench_stop(&bench);
}

/* --- a name server that doesn't answer -------------------------------------------------------- */

#define HANGING_NAME "hanging.example"
static sem_t lookup_begun, lookup_may_end;

/* Takes the C library's place for libcurl. */
__attribute__((visibility("default"))) int getaddrinfo(const char *node, const char *service,
                                                       const struct addrinfo *hints,
                                                       struct addrinfo **ret)
{
    __typeof__(getaddrinfo) *real = (__typeof__(getaddrinfo) *) dlsym(RTLD_NEXT, "getaddrinfo");

    if (node && strcmp(node, HANGING_NAME) == 0) {
        sem_post(&lookup_begun);
        sem_wait(&lookup_may_end);
        return EAI_AGAIN;
    }
    return real(node, service, hints, ret);
}

/* Were any of these to wait for the thread that looks the name up, the test would hang: it lets
 * that thread go only afterwards. */
static void test_hanging_lookup(void **state)
{
    enum end { END_DEADLINE, END_CANCEL, END_FREE, END_N };

    sem_init(&lookup_begun, 0, 0);
    sem_init(&lookup_may_end, 0, 0);
    for (enum end end = 0; end < END_N; end++) {
        struct answer answer = {0};
        struct http_client_request request = bench_request("http://" HANGING_NAME "/");
        struct http_client_call *call;
        struct bench bench;

        bench_start(&bench);
        if (end == END_DEADLINE)
            request.timeout_us = SOON_US;
        assert_int_equal(http_client_start(bench.client, &request, answer_on_done, &answer, &call),
                         0);
        while (sem_trywait(&lookup_begun) < 0)
            bench_turn(&bench, 1);
        if (end == END_DEADLINE) {
            bench_wait(&bench, &answer);
            assert_int_equal(answer.error, -ETIMEDOUT);
        } else if (end == END_CANCEL) {
            http_client_cancel(call);
            assert_int_equal(answer.times, 0);
        }
        bench_stop(&bench);
        if (end == END_FREE)
            assert_int_equal(answer.error, -ECANCELED);
        assert_false(answer.sent);
        answer_done(&answer);
    }
    for (enum end end = 0; end < END_N; end++)
        sem_post(&lookup_may_end);
    usleep(50000); /* the threads are libcurl's, and nobody can wait for them */
}

/* --- kept connections ------------------------------------------------------------------------- */

struct kept {
    bool answers_again; /* reads a second request on a connection, and ends without an answer */
    atomic_bool may_close, closed;
};

static void serve_one_a_connection(struct peer *peer, int fd)
{
    struct kept *kept = (struct kept *) peer->userdata;

    if (!peer_read(peer, fd))
        return;
    peer_say(fd, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
    if (kept->answers_again) {
        peer_read(peer, fd);
        return;
    }
    while (!kept->may_close)
        usleep(1000);
    shutdown(fd, SHUT_RDWR);
    kept->closed = true;
}

/* The server closes while the connection is idle: that is seen, and another one is made. */
static void test_closed_while_idle(void **state)
{
    struct kept kept = {0};
    struct answer answer = {0};
    char url[PEER_URL_MAX];
    struct bench bench;
    struct peer peer;

    peer_start(&peer, serve_one_a_connection, &kept);
    bench_start(&bench);
    peer_url(url, "http", peer.port, "/");
    bench_get(&bench, url, &answer);
    assert_int_equal(answer.error, 0);
    kept.may_close = true;
    while (!kept.closed)
        usleep(1000);
    bench_get(&bench, url, &answer);
    assert_int_equal(answer.error, 0);
    assert_string_equal(answer.body, "ok");
    assert_int_equal(peer.connections, 2);
    assert_int_equal(peer.requests, 2);
    answer_done(&answer);
    bench_stop(&bench);
    peer_stop(&peer);
}

/*
 * It closes with the second request read and perhaps carried out. libcurl by itself would send that
 * one again on a new connection, a POST too.
 */
static void test_closed_under_a_request(void **state)
{
    static const char *const METHODS[] = {"POST", "GET"};

    for (size_t i = 0; i < ARRAY_SIZE(METHODS); i++) {
        struct kept kept = {.answers_again = true};
        struct answer answer = {0};
        struct http_client_request request;
        char url[PEER_URL_MAX];
        struct bench bench;
        struct peer peer;

        peer_start(&peer, serve_one_a_connection, &kept);
        bench_start(&bench);
        bench_get(&bench, peer_url(url, "http", peer.port, "/"), &answer);
        assert_int_equal(answer.error, 0);
        answer_done(&answer);
        request = bench_request(url);
        request.method = METHODS[i];
        request.body = "{\"Value\":1}";
        request.body_length = strlen(request.body);
        assert_int_equal(http_client_start(bench.client, &request, answer_on_done, &answer, NULL),
                         0);
        bench_wait(&bench, &answer);
        assert_int_equal(answer.error, -ECONNRESET);
        assert_true(answer.sent);
        assert_int_equal(peer.requests, 2);
        assert_int_equal(peer.connections, 1);
        /* What comes next is not held back. */
        bench_get(&bench, url, &answer);
        assert_int_equal(answer.error, 0);
        assert_int_equal(peer.requests, 3);
        answer_done(&answer);
        bench_stop(&bench);
        peer_stop(&peer);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bad_answers),
        cmocka_unit_test(test_reset),
        cmocka_unit_test(test_limits),
        cmocka_unit_test(test_deadlines),
        cmocka_unit_test(test_unconnected),
        cmocka_unit_test(test_hanging_lookup),
        cmocka_unit_test(test_closed_while_idle),
        cmocka_unit_test(test_closed_under_a_request),
    };

    alarm(240); /* a hang is a failure too */
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* What goes over the wire when all is well, and how connections are kept. */
#include "tests/unit/http-peer.h"

#include "common/base/macro.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/socket.h>

#define ANSWER "HTTP/1.1 200 OK\r\nDate: now\r\nContent-Type: a/b\r\nContent-Length: 3\r\n\r\nyes"

static void serve(struct peer *peer, int fd)
{
    while (peer_read(peer, fd))
        peer_say(fd, peer->userdata ? peer->userdata : ANSWER);
}

static void test_request_as_it_stands(void **state)
{
    static const char *const HEADERS[] = {"X-One: 1", "X-Empty: ", "Content-Type:  text/x", NULL};
    static const struct {
        const char *method;
        const char *path;
        const char *const *headers;
        const char *body;
        const char *line, *rest; /* expected: before and behind Host and User-Agent */
    } CASES[] = {
        {"GET", "", NULL, NULL, "GET /", ""},
        {"GET", "/a/../b/./c?x=1&&y=%2B#f", NULL, NULL, "GET /a/../b/./c?x=1&&y=%2B", ""},
        {"DELETE", "/x", HEADERS, NULL, "DELETE /x",
         "X-One: 1\r\nX-Empty:\r\nContent-Type:  text/x\r\n"},
        {"PUT", "/latest/api/token", NULL, NULL, "PUT /latest/api/token", "Content-Length: 0\r\n"},
        {"POST", "/", NULL, "{}", "POST /", "Content-Length: 2\r\n"},
    };
    struct bench bench;
    struct peer peer;

    peer_start(&peer, serve, NULL);
    bench_start(&bench);
    for (size_t i = 0; i < ARRAY_SIZE(CASES); i++) {
        struct answer answer = {0};
        char url[PEER_URL_MAX], expected[512];
        struct http_client_request request =
            bench_request(peer_url(url, "http", peer.port, CASES[i].path));

        snprintf(expected, sizeof(expected),
                 "%s HTTP/1.1\r\nHost: 127.0.0.1:%u\r\nUser-Agent: agentd-test/1\r\n%s\r\n%s",
                 CASES[i].line, peer.port, CASES[i].rest, CASES[i].body ? CASES[i].body : "");
        request.method = CASES[i].method;
        request.headers = CASES[i].headers;
        request.body = CASES[i].body;
        request.body_length = CASES[i].body ? strlen(CASES[i].body) : 0;
        assert_int_equal(http_client_start(bench.client, &request, answer_on_done, &answer, NULL),
                         0);
        bench_wait(&bench, &answer);
        assert_int_equal(answer.error, 0);
        assert_int_equal(answer.status, 200);
        assert_true(answer.sent);
        assert_string_equal(answer.body, "yes");
        assert_string_equal(answer.date, "now");
        assert_string_equal(answer.type, "a/b");
        assert_string_equal(peer.request, expected);
        answer_done(&answer);
    }
    assert_int_equal(peer.connections, 1); /* kept alive */
    bench_stop(&bench);
    peer_stop(&peer);
}

static void test_answers(void **state)
{
    static const struct {
        const char *method;
        const char *answer;
        unsigned status;
        const char *body;
        const char *date; /* header */
    } CASES[] = {
        {"GET", "HTTP/1.1 204 No Content\r\n\r\n", 204, "", ""},
        {"GET", "HTTP/1.1 500 Oh\r\nContent-Length: 2\r\n\r\nno", 500, "no", ""},
        {"HEAD", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", 200, "", ""},
        /* A redirect and a wish for a password are answers like others. */
        {"GET", "HTTP/1.1 302 Go\r\nLocation: /x\r\nContent-Length: 0\r\n\r\n", 302, "", ""},
        {"GET", "HTTP/1.1 401 Who\r\nWWW-Authenticate: Basic\r\nContent-Length: 0\r\n\r\n", 401, "",
         ""},
        /* Interim answers are passed over, with their headers. */
        {"GET",
         "HTTP/1.1 103 Early\r\nDate: early\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nx",
         200, "x", ""},
        /* The last of several counts; a trailer is no header. */
        {"GET", "HTTP/1.1 200 OK\r\nDate: a\r\nDATE:b  \r\nContent-Length: 0\r\n\r\n", 200, "",
         "b"},
        {"GET",
         "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n1\r\nc\r\n0\r\n"
         "Date: late\r\n\r\n",
         200, "abc", ""},
        {"GET", "HTTP/1.1 200 OK\r\nDate:\r\nContent-Length: 0\r\n\r\n", 200, "", ""},
        {"GET", "HTTP/1.1 200\r\nContent-Length: 0\r\n\r\n", 200, "", ""}, /* no reason */
        {"GET", "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 2\r\n\r\n\x1f\x8b",
         200, "\x1f\x8b", ""}, /* not asked for: as it came */
    };

    for (size_t i = 0; i < ARRAY_SIZE(CASES); i++) {
        struct answer answer = {0};
        struct http_client_request request;
        char url[PEER_URL_MAX];
        struct bench bench;
        struct peer peer;

        peer_start(&peer, serve, CASES[i].answer);
        bench_start(&bench);
        request = bench_request(peer_url(url, "http", peer.port, "/"));
        request.method = CASES[i].method;
        assert_int_equal(http_client_start(bench.client, &request, answer_on_done, &answer, NULL),
                         0);
        bench_wait(&bench, &answer);
        assert_int_equal(answer.error, 0);
        assert_int_equal(answer.status, CASES[i].status);
        assert_string_equal(answer.body, CASES[i].body);
        assert_string_equal(answer.date, CASES[i].date);
        assert_int_equal(peer.requests, 1);
        answer_done(&answer);
        bench_stop(&bench);
        peer_stop(&peer);
    }
}

static void on_done_never(const struct http_client_response *response, void *userdata)
{
    fail_msg("a callback for what was refused");
}

static void test_refused_requests(void **state)
{
    static const char *const BREAK[] = {"X: a\r\nY: b", NULL};
    static const char *const NAMELESS[] = {": a", NULL};
    static const char *const NO_COLON[] = {"X a", NULL};
    static const char *const SPACE[] = {"X y: a", NULL};
    static const char *MANY[HTTP_CLIENT_HEADERS_MAX + 2];
    static const struct http_client_request CASES[] = {
        {.method = "GET", .url = "http://127.0.0.1/"}, /* no deadline */
        {.method = "GET", .url = "ftp://127.0.0.1/", .timeout_us = 1},
        {.method = "GET", .url = "file:///etc/passwd", .timeout_us = 1},
        {.method = "GET", .url = "http://", .timeout_us = 1},
        {.method = "GET", .url = "http:///path", .timeout_us = 1},
        {.method = "GET", .url = "", .timeout_us = 1},
        {.method = "GET", .url = NULL, .timeout_us = 1},
        {.method = "GET", .url = "http://a/b c", .timeout_us = 1},
        {.method = "GET", .url = "http://a/\r\nX: y", .timeout_us = 1},
        {.method = "G T", .url = "http://a/", .timeout_us = 1},
        {.method = "", .url = "http://a/", .timeout_us = 1},
        {.method = NULL, .url = "http://a/", .timeout_us = 1},
        {.method = "PUT", .url = "http://a/", .timeout_us = 1, .body_length = 1},
        {.method = "GET", .url = "http://a/", .timeout_us = 1, .headers = BREAK},
        {.method = "GET", .url = "http://a/", .timeout_us = 1, .headers = NAMELESS},
        {.method = "GET", .url = "http://a/", .timeout_us = 1, .headers = NO_COLON},
        {.method = "GET", .url = "http://a/", .timeout_us = 1, .headers = SPACE},
        {.method = "GET", .url = "http://a/", .timeout_us = 1, .headers = MANY},
    };
    struct bench bench;

    for (size_t i = 0; i <= HTTP_CLIENT_HEADERS_MAX; i++)
        MANY[i] = "X: y";
    bench_start(&bench);
    for (size_t i = 0; i < ARRAY_SIZE(CASES); i++)
        assert_int_equal(http_client_start(bench.client, &CASES[i], on_done_never, NULL, NULL),
                         -EINVAL);
    bench_stop(&bench);
}

/* A body of several megabytes, in and out, and no Expect that waits for its permission. */
static void test_big(void **state)
{
    enum { LENGTH = 3 * 1024 * 1024 };
    char *body = malloc(LENGTH + 1), *wire = malloc(LENGTH + 256);
    struct answer answer = {0};
    struct http_client_request request;
    char url[PEER_URL_MAX];
    struct bench bench;
    struct peer peer;

    for (size_t i = 0; i < LENGTH; i++)
        body[i] = (char) ('a' + i % 23);
    body[LENGTH] = '\0';
    sprintf(wire, "HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s", LENGTH, body);
    peer_start(&peer, serve, wire);
    bench_start(&bench);
    request = bench_request(peer_url(url, "http", peer.port, "/"));
    request.method = "POST";
    request.body = body;
    request.body_length = LENGTH;
    request.response_limit_bytes = LENGTH; /* exactly */
    request.timeout_us = 60 * UINT64_C(1000000);
    assert_int_equal(http_client_start(bench.client, &request, answer_on_done, &answer, NULL), 0);
    bench_wait(&bench, &answer);
    assert_int_equal(answer.error, 0);
    assert_int_equal(answer.body_length, LENGTH);
    assert_memory_equal(answer.body, body, LENGTH);
    assert_string_equal(strstr(peer.request, "\r\n\r\n") + 4, body);
    assert_null(strcasestr(peer.request, "expect:"));
    answer_done(&answer);
    bench_stop(&bench);
    peer_stop(&peer);
    free(body);
    free(wire);
}

/* Each socket of a call is closed at an exec. */
static void serve_look(struct peer *peer, int fd)
{
    while (peer_read(peer, fd)) {
        struct sockaddr_storage own, other;
        socklen_t own_length = sizeof(own);

        assert_int_equal(getpeername(fd, (struct sockaddr *) &own, &own_length), 0);
        for (int i = 3; i < 100; i++) {
            socklen_t length = sizeof(other);

            if (getsockname(i, (struct sockaddr *) &other, &length) == 0 && length == own_length &&
                memcmp(&own, &other, length) == 0 && !(fcntl(i, F_GETFD) & FD_CLOEXEC))
                peer_say(fd, "HTTP/1.1 500 Inherited\r\nContent-Length: 0\r\n\r\n");
        }
        peer_say(fd, ANSWER);
    }
}

static void test_close_on_exec(void **state)
{
    struct answer answer = {0};
    char url[PEER_URL_MAX];
    struct bench bench;
    struct peer peer;

    peer_start(&peer, serve_look, NULL);
    bench_start(&bench);
    bench_get(&bench, peer_url(url, "http", peer.port, "/"), &answer);
    assert_int_equal(answer.status, 200);
    answer_done(&answer);
    bench_stop(&bench);
    peer_stop(&peer);
}

static void test_proxy(void **state)
{
    struct answer answer = {0};
    struct http_client_request request;
    char proxy_url[PEER_URL_MAX], url[PEER_URL_MAX];
    struct peer proxy, peer;
    struct bench bench;

    peer_start(&proxy, serve, ANSWER);
    peer_start(&peer, serve, "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\ndirect");
    bench_start(&bench);
    setenv("HTTP_PROXY", peer_url(proxy_url, "http", proxy.port, ""), 1);
    bench_get(&bench, "http://nowhere.invalid/x", &answer);
    assert_int_equal(answer.error, 0);
    assert_string_equal(answer.body, "yes");
    assert_non_null(strstr(proxy.request, "GET http://nowhere.invalid/x HTTP/1.1\r\n"));

    peer_url(url, "http", peer.port, "/");
    bench_get(&bench, url, &answer);
    assert_string_equal(answer.body, "yes");
    setenv("NO_PROXY", "nowhere.example, 127.0.0.1", 1);
    bench_get(&bench, url, &answer);
    assert_string_equal(answer.body, "direct");
    unsetenv("NO_PROXY");

    answer_done(&answer);
    request = bench_request(url);
    request.no_proxy = true;
    assert_int_equal(http_client_start(bench.client, &request, answer_on_done, &answer, NULL), 0);
    bench_wait(&bench, &answer);
    assert_string_equal(answer.body, "direct");

    /* For https a proxy is asked for a tunnel; that it refuses isn't an answer of the server's. */
    setenv("HTTPS_PROXY", proxy_url, 1);
    proxy.userdata = "HTTP/1.1 403 No\r\nContent-Length: 0\r\n\r\n";
    bench_get(&bench, "https://nowhere.invalid/x", &answer);
    assert_int_equal(answer.error, -ECONNREFUSED);
    assert_false(answer.sent);
    assert_int_equal(answer.status, 0);
    assert_non_null(strstr(proxy.request, "CONNECT nowhere.invalid:443 HTTP/1.1\r\n"));
    setenv("HTTPS_PROXY", "http://nowhere.invalid:3128", 1);
    bench_get(&bench, "https://127.0.0.1/x", &answer);
    assert_int_equal(answer.error, -ENOENT);
    unsetenv("HTTP_PROXY");
    unsetenv("HTTPS_PROXY");
    answer_done(&answer);
    bench_stop(&bench);
    peer_stop(&peer);
    peer_stop(&proxy);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_request_as_it_stands), cmocka_unit_test(test_answers),
        cmocka_unit_test(test_refused_requests),     cmocka_unit_test(test_big),
        cmocka_unit_test(test_close_on_exec),        cmocka_unit_test(test_proxy),
    };

    alarm(120); /* a hang is a failure too */
    return cmocka_run_group_tests(tests, NULL, NULL);
}

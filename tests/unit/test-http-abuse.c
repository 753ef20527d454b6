/* SPDX-License-Identifier: Apache-2.0 */
/* What a hostile or careless client does. */
#include "tests/unit/http-harness.h"

#include "common/base/buffer.h"
#include "common/base/clock.h"
#include "common/base/files.h"

#include <fcntl.h>
#include <sys/resource.h>

#define HOST "Host: test\r\n"
#define POST "POST /echo HTTP/1.1\r\n" HOST
#define NEXT "GET /path/smuggled HTTP/1.1\r\n" HOST "\r\n"

/* Each is refused with 400, or without a word by some versions of libmicrohttpd, and closed:
 * nothing behind it is read as a request. */
static void test_smuggling(void **state)
{
    static const char *const PROBES[] = {
        POST "Content-Length: 3\r\nContent-Length: 3\r\n\r\nabc" NEXT,
        POST "Content-Length: 3\r\nContent-Length: 0\r\n\r\nabc" NEXT,
        POST "Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" NEXT,
        POST "Transfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n0\r\n\r\n" NEXT,
        POST "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n0\r\n\r\n" NEXT,
        POST "Transfer-Encoding: gzip\r\n\r\n0\r\n\r\n" NEXT,
        POST "Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n" NEXT,
        POST "Transfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n" NEXT,
        POST "Transfer-Encoding: \x0b"
             "chunked\r\n\r\n0\r\n\r\n" NEXT,
        POST "Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n" NEXT,
        POST "Content-Length : 3\r\n\r\nabc" NEXT,
        POST "Content-Length: +3\r\n\r\nabc" NEXT,
        POST "Content-Length: 3, 3\r\n\r\nabc" NEXT,
        POST "Content-Length: -3\r\n\r\nabc" NEXT,
        POST "Content-Length: 0x3\r\n\r\nabc" NEXT,
        POST "Content-Length:\r\n\r\nabc" NEXT,
        POST "X Y: 1\r\n\r\n" NEXT,
        POST "(bad): 1\r\n\r\n" NEXT,
        POST ": 1\r\n\r\n" NEXT,
        POST "no colon\r\n\r\n" NEXT,
        POST HOST "\r\n" NEXT,
        "POST /echo HTTP/1.1\r\n\r\n" NEXT,
        "POST /echo HTTP/1.0\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n" NEXT,
        "GET http://other/path/x HTTP/1.1\r\n" HOST "\r\n" NEXT,
        "GET path/x HTTP/1.1\r\n" HOST "\r\n" NEXT,
        "GET * HTTP/1.1\r\n" HOST "\r\n" NEXT,
        /* What libmicrohttpd hides: folded lines, bare line ends, a head that ends at a colon. */
        POST "X: a\r\n b\r\n\r\n" NEXT,
        POST "X: a\r\n\tContent-Length: 3\r\n\r\n" NEXT,
        POST " X: a\r\n\r\n" NEXT,
        POST "X: a\nContent-Length: 0\r\n\r\n" NEXT,
        POST "X: a\r\n\n" NEXT,
        POST "X: a\n\r\n" NEXT,
        "POST /echo HTTP/1.1\n" HOST "\r\n" NEXT,
        POST "X: a\rY: b\r\n\r\n" NEXT,
        POST "X: a\r\n: b\r\nContent-Length: 3\r\n\r\nabc" NEXT,
        "POST  /echo HTTP/1.1\r\n" HOST "\r\n" NEXT,
    };
    struct harness h;

    harness_start(&h, NULL);
    for (size_t i = 0; i < ARRAY_SIZE(PROBES); i++) {
        int fd = harness_connect(&h);
        char *answer;
        bool closed;

        harness_send(&h, fd, PROBES[i], strlen(PROBES[i]));
        answer = harness_read(&h, fd, 99, &closed);
        if (!closed || (*answer && status_of(answer) != 400) || strstr(answer, "smuggled"))
            fail_msg("probe %zu: %s", i, answer);
        free(answer);
        close(fd);
    }
    assert_int_equal(h.handled, 0);
    harness_stop(&h);
}

/* A NUL ends a string for libmicrohttpd, and nothing for others. */
static void test_nul(void **state)
{
    static const char *const PROBES[] = {
        "GET /path/a@b HTTP/1.1\r\n" HOST "\r\n",  "GET /path/a?x@y HTTP/1.1\r\n" HOST "\r\n",
        "GET /path/@ HTTP/1.1\r\n" HOST "\r\n",    "GET / HTTP/1.1@\r\n" HOST "\r\n",
        "GET / HTTP/1.1\r\nHost: te@st\r\n\r\n",   "GET / HTTP/1.1\r\nHo@st: test\r\n" HOST "\r\n",
        "GET / HTTP/1.1\r\n" HOST "X: @a\r\n\r\n", "GET / HTTP/1.1\r\n" HOST "@\r\n\r\n",
        "GE@T / HTTP/1.1\r\n" HOST "\r\n",
    };
    struct harness h;

    harness_start(&h, NULL);
    for (size_t i = 0; i < ARRAY_SIZE(PROBES); i++) {
        char request[128], *answer;
        size_t length = strlen(PROBES[i]);
        int fd = harness_connect(&h);
        bool closed;

        strcpy(request, PROBES[i]);
        *strchr(request, '@') = '\0';
        harness_send(&h, fd, request, length);
        answer = harness_read(&h, fd, 99, &closed);
        if (!closed || (*answer && status_of(answer) != 400 && status_of(answer) != 505))
            fail_msg("probe %zu: %s", i, answer);
        free(answer);
        close(fd);
    }
    assert_int_equal(h.handled, 0);
    harness_stop(&h);
}

/* Request lines that are none: an error or a close, and never a handler. */
static void test_garbage(void **state)
{
    static const struct {
        const char *text;
        size_t length;
    } CASES[] = {
        {"\r\n\r\n\r\n\r\nx\r\n\r\n", 14},
        {"GET\r\n\r\n", 7},
        {"GET /\r\n\r\n", 9},
        {"GET / HTTP/9.9\r\n\r\n", 18},
        {"GET / HTTP/2.0\r\n" HOST "\r\n", 30},
        {"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 24},
        {"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", 15}, /* a TLS hello */
        {"\0\0\0\0\r\n\r\n", 8},
        {"GET  / / / HTTP/1.1\r\n" HOST "\r\n", 35},
    };
    struct harness h;

    harness_start(&h, NULL);
    for (size_t i = 0; i < ARRAY_SIZE(CASES); i++) {
        int fd = harness_connect(&h);
        unsigned status;
        char *answer;
        bool closed;

        harness_send(&h, fd, CASES[i].text, CASES[i].length);
        shutdown(fd, SHUT_WR);
        answer = harness_read(&h, fd, 99, &closed);
        assert_true(closed);
        status = status_of(answer);
        if (status != 0 && (status < 400 || status > 599))
            fail_msg("case %zu: %s", i, answer);
        free(answer);
        close(fd);
    }
    assert_int_equal(h.handled, 0);
    harness_stop(&h);
}

static void test_percent_garbage(void **state)
{
    static const char *const TARGETS[] = {
        "/path/%",    "/path/%4",      "/path/%zz",       "/path/%00",          "/path/a%00b",
        "/path/%c3",  "/path/%c0%af",  "/path/\xff",      "/path/%0a",          "/path/%7f",
        "/path/\x01", "/query?q=%",    "/query?q=%00",    "/query?%zz",         "/query?q=%ff",
        "/query?a&%", "/path/%u0041x", "/path/%ed%a0%80", "/query?q=1&r=%gg&s",
    };
    struct harness h;

    harness_start(&h, NULL);
    for (size_t i = 0; i < ARRAY_SIZE(TARGETS); i++) {
        char request[128];

        snprintf(request, sizeof(request), "GET %s HTTP/1.1\r\n" HOST "\r\n", TARGETS[i]);
        if (harness_status(&h, request) != 400)
            fail_msg("target %zu was not refused", i);
    }
    /* And it is the request that is bad, not what comes after it on other connections. */
    assert_int_equal(harness_status(&h, "GET / HTTP/1.1\r\n" HOST "\r\n"), 200);
    harness_stop(&h);
}

/* Every length of path and head up to well past the pool: an answer or a close, no crash, and what
 * is served is whole. */
static void test_long_heads(void **state)
{
    static const struct {
        unsigned path, header, status;
    } CASES[] = {
        {HTTP_PATH_MAX, 0, 200}, {HTTP_PATH_MAX + 1, 0, 414},
        {4000, 0, 414},          {9000, 0, 414},
        {60000, 0, 414},         {10, 4000, 200},
        {10, 6500, 200},         {10, 9000, 431},
        {10, 60000, 431},        {HTTP_PATH_MAX, 3000, 200},
    };
    struct harness h;
    struct buffer request;

    harness_start(&h, NULL);
    buffer_init(&request, 100000);
    for (size_t i = 0; i < ARRAY_SIZE(CASES); i++) {
        unsigned status;

        buffer_clear(&request);
        buffer_printf(&request, "GET /path/%0*d HTTP/1.1\r\n" HOST, (int) CASES[i].path - 6, 0);
        if (CASES[i].header)
            buffer_printf(&request, "X-Long: %0*d\r\n", (int) CASES[i].header, 0);
        buffer_append_string(&request, "\r\n");
        status = harness_status(&h, request.data);
        /* Past its memory it is libmicrohttpd that refuses, and older ones just close. */
        if (status != CASES[i].status && (status != 0 || request.length < HTTP_POOL_BYTES))
            fail_msg("case %zu: %u", i, status);
    }
    for (unsigned length = 6900; length < 8300; length += 13) {
        unsigned status;

        buffer_clear(&request);
        buffer_printf(&request, "GET / HTTP/1.1\r\n" HOST "X: %0*d\r\n\r\n", (int) length, 0);
        status = harness_status(&h, request.data);
        if (status != 200 && status != 431 && (status != 0 || length < HTTP_POOL_BYTES - 300))
            fail_msg("header of %u: %u", length, status);
    }
    buffer_done(&request);
    harness_stop(&h);
}

static void test_many_headers(void **state)
{
    struct harness h;
    struct buffer request;

    harness_start(&h, NULL);
    buffer_init(&request, 100000);
    for (unsigned n = 10; n <= 1000; n *= 10) {
        buffer_clear(&request);
        buffer_append_string(&request, "GET / HTTP/1.1\r\n" HOST);
        for (unsigned i = 0; i < n; i++)
            buffer_printf(&request, "X-%u: y\r\n", i);
        buffer_append_string(&request, "\r\n");
        assert_int_equal(harness_status(&h, request.data), n < 100 ? 200 : 431);
    }
    buffer_done(&request);
    harness_stop(&h);
}

/* A head that comes a byte now and then is given up after the idle time-out, as is silence. */
static void test_slow_heads(void **state)
{
    static const char slow[] = "GET / HTTP/1.1\r\n" HOST "X-Slow: 0123456789012345678901234567890";
    struct http_server_options options = {.connections_max = 100, .idle_timeout_s = 1};
    struct harness h;
    uint64_t begin_us;
    int dripping, silent, half;
    unsigned i;

    harness_start(&h, &options);
    dripping = harness_connect(&h);
    silent = harness_connect(&h);
    half = harness_connect(&h);
    harness_send(&h, half, slow, 20);
    begin_us = clock_monotonic_us();
    for (i = 0; i < sizeof(slow) - 1 && clock_monotonic_us() < begin_us + 4 * USEC_PER_SEC; i++) {
        char byte;

        if (send(dripping, slow + i, 1, MSG_NOSIGNAL) < 0 || recv(dripping, &byte, 1, 0) == 0)
            break;
        harness_turn(&h, 100);
    }
    assert_in_range(clock_monotonic_us() - begin_us, USEC_PER_SEC, 4 * USEC_PER_SEC - 1);
    assert_true(i < sizeof(slow) - 1);
    assert_true(is_closed(&h, silent));
    assert_true(is_closed(&h, half));
    assert_int_equal(h.connections, 0);
    assert_int_equal(h.begun, 0);
    close(dripping);
    close(silent);
    close(half);
    harness_stop(&h);
}

/* A kept-alive connection stays while it speaks, however long that is. */
static void test_lively_connection_stays(void **state)
{
    static const char request[] = "GET / HTTP/1.1\r\n" HOST "\r\n";
    struct http_server_options options = {.connections_max = 100, .idle_timeout_s = 1};
    struct harness h;
    int fd;

    harness_start(&h, &options);
    fd = harness_connect(&h);
    for (unsigned i = 0; i < 6; i++) {
        char *answer;

        harness_send(&h, fd, request, sizeof(request) - 1);
        answer = harness_read(&h, fd, 1, NULL);
        assert_int_equal(status_of(answer), 200);
        free(answer);
        harness_turn(&h, 500);
    }
    close(fd);
    harness_stop(&h);
}

/* The client has said all and waits for the end, as `nc -N` does. */
static void test_half_closed(void **state)
{
    static const char request[] = "GET / HTTP/1.1\r\n" HOST "\r\n";
    struct harness h;
    uint64_t begin_us = clock_monotonic_us();
    bool closed;
    char *answer;
    int fd;

    harness_start(&h, NULL);
    fd = harness_connect(&h);
    harness_send(&h, fd, request, sizeof(request) - 1);
    shutdown(fd, SHUT_WR);
    answer = harness_read(&h, fd, 99, &closed);
    assert_int_equal(status_of(answer), 200);
    assert_true(closed);
    assert_true(clock_monotonic_us() - begin_us < 3 * USEC_PER_SEC);
    free(answer);
    close(fd);
    harness_stop(&h);
}

/* A body that stops half-way: closed, counted as lost, and no handler. */
static void test_stalled_body(void **state)
{
    static const char request[] = POST "Content-Length: 50\r\n\r\nhalf";
    struct http_server_options options = {.connections_max = 100, .idle_timeout_s = 1};
    struct harness h;
    int fd;

    harness_start(&h, &options);
    fd = harness_connect(&h);
    harness_send(&h, fd, request, sizeof(request) - 1);
    harness_turn(&h, 50);
    assert_int_equal(http_server_in_flight(h.server), 1);
    harness_turn(&h, 3000);
    assert_true(is_closed(&h, fd));
    assert_int_equal(h.lost, 1);
    assert_int_equal(h.handled, 0);
    assert_int_equal(http_server_in_flight(h.server), 0);
    close(fd);
    harness_stop(&h);
}

/* A body that comes byte by byte and never ends. */
static void test_dripping_body(void **state)
{
    static const char request[] = POST "Content-Length: 90\r\n\r\n";
    struct http_server_options options = {.connections_max = 100, .idle_timeout_s = 1};
    struct harness h;
    unsigned i;
    int fd;

    harness_start(&h, &options);
    fd = harness_connect(&h);
    harness_send(&h, fd, request, sizeof(request) - 1);
    for (i = 0; i < 60; i++) {
        char byte;

        if (send(fd, "x", 1, MSG_NOSIGNAL) < 0 || recv(fd, &byte, 1, 0) == 0)
            break;
        harness_turn(&h, 100);
    }
    assert_in_range(i, 5, 40);
    assert_int_equal(h.lost, 1);
    assert_int_equal(h.handled, 0);
    close(fd);
    harness_stop(&h);
}

/* Lines inside a body that fill the connection's memory: libmicrohttpd would run in circles. */
static void test_endless_chunk_line(void **state)
{
    static const char *const BEGINNINGS[] = {"10;", "2\r\nab\r\n0\r\nX-Trailer: "};
    static const char request[] = POST "Transfer-Encoding: chunked\r\n\r\n";
    char line[1000];

    memset(line, 'x', sizeof(line));
    for (size_t i = 0; i < ARRAY_SIZE(BEGINNINGS); i++) {
        struct http_server_options options = {.connections_max = 100, .idle_timeout_s = 60};
        struct timespec before, after;
        struct harness h;
        int fd;

        harness_start(&h, &options);
        fd = harness_connect(&h);
        harness_send(&h, fd, request, sizeof(request) - 1);
        harness_send(&h, fd, BEGINNINGS[i], strlen(BEGINNINGS[i]));
        for (unsigned n = 0; n < 20; n++)
            harness_send(&h, fd, line, sizeof(line));
        clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &before);
        /* meanwhile others are served, in little CPU time */
        for (unsigned n = 0; n < 3; n++) {
            assert_int_equal(harness_status(&h, "GET / HTTP/1.1\r\n" HOST "\r\n"), 200);
            harness_turn(&h, 1000);
        }
        clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &after);
        assert_in_range((after.tv_sec - before.tv_sec) * 1000 +
                            (after.tv_nsec - before.tv_nsec) / 1000000,
                        0, 1000);
        assert_true(is_closed(&h, fd));
        close(fd);
        harness_stop(&h);
    }
}

/* Out of descriptors: the connection waits, the loop does not spin, and it is served later. */
static void test_no_descriptors(void **state)
{
    static const char request[] = "GET / HTTP/1.1\r\n" HOST "\r\n";
    struct rlimit saved, low;
    struct harness h;
    int fd, turns = 0;
    uint64_t end_us;
    char *answer;

    harness_start(&h, NULL);
    fd = harness_connect(&h);
    harness_send(&h, fd, request, sizeof(request) - 1);
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &saved), 0);
    low = saved;
    low.rlim_cur = 3; /* whatever is open stays open */
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &low), 0);
    end_us = clock_monotonic_us() + 350 * USEC_PER_MSEC;
    while (clock_monotonic_us() < end_us) {
        assert_true(sd_event_run(h.event, 50 * USEC_PER_MSEC) >= 0);
        turns++;
    }
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &saved), 0);
    assert_int_equal(h.connections, 0);
    assert_in_range(turns, 1, 30);
    answer = harness_read(&h, fd, 1, NULL);
    assert_int_equal(status_of(answer), 200);
    free(answer);
    close(fd);
    harness_stop(&h);
}

/* Connections that are reset at every moment leave nothing behind. */
static void test_resets(void **state)
{
    static const char request[] = POST "Content-Length: 3\r\n\r\nabc";
    struct linger at_once = {.l_onoff = 1};
    struct harness h;

    harness_start(&h, NULL);
    for (unsigned i = 0; i < sizeof(request); i++) {
        int fd = harness_connect(&h);

        assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once)), 0);
        harness_send(&h, fd, request, i);
        harness_turn(&h, i % 3);
        close(fd);
    }
    harness_turn(&h, 100);
    assert_int_equal(h.connections, 0);
    assert_int_equal(http_server_in_flight(h.server), 0);
    assert_int_equal(h.begun, h.ended + h.lost);
    harness_stop(&h);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_smuggling),
        cmocka_unit_test(test_nul),
        cmocka_unit_test(test_garbage),
        cmocka_unit_test(test_percent_garbage),
        cmocka_unit_test(test_long_heads),
        cmocka_unit_test(test_many_headers),
        cmocka_unit_test(test_slow_heads),
        cmocka_unit_test(test_lively_connection_stays),
        cmocka_unit_test(test_half_closed),
        cmocka_unit_test(test_dripping_body),
        cmocka_unit_test(test_endless_chunk_line),
        cmocka_unit_test(test_stalled_body),
        cmocka_unit_test(test_no_descriptors),
        cmocka_unit_test(test_resets),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

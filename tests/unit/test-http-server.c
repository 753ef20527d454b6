/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/http-harness.h"

#include "common/base/buffer.h"
#include "common/base/listen.h"

#include <errno.h>
#include <sys/resource.h>
#include <sys/un.h>
#include <sys/wait.h>

#define HOST "Host: test\r\n"

static char *exchange(struct harness *h, const char *request, bool *ret_closed)
{
    int fd = harness_connect(h);
    char *answer;

    harness_send(h, fd, request, strlen(request));
    answer = harness_read(h, fd, 1, ret_closed);
    close(fd);
    return answer;
}

static void test_routes(void **state)
{
    static const struct {
        const char *request;
        unsigned status;
        const char *body;
    } CASES[] = {
        {"GET / HTTP/1.1\r\n" HOST "\r\n", 200, "hello\n"},
        {"GET / HTTP/1.0\r\n" HOST "\r\n", 200, "hello\n"},
        {"GET / HTTP/1.1\r\nX:\r\n" HOST "Y: \t \r\nZ:z\r\nCookie: a=b; c\r\n\r\n", 200, "hello\n"},
        {"GET /? HTTP/1.1\r\n" HOST "\r\n", 200, "hello\n"},
        {"GET /?x=1&y HTTP/1.1\r\n" HOST "\r\n", 200, "hello\n"},
        {"GET /query?q=a%20b%2Bc+d&r=2 HTTP/1.1\r\n" HOST "\r\n", 200, "a b+c d\n"},
        {"GET /query?q=a%0Ab HTTP/1.1\r\n" HOST "\r\n", 200, "a\nb\n"},
        {"GET /query?q HTTP/1.1\r\n" HOST "\r\n", 200, "\n"},
        {"GET /query?r=q HTTP/1.1\r\n" HOST "\r\n", 200, "(none)\n"},
        {"GET /path/a%20b HTTP/1.1\r\n" HOST "\r\n", 200, "GET /path/a b 127.0.0.1\n"},
        {"GET /path/%C3%A9 HTTP/1.1\r\n" HOST "\r\n", 200, "GET /path/\xc3\xa9 127.0.0.1\n"},
        {"GET /lines HTTP/1.1\r\n" HOST "\r\n", 200, "0||\n"},
        {"GET /lines HTTP/1.1\r\n" HOST "X-List: a\r\nX-LIST: b, c\r\n\r\n", 200, "2|a|b, c\n"},
        {"GET /lines HTTP/1.1\r\nX-List: a\r\n" HOST "X-List:\r\nx-list: c\r\nY: d\r\n\r\n", 200,
         "2||c\n"},
        {"GET /nowhere HTTP/1.1\r\n" HOST "\r\n", 404, "Not Found\n"},
        {"BREW /nowhere HTTP/1.1\r\n" HOST "\r\n", 404, "Not Found\n"},
        {"POST / HTTP/1.1\r\n" HOST "\r\n", 405, "Method Not Allowed\n"},
        {"BREW / HTTP/1.1\r\n" HOST "\r\n", 405, "Method Not Allowed\n"},
        {"get / HTTP/1.1\r\n" HOST "\r\n", 405, "Method Not Allowed\n"},
        {"GET /nothing HTTP/1.1\r\n" HOST "\r\n", 500, "Internal Server Error\n"},
        {"GET /hasty HTTP/1.1\r\n" HOST "\r\n", 200, "hasty\n"},
        {"DELETE /thing HTTP/1.1\r\n" HOST "\r\n", 204, ""},
        {"POST /echo HTTP/1.1\r\n" HOST "Content-Length: 3\r\n\r\nabc", 200, "abc"},
        {"PUT /echo HTTP/1.1\r\n" HOST "Content-Length: 0\r\n\r\n", 200, ""},
        {"POST /echo HTTP/1.1\r\n" HOST "\r\n", 200, ""},
    };
    struct harness h;

    harness_start(&h, NULL);
    for (size_t i = 0; i < ARRAY_SIZE(CASES); i++) {
        char *answer = exchange(&h, CASES[i].request, NULL);

        if (status_of(answer) != CASES[i].status || strcmp(body_of(answer), CASES[i].body) != 0)
            fail_msg("case %zu: %s", i, answer);
        assert_null(strstr(answer, "Server:"));
        assert_non_null(strstr(answer, "\r\nDate: "));
        assert_int_equal(h.last_status, CASES[i].status);
        assert_int_equal(h.last_bytes, strlen(CASES[i].body));
        assert_int_equal(h.ended, i + 1);
        free(answer);
    }
    harness_turn(&h, 50);
    assert_int_equal(http_server_connections(h.server), 0);
    assert_int_equal(http_server_in_flight(h.server), 0);
    harness_stop(&h);
}

static void test_allow(void **state)
{
    struct harness h;
    char *answer;

    harness_start(&h, NULL);
    answer = exchange(&h, "GET /echo HTTP/1.1\r\n" HOST "\r\n", NULL);
    assert_int_equal(status_of(answer), 405);
    assert_non_null(strstr(answer, "\r\nAllow: POST, PUT\r\n"));
    free(answer);
    answer = exchange(&h, "DELETE /wait HTTP/1.1\r\n" HOST "\r\n", NULL);
    assert_non_null(strstr(answer, "\r\nAllow: GET, HEAD, POST\r\n")); /* of both entries */
    free(answer);
    harness_stop(&h);
}

static struct http_response *new_error_page(const struct http_request *request, unsigned status,
                                            void *userdata)
{
    struct http_response *page = NULL;

    assert_true(userdata == http_request_userdata(request));
    if (status == 404) /* this one stays the server's */
        return NULL;
    assert_int_equal(http_response_new(&page, status, "text/x", http_status_phrase(status), 3), 0);
    return page;
}

static void test_error_page(void **state)
{
    static const struct {
        const char *request;
        unsigned status;
        const char *words;
    } CASES[] = {
        {"GET /nowhere HTTP/1.1\r\n" HOST "\r\n", 404, "Content-Type: text/plain\r\n"},
        {"PATCH /echo HTTP/1.1\r\n" HOST "\r\n", 405, "Allow: POST, PUT\r\n"},
        {"GET /nothing HTTP/1.1\r\n" HOST "\r\n", 500, "\r\n\r\nInt"},
        {"GET /%zz HTTP/1.1\r\n" HOST "\r\n", 400, "\r\n\r\nBad"},
        {"POST /echo HTTP/1.1\r\n" HOST "Content-Length: 999\r\n\r\n", 413, "\r\n\r\nCon"},
    };
    const struct http_server_options options = {
        .connections_max = 10, .idle_timeout_s = 60, .error_page = new_error_page};
    struct harness h;

    harness_start(&h, &options);
    for (size_t i = 0; i < ARRAY_SIZE(CASES); i++) {
        char *answer = exchange(&h, CASES[i].request, NULL);

        if (status_of(answer) != CASES[i].status || !strstr(answer, CASES[i].words) ||
            !strstr(answer, "Content-Type: text/x\r\n") != (CASES[i].status == 404))
            fail_msg("case %zu: %s", i, answer);
        free(answer);
    }
    harness_stop(&h);
}

static void test_head(void **state)
{
    static const char request[] = "HEAD /path/x HTTP/1.1\r\n" HOST "\r\n"
                                  "HEAD /none HTTP/1.1\r\n" HOST "\r\n"
                                  "HEAD /big HTTP/1.1\r\n" HOST "Connection: close\r\n\r\n";
    struct harness h;
    bool closed;
    int fd;
    char *answer;

    harness_start(&h, NULL);
    fd = harness_connect(&h);
    harness_send(&h, fd, request, sizeof(request) - 1);
    answer = harness_read(&h, fd, 99, &closed); /* until it is closed */
    assert_true(closed);
    assert_non_null(strstr(answer, "\r\nContent-Length: 23\r\n")); /* as GET would have it */
    assert_non_null(strstr(answer, "HTTP/1.1 404 Not Found\r\n"));
    assert_non_null(strstr(answer, "\r\nContent-Length: 1048576\r\n"));
    /* Three heads, nothing between them. */
    assert_string_equal(strrchr(answer, '\n') - 3, "\r\n\r\n");
    assert_null(strstr(answer, "HEAD"));
    assert_null(strstr(answer, "Not Found\n"));
    assert_int_equal(h.last_bytes, 0);
    free(answer);
    close(fd);
    harness_stop(&h);
}

/* The answers come in the order of the requests, whatever lies between them. */
static void test_pipelining(void **state)
{
    enum { N = 300 };
    struct harness h;
    struct buffer requests;
    char *answers, *p;
    int fd;

    buffer_init(&requests, 1024 * 1024);
    for (unsigned i = 0; i < N; i++)
        buffer_printf(&requests,
                      i % 3 ? "GET /path/%u HTTP/1.1\r\n" HOST "\r\n"
                            : "POST /echo HTTP/1.1\r\n" HOST "Content-Length: 4\r\n\r\n%04u",
                      i);
    assert_false(requests.failed);
    harness_start(&h, NULL);
    fd = harness_connect(&h);
    harness_send(&h, fd, requests.data, requests.length);
    answers = harness_read(&h, fd, N, NULL);
    p = answers;
    for (unsigned i = 0; i < N; i++) {
        char expected[64];

        snprintf(expected, sizeof(expected),
                 i % 3 ? "\r\n\r\nGET /path/%u 127.0.0.1" : "\r\n\r\n%04u", i);
        p = strstr(p, expected);
        if (!p)
            fail_msg("answer %u is not there", i);
    }
    assert_int_equal(h.ended, N);
    assert_int_equal(h.connections, 1);
    free(answers);
    close(fd);
    buffer_done(&requests);
    harness_stop(&h);
}

static void test_big_answer(void **state)
{
    static const char request[] = "GET /big HTTP/1.0\r\n" HOST "\r\n";
    struct harness h;
    int fd;
    size_t n = 0;
    char piece[65536];

    harness_start(&h, NULL);
    fd = harness_connect(&h);
    harness_send(&h, fd, request, sizeof(request) - 1);
    for (;;) {
        ssize_t r = recv(fd, piece, sizeof(piece), 0);

        if (r == 0)
            break;
        if (r > 0)
            n += (size_t) r;
        else
            harness_turn(&h, 1);
    }
    assert_true(n > HARNESS_BIG_BYTES && n < HARNESS_BIG_BYTES + 500);
    close(fd);
    harness_stop(&h);
}

static void test_body_limit(void **state)
{
    struct harness h;
    struct buffer request;
    bool closed;
    char *answer;

    harness_start(&h, NULL);
    buffer_init(&request, 4096);
    for (unsigned n = HARNESS_BODY_LIMIT; n <= HARNESS_BODY_LIMIT + 1; n++) {
        buffer_clear(&request);
        buffer_printf(&request, "POST /echo HTTP/1.1\r\n" HOST "Content-Length: %u\r\n\r\n%0*d", n,
                      (int) n, 0);
        answer = exchange(&h, request.data, &closed);
        assert_int_equal(status_of(answer), n > HARNESS_BODY_LIMIT ? 413 : 200);
        assert_int_equal(strlen(body_of(answer)), n > HARNESS_BODY_LIMIT ? 18 : n);
        free(answer);
    }
    /* Refused by its length, before any of it is sent. */
    answer = exchange(&h, "POST /echo HTTP/1.1\r\n" HOST "Content-Length: 10485760\r\n\r\n", NULL);
    assert_int_equal(status_of(answer), 413);
    assert_non_null(strstr(answer, "\r\nConnection: close\r\n"));
    free(answer);
    /* A body where none is wanted. */
    assert_int_equal(harness_status(&h, "GET / HTTP/1.1\r\n" HOST "Content-Length: 1\r\n\r\nx"),
                     413);
    assert_int_equal(
        harness_status(&h, "POST /none HTTP/1.1\r\n" HOST "Content-Length: 1\r\n\r\nx"), 404);
    assert_int_equal(h.handled, 1);
    buffer_done(&request);
    harness_stop(&h);
}

/* A client that sends half a megabyte more is not reset under it: it can send all, and then sees
 * the refusal and an orderly end. */
static void test_body_refusal_is_seen(void **state)
{
    static const char head[] = "POST /echo HTTP/1.1\r\n" HOST "Content-Length: 524288\r\n\r\n";
    struct harness h;
    char piece[65536] = {0}, *answer;
    int fd;

    harness_start(&h, NULL);
    fd = harness_connect(&h);
    harness_send(&h, fd, head, sizeof(head) - 1);
    for (unsigned i = 0; i < 524288 / sizeof(piece); i++) {
        size_t n_sent = 0;

        harness_turn(&h, 10); /* by now it has been refused */
        while (n_sent < sizeof(piece)) {
            ssize_t n = send(fd, piece + n_sent, sizeof(piece) - n_sent, MSG_NOSIGNAL);

            assert_true(n > 0 || errno == EAGAIN);
            n_sent += n > 0 ? (size_t) n : 0;
            harness_turn(&h, 1);
        }
    }
    answer = harness_read(&h, fd, 1, NULL);
    assert_int_equal(status_of(answer), 413);
    free(answer);
    assert_int_equal(recv(fd, piece, sizeof(piece), 0), 0);
    close(fd);
    harness_stop(&h);
}

static void test_chunked(void **state)
{
    static const char head[] = "POST /echo HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n";
    static const struct {
        const char *body;
        unsigned status;
        const char *echo;
    } CASES[] = {
        {"3\r\nabc\r\n0\r\n\r\n", 200, "abc"},
        {"1\r\na\r\n2\r\nbc\r\n0\r\n\r\n", 200, "abc"},
        {"A\r\n0123456789\r\n0\r\nTrailer: x\r\n\r\n", 200, "0123456789"},
        {"0\r\n\r\n", 200, ""},
        {"xyz\r\n", 400, NULL},
        {"-1\r\n\r\n", 400, NULL},
        {"3\r\nabcd\r\n0\r\n\r\n", 400, NULL},
        {"FFFFFFFFFFFFFFFFF\r\nabc", 413, NULL},
        {"65\r\n"
         "01234567890123456789012345678901234567890123456789"
         "01234567890123456789012345678901234567890123456789X\r\n0\r\n\r\n",
         413, NULL},
    };
    struct harness h;

    harness_start(&h, NULL);
    for (size_t i = 0; i < ARRAY_SIZE(CASES); i++) {
        int fd = harness_connect(&h);
        char *answer;

        harness_send(&h, fd, head, sizeof(head) - 1);
        harness_turn(&h, 5);
        harness_send(&h, fd, CASES[i].body, strlen(CASES[i].body));
        answer = harness_read(&h, fd, 1, NULL);
        /* Older libmicrohttpds close at a malformed chunk without a word. */
        if ((status_of(answer) != CASES[i].status && (CASES[i].echo || *answer)) ||
            (CASES[i].echo && strcmp(body_of(answer), CASES[i].echo) != 0))
            fail_msg("case %zu: %s", i, answer);
        if (CASES[i].status != 200)
            assert_true(is_closed(&h, fd));
        free(answer);
        close(fd);
    }
    harness_stop(&h);
}

static void test_continue(void **state)
{
    static const char good[] = "POST /echo HTTP/1.1\r\n" HOST "Content-Length: 3\r\n"
                               "Expect: 100-continue\r\n\r\n";
    static const char big[] = "POST /echo HTTP/1.1\r\n" HOST "Content-Length: 3000\r\n"
                              "Expect: 100-continue\r\n\r\n";
    struct harness h;
    char *answer;
    int fd;

    harness_start(&h, NULL);
    fd = harness_connect(&h);
    harness_send(&h, fd, good, sizeof(good) - 1);
    harness_turn(&h, 50);
    answer = harness_read(&h, fd, 0, NULL);
    assert_string_equal(answer, "HTTP/1.1 100 Continue\r\n\r\n");
    free(answer);
    harness_send(&h, fd, "abc", 3);
    answer = harness_read(&h, fd, 1, NULL);
    assert_string_equal(body_of(answer), "abc");
    free(answer);
    harness_send(&h, fd, big, sizeof(big) - 1);
    answer = harness_read(&h, fd, 1, NULL);
    assert_int_equal(status_of(answer), 413); /* and not "go on" first */
    free(answer);
    close(fd);
    harness_stop(&h);
}

static void test_prepared_response_is_shared(void **state)
{
    enum { N = 50 };
    struct harness h;
    int fds[N];

    harness_start(&h, NULL);
    assert_int_equal(http_response_add_header(h.hello, "X-Good", "1"), 0);
    assert_int_equal(http_response_add_header(h.hello, "X-Bad", "1\r\nX-Injected: 1"), -EINVAL);
    for (unsigned i = 0; i < N; i++) {
        fds[i] = harness_connect(&h);
        harness_send(&h, fds[i], "GET / HTTP/1.1\r\n" HOST "\r\n", 16 + sizeof(HOST) - 1 + 2);
    }
    for (unsigned i = 0; i < 1000 && h.begun < N; i++)
        harness_turn(&h, 5);
    assert_int_equal(h.begun, N);
    /* The answers in flight keep their own hold on it. */
    h.hello = http_response_free(h.hello);
    for (unsigned i = 0; i < N; i++) {
        char *answer = harness_read(&h, fds[i], 1, NULL);

        assert_string_equal(body_of(answer), "hello\n");
        assert_non_null(strstr(answer, "\r\nX-Good: 1\r\n"));
        free(answer);
        close(fds[i]);
    }
    harness_stop(&h);
}

/* More at once than there are places: all are answered, one after the other. */
static void test_connections_max(void **state)
{
    static const char request[] = "GET / HTTP/1.1\r\n" HOST "\r\n";
    struct http_server_options options = {.connections_max = 3, .idle_timeout_s = 60};
    struct harness h;
    int fds[5];

    harness_start(&h, &options);
    for (unsigned i = 0; i < ARRAY_SIZE(fds); i++) {
        fds[i] = harness_connect(&h);
        harness_send(&h, fds[i], request, sizeof(request) - 1);
    }
    for (unsigned i = 0; i < ARRAY_SIZE(fds); i++) {
        char *answer = harness_read(&h, fds[i], 1, NULL);

        assert_int_equal(status_of(answer), 200);
        free(answer);
        assert_in_range(h.connections, 0, 3);
    }
    for (unsigned i = 0; i < ARRAY_SIZE(fds); i++)
        close(fds[i]);
    harness_turn(&h, 50);
    assert_int_equal(h.connections, 0);
    harness_stop(&h);
}

/* Idle connections take all places: who has something to ask is served nevertheless. */
static void test_idle_connections_make_room(void **state)
{
    static const char request[] = "GET / HTTP/1.1\r\n" HOST "\r\n";
    struct http_server_options options = {.connections_max = 3, .idle_timeout_s = 60};
    struct harness h;
    char *answer;
    int idle[3], fd;

    harness_start(&h, &options);
    for (unsigned i = 0; i < ARRAY_SIZE(idle); i++)
        idle[i] = harness_connect(&h);
    harness_turn(&h, 50);
    assert_int_equal(h.connections, 3);
    fd = harness_connect(&h);
    harness_send(&h, fd, request, sizeof(request) - 1);
    answer = harness_read(&h, fd, 1, NULL);
    assert_int_equal(status_of(answer), 200);
    free(answer);
    assert_true(is_closed(&h, idle[0]));
    close(fd);
    for (unsigned i = 0; i < ARRAY_SIZE(idle); i++)
        close(idle[i]);
    harness_stop(&h);
}

static void test_connections_possible(void **state)
{
    static const struct {
        rlim_t soft, hard;
        unsigned wanted, possible;
        rlim_t raised;
    } CASES[] = {
        {1024, 4096, 1024, 1024, 4096},
        {64, 64, 1024, 24, 64},
        {64, 64, 10, 10, 64},
        {512, 1024, 1024, 384, 1024},
    };
    struct rlimit saved, now;

    assert_int_equal(getrlimit(RLIMIT_NOFILE, &saved), 0);
    assert_int_equal(http_connections_possible(1), 1);
    for (size_t i = ARRAY_SIZE(CASES); i-- > 0;) {
        pid_t pid = fork(); /* a lowered hard limit is for good */

        assert_true(pid >= 0);
        if (pid == 0) {
            struct rlimit limit = {CASES[i].soft, CASES[i].hard};
            bool good = setrlimit(RLIMIT_NOFILE, &limit) == 0 &&
                        http_connections_possible(CASES[i].wanted) == CASES[i].possible &&
                        getrlimit(RLIMIT_NOFILE, &now) == 0 && now.rlim_cur == CASES[i].raised;
            _exit(good ? 0 : 1);
        }
        int status = -1;
        assert_int_equal(waitpid(pid, &status, 0), pid);
        if (status != 0)
            fail_msg("case %zu", i);
    }
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &saved), 0);
}

static void test_connections_per_client(void **state)
{
    struct http_server_options options = {
        .connections_max = 100,
        .connections_per_client = 2,
        .idle_timeout_s = 60,
    };
    struct harness h;
    int fds[3];

    harness_start(&h, &options);
    for (unsigned i = 0; i < 3; i++)
        fds[i] = harness_connect(&h);
    harness_turn(&h, 50);
    assert_int_equal(h.connections, 2);
    assert_true(is_closed(&h, fds[2]));
    for (unsigned i = 0; i < 3; i++)
        close(fds[i]);
    harness_stop(&h);
}

static void test_unix_socket(void **state)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    char directory[PATH_MAX], path[PATH_MAX + 8], *answer;
    struct harness h;
    int listen_fd, fd;

    unit_directory_make(directory);
    snprintf(path, sizeof(path), "%s/sock", directory);
    harness_start(&h, NULL);
    listen_fd = listen_open(path, 0600);
    assert_true(listen_fd >= 0);
    assert_int_equal(http_server_listen(h.server, listen_fd), 0);
    memcpy(address.sun_path, path, strlen(path) + 1);
    fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);
    assert_int_equal(connect(fd, (struct sockaddr *) &address, sizeof(address)), 0);
    for (unsigned i = 0; i < 3; i++) {
        static const char request[] = "GET /path/ HTTP/1.1\r\n" HOST "\r\n";

        harness_send(&h, fd, request, sizeof(request) - 1);
        answer = harness_read(&h, fd, 1, NULL);
        assert_string_equal(body_of(answer), "GET /path/ unix\n");
        free(answer);
    }
    close(fd);
    harness_stop(&h);
    close(listen_fd);
    unit_directory_remove(directory);
}

static void test_add_connection(void **state)
{
    static const char request[] = "GET /path/x HTTP/1.1\r\n" HOST "\r\n";
    struct harness h;
    int pair[2];
    char *answer;

    harness_start(&h, NULL);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair), 0);
    assert_int_equal(http_server_add_connection(h.server, pair[0], NULL, 0), 0);
    harness_send(&h, pair[1], request, sizeof(request) - 1);
    answer = harness_read(&h, pair[1], 1, NULL);
    assert_string_equal(body_of(answer), "GET /path/x \n"); /* nobody said who it is */
    free(answer);
    close(pair[1]);
    harness_stop(&h);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_routes),
        cmocka_unit_test(test_allow),
        cmocka_unit_test(test_error_page),
        cmocka_unit_test(test_head),
        cmocka_unit_test(test_pipelining),
        cmocka_unit_test(test_big_answer),
        cmocka_unit_test(test_body_limit),
        cmocka_unit_test(test_body_refusal_is_seen),
        cmocka_unit_test(test_chunked),
        cmocka_unit_test(test_continue),
        cmocka_unit_test(test_prepared_response_is_shared),
        cmocka_unit_test(test_connections_max),
        cmocka_unit_test(test_idle_connections_make_room),
        cmocka_unit_test(test_connections_possible),
        cmocka_unit_test(test_connections_per_client),
        cmocka_unit_test(test_unix_socket),
        cmocka_unit_test(test_add_connection),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

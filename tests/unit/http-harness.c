/* SPDX-License-Identifier: Apache-2.0 */
/* See the header. */
#include "tests/unit/http-harness.h"

#include "common/base/buffer.h"
#include "common/base/clock.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#define PATIENCE_US (5 * USEC_PER_SEC)

static void on_hello(struct http_request *request, void *userdata)
{
    struct harness *h = userdata;

    h->handled++;
    http_respond(request, h->hello);
}

static void on_echo(struct http_request *request, void *userdata)
{
    struct harness *h = userdata;
    size_t length;
    const char *body = http_request_body(request, &length);

    h->handled++;
    http_respond_bytes(request, 200, "text/plain", body, length);
}

static void on_query(struct http_request *request, void *userdata)
{
    const char *value = http_request_query(request, "q");

    http_respond_text(request, 200, value ? value : "(none)");
}

static void on_path(struct http_request *request, void *userdata)
{
    char text[2 * HTTP_PATH_MAX];

    snprintf(text, sizeof(text), "%s %s %s", http_request_method_name(request),
             http_request_path(request), http_request_client(request));
    http_respond_text(request, 200, text);
}

static void on_abort(struct http_request *request, void *context)
{
    struct harness *h = context;

    h->aborted++;
    h->waiting = NULL;
}

static void on_wait(struct http_request *request, void *userdata)
{
    struct harness *h = userdata;

    h->waiting = request;
    http_request_suspend(request, on_abort, h);
}

/* Answers after it has asked to wait, but before it returns. */
static void on_hasty(struct http_request *request, void *userdata)
{
    struct harness *h = userdata;

    http_request_suspend(request, on_abort, h);
    http_respond_text(request, 200, "hasty");
    http_respond_text(request, 500, "too late");
}

static void on_nothing(struct http_request *request, void *userdata)
{
}

static void on_thing(struct http_request *request, void *userdata)
{
    http_respond_bytes(request, 204, NULL, NULL, 0);
}

/* The lines of one header, the last two of them. */
static void on_lines(struct http_request *request, void *userdata)
{
    const char *lines[2] = {"", ""};
    size_t n = http_request_header_lines(request, "x-list", lines, ARRAY_SIZE(lines));
    char text[200];

    snprintf(text, sizeof(text), "%zu|%s|%s", n, lines[0], lines[1]);
    http_respond_text(request, 200, text);
}

static void on_big(struct http_request *request, void *userdata)
{
    struct harness *h = userdata;

    http_respond_bytes(request, 200, "application/octet-stream", h->big, HARNESS_BIG_BYTES);
}

static const struct http_route ROUTES[] = {
    {HTTP_GET, "/", 0, on_hello},
    {HTTP_POST | HTTP_PUT, "/echo", HARNESS_BODY_LIMIT, on_echo},
    {HTTP_GET, "/query", 0, on_query},
    {HTTP_GET, "/path/*", 0, on_path},
    {HTTP_GET, "/wait", 0, on_wait},
    {HTTP_POST, "/wait", HARNESS_BODY_LIMIT, on_wait},
    {HTTP_GET, "/hasty", 0, on_hasty},
    {HTTP_GET, "/nothing", 0, on_nothing},
    {HTTP_DELETE, "/thing", 0, on_thing},
    {HTTP_GET, "/lines", 0, on_lines},
    {HTTP_GET, "/big", 0, on_big},
    {0},
};

static void on_begin(void *observer)
{
    struct harness *h = observer;

    h->begun++;
}

static void on_end(const struct http_request *request, unsigned status, size_t bytes,
                   uint64_t latency_us, void *observer)
{
    struct harness *h = observer;

    if (status)
        h->ended++;
    else
        h->lost++;
    h->last_status = status;
    h->last_bytes = bytes;
    assert_true(latency_us < PATIENCE_US);
    assert_non_null(http_request_path(request));
}

static void on_connection(int change, void *observer)
{
    struct harness *h = observer;

    h->connections += change;
    assert_int_equal(h->connections, http_server_connections(h->server));
}

void harness_start(struct harness *h, const struct http_server_options *options)
{
    struct http_server_options all = {.connections_max = 1000, .idle_timeout_s = 60};
    struct sockaddr_in address = {
        .sin_family = AF_INET,
        .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
    };
    socklen_t length = sizeof(address);

    memset(h, 0, sizeof(*h));
    if (options)
        all = *options;
    all.routes = ROUTES;
    all.userdata = h;
    all.on_begin = on_begin;
    all.on_end = on_end;
    all.on_connection = on_connection;
    assert_int_equal(http_response_new(&h->hello, 200, "text/plain", "hello\n", 6), 0);
    h->big = calloc(1, HARNESS_BIG_BYTES);
    assert_non_null(h->big);
    assert_true(sd_event_new(&h->event) >= 0);
    assert_int_equal(http_server_new(&h->server, h->event, &all), 0);
    h->listen_fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    assert_true(h->listen_fd >= 0);
    assert_int_equal(bind(h->listen_fd, (struct sockaddr *) &address, length), 0);
    assert_int_equal(listen(h->listen_fd, SOMAXCONN), 0);
    assert_int_equal(getsockname(h->listen_fd, (struct sockaddr *) &address, &length), 0);
    h->port = ntohs(address.sin_port);
    assert_int_equal(http_server_listen(h->server, h->listen_fd), 0);
}

void harness_stop(struct harness *h)
{
    http_server_free(h->server);
    assert_int_equal(h->connections, 0);
    assert_int_equal(h->begun, h->ended + h->lost);
    close(h->listen_fd);
    http_response_free(h->hello);
    sd_event_unref(h->event);
    free(h->big);
}

int harness_connect(const struct harness *h)
{
    struct sockaddr_in address = {
        .sin_family = AF_INET,
        .sin_port = htons(h->port),
        .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
    };
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    assert_true(fd >= 0);
    assert_int_equal(connect(fd, (struct sockaddr *) &address, sizeof(address)), 0);
    assert_int_equal(fcntl(fd, F_SETFL, O_NONBLOCK), 0);
    return fd;
}

void harness_turn(struct harness *h, unsigned ms)
{
    uint64_t end = clock_monotonic_us() + ms * USEC_PER_MSEC;

    for (uint64_t now = clock_monotonic_us(); now < end; now = clock_monotonic_us())
        assert_true(sd_event_run(h->event, end - now) >= 0);
}

void harness_send(struct harness *h, int fd, const char *data, size_t length)
{
    while (length > 0) {
        ssize_t n = send(fd, data, length, MSG_NOSIGNAL);

        if (n < 0 && errno == EAGAIN) {
            harness_turn(h, 5);
            continue;
        }
        if (n < 0)
            return; /* refused half-way, as some tests want */
        data += n;
        length -= (size_t) n;
    }
}

unsigned status_of(const char *answer)
{
    unsigned status = 0;

    return sscanf(answer, "HTTP/1.%*c %u", &status) == 1 ? status : 0;
}

const char *body_of(const char *answer)
{
    const char *end = strstr(answer, "\r\n\r\n");

    return end ? end + 4 : "";
}

/* How many whole answers |text| holds; one that says "100 Continue" is no answer. */
static unsigned count_answers(const char *text, size_t size)
{
    const char *p = text, *end = text + size;
    unsigned n = 0;

    for (;;) {
        const char *body = strstr(p, "\r\n\r\n"), *field;
        unsigned long length = 0;

        if (!body)
            return n;
        body += 4;
        field = strcasestr(p, "Content-Length: ");
        if (field && field < body)
            length = strtoul(field + 16, NULL, 10);
        if ((size_t) (end - body) < length)
            return n;
        if (status_of(p) != 100)
            n++;
        p = body + length;
    }
}

char *harness_read(struct harness *h, int fd, unsigned answers, bool *ret_closed)
{
    uint64_t end = clock_monotonic_us() + PATIENCE_US;
    struct buffer text;
    bool closed = false;

    buffer_init(&text, 4 * HARNESS_BIG_BYTES);
    assert_int_equal(buffer_append(&text, "", 0), 0);
    while (!closed && clock_monotonic_us() < end) {
        char piece[65536];
        ssize_t n = recv(fd, piece, sizeof(piece), 0);

        if (n > 0)
            assert_int_equal(buffer_append(&text, piece, (size_t) n), 0);
        else if (n == 0 || errno != EAGAIN)
            closed = true;
        else if (text.data && count_answers(text.data, text.length) >= answers)
            break;
        else
            assert_true(sd_event_run(h->event, 10 * USEC_PER_MSEC) >= 0);
    }
    if (ret_closed)
        *ret_closed = closed;
    return text.data ? buffer_take(&text, NULL) : calloc(1, 1);
}

unsigned harness_status(struct harness *h, const char *request)
{
    int fd = harness_connect(h);
    char *answer;
    unsigned status;

    harness_send(h, fd, request, strlen(request));
    answer = harness_read(h, fd, 1, NULL);
    status = status_of(answer);
    free(answer);
    close(fd);
    return status;
}

bool is_closed(struct harness *h, int fd)
{
    uint64_t end = clock_monotonic_us() + USEC_PER_SEC;

    while (clock_monotonic_us() < end) {
        char piece[4096];
        ssize_t n = recv(fd, piece, sizeof(piece), 0);

        if (n == 0 || (n < 0 && errno != EAGAIN))
            return true;
        assert_true(sd_event_run(h->event, 10 * USEC_PER_MSEC) >= 0);
    }
    return false;
}

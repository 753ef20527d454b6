/* SPDX-License-Identifier: Apache-2.0 */
/* See the header. A raw server: what a real one would never do is what matters here. */
#include "tests/unit/aws-harness.h"

#include "common/base/clock.h"

#include <arpa/inet.h>
#include <errno.h>
#include <strings.h>
#include <sys/socket.h>

#define PATIENCE_US  (20 * USEC_PER_SEC)
#define REQUEST_MOST (2u << 20)

struct fake_connection {
    struct aws_harness *harness;
    struct fake_connection *next;
    int fd;
    sd_event_source *source;
    struct buffer input;
};

static void connection_free(struct fake_connection *c)
{
    for (struct fake_connection **p = &c->harness->connections; *p; p = &(*p)->next)
        if (*p == c) {
            *p = c->next;
            break;
        }
    sd_event_source_disable_unref(c->source);
    close(c->fd);
    buffer_done(&c->input);
    free(c);
}

char *fake_header(const struct fake_request *request, const char *name)
{
    size_t length = strlen(name);

    for (const char *line = strstr(request->head, "\r\n"); line; line = strstr(line + 2, "\r\n")) {
        if (strncasecmp(line + 2, name, length) != 0 || line[2 + length] != ':')
            continue;
        line += 2 + length + 1;
        line += strspn(line, " ");
        return strndup(line, strcspn(line, "\r"));
    }
    return NULL;
}

/* Takes a whole request off the input. */
static bool take_request(struct fake_connection *c, struct fake_request *ret)
{
    char *end = c->input.data ? strstr(c->input.data, "\r\n\r\n") : NULL;
    size_t head_length, body_length;
    char *length_text, *rest;

    if (!end)
        return false;
    head_length = (size_t) (end - c->input.data) + 4;
    *ret = (struct fake_request){.head = strndup(c->input.data, head_length)};
    length_text = fake_header(ret, "Content-Length");
    body_length = length_text ? strtoul(length_text, NULL, 10) : 0;
    free(length_text);
    if (c->input.length < head_length + body_length) {
        free(ret->head);
        return false;
    }
    assert_int_equal(sscanf(ret->head, "%15s %511s", ret->method, ret->path), 2);
    ret->body = calloc(1, body_length + 1);
    memcpy(ret->body, c->input.data + head_length, body_length);
    ret->body_length = body_length;
    rest = strndup(c->input.data + head_length + body_length,
                   c->input.length - head_length - body_length);
    buffer_clear(&c->input);
    buffer_append_string(&c->input, rest);
    free(rest);
    return true;
}

/* Answers of the tests fit a socket's buffer. */
static void connection_send(struct fake_connection *c, const void *data, size_t length)
{
    while (length > 0) {
        ssize_t n = send(c->fd, data, length, MSG_NOSIGNAL);

        if (n <= 0)
            return;
        data = (const char *) data + n;
        length -= (size_t) n;
    }
}

static struct fake_answer next_answer(struct aws_harness *h, const struct fake_request *request)
{
    struct fake_answer answer;

    if (h->handler)
        return h->handler(h, request);
    assert_true(h->n_script > 0);
    answer = *h->script;
    if (h->n_script > 1) {
        h->script++;
        h->n_script--;
    }
    return answer;
}

/* Returns whether the connection is still there. */
static bool connection_answer(struct fake_connection *c, const struct fake_answer *answer)
{
    const char *body = answer->body ? answer->body : "";
    size_t length = answer->body_length > 0 ? answer->body_length : strlen(body);
    char head[1024];

    if (answer->mode == FAKE_HANG)
        return true;
    if (answer->mode != FAKE_DROP) {
        snprintf(head, sizeof(head), "HTTP/1.1 %u Fake\r\n%sContent-Length: %zu\r\n\r\n",
                 answer->status, answer->headers ? answer->headers : "",
                 length + (answer->mode == FAKE_HALF ? 100 : 0));
        connection_send(c, head, strlen(head));
        connection_send(c, body, length);
    }
    if (answer->mode == FAKE_ANSWER)
        return true;
    connection_free(c);
    return false;
}

static int connection_on_input(sd_event_source *source, int fd, uint32_t revents, void *userdata)
{
    struct fake_connection *c = userdata;
    struct aws_harness *h = c->harness;
    char piece[65536];
    ssize_t n = recv(fd, piece, sizeof(piece), MSG_DONTWAIT);

    if (n < 0 && errno == EAGAIN)
        return 0;
    if (n <= 0) {
        connection_free(c);
        return 0;
    }
    assert_int_equal(buffer_append(&c->input, piece, (size_t) n), 0);
    for (struct fake_request request; take_request(c, &request);) {
        struct fake_answer answer;

        assert_true(h->n_requests < FAKE_REQUESTS_MAX);
        h->requests[h->n_requests++] = request;
        answer = next_answer(h, &request);
        if (!connection_answer(c, &answer))
            break;
    }
    return 0;
}

static int on_connection(sd_event_source *source, int fd, uint32_t revents, void *userdata)
{
    struct aws_harness *h = userdata;
    struct fake_connection *c = calloc(1, sizeof(*c));

    assert_non_null(c);
    c->harness = h;
    c->fd = accept4(fd, NULL, NULL, SOCK_CLOEXEC);
    assert_true(c->fd >= 0);
    buffer_init(&c->input, REQUEST_MOST);
    c->next = h->connections;
    h->connections = c;
    assert_true(sd_event_add_io(h->event, &c->source, c->fd, EPOLLIN, connection_on_input, c) >= 0);
    return 0;
}

void aws_harness_start(struct aws_harness *h)
{
    struct sockaddr_in address = {
        .sin_family = AF_INET,
        .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
    };
    socklen_t length = sizeof(address);

    *h = (struct aws_harness){.now_us = UINT64_C(1700000000) * USEC_PER_SEC};
    assert_true(sd_event_new(&h->event) >= 0);
    assert_int_equal(http_client_new(&h->http, h->event, "agentd-test"), 0);
    h->listen_fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(h->listen_fd >= 0);
    assert_int_equal(bind(h->listen_fd, (struct sockaddr *) &address, length), 0);
    assert_int_equal(listen(h->listen_fd, SOMAXCONN), 0);
    assert_int_equal(getsockname(h->listen_fd, (struct sockaddr *) &address, &length), 0);
    snprintf(h->url, sizeof(h->url), "http://127.0.0.1:%u", ntohs(address.sin_port));
    assert_true(sd_event_add_io(h->event, &h->listener, h->listen_fd, EPOLLIN, on_connection, h) >=
                0);
}

void aws_harness_stop(struct aws_harness *h)
{
    http_client_free(h->http);
    while (h->connections)
        connection_free(h->connections);
    sd_event_source_disable_unref(h->listener);
    close(h->listen_fd);
    for (size_t i = 0; i < h->n_requests; i++) {
        free(h->requests[i].head);
        free(h->requests[i].body);
    }
    sd_event_unref(h->event);
}

void aws_harness_script(struct aws_harness *h, const struct fake_answer *script, size_t n)
{
    h->handler = NULL;
    h->script = script;
    h->n_script = n;
}

void aws_harness_setenv(struct aws_harness *h, const char *name, const char *value)
{
    for (size_t i = 0; i < FAKE_VARIABLES_MAX; i++)
        if (!h->variables[i][0] || strcmp(h->variables[i][0], name) == 0) {
            h->variables[i][0] = name;
            h->variables[i][1] = value;
            return;
        }
    fail_msg("more than %u variables", FAKE_VARIABLES_MAX);
}

const char *aws_harness_getenv(const char *name, void *userdata)
{
    const struct aws_harness *h = userdata;

    for (size_t i = 0; i < FAKE_VARIABLES_MAX && h->variables[i][0]; i++)
        if (strcmp(h->variables[i][0], name) == 0)
            return h->variables[i][1];
    return NULL;
}

uint64_t aws_harness_clock(void *userdata)
{
    return ((struct aws_harness *) userdata)->now_us;
}

void aws_harness_run(struct aws_harness *h, const unsigned *counter, unsigned wanted)
{
    uint64_t end = clock_monotonic_us() + PATIENCE_US;

    while (*counter < wanted) {
        assert_true(clock_monotonic_us() < end);
        assert_true(sd_event_run(h->event, USEC_PER_SEC / 10) >= 0);
    }
}

void aws_harness_run_requests(struct aws_harness *h, size_t n)
{
    uint64_t end = clock_monotonic_us() + PATIENCE_US;

    while (h->n_requests < n) {
        assert_true(clock_monotonic_us() < end);
        assert_true(sd_event_run(h->event, USEC_PER_SEC / 10) >= 0);
    }
}

void aws_harness_settle(struct aws_harness *h)
{
    for (unsigned quiet = 0; quiet < 3;)
        quiet = sd_event_run(h->event, 20 * USEC_PER_MSEC) > 0 ? 0 : quiet + 1;
}

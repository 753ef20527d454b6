/* SPDX-License-Identifier: Apache-2.0 */
/* See the header. */
#include "tests/unit/http-peer.h"

#include "common/base/clock.h"
#include "common/base/macro.h"
#include "common/base/text.h"

#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>

#define REQUEST_MAX (4u * 1024 * 1024)
#define PATIENCE_US (60 * USEC_PER_SEC)

struct connection {
    struct peer *peer;
    unsigned index;
    int fd;
};

static void *connection_thread(void *argument)
{
    struct connection *c = argument;
    struct peer *p = c->peer;

    p->script(p, c->fd);
    pthread_mutex_lock(&p->lock);
    p->connection_fds[c->index] = -1;
    close(c->fd);
    pthread_mutex_unlock(&p->lock);
    free(c);
    return NULL;
}

static void *peer_thread(void *argument)
{
    struct peer *p = argument;

    for (;;) {
        int fd = accept4(p->listen_fd, NULL, NULL, SOCK_CLOEXEC);
        struct connection *c;

        if (fd < 0)
            return NULL;
        assert_true(p->connections < PEER_CONNECTIONS_MAX);
        c = malloc(sizeof(*c));
        *c = (struct connection){.peer = p, .index = p->connections, .fd = fd};
        p->connection_fds[c->index] = fd;
        p->connections++;
        pthread_create(&p->connection_threads[c->index], NULL, connection_thread, c);
    }
}

void peer_start(struct peer *peer, peer_script script, const void *userdata)
{
    struct sockaddr_in address = {
        .sin_family = AF_INET,
        .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
    };
    socklen_t length = sizeof(address);

    memset(peer, 0, sizeof(*peer));
    peer->script = script;
    peer->userdata = userdata;
    pthread_mutex_init(&peer->lock, NULL);
    peer->listen_fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(peer->listen_fd >= 0);
    assert_int_equal(bind(peer->listen_fd, (struct sockaddr *) &address, length), 0);
    assert_int_equal(listen(peer->listen_fd, SOMAXCONN), 0);
    assert_int_equal(getsockname(peer->listen_fd, (struct sockaddr *) &address, &length), 0);
    peer->port = ntohs(address.sin_port);
    assert_int_equal(pthread_create(&peer->thread, NULL, peer_thread, peer), 0);
}

void peer_stop(struct peer *peer)
{
    shutdown(peer->listen_fd, SHUT_RDWR); /* wakes accept() */
    pthread_join(peer->thread, NULL);
    pthread_mutex_lock(&peer->lock);
    for (unsigned i = 0; i < peer->connections; i++)
        if (peer->connection_fds[i] >= 0)
            shutdown(peer->connection_fds[i], SHUT_RDWR);
    pthread_mutex_unlock(&peer->lock);
    for (unsigned i = 0; i < peer->connections; i++)
        pthread_join(peer->connection_threads[i], NULL);
    pthread_mutex_destroy(&peer->lock);
    close(peer->listen_fd);
    free(peer->request);
}

/* Bytes of the whole request that |text| starts with; 0: not whole yet. */
static size_t whole_request(const char *text, size_t length)
{
    const char *end = strstr(text, "\r\n\r\n");
    const char *field = strcasestr(text, "\r\nContent-Length:");
    size_t whole;

    if (!end)
        return 0;
    whole = (size_t) (end + 4 - text);
    if (field && field < end)
        whole += strtoul(field + 17, NULL, 10);
    return length >= whole ? whole : 0;
}

bool peer_read(struct peer *peer, int fd)
{
    char *text = calloc(1, REQUEST_MAX + 1);
    size_t length = 0;

    while (whole_request(text, length) == 0) {
        ssize_t n = recv(fd, text + length, REQUEST_MAX - length, 0);

        if (n <= 0) {
            free(text);
            return false;
        }
        length += (size_t) n;
        text[length] = '\0';
    }
    pthread_mutex_lock(&peer->lock);
    free(peer->request);
    peer->request = text;
    pthread_mutex_unlock(&peer->lock);
    peer->requests++;
    return true;
}

bool peer_send(int fd, const void *data, size_t length)
{
    const char *at = data;

    while (length > 0) {
        ssize_t n = send(fd, at, length, MSG_NOSIGNAL);

        if (n <= 0)
            return false;
        at += n;
        length -= (size_t) n;
    }
    return true;
}

bool peer_say(int fd, const char *text)
{
    return peer_send(fd, text, strlen(text));
}

void peer_wait_close(int fd)
{
    char piece[4096];

    while (recv(fd, piece, sizeof(piece), 0) > 0)
        ;
}

const char *peer_url(char buffer[PEER_URL_MAX], const char *scheme, unsigned short port,
                     const char *path)
{
    snprintf(buffer, PEER_URL_MAX, "%s://127.0.0.1:%u%s", scheme, port, path);
    return buffer;
}

void answer_on_done(const struct http_client_response *response, void *userdata)
{
    struct answer *a = userdata;
    const char *date = http_client_header(response, "date");
    const char *type = http_client_header(response, "CONTENT-TYPE");

    free(a->body);
    a->times++;
    a->error = response->error;
    a->sent = response->sent;
    a->status = response->status;
    text_copy(a->text, sizeof(a->text), response->error_text);
    text_copy(a->date, sizeof(a->date), date ? date : "");
    text_copy(a->type, sizeof(a->type), type ? type : "");
    a->body = malloc(response->body_length + 1);
    a->body_length = response->body_length;
    memcpy(a->body, response->body, response->body_length + 1);
    assert_int_equal(a->body[a->body_length], '\0');
    assert_true(response->error == 0 || response->error_text[0] != '\0');
}

void answer_done(struct answer *answer)
{
    free(answer->body);
    memset(answer, 0, sizeof(*answer));
}

void bench_start(struct bench *bench)
{
    static const char *const SURROUNDINGS[] = {
        "http_proxy", "HTTP_PROXY", "https_proxy", "HTTPS_PROXY",
        "all_proxy",  "ALL_PROXY",  "no_proxy",    "NO_PROXY",
    };

    for (size_t i = 0; i < ARRAY_SIZE(SURROUNDINGS); i++)
        unsetenv(SURROUNDINGS[i]);
    assert_true(sd_event_new(&bench->event) >= 0);
    assert_int_equal(http_client_new(&bench->client, bench->event, "agentd-test/1"), 0);
}

void bench_stop(struct bench *bench)
{
    bench->client = http_client_free(bench->client);
    bench->event = sd_event_unref(bench->event);
}

void bench_turn(struct bench *bench, unsigned ms)
{
    uint64_t end = clock_monotonic_us() + ms * USEC_PER_MSEC;

    for (uint64_t now = clock_monotonic_us(); now < end; now = clock_monotonic_us())
        assert_true(sd_event_run(bench->event, end - now) >= 0);
}

void bench_wait(struct bench *bench, const struct answer *answer)
{
    uint64_t end = clock_monotonic_us() + PATIENCE_US;

    while (answer->times == 0) {
        assert_true(clock_monotonic_us() < end);
        assert_true(sd_event_run(bench->event, 100 * USEC_PER_MSEC) >= 0);
    }
}

struct http_client_request bench_request(const char *url)
{
    return (struct http_client_request){
        .method = "GET",
        .url = url,
        .timeout_us = 10 * USEC_PER_SEC,
        .response_limit_bytes = 1024 * 1024,
    };
}

void bench_get(struct bench *bench, const char *url, struct answer *ret)
{
    struct http_client_request request = bench_request(url);

    answer_done(ret);
    assert_int_equal(http_client_start(bench->client, &request, answer_on_done, ret, NULL), 0);
    assert_int_equal(ret->times, 0); /* never from in there */
    bench_wait(bench, ret);
}

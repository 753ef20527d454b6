/* SPDX-License-Identifier: Apache-2.0 */
/* It reads to the answer's end, although the first line says all: who is cut off in the middle of
 * an answer may log it as an error. */
#include "agent/supervise/probe-client.h"

#include "agent/supervise/probe.h"
#include "common/base/clock.h"
#include "common/base/files.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#define REQUEST_MAX 512u

/* After all that came in: where this process was late, the answer may be there already. */
#define TIMEOUT_PRIORITY (SD_EVENT_PRIORITY_NORMAL + 10)

struct probe_client {
    int fd;
    sd_event_source *io, *timer;
    void (*on_done)(int status, void *userdata);
    void *userdata;
    char request[REQUEST_MAX];
    size_t request_length, sent;
    char line[PROBE_LINE_MAX]; /* the answer's first bytes */
    size_t line_length, received;
    int status; /* 0: not known yet */
};

struct probe_client *probe_client_free(struct probe_client *client)
{
    if (!client)
        return NULL;
    sd_event_source_disable_unref(client->io);
    sd_event_source_disable_unref(client->timer);
    fd_close(client->fd);
    free(client);
    return NULL;
}

/* The last use of |client|. */
static void finish(struct probe_client *client, int status)
{
    (void) sd_event_source_set_enabled(client->io, SD_EVENT_OFF);
    (void) sd_event_source_set_enabled(client->timer, SD_EVENT_OFF);
    client->on_done(status, client->userdata);
}

/* 0 when all is sent, -EAGAIN, or another negative errno. */
static int send_request(struct probe_client *client)
{
    while (client->sent < client->request_length) {
        ssize_t n = send(client->fd, client->request + client->sent,
                         client->request_length - client->sent, MSG_NOSIGNAL);

        if (n < 0)
            return -errno;
        client->sent += (size_t) n;
    }
    return 0;
}

static void keep_line(struct probe_client *client, const char *data, size_t length)
{
    size_t n = MIN(length, sizeof(client->line) - client->line_length);

    memcpy(client->line + client->line_length, data, n);
    client->line_length += n;
}

/* 0 while there is more to come, else how it ended. */
static int read_answer(struct probe_client *client)
{
    char data[4096];
    ssize_t n = recv(client->fd, data, sizeof(data), 0);

    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return 0;
    if (n <= 0 && client->status > 0)
        return client->status;
    if (n <= 0)
        return n < 0 ? -errno : -EBADMSG; /* closed without an answer */
    client->received += (size_t) n;
    if (client->status == 0) {
        keep_line(client, data, (size_t) n);
        client->status = probe_parse_answer(client->line, client->line_length);
    }
    return client->status < 0 || client->received >= PROBE_ANSWER_MAX ? client->status : 0;
}

static int probe_client_on_io(sd_event_source *source, int fd, uint32_t revents, void *userdata)
{
    struct probe_client *client = userdata;
    int r = send_request(client);

    if (r == -EAGAIN || r == -EINTR) /* not connected yet, or no room */
        return 0;
    if (r == 0)
        (void) sd_event_source_set_io_events(source, EPOLLIN);
    else if (r != -EPIPE && r != -ECONNRESET) { /* then it may have answered all the same */
        finish(client, r);
        return 0;
    } else {
        client->sent = client->request_length;
    }
    r = read_answer(client);
    if (r != 0)
        finish(client, r);
    return 0;
}

static int probe_client_on_timeout(sd_event_source *source, uint64_t usec, void *userdata)
{
    struct probe_client *client = userdata;

    /* Who has answered and only doesn't close, has answered. */
    finish(client, client->status > 0 ? client->status : -ETIMEDOUT);
    return 0;
}

int probe_client_new(struct probe_client **ret, sd_event *event, const struct sockaddr *address,
                     socklen_t length, const char *target, uint64_t timeout_us,
                     void (*on_done)(int status, void *userdata), void *userdata)
{
    CLEANUP(probe_client_freep) struct probe_client *client = calloc(1, sizeof(*client));

    if (!client)
        return -ENOMEM;
    client->on_done = on_done;
    client->userdata = userdata;
    client->request_length = (size_t) snprintf(client->request, sizeof(client->request),
                                               "GET %s HTTP/1.0\r\nHost: localhost\r\nUser-Agent: "
                                               "agentd-probe\r\nConnection: close\r\n\r\n",
                                               target);
    client->fd = socket(address->sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (client->fd < 0 || client->request_length >= sizeof(client->request))
        return client->fd < 0 ? -errno : -ENAMETOOLONG;
    if (connect(client->fd, address, length) < 0 && errno != EINPROGRESS)
        return -errno;

    int r = sd_event_add_io(event, &client->io, client->fd, EPOLLIN | EPOLLOUT, probe_client_on_io,
                            client);
    if (r >= 0)
        r = sd_event_add_time_relative(event, &client->timer, CLOCK_MONOTONIC, timeout_us, 1000,
                                       probe_client_on_timeout, client);
    if (r >= 0)
        r = sd_event_source_set_priority(client->timer, TIMEOUT_PRIORITY);
    if (r < 0)
        return r;
    (void) sd_event_source_set_description(client->io, "probe");
    (void) sd_event_source_set_description(client->timer, "probe-timeout");
    *ret = TAKE(client);
    return 0;
}

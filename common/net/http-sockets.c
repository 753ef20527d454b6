/* SPDX-License-Identifier: Apache-2.0 */
/* A list of sockets; a client has a few, rarely hundreds. See the header. */
#include "common/net/http-sockets.h"

#include "common/base/macro.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <sys/socket.h>

struct http_socket {
    int fd;
    bool opened; /* here: then it stays in the list when it is no longer watched */
    struct http_sockets *sockets;
    sd_event_source *source; /* NULL: not watched */
    struct http_socket *next;
};

void http_sockets_init(struct http_sockets *sockets, sd_event *event, http_sockets_ready ready,
                       void *userdata)
{
    *sockets = (struct http_sockets){.event = event, .ready = ready, .userdata = userdata};
}

static struct http_socket **find_socket(struct http_sockets *sockets, int fd)
{
    struct http_socket **place = &sockets->first;

    while (*place && (*place)->fd != fd)
        place = &(*place)->next;
    return place;
}

static void forget_socket(struct http_socket **place)
{
    struct http_socket *s = *place;

    *place = s->next;
    sd_event_source_disable_unref(s->source);
    free(s);
}

static struct http_socket *add_socket(struct http_sockets *sockets, int fd)
{
    struct http_socket *s = calloc(1, sizeof(*s));

    if (!s)
        return NULL;
    s->fd = fd;
    s->sockets = sockets;
    s->next = sockets->first;
    sockets->first = s;
    return s;
}

void http_sockets_done(struct http_sockets *sockets)
{
    while (sockets->first)
        forget_socket(&sockets->first);
}

int http_sockets_open(struct http_sockets *sockets, int family, int type, int protocol)
{
    int fd = socket(family, type | SOCK_CLOEXEC, protocol);
    struct http_socket **old, *s;

    if (fd < 0)
        return -errno;
    /* One of this number that libcurl closed by itself: what epoll knew of it went with it. */
    old = find_socket(sockets, fd);
    if (*old)
        forget_socket(old);
    s = add_socket(sockets, fd);
    if (!s) {
        close(fd);
        return -ENOMEM;
    }
    s->opened = true;
    return fd;
}

int http_sockets_close(struct http_sockets *sockets, int fd)
{
    struct http_socket **place = find_socket(sockets, fd);

    /* Before the number may be another's. */
    if (*place)
        forget_socket(place);
    return close(fd) < 0 ? -errno : 0;
}

static int http_sockets_on_event(sd_event_source *source, int fd, uint32_t revents, void *userdata)
{
    struct http_socket *s = userdata;

    s->sockets->ready(fd, revents, s->sockets->userdata);
    return 0;
}

static int watch_socket(struct http_socket *s, uint32_t events)
{
    int r;

    if (s->source)
        return sd_event_source_set_io_events(s->source, events);
    r = sd_event_add_io(s->sockets->event, &s->source, s->fd, events, http_sockets_on_event, s);
    if (r < 0)
        return r;
    sd_event_source_set_description(s->source, "http-client-socket");
    return 0;
}

int http_sockets_watch(struct http_sockets *sockets, int fd, uint32_t events)
{
    struct http_socket **place = find_socket(sockets, fd), *s = *place;

    if (events == 0) {
        if (s && s->opened)
            s->source = sd_event_source_disable_unref(s->source);
        else if (s)
            forget_socket(place);
        return 0;
    }
    if (!s)
        s = add_socket(sockets, fd);
    return s ? watch_socket(s, events) : -ENOMEM;
}

static int port_of(const struct sockaddr_storage *address)
{
    /* At the same place in both families. */
    return ntohs(((const struct sockaddr_in *) address)->sin_port);
}

bool http_sockets_has_input(const struct http_sockets *sockets, int local_port, int remote_port)
{
    for (const struct http_socket *s = sockets->first; s; s = s->next) {
        struct sockaddr_storage local = {0}, remote = {0};
        socklen_t local_length = sizeof(local), remote_length = sizeof(remote);
        char byte;

        if (!s->opened || getsockname(s->fd, (struct sockaddr *) &local, &local_length) < 0 ||
            port_of(&local) != local_port)
            continue;
        if (getpeername(s->fd, (struct sockaddr *) &remote, &remote_length) < 0 ||
            port_of(&remote) != remote_port)
            continue; /* to another server from a port of the same number */
        return recv(s->fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) >= 0 ||
               (errno != EAGAIN && errno != EINTR);
    }
    return false;
}

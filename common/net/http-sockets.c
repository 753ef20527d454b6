/* SPDX-License-Identifier: Apache-2.0 */
/* A table by descriptor: every step of a call looks a socket up, and there may be a thousand. */
#include "common/net/http-sockets.h"

#include "common/base/macro.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#define EVENTS_AT_ONCE 64 /* then the loop's other sources have their turn */

struct http_socket {
    int fd;
    uint32_t serial; /* tells it from an earlier one of the same number */
    uint32_t events; /* watched for; 0: not watched */
    bool opened;     /* here: then it stays in the table when it is no longer watched */
    struct http_sockets *sockets;
    int local_port, remote_port; /* 0: not looked at yet, or not connected */
};

void http_sockets_init(struct http_sockets *sockets, sd_event *event, http_sockets_ready ready,
                       void *userdata)
{
    *sockets = (struct http_sockets){
        .event = event,
        .ready = ready,
        .userdata = userdata,
        .epoll_fd = -1,
    };
}

static struct http_socket *find_socket(const struct http_sockets *sockets, int fd)
{
    return fd >= 0 && (size_t) fd < sockets->n_by_fd ? sockets->by_fd[fd] : NULL;
}

static void forget_socket(struct http_socket *s)
{
    s->sockets->by_fd[s->fd] = NULL;
    if (s->events != 0)
        epoll_ctl(s->sockets->epoll_fd, EPOLL_CTL_DEL, s->fd, NULL); /* fails if it was closed */
    free(s);
}

static int make_room(struct http_sockets *sockets, int fd)
{
    size_t n = MAX((size_t) fd + 1, 2 * sockets->n_by_fd);
    struct http_socket **by_fd;

    if ((size_t) fd < sockets->n_by_fd)
        return 0;
    by_fd = reallocarray(sockets->by_fd, n, sizeof(struct http_socket *));
    if (!by_fd)
        return -ENOMEM;
    memset(by_fd + sockets->n_by_fd, 0, (n - sockets->n_by_fd) * sizeof(struct http_socket *));
    sockets->by_fd = by_fd;
    sockets->n_by_fd = n;
    return 0;
}

static struct http_socket *add_socket(struct http_sockets *sockets, int fd)
{
    struct http_socket *s = make_room(sockets, fd) < 0 ? NULL : calloc(1, sizeof(*s));

    if (!s)
        return NULL;
    s->fd = fd;
    s->serial = ++sockets->serial;
    s->sockets = sockets;
    sockets->by_fd[fd] = s;
    return s;
}

void http_sockets_done(struct http_sockets *sockets)
{
    for (size_t i = 0; i < sockets->n_by_fd; i++)
        if (sockets->by_fd[i])
            forget_socket(sockets->by_fd[i]);
    free(TAKE(sockets->by_fd));
    sockets->n_by_fd = 0;
    sockets->source = sd_event_source_disable_unref(sockets->source);
    close_cleanup(&sockets->epoll_fd);
    sockets->epoll_fd = -1;
}

int http_sockets_open(struct http_sockets *sockets, int family, int type, int protocol)
{
    int fd = socket(family, type | SOCK_CLOEXEC, protocol);
    struct http_socket *old, *s;

    if (fd < 0)
        return -errno;
    /* One of this number that libcurl closed by itself: what epoll knew of it went with it. */
    old = find_socket(sockets, fd);
    if (old)
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
    struct http_socket *s = find_socket(sockets, fd);

    /* Before the number may be another's. */
    if (s)
        forget_socket(s);
    return close(fd) < 0 ? -errno : 0;
}

static uint64_t mark_of(const struct http_socket *s)
{
    return (uint64_t) s->serial << 32 | (uint32_t) s->fd;
}

/* Each callback may end the watching of any socket, also of one with an event that waits here. */
static int http_sockets_on_event(sd_event_source *source, int fd, uint32_t revents, void *userdata)
{
    struct http_sockets *sockets = userdata;
    struct epoll_event events[EVENTS_AT_ONCE];
    int n = epoll_wait(fd, events, EVENTS_AT_ONCE, 0);

    for (int i = 0; i < n; i++) {
        const struct http_socket *s = find_socket(sockets, (int) (uint32_t) events[i].data.u64);

        if (s && mark_of(s) == events[i].data.u64 && s->events != 0 &&
            !sockets->ready(s->fd, events[i].events, sockets->userdata))
            break;
    }
    return 0;
}

static int make_epoll(struct http_sockets *sockets)
{
    CLEANUP_CLOSE int fd = -1;
    int r;

    if (sockets->epoll_fd >= 0)
        return 0;
    fd = epoll_create1(EPOLL_CLOEXEC);
    if (fd < 0)
        return -errno;
    r = sd_event_add_io(sockets->event, &sockets->source, fd, EPOLLIN, http_sockets_on_event,
                        sockets);
    if (r < 0)
        return r;
    sd_event_source_set_description(sockets->source, "http-client-sockets");
    sockets->epoll_fd = TAKE_FD(fd);
    return 0;
}

/* One that libcurl closed by itself has left epoll by that, and a new one may have its number. */
static int watch_socket(struct http_socket *s, uint32_t events)
{
    struct epoll_event event = {.events = events, .data.u64 = mark_of(s)};
    int epoll_fd = s->sockets->epoll_fd;

    if ((s->events == 0 || epoll_ctl(epoll_fd, EPOLL_CTL_MOD, s->fd, &event) < 0) &&
        epoll_ctl(epoll_fd, EPOLL_CTL_ADD, s->fd, &event) < 0)
        return -errno;
    s->events = events;
    return 0;
}

static void unwatch_socket(struct http_socket *s)
{
    if (!s->opened) {
        forget_socket(s);
        return;
    }
    if (s->events != 0)
        epoll_ctl(s->sockets->epoll_fd, EPOLL_CTL_DEL, s->fd, NULL);
    s->events = 0;
}

int http_sockets_watch(struct http_sockets *sockets, int fd, uint32_t events)
{
    struct http_socket *s = find_socket(sockets, fd);
    int r;

    if (events == 0) {
        if (s)
            unwatch_socket(s);
        return 0;
    }
    r = make_epoll(sockets);
    if (r < 0)
        return r;
    if (!s)
        s = add_socket(sockets, fd);
    return s ? watch_socket(s, events) : -ENOMEM;
}

static int port_of(const struct sockaddr_storage *address)
{
    /* At the same place in both families. */
    return ntohs(((const struct sockaddr_in *) address)->sin_port);
}

/* Asked once a connection: a socket that libcurl connects has one in its life. */
static bool know_ports(struct http_socket *s)
{
    struct sockaddr_storage local = {0}, remote = {0};
    socklen_t local_length = sizeof(local), remote_length = sizeof(remote);

    if (s->remote_port > 0)
        return true;
    if (!s->opened || getsockname(s->fd, (struct sockaddr *) &local, &local_length) < 0 ||
        getpeername(s->fd, (struct sockaddr *) &remote, &remote_length) < 0)
        return false;
    s->local_port = port_of(&local);
    s->remote_port = port_of(&remote);
    return true;
}

bool http_sockets_has_input(const struct http_sockets *sockets, int local_port, int remote_port)
{
    for (size_t i = 0; i < sockets->n_by_fd; i++) {
        struct http_socket *s = sockets->by_fd[i];
        char byte;

        /* Another server's may have a port of the same number. */
        if (s && know_ports(s) && s->local_port == local_port && s->remote_port == remote_port)
            return recv(s->fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) >= 0 ||
                   (errno != EAGAIN && errno != EINTR);
    }
    return false;
}

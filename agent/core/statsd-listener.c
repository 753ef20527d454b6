/* SPDX-License-Identifier: Apache-2.0 */
/* recvmmsg() into one set of buffers for all sockets. */
#include "agent/core/statsd-listener.h"

#include "common/base/log.h"
#include "common/base/macro.h"

#include <errno.h>
#include <linux/sock_diag.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

/* After all else that is ready; but before SD_EVENT_PRIORITY_IDLE. */
#define PRIORITY (SD_EVENT_PRIORITY_NORMAL + 10)

/* No socket's buffer holds more datagrams than this many batches: 4 MiB and 768 bytes each. */
#define DRAIN_BATCHES_MAX 512u

struct socket {
    struct statsd_listener *listener;
    sd_event_source *source;
    int fd;
    uint32_t dropped_before; /* it was added */
};

struct statsd_listener {
    sd_event *event;
    struct statsd *statsd;
    size_t n_sockets;
    struct socket sockets[STATSD_LISTENERS_MAX];
    uint64_t datagrams, cut;
    bool read_error_logged;
    struct mmsghdr messages[STATSD_BATCH];
    struct iovec vectors[STATSD_BATCH];
    char buffers[STATSD_BATCH][STATSD_DATAGRAM_MAX]; /* only pages that are used cost memory */
};

/* Datagrams read, 0 if there were none. */
static unsigned read_batch(struct statsd_listener *listener, int fd)
{
    int n = recvmmsg(fd, listener->messages, STATSD_BATCH, MSG_DONTWAIT, NULL);

    if (n < 0 && errno != EAGAIN && errno != EINTR && !listener->read_error_logged) {
        log_warning_errno(errno, "can't read from a StatsD socket, trying on: %m");
        listener->read_error_logged = true;
    }
    for (int i = 0; i < n; i++) {
        bool is_cut = listener->messages[i].msg_hdr.msg_flags & MSG_TRUNC;

        (is_cut ? statsd_feed_cut : statsd_feed)(listener->statsd, listener->buffers[i],
                                                 listener->messages[i].msg_len);
        listener->cut += is_cut;
    }
    listener->datagrams += n > 0 ? (uint64_t) n : 0;
    return n > 0 ? (unsigned) n : 0;
}

static int statsd_listener_on_io(sd_event_source *source, int fd, uint32_t events, void *userdata)
{
    struct statsd_listener *listener = ((struct socket *) userdata)->listener;
    unsigned batches = 0;

    while (batches < STATSD_BATCHES && read_batch(listener, fd) == STATSD_BATCH)
        batches++;
    return 0;
}

void statsd_listener_drain(struct statsd_listener *listener)
{
    for (size_t i = 0; i < listener->n_sockets; i++) {
        unsigned batches = 0;

        while (batches < DRAIN_BATCHES_MAX && read_batch(listener, listener->sockets[i].fd) > 0)
            batches++;
    }
}

int statsd_listener_new(struct statsd_listener **ret, sd_event *event, struct statsd *statsd)
{
    struct statsd_listener *listener = calloc(1, sizeof(*listener));

    if (!listener)
        return -ENOMEM;
    listener->event = sd_event_ref(event);
    listener->statsd = statsd;
    for (size_t i = 0; i < STATSD_BATCH; i++) {
        listener->vectors[i] = (struct iovec){listener->buffers[i], STATSD_DATAGRAM_MAX};
        listener->messages[i].msg_hdr.msg_iov = &listener->vectors[i];
        listener->messages[i].msg_hdr.msg_iovlen = 1;
    }
    *ret = listener;
    return 0;
}

struct statsd_listener *statsd_listener_free(struct statsd_listener *listener)
{
    if (!listener)
        return NULL;
    for (size_t i = 0; i < listener->n_sockets; i++)
        sd_event_source_disable_unref(listener->sockets[i].source);
    sd_event_unref(listener->event);
    free(listener);
    return NULL;
}

/* From the socket itself: SO_RXQ_OVFL says it only with the next datagram that is read, which may
 * never come. 0 where the kernel doesn't say. */
static uint32_t dropped_of(int fd)
{
    uint32_t memory[SK_MEMINFO_VARS] = {0};
    socklen_t size = sizeof(memory);

    return getsockopt(fd, SOL_SOCKET, SO_MEMINFO, memory, &size) == 0 ? memory[SK_MEMINFO_DROPS]
                                                                      : 0;
}

int statsd_listener_add(struct statsd_listener *listener, int fd)
{
    struct socket *socket = &listener->sockets[listener->n_sockets];
    int r;

    if (listener->n_sockets == STATSD_LISTENERS_MAX)
        return -ENOBUFS;
    *socket = (struct socket){.listener = listener, .fd = fd, .dropped_before = dropped_of(fd)};
    r = sd_event_add_io(listener->event, &socket->source, fd, EPOLLIN, statsd_listener_on_io,
                        socket);
    if (r < 0)
        return r;
    listener->n_sockets++; /* from here on its source is freed with it */
    (void) sd_event_source_set_description(socket->source, "statsd");
    return sd_event_source_set_priority(socket->source, PRIORITY);
}

static uint64_t receive_buffer_of(int fd)
{
    int bytes = 0;
    socklen_t size = sizeof(bytes);

    return getsockopt(fd, SOL_SOCKET, SO_RCVBUF, &bytes, &size) == 0 && bytes > 0 ? (uint64_t) bytes
                                                                                  : 0;
}

void statsd_listener_counts(const struct statsd_listener *listener,
                            struct statsd_listener_counts *ret)
{
    *ret = (struct statsd_listener_counts){.datagrams = listener->datagrams, .cut = listener->cut};
    for (size_t i = 0; i < listener->n_sockets; i++) {
        uint64_t bytes = receive_buffer_of(listener->sockets[i].fd);

        /* The kernel's number wraps around, the difference doesn't mind. */
        ret->dropped +=
            (uint32_t) (dropped_of(listener->sockets[i].fd) - listener->sockets[i].dropped_before);
        ret->receive_buffer_bytes = i == 0 ? bytes : MIN(ret->receive_buffer_bytes, bytes);
    }
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Accepting, with three reasons to hold back: a sibling's turn, a full owner, no descriptors. */
#include "common/net/acceptor.h"

#include "common/base/log.h"

#include <errno.h>

#define ACCEPTOR_LISTENERS_MAX 16
#define ACCEPTOR_QUEUE_MAX                                                                         \
    65536u /* no queue is longer; it may be filled as fast as it is emptied */

struct listener {
    int fd;
    sd_event_source *source;
};

struct acceptor {
    sd_event *event;
    struct acceptor_options options;
    struct listener listeners[ACCEPTOR_LISTENERS_MAX];
    size_t n_listeners;
    sd_event_source *timer;
    bool paused;      /* by the owner */
    bool waiting;     /* the timer runs */
    unsigned yielded; /* what the timer waits for is our turn to accept so many */
    bool exhausted;
};

static void acceptor_update(struct acceptor *a)
{
    int enabled = a->paused || a->waiting ? SD_EVENT_OFF : SD_EVENT_ON;

    for (size_t i = 0; i < a->n_listeners; i++)
        sd_event_source_set_enabled(a->listeners[i].source, enabled);
}

static void acceptor_wait(struct acceptor *a, uint64_t wait_us)
{
    /* Without the timer it could only spin or stop; then rather accept at once. */
    if (sd_event_source_set_time_relative(a->timer, wait_us) < 0 ||
        sd_event_source_set_enabled(a->timer, SD_EVENT_ONESHOT) < 0)
        return;
    a->waiting = true;
    acceptor_update(a);
}

static void acceptor_exhausted(struct acceptor *a, int error)
{
    if (!a->exhausted)
        log_warning_errno(error, "cannot accept connections: %m; trying again each %u ms",
                          ACCEPTOR_EXHAUSTED_WAIT_US / 1000);
    a->exhausted = true;
    acceptor_wait(a, ACCEPTOR_EXHAUSTED_WAIT_US);
}

/* Returns whether there may be more in the queue. */
static bool acceptor_accept_one(struct acceptor *a, const struct listener *listener)
{
    struct sockaddr_storage address;
    socklen_t length = sizeof(address);
    int fd =
        accept4(listener->fd, (struct sockaddr *) &address, &length, SOCK_NONBLOCK | SOCK_CLOEXEC);

    if (fd >= 0) {
        a->exhausted = false;
        a->options.on_accept(fd, (struct sockaddr *) &address, length, a->options.userdata);
        return true;
    }
    switch (errno) {
    case EAGAIN:
        return false;
    case EINTR: /* this connection is gone, or the network errors of accept(2) */
    case ECONNABORTED:
    case EPERM:
    case EPROTO:
    case ENETDOWN:
    case ENETUNREACH:
    case EHOSTDOWN:
    case EHOSTUNREACH:
        return true;
    default: /* EMFILE, ENFILE, ENOBUFS, ENOMEM, or a broken socket */
        acceptor_exhausted(a, errno);
        return false;
    }
}

static void acceptor_accept(struct acceptor *a, const struct listener *listener, unsigned batch)
{
    for (unsigned i = 0; i < batch; i++)
        if (a->paused || a->waiting || !acceptor_accept_one(a, listener))
            return;
}

static int acceptor_on_readable(sd_event_source *source, int fd, uint32_t revents, void *userdata)
{
    struct acceptor *a = userdata;
    unsigned batch = a->options.batch;
    uint64_t yield_us = 0;

    if (a->options.turn)
        batch = a->options.turn(&yield_us, a->options.userdata);
    if (yield_us > 0) {
        a->yielded = batch;
        acceptor_wait(a, yield_us);
        return 0;
    }
    for (size_t i = 0; i < a->n_listeners; i++)
        if (a->listeners[i].source == source)
            acceptor_accept(a, &a->listeners[i], batch);
    return 0;
}

static int acceptor_on_timer(sd_event_source *source, uint64_t usec, void *userdata)
{
    struct acceptor *a = userdata;
    unsigned batch = TAKE(a->yielded);

    a->waiting = false;
    /* The sibling had its chance: who is first in the queue is ours, or could wait for ever. */
    for (size_t i = 0; i < a->n_listeners; i++)
        acceptor_accept(a, &a->listeners[i], batch);
    acceptor_update(a);
    return 0;
}

int acceptor_new(struct acceptor **ret, sd_event *event, const struct acceptor_options *options)
{
    CLEANUP(acceptor_freep) struct acceptor *a = calloc(1, sizeof(*a));
    int r;

    if (!a)
        return -ENOMEM;
    a->event = sd_event_ref(event);
    a->options = *options;
    r = sd_event_add_time(event, &a->timer, CLOCK_MONOTONIC, 0, 100, acceptor_on_timer, a);
    if (r < 0)
        return r;
    sd_event_source_set_description(a->timer, "acceptor-wait");
    r = sd_event_source_set_enabled(a->timer, SD_EVENT_OFF);
    if (r < 0)
        return r;
    *ret = TAKE(a);
    return 0;
}

void acceptor_take_queued(struct acceptor *a)
{
    for (size_t i = 0; i < a->n_listeners; i++)
        for (unsigned n = 0; n < ACCEPTOR_QUEUE_MAX && !a->paused; n++)
            if (!acceptor_accept_one(a, &a->listeners[i]))
                break;
}

void acceptor_stop(struct acceptor *a)
{
    for (size_t i = 0; i < a->n_listeners; i++)
        sd_event_source_disable_unref(a->listeners[i].source);
    a->n_listeners = 0;
    sd_event_source_set_enabled(a->timer, SD_EVENT_OFF);
    a->waiting = false;
    a->yielded = 0;
}

struct acceptor *acceptor_free(struct acceptor *a)
{
    if (!a)
        return NULL;
    acceptor_stop(a);
    sd_event_source_disable_unref(a->timer);
    sd_event_unref(a->event);
    free(a);
    return NULL;
}

int acceptor_add(struct acceptor *a, int listen_fd)
{
    struct listener *listener = &a->listeners[a->n_listeners];
    int r;

    if (a->n_listeners == ARRAY_SIZE(a->listeners))
        return -ENOSPC;
    r = sd_event_add_io(a->event, &listener->source, listen_fd, EPOLLIN, acceptor_on_readable, a);
    if (r < 0)
        return r;
    sd_event_source_set_description(listener->source, "acceptor-listener");
    listener->fd = listen_fd;
    a->n_listeners++;
    acceptor_update(a);
    return 0;
}

void acceptor_set_paused(struct acceptor *a, bool paused)
{
    if (a->paused == paused)
        return;
    a->paused = paused;
    acceptor_update(a);
}

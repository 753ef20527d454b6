/* SPDX-License-Identifier: Apache-2.0 */
/* Reads away what a refused client still sends, so that it gets to see the refusal. */
#include "common/net/http-internal.h"

#include "common/base/clock.h"

#include <errno.h>
#include <fcntl.h>

#define LINGER_MAX      32                 /* more: closed at once */
#define LINGER_TIME_US  (2 * USEC_PER_SEC) /* of each */
#define LINGER_LIMIT    (1024 * 1024)      /* bytes of each */
#define LINGER_READ_MAX (64 * 1024)        /* bytes a wake-up */

struct lingerer {
    struct http_linger *owner;
    int fd;
    size_t n_read;
    sd_event_source *io, *timer;
};

struct http_linger {
    sd_event *event;
    struct lingerer slots[LINGER_MAX];
};

static void lingerer_done(struct lingerer *l)
{
    l->io = sd_event_source_disable_unref(l->io);
    l->timer = sd_event_source_disable_unref(l->timer);
    if (l->fd >= 0)
        close(l->fd);
    l->fd = -1;
}

static int lingerer_on_io(sd_event_source *source, int fd, uint32_t revents, void *userdata)
{
    struct lingerer *l = userdata;
    char buffer[16 * 1024];
    size_t n_round = 0;

    while (n_round < LINGER_READ_MAX) {
        ssize_t n = recv(fd, buffer, sizeof(buffer), MSG_DONTWAIT);

        if (n < 0 && (errno == EAGAIN || errno == EINTR))
            return 0;
        l->n_read += n > 0 ? (size_t) n : 0;
        n_round += n > 0 ? (size_t) n : 0;
        if (n <= 0 || l->n_read > LINGER_LIMIT) {
            lingerer_done(l);
            return 0;
        }
    }
    return 0;
}

static int lingerer_on_timer(sd_event_source *source, uint64_t usec, void *userdata)
{
    lingerer_done(userdata);
    return 0;
}

static int lingerer_start(struct lingerer *l, int fd)
{
    int r;

    l->n_read = 0;
    l->fd = fcntl(fd, F_DUPFD_CLOEXEC, 0);
    if (l->fd < 0)
        return -errno;
    shutdown(l->fd, SHUT_WR);
    r = sd_event_add_io(l->owner->event, &l->io, l->fd, EPOLLIN, lingerer_on_io, l);
    if (r < 0)
        return r;
    sd_event_source_set_description(l->io, "http-linger");
    r = sd_event_add_time_relative(l->owner->event, &l->timer, CLOCK_MONOTONIC, LINGER_TIME_US, 0,
                                   lingerer_on_timer, l);
    if (r < 0)
        return r;
    sd_event_source_set_description(l->timer, "http-linger-end");
    return 0;
}

void http_linger_add(struct http_linger *linger, int fd)
{
    for (size_t i = 0; i < LINGER_MAX; i++) {
        struct lingerer *l = &linger->slots[i];

        if (l->fd >= 0)
            continue;
        if (lingerer_start(l, fd) < 0)
            lingerer_done(l);
        return;
    }
}

int http_linger_new(struct http_linger **ret, sd_event *event)
{
    struct http_linger *linger = calloc(1, sizeof(*linger));

    if (!linger)
        return -ENOMEM;
    linger->event = sd_event_ref(event);
    for (size_t i = 0; i < LINGER_MAX; i++) {
        linger->slots[i].owner = linger;
        linger->slots[i].fd = -1;
    }
    *ret = linger;
    return 0;
}

struct http_linger *http_linger_free(struct http_linger *linger)
{
    if (!linger)
        return NULL;
    for (size_t i = 0; i < LINGER_MAX; i++)
        lingerer_done(&linger->slots[i]);
    sd_event_unref(linger->event);
    free(linger);
    return NULL;
}

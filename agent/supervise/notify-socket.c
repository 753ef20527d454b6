/* SPDX-License-Identifier: Apache-2.0 */
/* See the header. */
#include "agent/supervise/notify-socket.h"

#include "agent/supervise/notify-message.h"
#include "common/base/files.h"
#include "common/base/log.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#define BATCH 64 /* messages read a wake-up, so that a chatty worker can't keep the loop */

struct notify_socket {
    sd_event_source *source;
    struct notify_socket_owner owner;
};

/* sd_notify_barrier(3) wants just this: to see its descriptor closed. At once, though: a connection
 * can be made to wait in close(2) for as long as its sender likes. */
static void close_passed(int fd)
{
    const struct linger none = {0};

    (void) setsockopt(fd, SOL_SOCKET, SO_LINGER, &none, sizeof(none));
    fd_close(fd);
}

/* Returns 1 when a message was dealt with, 0 when there is none, or a negative errno. */
static int read_message(const struct notify_socket *notify, int fd)
{
    char data[NOTIFY_MESSAGE_MAX + 1];
    union {
        struct cmsghdr header;
        char space[CMSG_SPACE(sizeof(struct ucred)) + CMSG_SPACE(sizeof(int) * 253)];
    } control;
    struct iovec iov = {data, sizeof(data)};
    struct msghdr header = {.msg_iov = &iov,
                            .msg_iovlen = 1,
                            .msg_control = &control,
                            .msg_controllen = sizeof(control)};
    int pid = 0;

    ssize_t n = recvmsg(fd, &header, MSG_DONTWAIT | MSG_CMSG_CLOEXEC | MSG_TRUNC);
    if (n < 0)
        return errno == EAGAIN || errno == EINTR ? 0 : -errno;
    for (struct cmsghdr *c = CMSG_FIRSTHDR(&header); c; c = CMSG_NXTHDR(&header, c)) {
        if (c->cmsg_level != SOL_SOCKET)
            continue;
        if (c->cmsg_type == SCM_CREDENTIALS && c->cmsg_len == CMSG_LEN(sizeof(struct ucred))) {
            struct ucred credentials;

            memcpy(&credentials, CMSG_DATA(c), sizeof(credentials));
            pid = credentials.pid;
        } else if (c->cmsg_type == SCM_RIGHTS) {
            for (size_t i = 0; i < (c->cmsg_len - CMSG_LEN(0)) / sizeof(int); i++) {
                int passed;

                memcpy(&passed, CMSG_DATA(c) + i * sizeof(int), sizeof(passed));
                close_passed(passed);
            }
        }
    }
    notify->owner.on_message(pid, data, (size_t) n, notify->owner.userdata);
    return 1;
}

static int notify_socket_on_readable(sd_event_source *source, int fd, uint32_t revents,
                                     void *userdata)
{
    struct notify_socket *notify = userdata;
    int r = 1;

    for (int i = 0; i < BATCH && r > 0; i++)
        r = read_message(notify, fd);
    if (r < 0)
        log_warning_errno(-r, "can't read the notify socket: %m, ignoring");
    notify->owner.on_read(notify->owner.userdata);
    return 0;
}

int notify_socket_new(struct notify_socket **ret, sd_event *event, int fd,
                      const struct notify_socket_owner *owner)
{
    CLEANUP(notify_socket_freep) struct notify_socket *notify = calloc(1, sizeof(*notify));
    int r;

    if (!notify)
        return -ENOMEM;
    notify->owner = *owner;
    r = sd_event_add_io(event, &notify->source, fd, EPOLLIN, notify_socket_on_readable, notify);
    if (r < 0)
        return r;
    (void) sd_event_source_set_description(notify->source, "notify");
    r = sd_event_source_set_enabled(notify->source, SD_EVENT_OFF);
    if (r < 0)
        return r;
    *ret = TAKE(notify);
    return 0;
}

struct notify_socket *notify_socket_free(struct notify_socket *notify)
{
    if (!notify)
        return NULL;
    sd_event_source_disable_unref(notify->source);
    free(notify);
    return NULL;
}

void notify_socket_start(struct notify_socket *notify)
{
    (void) sd_event_source_set_enabled(notify->source, SD_EVENT_ON);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* See the header. */
#include "agent/core/link.h"

#include "common/base/clock.h"
#include "common/base/files.h"
#include "common/base/log.h"
#include "common/base/text.h"

#include <errno.h>
#include <string.h>

#define PING_US USEC_PER_SEC

struct link {
    sd_event *event;
    sd_event_source *io;
    sd_event_source *ping;
    int fd;
    link_handler handler;
    void *userdata;
    char status[HOLD_TEXT_MAX + 1];
};

/* The end, and what the kernel says instead when something of ours was unread or we sent first. */
static bool is_end(int r)
{
    return r == 0 || r == -ECONNRESET || r == -EPIPE;
}

static int link_on_message(sd_event_source *source, int fd, uint32_t revents, void *userdata)
{
    struct link *link = userdata;
    struct hold_message message;
    CLEANUP_CLOSE int passed_fd = -1;

    int r = hold_message_receive(fd, &message, &passed_fd);
    if (r == -EAGAIN)
        return 0;
    if (is_end(r)) {
        log_debug("the holder has closed its end: leaving");
        return sd_event_exit(link->event, 0);
    }
    if (r > 0)
        r = hold_message_check(&message, (size_t) r, false);
    if (r < 0) {
        log_error_errno(-r,
                        "can't understand the holder: %m; leaving, it will start a core that does");
        return sd_event_exit(link->event, r);
    }
    link->handler(&message, TAKE_FD(passed_fd), link->userdata);
    return 0;
}

static int link_on_ping(sd_event_source *source, uint64_t usec, void *userdata)
{
    struct link *link = userdata;

    link_send_simple(link, HOLD_PING);
    (void) sd_event_source_set_time_relative(source, PING_US);
    return 0;
}

int link_new(struct link **ret, sd_event *event, int take_fd, link_handler handler, void *userdata)
{
    CLEANUP(link_freep) struct link *link = calloc(1, sizeof(*link));
    int r;

    if (!link)
        return -ENOMEM;
    link->fd = -1;
    link->event = event;
    link->handler = handler;
    link->userdata = userdata;
    r = fd_set_nonblock(take_fd, true);
    if (r < 0)
        return r;
    r = sd_event_add_io(event, &link->io, take_fd, EPOLLIN, link_on_message, link);
    if (r < 0)
        return r;
    (void) sd_event_source_set_description(link->io, "holder");
    /* Before anything that workers say: mostly, the holder has told us of a worker by then. */
    (void) sd_event_source_set_priority(link->io, SD_EVENT_PRIORITY_IMPORTANT);
    r = sd_event_add_time_relative(event, &link->ping, CLOCK_MONOTONIC, PING_US, 0, link_on_ping,
                                   link);
    if (r < 0)
        return r;
    (void) sd_event_source_set_description(link->ping, "ping");
    r = sd_event_source_set_enabled(link->ping, SD_EVENT_ON);
    if (r < 0)
        return r;
    link->fd = take_fd;
    *ret = TAKE(link);
    return 0;
}

struct link *link_free(struct link *link)
{
    if (!link)
        return NULL;
    sd_event_source_disable_unref(link->ping);
    sd_event_source_disable_unref(link->io);
    fd_close(link->fd);
    free(link);
    return NULL;
}

void link_send(struct link *link, const struct hold_message *message)
{
    int r = hold_message_send(link->fd, message, -1);

    if (r < 0 && is_end(r)) {
        log_debug("the holder has closed its end: leaving");
        (void) sd_event_exit(link->event, 0);
    } else if (r < 0) {
        log_error_errno(-r, "can't send %s to the holder: %m; leaving",
                        hold_message_type_to_string(message->type));
        (void) sd_event_exit(link->event, r);
    }
}

void link_send_simple(struct link *link, enum hold_message_type type)
{
    struct hold_message message;

    hold_message_init(&message, type);
    link_send(link, &message);
}

void link_send_slot(struct link *link, enum hold_message_type type, const char *app, unsigned slot,
                    uint64_t serial, int argument)
{
    struct hold_message message;

    hold_message_init(&message, type);
    text_copy(message.app, sizeof(message.app), app);
    message.slot = slot;
    message.serial = serial;
    message.argument = argument;
    link_send(link, &message);
}

void link_send_status(struct link *link, const char *text)
{
    struct hold_message message;

    if (strcmp(link->status, text) == 0)
        return;
    text_copy(link->status, sizeof(link->status), text);
    hold_message_init(&message, HOLD_STATUS);
    text_copy(message.text, sizeof(message.text), text);
    link_send(link, &message);
}

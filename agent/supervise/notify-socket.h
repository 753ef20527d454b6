/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The workers' notify socket: who says what (sd_notify(3)), as the kernel vouches for it, a bounded
 * number a wake-up. What it means is its owner's.
 */
#pragma once

#include "common/base/macro.h"

#include <stddef.h>
#include <systemd/sd-event.h>

struct notify_socket;

struct notify_socket_owner {
    /* |length| may be more than |data| has: it was cut at NOTIFY_MESSAGE_MAX + 1. |pid| 0: unknown.
     */
    void (*on_message)(int pid, const char *data, size_t length, void *userdata);
    void (*on_read)(void *userdata); /* after those of one wake-up */
    void *userdata;
};

/* Borrows |fd|. Nothing is read before notify_socket_start(). */
int notify_socket_new(struct notify_socket **ret, sd_event *event, int fd,
                      const struct notify_socket_owner *owner);
struct notify_socket *notify_socket_free(struct notify_socket *socket);
DEFINE_CLEANUP(struct notify_socket *, notify_socket_free)

void notify_socket_start(struct notify_socket *socket);

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Accepts connections from listening sockets on an sd-event loop, a few a wake-up, and hands them
 * on.
 *
 * It can leave the queue to a sibling process for a moment (accept gate), pause while its owner is
 * full, and waits when the process is out of descriptors instead of spinning. It never closes a
 * listening socket.
 */
#pragma once

#include "common/base/macro.h"

#include <stdbool.h>
#include <sys/socket.h>
#include <systemd/sd-event.h>

#define ACCEPTOR_EXHAUSTED_WAIT_US (100 * 1000u) /* after EMFILE, ENFILE, ENOBUFS, ENOMEM */

struct acceptor;

struct acceptor_options {
    /* Takes |take_fd| (non-blocking, O_CLOEXEC). */
    void (*on_accept)(int take_fd, const struct sockaddr *address, socklen_t length,
                      void *userdata);
    /* Optional: how many to accept, after leaving the queue alone for |ret_yield_us| (0: at once);
     * after that time it accepts whatever has happened. */
    unsigned (*turn)(uint64_t *ret_yield_us, void *userdata);
    unsigned batch; /* connections accepted a wake-up, without |turn| */
    void *userdata;
};

/* Copies |options|; borrows |event|. */
int acceptor_new(struct acceptor **ret, sd_event *event, const struct acceptor_options *options);
struct acceptor *acceptor_free(struct acceptor *acceptor);
DEFINE_CLEANUP(struct acceptor *, acceptor_free)

/* Adds a listening socket; it stays the caller's and must outlive the acceptor or its stop. */
int acceptor_add(struct acceptor *acceptor, int listen_fd);

/* While paused nothing is accepted: connections wait in the backlog. May be called from on_accept.
 */
void acceptor_set_paused(struct acceptor *acceptor, bool paused);

/* Accepts all that waits, asking for no turn: before the last copy of a socket is closed, which
 * resets what is still in its queue. */
void acceptor_take_queued(struct acceptor *acceptor);

/* For ever: forgets all sockets. */
void acceptor_stop(struct acceptor *acceptor);

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * StatsD's sockets on the loop: reads datagrams in batches and feeds them. The sockets are the
 * holder's, so datagrams wait in them while a core is replaced.
 *
 * A wake-up reads STATSD_BATCHES batches at most, and only when nothing else is to be done: a flood
 * of datagrams neither starves /health and the workers nor is it lost unseen. What the kernel had
 * no room for, it counts.
 */
#pragma once

#include "agent/observe/statsd.h"

#include <stdint.h>
#include <systemd/sd-event.h>

#define STATSD_BATCH   32u /* datagrams a system call */
#define STATSD_BATCHES 8u  /* a wake-up and socket */

struct statsd_listener;

struct statsd_listener_counts {
    uint64_t datagrams; /* read by this core */
    uint64_t cut;       /* of them, longer than STATSD_DATAGRAM_MAX; a bad line each */
    uint64_t dropped;   /* by the kernel, since they were added here. UDP only: a unix socket makes
                           its   sender wait. */
    uint64_t receive_buffer_bytes; /* of the smallest; as the kernel counts, twice what is usable */
};

/* Feeds |statsd|, which is borrowed and must outlive the listener. Ready before it returns, but it
 * reads only within the loop. */
int statsd_listener_new(struct statsd_listener **ret, sd_event *event, struct statsd *statsd);
struct statsd_listener *statsd_listener_free(struct statsd_listener *listener);
DEFINE_CLEANUP(struct statsd_listener *, statsd_listener_free)

/* One more socket, which stays the caller's. -ENOBUFS for more than STATSD_LISTENERS_MAX. */
int statsd_listener_add(struct statsd_listener *listener, int fd);

/* Reads now what waits, before the last window is closed: up to what was there at the call, so a
 * flood has an end. */
void statsd_listener_drain(struct statsd_listener *listener);

void statsd_listener_counts(const struct statsd_listener *listener,
                            struct statsd_listener_counts *ret);

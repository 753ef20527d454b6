/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The observer: samples the host, the processes and the scoreboards each tick, sums them up in
 * windows, and hands closed windows to the sink (sink.h).
 */
#pragma once

#include "agent/core/accounting.h"
#include "agent/core/snapshot.h"
#include "agent/observe/statsd.h"

#include <systemd/sd-event.h>

struct observer;

/* What it has to know of the workers, asked at each tick. */
struct observer_owner {
    const struct supervisor *(*supervisor)(void *userdata);
    void (*on_tick)(void *userdata);   /* after each sample */
    int (*stress_pid)(void *userdata); /* agentd-stress; 0: none runs */
    void *userdata;
};

/* |config|, |ledger| and |accounting| are borrowed. */
int observer_new(struct observer **ret, sd_event *event, const struct config *config,
                 const char *instance_id, struct ledger *ledger, struct accounting *accounting,
                 int holder_pid, const struct observer_owner *owner);
struct observer *observer_free(struct observer *observer);
DEFINE_CLEANUP(struct observer *, observer_free)

/* The same observer with another configuration; the open window is closed first. */
int observer_configure(struct observer *observer, const struct config *config);

/* One more datagram socket for StatsD; it stays the caller's. 0 or a negative errno. */
int observer_listen_statsd(struct observer *observer, int fd);
/* Its series, for views; NULL where there is no socket. */
const struct statsd *observer_statsd(const struct observer *observer);

/* All workers are known: the history (history.h) begins, as its rates would jump before. */
void observer_follow_history(struct observer *observer);
/* Never NULL. */
const struct history *observer_history(const struct observer *observer);

/* Before leaving: closes the open window, hands it over and lets the sink send what waits, for a
 * bounded time; then calls |done|, maybe from in here. It samples no more. */
void observer_finish(struct observer *observer, void (*done)(void *userdata), void *userdata);

/* The instance's id once AWS has told it, else NULL. */
const char *observer_instance_id(const struct observer *observer);

/* The bodies that CloudWatch would get for the last closed window, now, as a JSON array: appended.
 * 0, -EAGAIN before the first, or a negative errno. */
int observer_print_bodies(const struct observer *observer, struct buffer *out);

/* The share of all CPUs' time that agentd-stress had in the last sample; NAN: not known
 * yet, 0: it doesn't run. */
double observer_stress_percent(const struct observer *observer);

/* Fills in the host's and the apps' series, each worker's CPU and memory, and the publisher's
 * state. The apps must be in place. */
void observer_view(const struct observer *observer, struct snapshot *snapshot);

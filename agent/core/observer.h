/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The observer: samples the host, the processes and the scoreboards each tick, sums them up in
 * windows, and hands closed windows to the sink.
 *
 * A window reaches the file sink exactly once: its place is noted in the ledger before it is
 * written, and a core that starts looks there whether it was. A sink that fails costs the window's
 * samples (counted and logged), never a request: those are in the next window then.
 */
#pragma once

#include "agent/core/accounting.h"
#include "agent/core/snapshot.h"

#include <systemd/sd-event.h>

struct observer;

/* What it has to know of the workers, asked at each tick. */
struct observer_owner {
    const struct supervisor *(*supervisor)(void *userdata);
    void (*on_tick)(void *userdata); /* after each sample */
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

/* Closes the open window and writes it: before leaving. */
void observer_flush(struct observer *observer);

/* Fills in the host's and the apps' series, each worker's CPU and memory, and the publisher's
 * state. The apps must be in place. */
void observer_view(const struct observer *observer, struct snapshot *snapshot);

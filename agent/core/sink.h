/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The sink: where closed windows go: nowhere, a file, or CloudWatch by way of the spool.
 *
 * A window reaches it exactly once: its place (in the file, in the spool) is noted in the ledger
 * before the first byte, and a core that starts looks there whether it was written. One that fails
 * costs the window's samples (counted and logged), never a request: those are in the next window.
 */
#pragma once

#include "agent/core/accounting.h"
#include "agent/core/snapshot.h"

#include <systemd/sd-event.h>

struct sink;

struct sink_window {
    const char *text; /* in the form of agent/publish/record.h */
    size_t length;
    uint64_t start_realtime_us;
    double cpu_percent; /* the host's mean; NAN: not known */
};

/* |config|, |instance_id|, |ledger| and |accounting| are borrowed. Settles what an earlier core has
 * left. */
int sink_new(struct sink **ret, sd_event *event, const struct config *config,
             const char *instance_id, struct ledger *ledger, struct accounting *accounting);
struct sink *sink_free(struct sink *sink);
DEFINE_CLEANUP(struct sink *, sink_free)

/* Another configuration. 0 or a negative errno: then nothing has changed. */
int sink_configure(struct sink *sink, const struct config *config);

/* Hands a window over and settles the accounts, between accounting_close() and the next sample. */
void sink_write(struct sink *sink, const struct sink_window *window);

/* Before leaving: sends what waits, for a bounded time; then calls |done|, maybe from in here. */
void sink_finish(struct sink *sink, void (*done)(void *userdata), void *userdata);

/* The instance's id once AWS has told it, else NULL. */
const char *sink_instance_id(const struct sink *sink);

/* The bodies that CloudWatch would get for a window, now, as a JSON array: appended. 0 or a
 * negative errno. */
int sink_print_bodies(const struct sink *sink, const char *text, size_t length, struct buffer *out);

void sink_view(const struct sink *sink, struct publish_view *view);

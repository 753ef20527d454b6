/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The publisher: closed windows go through the outbox (on disk) to CloudWatch. It joins the pure
 * parts (flush plan, outbox, identity) with the loop and the network.
 *
 * Exact when every answer arrives, at least once otherwise: a window whose sending got no answer is
 * sent again and counted as ambiguous. Nothing is dropped but for the spool's limits, or because
 * the service calls it wrong; each with its counter and a line.
 */
#pragma once

#include "agent/core/snapshot.h"
#include "common/base/macro.h"

#include <systemd/sd-event.h>

struct publisher;

struct publisher_owner {
    /* Something that an operator wants to know; |name| as in `agentctl events`. */
    void (*note)(int level, const char *name, const char *text, void *userdata);
    void *userdata;
};

/* |host_name|: what the node is called where nothing better is known. |config| is borrowed until
 * the next configure. */
int publisher_new(struct publisher **ret, sd_event *event, const struct config *config,
                  const char *host_name, const struct publisher_owner *owner);
struct publisher *publisher_free(struct publisher *publisher);
DEFINE_CLEANUP(struct publisher *, publisher_free)

/* Another configuration; what waits in the spool stays. 0 or a negative errno: then the old one is
 * in force. */
int publisher_configure(struct publisher *publisher, const struct config *config);

/*
 * A closed window in the form of record.h, at its number: for exactly-once over a core's death the
 * caller notes publisher_next_number() before, and a new core asks publisher_has().
 * |cpu_percent|: the host's mean in it; NAN: not known.
 */
uint64_t publisher_next_number(const struct publisher *publisher);
bool publisher_has(const struct publisher *publisher, uint64_t number);
int publisher_append(struct publisher *publisher, const char *window, size_t length,
                     uint64_t start_realtime_us, double cpu_percent);

/* Sends what waits, now, for up to publish.stop_timeout; then calls |done|, once, from the loop. */
void publisher_finish(struct publisher *publisher, void (*done)(void *userdata), void *userdata);

/* The instance's id once it is known, else NULL. */
const char *publisher_instance_id(const struct publisher *publisher);

/* The bodies that |window| would make now, as a JSON array: appended. 0 or a negative errno. */
int publisher_print_bodies(const struct publisher *publisher, const char *window, size_t length,
                         struct buffer *out);

void publisher_view(const struct publisher *publisher, struct publish_view *view);

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One question of a probe: GET over a new connection, and the status of its answer. Non-blocking,
 * bounded in time and bytes, and small: libcurl would cost more than all the rest of the core.
 */
#pragma once

#include "common/base/macro.h"

#include <stdint.h>
#include <sys/socket.h>
#include <systemd/sd-event.h>

#define PROBE_ANSWER_MAX (64u * 1024) /* bytes that are read; then the connection is closed */

struct probe_client;

/*
 * Asks for |target| ("/health"). |on_done| is called once from the loop with the status (100 to
 * 599) or a negative errno (-ETIMEDOUT, -EBADMSG, -ECONNRESET, ...), and may free the client. 0, or
 * a negative errno if the connection fails at once (-ENOENT, -ECONNREFUSED; -EAGAIN: a unix
 * listener's queue is full), which |on_done| is not called for.
 */
int probe_client_new(struct probe_client **ret, sd_event *event, const struct sockaddr *address,
                     socklen_t length, const char *target, uint64_t timeout_us,
                     void (*on_done)(int status, void *userdata), void *userdata);
/* Gives up what is under way. */
struct probe_client *probe_client_free(struct probe_client *client);
DEFINE_CLEANUP(struct probe_client *, probe_client_free)

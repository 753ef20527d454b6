/* SPDX-License-Identifier: Apache-2.0 */
/* The core's end of the socket to the holder: checked messages in, requests out, a ping each
 * second. The holder's end of it closed = we end too, without an error. */
#pragma once

#include "agent/hold/messages.h"
#include "common/base/macro.h"

#include <systemd/sd-event.h>

struct link;

/* |take_fd| is the descriptor that came with the message (a scoreboard, a configuration), or -1. */
typedef void (*link_handler)(const struct hold_message *message, int take_fd, void *userdata);

/* Takes |take_fd| on success. */
int link_new(struct link **ret, sd_event *event, int take_fd, link_handler handler, void *userdata);
struct link *link_free(struct link *link);
DEFINE_CLEANUP(struct link *, link_free)

/*
 * Sends a request. A holder that does not read is no holder any more: the loop is ended with an
 * error then, and the holder starts a new core.
 */
void link_send(struct link *link, const struct hold_message *message);
void link_send_simple(struct link *link, enum hold_message_type type);
void link_send_slot(struct link *link, enum hold_message_type type, const char *app, unsigned slot,
                    uint64_t serial, int argument);
/* One line for `systemctl status`; cut to fit. Not sent again when it is the same. */
void link_send_status(struct link *link, const char *text);

/* SPDX-License-Identifier: Apache-2.0 */
/* The events that operators search, declared once: name, message id of the journal, and what
 * `journalctl -x` says to them. The catalog (systemd/agentd.catalog) is made from this table. */
#pragma once

#include <stddef.h>

struct event_entry {
    const char *name;    /* EVENT= */
    const char *id;      /* MESSAGE_ID=: 32 hexadecimal digits, the same for ever */
    const char *subject; /* a heading */
    const char *text;    /* @FIELD@ is that field of the log line */
};

/* In the order of their names, with a NULL name behind the last. */
extern const struct event_entry event_entries[];

/* NULL: the event has no id. */
const struct event_entry *event_find(const char *name);

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The accept gate: even load over the workers that share one listener, without losing a connection.
 *
 * A bare shared listener gives one worker 80 to 98 % of the connections (the busy one is awake and
 * accepts again); SO_REUSEPORT loses what is queued at a closed one. So each worker shows in a
 * shared page how many connections it has, and one that finds a ready sibling with fewer leaves the
 * queue alone for up to 1 ms before it accepts anyway. Nobody trusts the page for anything else:
 * nonsense in it costs a millisecond.
 */
#pragma once

#include "common/base/macro.h"

#include <stdbool.h>
#include <stdint.h>

#define ACCEPT_GATE_SLOTS    96u /* at least APP_SLOTS_MAX of common/schema/contract.h */
#define ACCEPT_GATE_YIELD_US 1000u
#define ACCEPT_GATE_BATCH    2u /* connections accepted a wake-up */

struct accept_gate; /* this process's view: the page, and its own slot */

/* The holder's part: a sealed memfd with a page for one app. */
int accept_gate_new_fd(void);
/* |slot| from 1 to ACCEPT_GATE_SLOTS. 0, -EBADMSG if it is no gate, -ERANGE for the slot, or a
 * negative errno. Starts as not ready. Opening and freeing a slot clears it: the holder does so for
 * a worker that was killed, whose slot would go on inviting others to wait. */
int accept_gate_open(struct accept_gate **ret, int fd, unsigned slot);
struct accept_gate *accept_gate_free(struct accept_gate *gate); /* leaves as not ready */

void accept_gate_set_ready(struct accept_gate *gate, bool ready);
void accept_gate_set_connections(struct accept_gate *gate, unsigned connections);

/* Whether some ready sibling has fewer connections than |connections|. */
bool accept_gate_should_yield(const struct accept_gate *gate, unsigned connections);

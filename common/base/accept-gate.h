/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The accept gate: even load over the workers that share one listener, without losing a connection.
 *
 * A bare shared listener gives one worker 80 to 98 % of the connections (the busy one is awake and
 * accepts again); SO_REUSEPORT loses what is queued at a closed one. So each worker shows in a
 * shared page how many connections it has, and one that finds a ready sibling with fewer leaves the
 * queue alone for a moment before it accepts anyway: 1 ms for a small lead, which is chance, and up
 * to 8 ms for a large one, before each single connection: siblings that are short of CPU take some
 * time to come.
 *
 * A sibling that has taken nothing while the queue was left to it for 100 ms in all is stuck, and
 * is not waited for until it takes one. Nobody trusts the page for anything else: nonsense in it
 * costs the 8 ms.
 */
#pragma once

#include "common/base/macro.h"

#include <stdbool.h>
#include <stdint.h>

#define ACCEPT_GATE_SLOTS        96u /* at least APP_SLOTS_MAX of common/schema/contract.h */
#define ACCEPT_GATE_BATCH        2u  /* connections accepted a wake-up */
#define ACCEPT_GATE_YIELD_MIN_US 1000u
#define ACCEPT_GATE_YIELD_MAX_US 8000u
#define ACCEPT_GATE_LEAD_MAX     8u /* connections more than a sibling's: the longest wait */
#define ACCEPT_GATE_STUCK_US     (100 * 1000u) /* left to a sibling in vain */

struct accept_gate; /* this process's view: the page, and its own slot */

/* The holder's part: a sealed memfd with a page for one app. */
int accept_gate_new_fd(void);
/* |slot| from 1 to ACCEPT_GATE_SLOTS. 0, -EBADMSG if it is no gate, -ERANGE for the slot, or a
 * negative errno. Starts as not ready. */
int accept_gate_open(struct accept_gate **ret, int fd, unsigned slot);
struct accept_gate *accept_gate_free(struct accept_gate *gate); /* leaves as not ready */
/* The holder's again: a worker that was killed leaves its last words, and its siblings would go on
 * waiting for it. */
void accept_gate_clear(int fd, unsigned slot);

void accept_gate_set_ready(struct accept_gate *gate, bool ready);
void accept_gate_set_connections(struct accept_gate *gate, unsigned connections);
void accept_gate_count_accept(struct accept_gate *gate); /* tells siblings that it isn't stuck */

/*
 * What a worker with |connections| does about a queue that isn't empty: leave it alone for
 * |ret_yield_us|, 0 if it is its turn, and then accept as many as are returned, at least 1. Asked
 * once before each accepting: it counts the time as left to the siblings.
 */
unsigned accept_gate_turn(struct accept_gate *gate, unsigned connections, uint64_t *ret_yield_us);

/* Whether some sibling is there to accept at all. */
bool accept_gate_has_sibling(const struct accept_gate *gate);

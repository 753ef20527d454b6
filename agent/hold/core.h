/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Keeping the core: a process that may die, hang or talk nonsense at any time; then it is replaced,
 * and its successor is told everything.
 */
#pragma once

#include "agent/hold/messages.h"
#include "common/base/restart.h"
#include "common/base/record.h"

#include <stdbool.h>
#include <sys/types.h>

#define CORE_PROGRAM          "agentd-core"
#define CORE_READY_TIMEOUT_US UINT64_C(10000000) /* from its start to HOLD_READY */

struct core;
struct holder;

struct core_past { /* of the cores so far */
    int starts;
    unsigned protocol_errors;
    uint64_t holder_started_at_us;
    struct restart restart;
    bool hang_up; /* the next is to be hung up as soon as it is ready */
};

void core_walk(struct core_past *past, struct record *record);

int core_new(struct core **ret, struct holder *holder); /* starts the first one */
struct core *core_free(struct core *core);

pid_t core_pid(const struct core *core); /* of the newest, dead or alive */
bool core_is_alive(const struct core *core);
/* Whether none runs and none will: while stopping, one that had worked is followed by another,
 * which writes the numbers that the dead one had not. */
bool core_is_over(const struct core *core);

/*
 * Sends a message. To a core that is not there, or not yet in sync, nothing: it will be told the
 * state. One that doesn't read is killed: its successor is told.
 */
void core_send(struct core *core, const struct hold_message *message, int fd);

void core_send_plain(struct core *core, enum hold_message_type type, int fd);

/* Tells what changed in the slots. */
void core_tell_slots(struct core *core);

void core_hang_up(struct core *core); /* SIGHUP: it shall ask for a reload, once it is ready */
void core_kill(struct core *core, const char *why); /* and starts the next, unless leaving */

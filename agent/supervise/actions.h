/* SPDX-License-Identifier: Apache-2.0 */
/* What the supervisor asks for, in order: a queue of plain values between its decisions and the
 * edge that carries them out. */
#pragma once

#include "common/base/macro.h"

#include <stdbool.h>

enum supervisor_action_type {
    SUPERVISOR_START,
    SUPERVISOR_TERMINATE, /* SIGTERM: drain */
    SUPERVISOR_KILL,
    SUPERVISOR_RELEASE,
    SUPERVISOR_EVENT, /* something to log and remember */
};

enum supervisor_event {
    SUPERVISOR_EVENT_STARTED,
    SUPERVISOR_EVENT_READY,
    SUPERVISOR_EVENT_DRAINING,
    SUPERVISOR_EVENT_STOPPED,
    SUPERVISOR_EVENT_DIED,
    SUPERVISOR_EVENT_LATE, /* not ready, not past its probe or not drained, in time */
    SUPERVISOR_EVENT_REFUSED,
    SUPERVISOR_EVENT_CRASH_LOOP,
    SUPERVISOR_EVENT_STABLE, /* a crash loop is over */
    SUPERVISOR_EVENT_RESTART_DONE,
    SUPERVISOR_EVENT_RESTART_FAILED,
    SUPERVISOR_EVENT_RELOADING,
    SUPERVISOR_EVENT_RELOAD_DONE,
    SUPERVISOR_EVENT_RELOAD_FAILED,
    SUPERVISOR_EVENT_SCALED,
    SUPERVISOR_EVENTS_,
};
/* "worker-started", ...: the EVENT= field of the journal. */
const char *supervisor_event_to_string(enum supervisor_event event);
int supervisor_event_level(enum supervisor_event event); /* syslog's */

struct supervisor_action {
    enum supervisor_action_type type;
    unsigned app;  /* index */
    unsigned slot; /* from 1; 0 = the whole app */
    uint64_t serial;
    int pid;
    bool killed; /* the worker was sent SIGKILL */
    enum supervisor_event event;
    char text[160]; /* of an event */
};

struct action_queue { /* ring that grows */
    struct supervisor_action *actions;
    size_t allocated, first, count;
};

/* The slot is zeroed, for the caller to fill in. Ends the process when there is no memory: a
 * decision half carried out is worse than a new core. */
struct supervisor_action *action_queue_push(struct action_queue *queue);
bool action_queue_pop(struct action_queue *queue, struct supervisor_action *ret);
void action_queue_done(struct action_queue *queue);

/* SPDX-License-Identifier: Apache-2.0 */
/* See the header. */
#include "agent/supervise/actions.h"

#include "common/schema/contract.h"

#include <syslog.h>

/* The edge empties the queue after each event; one pass over all slots makes at most this many. */
#define ACTIONS_MAX ((size_t) APPS_MAX * APP_SLOTS_MAX * 4)

static const struct {
    const char *name;
    int level;
} events[SUPERVISOR_EVENTS_] = {
    [SUPERVISOR_EVENT_STARTED] = {"worker-started", LOG_INFO},
    [SUPERVISOR_EVENT_READY] = {"worker-ready", LOG_INFO},
    [SUPERVISOR_EVENT_DRAINING] = {"worker-draining", LOG_INFO},
    [SUPERVISOR_EVENT_STOPPED] = {"worker-stopped", LOG_INFO},
    [SUPERVISOR_EVENT_DIED] = {"worker-died", LOG_WARNING},
    [SUPERVISOR_EVENT_LATE] = {"worker-late", LOG_WARNING},
    [SUPERVISOR_EVENT_REFUSED] = {"worker-refused", LOG_ERR},
    [SUPERVISOR_EVENT_CRASH_LOOP] = {"crash-loop", LOG_ERR},
    [SUPERVISOR_EVENT_STABLE] = {"crash-loop-over", LOG_NOTICE},
    [SUPERVISOR_EVENT_RESTART_DONE] = {"restart-done", LOG_NOTICE},
    [SUPERVISOR_EVENT_RESTART_FAILED] = {"restart-failed", LOG_ERR},
    [SUPERVISOR_EVENT_RELOADING] = {"reload-started", LOG_INFO},
    [SUPERVISOR_EVENT_RELOAD_DONE] = {"reload-done", LOG_NOTICE},
    [SUPERVISOR_EVENT_RELOAD_FAILED] = {"reload-failed", LOG_ERR},
    [SUPERVISOR_EVENT_SCALED] = {"scaled", LOG_NOTICE},
};

const char *supervisor_event_to_string(enum supervisor_event event)
{
    return event < SUPERVISOR_EVENTS_ ? events[event].name : "unknown";
}

int supervisor_event_level(enum supervisor_event event)
{
    return event < SUPERVISOR_EVENTS_ ? events[event].level : LOG_INFO;
}

static void grow(struct action_queue *queue)
{
    size_t bigger = MAX(queue->allocated * 2, (size_t) 16);
    struct supervisor_action *actions;

    if (bigger > ACTIONS_MAX * 2 || !(actions = calloc(bigger, sizeof(*actions))))
        abort();
    for (size_t i = 0; i < queue->count; i++)
        actions[i] = queue->actions[(queue->first + i) % queue->allocated];
    free(queue->actions);
    queue->actions = actions;
    queue->allocated = bigger;
    queue->first = 0;
}

struct supervisor_action *action_queue_push(struct action_queue *queue)
{
    if (queue->count == queue->allocated)
        grow(queue);

    struct supervisor_action *action =
        &queue->actions[(queue->first + queue->count++) % queue->allocated];
    *action = (struct supervisor_action){.slot = 0};
    return action;
}

bool action_queue_pop(struct action_queue *queue, struct supervisor_action *ret)
{
    if (queue->count == 0)
        return false;
    *ret = queue->actions[queue->first];
    queue->first = (queue->first + 1) % queue->allocated;
    queue->count--;
    return true;
}

void action_queue_done(struct action_queue *queue)
{
    free(queue->actions);
    *queue = (struct action_queue){.actions = NULL};
}

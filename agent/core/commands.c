/* SPDX-License-Identifier: Apache-2.0 */
/* See the header. What is in the ring may be anything: a token is compared, numbers of rolls are
 * looked up, and that is all. */
#include "agent/core/commands.h"

#include "common/base/clock.h"
#include "common/base/log.h"
#include "common/base/text.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* After a worker's end: what the journal gives later than this is not waited for. */
#define COMMANDS_LINES_LATE_US (3 * USEC_PER_SEC)

struct command *commands_add(struct ledger *ledger)
{
    struct command_ring *ring = ledger_commands(ledger);
    const struct command *last = &ring->commands[(ring->n + COMMANDS_MAX - 1) % COMMANDS_MAX];
    struct command *command = &ring->commands[ring->n % COMMANDS_MAX];
    uint64_t now_us = clock_realtime_us();

    /* Tokens are times, so that they tell apart what asks over a restart of agentd, too. */
    *command = (struct command){
        .token = last->token >= now_us && last->token < INT64_MAX ? last->token + 1 : now_us};
    ring->n++;
    return command;
}

/* How the worker ended, if it has and that is remembered. */
static bool find_end(struct ledger *ledger, const struct control_failure *failure,
                     struct event *ret)
{
    const struct event_ring *ring = ledger_events(ledger);
    struct event event = {.id = 0};
    bool found = false;

    while (events_next(ring, event.id, &event)) {
        if (event.pid != failure->pid || event.slot != failure->slot ||
            strcmp(event.app, failure->app) != 0 ||
            (strcmp(event.name, supervisor_event_to_string(SUPERVISOR_EVENT_DIED)) != 0 &&
             strcmp(event.name, supervisor_event_to_string(SUPERVISOR_EVENT_STOPPED)) != 0))
            continue;
        *ret = event;
        found = true;
    }
    return found;
}

/* The roll's failed worker, and what it wrote at last. It may not have ended yet, and the journal
 * is read back a moment later. */
static void add_worker(struct ledger *ledger, unsigned app, const struct supervisor_roll *roll,
                       struct control_failure *failure)
{
    const struct supervisor_slot *slot;
    uint64_t now_us = clock_realtime_us();
    struct event end;

    if (roll->failed_slot == 0 || roll->failed_slot > APP_SLOTS_MAX)
        return;
    text_copy(failure->app, sizeof(failure->app), ledger_app_name(ledger, app));
    failure->slot = roll->failed_slot;
    failure->pid = roll->failed_pid;
    if (failure->pid <= 0)
        return;
    slot = &ledger_slots(ledger)[app][failure->slot - 1];
    if (!find_end(ledger, failure, &end))
        failure->lines_due = slot->pid == failure->pid;
    else if (!events_detail(ledger_events(ledger), end.id, failure->lines))
        failure->lines_due =
            log_is_to_journal() && now_us < end.realtime_us + COMMANDS_LINES_LATE_US;
}

/* The first app whose roll has failed decides what is said. */
static enum control_progress progress_of(struct ledger *ledger, const struct command *command,
                                         struct control_failure *ret)
{
    enum control_progress progress = CONTROL_DONE;

    if (command->core_pid)
        return command->core_pid == (uint32_t) getpid() ? CONTROL_RUNNING : CONTROL_DONE;
    for (unsigned app = 0; app < APPS_MAX; app++) {
        const struct supervisor_roll *roll = &ledger_rolls(ledger)[app];
        enum supervisor_restart outcome = command->rolls[app]
                                              ? supervisor_roll_outcome(roll, command->rolls[app])
                                              : SUPERVISOR_RESTART_DONE;

        if (outcome == SUPERVISOR_RESTART_FAILED) {
            bool newest = command->rolls[app] == roll->number;

            *ret = (struct control_failure){.slot = 0};
            snprintf(ret->why, sizeof(ret->why), "%s: %s", ledger_app_name(ledger, app),
                     newest ? roll->why : "it failed; the events say why");
            if (newest)
                add_worker(ledger, app, roll, ret);
            return CONTROL_FAILED;
        }
        if (outcome == SUPERVISOR_RESTART_RUNNING)
            progress = CONTROL_RUNNING;
    }
    return progress;
}

enum control_progress commands_progress(struct ledger *ledger, uint64_t token,
                                        struct control_failure *ret)
{
    const struct command_ring *ring = ledger_commands(ledger);

    for (size_t i = 0; token && i < COMMANDS_MAX; i++)
        if (ring->commands[i].token == token)
            return progress_of(ledger, &ring->commands[i], ret);
    return CONTROL_UNKNOWN;
}

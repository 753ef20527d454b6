/* SPDX-License-Identifier: Apache-2.0 */
/* See the header. What is in the ring may be anything: a token is compared, numbers of rolls are
 * looked up, and that is all. */
#include "agent/core/commands.h"

#include "common/base/clock.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

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

/* The first app whose roll has failed decides what is said. */
static enum control_progress progress_of(struct ledger *ledger, const struct command *command,
                                         char **ret_why)
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
            if (asprintf(ret_why, "%s: %s", ledger_app_name(ledger, app),
                         command->rolls[app] == roll->number ? roll->why
                                                             : "it failed; the events say why") < 0)
                *ret_why = NULL;
            return CONTROL_FAILED;
        }
        if (outcome == SUPERVISOR_RESTART_RUNNING)
            progress = CONTROL_RUNNING;
    }
    return progress;
}

enum control_progress commands_progress(struct ledger *ledger, uint64_t token, char **ret_why)
{
    const struct command_ring *ring = ledger_commands(ledger);

    for (size_t i = 0; token && i < COMMANDS_MAX; i++)
        if (ring->commands[i].token == token)
            return progress_of(ledger, &ring->commands[i], ret_why);
    return CONTROL_UNKNOWN;
}

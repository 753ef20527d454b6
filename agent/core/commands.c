/* SPDX-License-Identifier: Apache-2.0 */
/* See the header. */
#include "agent/core/commands.h"

#include "common/base/clock.h"
#include "common/base/log.h"

#include <errno.h>
#include <string.h>

/* Time for the answer to leave before the loop ends. */
#define CORE_EXIT_DELAY_US (50 * USEC_PER_MSEC)

void commands_init(struct commands *commands)
{
    /* Tokens are times, so that those of an earlier core are smaller. */
    *commands = (struct commands){.first_token = clock_realtime_us()};
}

static int on_core_exit(sd_event_source *source, uint64_t usec, void *userdata)
{
    return sd_event_exit(sd_event_source_get_event(source), 0);
}

static struct command *new_command(struct commands *commands)
{
    struct command *command = &commands->recent[commands->n % COMMANDS_MAX];

    *command = (struct command){.token = commands->first_token + commands->n};
    commands->n++;
    return command;
}

int commands_restart(struct commands *commands, sd_event *event, struct workers *workers,
                     const struct snapshot *snapshot, const struct control_restart *restart,
                     uint64_t *ret_token)
{
    struct command *command;
    int total = 0;

    if (restart->core) {
        int r = sd_event_add_time_relative(event, NULL, CLOCK_MONOTONIC, CORE_EXIT_DELAY_US, 0,
                                           on_core_exit, NULL);

        if (r < 0)
            return r;
        *ret_token = new_command(commands)->token;
        return 0;
    }
    command = new_command(commands);
    for (size_t i = 0; i < snapshot->n_apps; i++) {
        if (restart->app[0] && strcmp(restart->app, snapshot->apps[i].name) != 0)
            continue;
        int n = workers_restart(workers, snapshot->apps[i].name, restart->slot);
        if (n < 0)
            continue;
        command->apps[snapshot->apps[i].index] = true;
        total += n;
    }
    if (total == 0)
        return -ENOENT;
    *ret_token = command->token;
    return total;
}

enum control_progress commands_progress(const struct commands *commands,
                                        const struct workers *workers, uint64_t token,
                                        const char **ret_why)
{
    enum control_progress progress = CONTROL_DONE;

    if (token < commands->first_token)
        return CONTROL_DONE;
    for (size_t i = 0; i < MIN(commands->n, (size_t) COMMANDS_MAX); i++) {
        if (commands->recent[i].token != token)
            continue;
        for (unsigned app = 0; app < APPS_MAX; app++) {
            if (!commands->recent[i].apps[app])
                continue;
            switch (supervisor_restart_state(workers_supervisor(workers), app, ret_why)) {
            case SUPERVISOR_RESTART_FAILED:
                return CONTROL_FAILED;
            case SUPERVISOR_RESTART_RUNNING:
                progress = CONTROL_RUNNING;
                break;
            default:
                break;
            }
        }
        return progress;
    }
    return CONTROL_UNKNOWN;
}

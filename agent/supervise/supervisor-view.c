/* SPDX-License-Identifier: Apache-2.0 */
/* How an app's slots look from outside. */
#include "agent/supervise/supervisor.h"

#include "common/base/text.h"

void supervisor_view(const struct supervisor *supervisor, unsigned app,
                     const struct config_app *config, struct app_view *view)
{
    const struct supervisor_roll *roll = supervisor_roll(supervisor, app);

    text_copy(view->name, sizeof(view->name), config->name);
    view->index = app;
    view->wanted = supervisor_wanted(supervisor, app);
    view->configured = config->workers;
    view->ready = supervisor_count(supervisor, app, WORKER_READY);
    view->crash_loop = supervisor_crash_loop(supervisor, app);
    view->fed = config->scoreboard;
    view->restarts = 0;
    view->generation = roll->generation;
    view->rolling = roll->state == SUPERVISOR_RESTART_RUNNING;
    view->roll_queued = roll->queued;
    view->drain_kills = roll->drain_kills;
    text_copy(view->roll_failed, sizeof(view->roll_failed),
              roll->state == SUPERVISOR_RESTART_FAILED ? roll->why : "");
    view->outdated = 0;
    view->n_workers = 0;
    for (unsigned number = 1; number <= APP_SLOTS_MAX; number++) {
        const struct supervisor_slot *slot = supervisor_slot(supervisor, app, number);
        struct worker_view *worker = &view->workers[view->n_workers];

        view->restarts += slot->restarts;
        view->outdated += slot->state == WORKER_READY && slot->generation != roll->generation;
        if (slot->state == WORKER_STOPPED)
            continue;
        *worker = (struct worker_view){
            .slot = number,
            .state = slot->state,
            .pid = slot->pid,
            .since_us = slot->since_us,
            .started_at_us = slot->started_at_us,
            .restarts = slot->restarts,
            .generation = slot->generation,
        };
        text_copy(worker->last_exit, sizeof(worker->last_exit), slot->last_exit);
        text_copy(worker->status, sizeof(worker->status), slot->status);
        view->n_workers++;
    }
}

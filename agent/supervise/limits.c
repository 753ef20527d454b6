/* SPDX-License-Identifier: Apache-2.0 */
/* See the header. */
#include "agent/supervise/limits.h"

#include <math.h>

const struct worker_view *limits_pick(struct limits *limits, const struct app_view *app,
                                      uint64_t limit_bytes, uint64_t now_us)
{
    const struct worker_view *worst = NULL;

    if (limit_bytes == 0 || app->index >= APPS_MAX || now_us < limits->next_at_us[app->index])
        return NULL;
    for (size_t i = 0; i < app->n_workers; i++) {
        const struct worker_view *worker = &app->workers[i];

        if (worker->state == WORKER_READY && worker->memory_bytes > (double) limit_bytes &&
            (!worst || worker->memory_bytes > worst->memory_bytes))
            worst = worker;
    }
    if (worst)
        limits->next_at_us[app->index] = now_us + LIMITS_PAUSE_US;
    return worst;
}

bool limits_are_blind(struct limits *limits, const struct app_view *app, uint64_t now_us)
{
    if (app->index >= APPS_MAX || limits->told_blind[app->index])
        return false;
    for (size_t i = 0; i < app->n_workers; i++) {
        const struct worker_view *worker = &app->workers[i];

        if (worker->state == WORKER_READY && isnan(worker->memory_bytes) &&
            now_us >= worker->since_us + LIMITS_BLIND_US)
            return limits->told_blind[app->index] = true;
    }
    return false;
}

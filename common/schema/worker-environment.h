/* SPDX-License-Identifier: Apache-2.0 */
/* The environment of a worker, by the contract of docs/ARCHITECTURE.md. */
#pragma once

#include "common/base/spawn.h"
#include "common/schema/config.h"

struct worker_environment {
    const struct config *config;
    const struct config_app *app; /* of it */
    unsigned slot;
    const char *notify_path;
};

/*
 * Adds it to |spawn|, whose listeners and output are in place; after the listeners come the gate's
 * descriptor and, if the app has them, the scoreboard's. What agentd says of itself, the app can't
 * say otherwise; of where StatsD is, it can, as of what spawn_add_standard() adds.
 */
void worker_environment_add(const struct worker_environment *environment, struct spawn *spawn);

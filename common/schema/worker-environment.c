/* SPDX-License-Identifier: Apache-2.0 */
/* See the header. Of two values of one name, spawn_add() keeps the first. */
#include "common/schema/worker-environment.h"

#include "common/base/clock.h"
#include "common/base/listen.h"

_Static_assert(SPAWN_ENV_MAX >= CONFIG_ENV_MAX + 18, "the app's variables and ours");

void worker_environment_add(const struct worker_environment *environment, struct spawn *spawn)
{
    const struct config *config = environment->config;
    const struct config_app *app = environment->app;
    char host[LISTEN_HOST_MAX];
    unsigned port;

    spawn_add(spawn, ENV_APP "=%s", app->name);
    spawn_add(spawn, ENV_SLOT "=%u", environment->slot);
    spawn_add(spawn, ENV_INSTANCE "=%s", config->instance_id);
    spawn_add(spawn, ENV_DRAIN_S "=%u", app->drain_timeout_s);
    spawn_add(spawn, ENV_IDLE_S "=%u", app->idle_timeout_s);
    spawn_add(spawn, ENV_GATE "=%zu", 3 + spawn->n_listen_fds);
    if (app->watchdog_s)
        spawn_add_watchdog(spawn, app->watchdog_s * USEC_PER_SEC);
    if (app->scoreboard)
        spawn_add(spawn, ENV_SCOREBOARD "=%zu", 3 + spawn->n_listen_fds + 1);
    spawn_add(spawn, "NOTIFY_SOCKET=%s", environment->notify_path);
    spawn_add_journal(spawn);
    for (char *const *item = app->environment; *item; item++)
        spawn_add(spawn, "%s", *item);
    /* After its own, which win. Client libraries that read it speak UDP. Datadog's variables
     * (DD_AGENT_HOST) are left alone: they would also send traces here, and its agent may run
     * beside this one. */
    if (listen_first_client_address(config->statsd_listen, host, &port)) {
        spawn_add(spawn, ENV_STATSD_HOST "=%s", host);
        spawn_add(spawn, ENV_STATSD_PORT "=%u", port);
    }
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What somebody asks the root object for: a reload, a restart, another number of workers, to take
 * the node out and back in, an upgrade, to stop. What must not be forgotten when this core dies is
 * in the ledger before anything is done.
 */
#include "agent/core/agent-internal.h"

#include "agent/core/config-changes.h"
#include "common/base/clock.h"
#include "common/base/files.h"
#include "common/base/log.h"
#include "common/base/text.h"
#include "common/schema/config-source.h"

#include <errno.h>
#include <malloc.h>
#include <stdio.h>
#include <string.h>
#include <syslog.h>
#include <unistd.h>

#define ALL_APPS UINT32_MAX
_Static_assert(APPS_MAX <= 32, "a bit for each app");

/* Time for the answer to leave before the loop ends. */
#define CORE_EXIT_DELAY_US (50 * USEC_PER_MSEC)

/* --- configuration ---------------------------------------------------------------------------- */

void agent_take_instance_id(struct agent *agent)
{
    if (agent->config->instance_id[0])
        text_copy(agent->instance_id, sizeof(agent->instance_id), agent->config->instance_id);
    else if (gethostname(agent->instance_id, sizeof(agent->instance_id) - 1) < 0)
        text_copy(agent->instance_id, sizeof(agent->instance_id), "unknown");
}

int agent_load_config(int fd, struct config **ret, char error[CONFIG_ERROR_MAX])
{
    CLEANUP_CLOSE int image_fd = -1;

    return config_load_stored(fd, ret, &image_fd, error);
}

void agent_check_apps(int r)
{
    if (r < 0)
        log_error("more than %d apps since the core's start: the newest wait for the next core",
                  APPS_MAX);
}

/* --- reload ----------------------------------------------------------------------------------- */

static void add_change(const char *key, bool needs_restart, void *userdata)
{
    struct json_object *changed = NULL;

    if (json_get_array(userdata, needs_restart ? "needs_restart" : "changed", &changed) >= 0)
        json_object_array_add(changed, json_object_new_string(key));
}

/* The holder is asked for what is on disk. */
static void begin_reload(struct agent *agent, uint32_t apps)
{
    agent->reload_apps = apps;
    agent->reload_next = 0;
    agent->reloading = true;
    ledger_set_reload_apps(agent->ledger, apps);
    link_send_simple(agent->link, HOLD_RECONFIGURE);
}

static void end_reload(struct agent *agent, const char *error, struct json_object *take_answer)
{
    uint32_t next = agent->reload_next;

    agent->reloading = false;
    ledger_set_reload_apps(agent->ledger, next);
    control_reload_done(agent->control, error, take_answer);
    malloc_trim(0); /* reading and comparing left garbage all over the heap, as in the holder */
    if (next)
        begin_reload(agent, next);
}

/* Which roll each app waits for, into the answer, and the command by which one can ask for them. */
static void add_rolls(struct agent *agent, const uint32_t rolls[APPS_MAX],
                      struct json_object *answer)
{
    struct json_object *apps = json_object_new_array();
    struct command *command = commands_add(agent->ledger);

    memcpy(command->rolls, rolls, sizeof(command->rolls));
    for (unsigned app = 0; app < APPS_MAX; app++) {
        struct json_object *object;

        if (!rolls[app])
            continue;
        object = json_object_new_object();
        json_add_string(object, "name", ledger_app_name(agent->ledger, app));
        json_add_bool(object, "queued",
                      supervisor_roll(workers_supervisor(agent->workers), app)->number <
                          rolls[app]);
        json_object_array_add(apps, object);
    }
    json_add(answer, "apps", apps);
    json_add_u64(answer, "token", command->token);
}

void agent_on_config(struct agent *agent, int fd)
{
    CLEANUP(config_freep) struct config *config = NULL;
    struct config *old = agent->config;
    struct json_object *answer, *needs_restart = json_object_new_array();
    uint32_t rolls[APPS_MAX];
    char text[CONFIG_ERROR_MAX];
    size_t n;

    int r = agent_load_config(fd, &config, text);
    if (r >= 0 && (r = observer_configure(agent->observer, config)) < 0)
        snprintf(text, sizeof(text), "%s", strerror(-r));
    if (r < 0) {
        json_object_put(needs_restart);
        log_error("a configuration that the holder has accepted does not load here, keeping the "
                  "old one: %s",
                  text);
        end_reload(agent, text, NULL);
        return;
    }
    answer = json_object_new_object();
    json_add(answer, "changed", json_object_new_array());
    json_add(answer, "needs_restart", needs_restart);
    n = config_changes(old, config, add_change, answer);
    agent->config = TAKE(config);
    log_set_level(agent->config->log_level);
    agent_take_instance_id(agent);
    control_take_config(agent->control);
    agent_stress_configure(agent);
    snprintf(text, sizeof(text),
             "configuration reloaded, %zu keys changed, %zu of them wait for a restart", n,
             json_object_array_length(needs_restart));
    agent_note_event(agent, LOG_NOTICE, "config-reloaded", text);
    agent_check_apps(workers_reload(agent->workers, agent->config,
                                    agent->reloading ? agent->reload_apps : 0, rolls));
    add_rolls(agent, rolls, answer);
    config_free(old);
    end_reload(agent, NULL, answer);
    agent_refresh_later(agent);
}

void agent_on_config_refused(struct agent *agent, const char *why)
{
    agent_note_event(agent, LOG_ERR, "config-refused", why);
    end_reload(agent, why, NULL);
}

void agent_resume_reload(struct agent *agent)
{
    uint32_t apps = ledger_reload_apps(agent->ledger);

    if (apps && agent->node != NODE_DRAINING)
        begin_reload(agent, apps);
}

/* What is on disk, before the holder is asked to take it: -EINVAL with a line in |why|. */
static int check_files(struct agent *agent, const char *app, char *why, size_t why_size)
{
    const struct inheritance *files = &agent->inheritance;
    CLEANUP(config_freep) struct config *config = NULL;
    CLEANUP_CLOSE int image_fd = -1;
    char error[CONFIG_ERROR_MAX], text[CONFIG_ERROR_MAX + 64];
    const struct config_app *found;

    if (files->config_path && config_load_files(files->config_path, files->config_directory,
                                                &config, &image_fd, error) < 0) {
        snprintf(text, sizeof(text), "configuration refused, the old one stays: %s", error);
        agent_note_event(agent, LOG_ERR, "config-refused", text);
        snprintf(why, why_size, "%s", error);
        return -EINVAL;
    }
    found = app[0] ? config_find_app(config ?: agent->config, app) : NULL;
    return app[0] && !(found && found->enabled) ? -ENOENT : 0;
}

int agent_reload(const char *app, char *why, size_t why_size, void *userdata)
{
    struct agent *agent = userdata;
    uint32_t apps = ALL_APPS;
    int r;

    if (agent->node == NODE_DRAINING)
        return -EBUSY;
    r = check_files(agent, app, why, why_size);
    if (r < 0)
        return r;
    if (app[0]) {
        int index = ledger_app(agent->ledger, app);

        if (index < 0) {
            snprintf(why, why_size, "no place is left for one more app; restart the core first");
            return -EBUSY;
        }
        apps = UINT32_C(1) << index;
    }
    if (!agent->reloading) {
        begin_reload(agent, apps);
        return 0;
    }
    /* The holder may have read the files before they were changed: once more. */
    agent->reload_next |= apps;
    ledger_set_reload_apps(agent->ledger, agent->reload_apps | agent->reload_next);
    return 1;
}

int agent_on_hangup(sd_event_source *source, const struct signalfd_siginfo *info, void *userdata)
{
    char why[CONFIG_ERROR_MAX];

    /* A refusal is an event already. */
    (void) agent_reload("", why, sizeof(why), userdata);
    return 0;
}

/* --- restart and scale ------------------------------------------------------------------------ */

static int on_core_exit(sd_event_source *source, uint64_t usec, void *userdata)
{
    return sd_event_exit(sd_event_source_get_event(source), 0);
}

/* The loop ends, and the holder starts the next one. */
static int restart_core(struct agent *agent, uint64_t *ret_token)
{
    int r = sd_event_add_time_relative(agent->event, NULL, CLOCK_MONOTONIC, CORE_EXIT_DELAY_US, 0,
                                       on_core_exit, NULL);
    struct command *command;

    if (r < 0)
        return r;
    command = commands_add(agent->ledger);
    command->core_pid = (uint32_t) getpid();
    *ret_token = command->token;
    return 0;
}

int agent_restart(const struct control_restart *restart, uint64_t *ret_token, void *userdata)
{
    struct agent *agent = userdata;
    uint32_t rolls[APPS_MAX] = {0};
    struct command *command;
    int total = 0;

    if (agent->node == NODE_DRAINING)
        return -EBUSY;
    if (restart->core)
        return restart_core(agent, ret_token);
    for (size_t i = 0; i < agent->snapshot->n_apps; i++) {
        const struct app_view *app = &agent->snapshot->apps[i];
        int n;

        if (restart->app[0] && strcmp(restart->app, app->name) != 0)
            continue;
        n = workers_restart(agent->workers, app->index, restart->slot, &rolls[app->index]);
        total += MAX(n, 0);
    }
    if (total == 0)
        return -ENOENT;
    command = commands_add(agent->ledger);
    memcpy(command->rolls, rolls, sizeof(command->rolls));
    *ret_token = command->token;
    return total;
}

enum control_progress agent_progress(uint64_t token, struct control_failure *ret, void *userdata)
{
    const struct agent *agent = userdata;

    return commands_progress(agent->ledger, token, ret);
}

int agent_scale(const char *name, unsigned wanted, unsigned *ret_before, void *userdata)
{
    struct agent *agent = userdata;

    if (agent->node == NODE_DRAINING)
        return -EBUSY;
    for (size_t i = 0; i < agent->snapshot->n_apps; i++) {
        const struct app_view *app = &agent->snapshot->apps[i];

        if (strcmp(app->name, name) != 0)
            continue;
        *ret_before = app->wanted;
        workers_scale(agent->workers, app->index, wanted);
        agent_refresh_later(agent);
        return 0;
    }
    return -ENOENT;
}

/* --- upgrade ---------------------------------------------------------------------------------- */

int agent_upgrade(const char **why, void *userdata)
{
    struct agent *agent = userdata;

    *why = "agentd is stopping";
    return agent->node == NODE_DRAINING ? -EBUSY : upgrade_check(agent->upgrade, why);
}

enum control_progress agent_upgrade_progress(uint64_t token, char **ret_why, void *userdata)
{
    return upgrade_look(((struct agent *) userdata)->upgrade, token, ret_why);
}

void agent_on_upgrade_checked(const char *why, const char *version, uint64_t token, void *userdata)
{
    control_upgrade_checked(((struct agent *) userdata)->control, why, version, token);
}

/* --- drain and stop --------------------------------------------------------------------------- */

int agent_drain(bool drain, bool *ret_changed, void *userdata)
{
    struct agent *agent = userdata;

    if (agent->node == NODE_DRAINING)
        return -EBUSY;
    *ret_changed = drain != (ledger_drained_at_us(agent->ledger) != 0);
    if (!*ret_changed)
        return 0;
    ledger_set_drained_at_us(agent->ledger, drain ? clock_monotonic_us() : 0);
    if (drain)
        agent_note_event(agent, LOG_NOTICE, "node-drained",
                         "drained by hand: /health says 503, workers serve on");
    else
        agent_note_event(agent, LOG_NOTICE, "node-undrained",
                         "no longer drained by hand: /health says again how the node is");
    agent_refresh_now(agent);
    return 0;
}

static int agent_on_lame_duck_over(sd_event_source *source, uint64_t usec, void *userdata)
{
    struct agent *agent = userdata;

    workers_stop(agent->workers);
    return 0;
}

/* The lame duck ends when it was to end, also if the core that began it is gone. It began when the
 * node was drained by hand, if it was. */
static uint64_t begin_drain(struct agent *agent)
{
    uint64_t lame_duck_us = agent->config->lame_duck_s * USEC_PER_SEC;
    uint64_t noted_us = ledger_drain_at_us(agent->ledger), now_us = clock_monotonic_us();
    uint64_t at_us = MIN(ledger_drained_at_us(agent->ledger) ?: now_us, now_us) + lame_duck_us;
    char text[160], wait[CLOCK_TEXT_MAX];

    if (noted_us)
        return MIN(noted_us, at_us);
    at_us = MAX(at_us, now_us);
    ledger_set_drain_at_us(agent->ledger, at_us);
    snprintf(text, sizeof(text), "stop asked for: /health says 503, workers serve for another %s",
             clock_format_duration(wait, at_us - now_us));
    agent_note_event(agent, LOG_NOTICE, "node-draining", text);
    return at_us;
}

void agent_on_stopping(struct agent *agent)
{
    uint64_t at_us;

    if (agent->node == NODE_DRAINING)
        return;
    agent->node = NODE_DRAINING;
    upgrade_cancel(agent->upgrade, "agentd is stopping");
    at_us = begin_drain(agent);
    if (at_us <= clock_monotonic_us() ||
        sd_event_add_time(agent->event, &agent->lame_duck, CLOCK_MONOTONIC, at_us, 0,
                          agent_on_lame_duck_over, agent) < 0)
        workers_stop(agent->workers);
    else
        (void) sd_event_source_set_description(agent->lame_duck, "lame-duck");
    agent_refresh_later(agent);
}

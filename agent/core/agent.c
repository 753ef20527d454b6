/* SPDX-License-Identifier: Apache-2.0 */
/* See the header. */
#include "agent/core/agent.h"

#include "agent/core/agent-internal.h"
#include "agent/core/log-files.h"
#include "agent/serve/prometheus-server.h"
#include "agent/serve/verdict.h"
#include "common/base/clock.h"
#include "common/base/files.h"
#include "common/base/log.h"
#include "common/base/text.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#define LOG_CUT_NOTE_TICKS 60u /* a flood of log lines is no reason for a flood of events */

void agent_note_event(struct agent *agent, int level, const char *name, const char *text)
{
    events_note(ledger_events(agent->ledger), level, name, text, clock_realtime_us());
}

/* --- the snapshot -------------------------------------------------------------------------------
 */

static void update_node_state(struct agent *agent, const struct snapshot *snapshot)
{
    if (agent->node != NODE_STARTING)
        return;
    for (size_t i = 0; i < snapshot->n_apps; i++)
        if (snapshot->apps[i].wanted > 0 && snapshot->apps[i].ready == 0)
            return;
    agent->node = NODE_SERVING;
}

static void take_snapshot(struct agent *agent)
{
    struct snapshot *snapshot = agent->snapshot;

    snapshot->taken_at_us = clock_monotonic_us();
    snapshot->taken_realtime_us = clock_realtime_us();
    if (!agent->config->instance_id[0] && observer_instance_id(agent->observer))
        text_copy(agent->instance_id, sizeof(agent->instance_id),
                  observer_instance_id(agent->observer));
    text_copy(snapshot->instance_id, sizeof(snapshot->instance_id), agent->instance_id);
    snapshot->holder_pid = getppid();
    snapshot->core_pid = getpid();
    snapshot->core_starts = agent->core_starts;
    snapshot->unit_started_at_us = agent->unit_started_at_us;
    snapshot->core_started_at_us = agent->started_at_us;
    snapshot->n_apps = 0;
    for (size_t i = 0; i < agent->config->n_apps; i++) {
        const struct config_app *config = &agent->config->apps[i];
        int app = config->enabled ? ledger_app(agent->ledger, config->name) : -ENOENT;

        if (app >= 0)
            workers_view(agent->workers, (unsigned) app, config,
                         &snapshot->apps[snapshot->n_apps++]);
    }
    update_node_state(agent, snapshot);
    snapshot->drained_at_us = ledger_drained_at_us(agent->ledger);
    snapshot->node =
        snapshot->drained_at_us && agent->node != NODE_DRAINING ? NODE_DRAINED : agent->node;
    observer_view(agent->observer, snapshot);
    agent_stress_view(agent, &snapshot->stress);
}

static void on_finished(void *userdata)
{
    struct agent *agent = userdata;

    agent_note_event(agent, LOG_NOTICE, "node-stopped",
                     "all workers have ended, metrics are handed over");
    link_send_simple(agent->link, HOLD_STOPPED);
    (void) sd_event_exit(agent->event, 0);
}

static void finish_stop(struct agent *agent)
{
    if (agent->stopped || !agent->serving || agent->node != NODE_DRAINING ||
        !workers_is_stopped(agent->workers))
        return;
    agent->stopped = true;
    observer_finish(agent->observer, on_finished, agent);
}

static int agent_on_refresh(sd_event_source *source, void *userdata)
{
    struct agent *agent = userdata;
    char status[HOLD_TEXT_MAX + 1];

    take_snapshot(agent);
    agent_stress_look(agent);
    workers_check_limits(agent->workers, agent->config, agent->snapshot);
    health_update(agent->health, agent->snapshot);
    verdict_print(agent->snapshot, status, sizeof(status));
    link_send_status(agent->link, status);
    finish_stop(agent);
    return 0;
}

void agent_refresh_now(struct agent *agent)
{
    (void) agent_on_refresh(NULL, agent);
}

void agent_refresh_later(struct agent *agent)
{
    if (agent->refresh)
        (void) sd_event_source_set_enabled(agent->refresh, SD_EVENT_ONESHOT);
}

static void on_workers_changed(void *userdata)
{
    agent_refresh_later(userdata);
}

/* At each tick: a worker may fill a disk within seconds. Also where there is a journal: a worker
 * that was started while it could not be reached writes to a file. */
static void cut_logs(struct agent *agent)
{
    int n = log_files_cut(agent->log_directory, LOG_FILE_LIMIT_BYTES, LOG_FILE_KEEP_BYTES);

    agent->ticks_to_note -= agent->ticks_to_note > 0;
    if (n <= 0 || agent->ticks_to_note > 0)
        return;
    agent->ticks_to_note = LOG_CUT_NOTE_TICKS;
    agent_note_event(agent, LOG_INFO, "log-cut",
                     "a worker's log file was over its limit: its oldest lines are dropped");
}

static void on_tick(void *userdata)
{
    struct agent *agent = userdata;

    cut_logs(agent);
    agent_stress_sampled(agent);
    agent_refresh_later(agent);
}

/* --- workers ------------------------------------------------------------------------------------
 */

static void on_worker(unsigned app, unsigned slot, uint64_t serial, int pid, int take_fd,
                      void *userdata)
{
    accounting_open(((struct agent *) userdata)->accounting, app, slot, serial, take_fd);
}

static void on_worker_gone(unsigned app, unsigned slot, uint64_t serial, int take_fd,
                           void *userdata)
{
    accounting_fold(((struct agent *) userdata)->accounting, app, slot, serial, take_fd);
}

static const struct supervisor *get_supervisor(void *userdata)
{
    return workers_supervisor(((struct agent *) userdata)->workers);
}

/* --- the holder's messages ----------------------------------------------------------------------
 */

/* The workers are known: from now on there is something true to say. */
static void begin_to_serve(struct agent *agent)
{
    int r = 0;

    (void) agent_on_refresh(NULL, agent);
    for (size_t i = 0; i < agent->inheritance.n_health_fds && r >= 0; i++)
        r = health_listen(agent->health, agent->inheritance.health_fds[i]);
    for (size_t i = 0; i < agent->inheritance.n_statsd_fds && r >= 0; i++)
        r = observer_listen_statsd(agent->observer, agent->inheritance.statsd_fds[i]);
    for (size_t i = 0; i < agent->inheritance.n_prometheus_fds && r >= 0; i++)
        r = prometheus_server_listen(agent->prometheus, agent->inheritance.prometheus_fds[i]);
    if (r >= 0 && agent->inheritance.control_fd >= 0)
        r = control_listen(agent->control, agent->inheritance.control_fd);
    if (r < 0) {
        log_error_errno(-r, "can't serve /health, /metrics or the control socket: %m; leaving");
        (void) sd_event_exit(agent->event, r);
        return;
    }
    agent->serving = true;
    observer_follow_history(agent->observer);
    link_send_simple(agent->link, HOLD_READY);
    if (agent->core_starts > 0 && !upgrade_is_news(agent->upgrade))
        agent_note_event(agent, LOG_WARNING, "core-replaced",
                         "the core was replaced; workers and totals go on");
    else if (agent->core_starts == 0)
        agent_note_event(agent, LOG_NOTICE, "agentd-started", "agentd has started");
    agent_resume_reload(agent);
}

static void on_message(const struct hold_message *message, int take_fd, void *userdata)
{
    struct agent *agent = userdata;

    if (agent_stress_on_message(agent, message)) {
        fd_close(take_fd); /* of its scoreboard, which it knows nothing of */
        return;
    }
    switch (message->type) {
    case HOLD_HELLO:
        agent->core_starts = (unsigned) message->argument;
        agent->unit_started_at_us = message->started_at_us;
        if (agent->core_starts == 0) { /* the ledger may be of a run that was stopped */
            ledger_set_drain_at_us(agent->ledger, 0);
            ledger_set_drained_at_us(agent->ledger, 0);
            ledger_set_reload_apps(agent->ledger, 0);
            workers_begin_anew(agent->workers);
            agent_stress_begin_anew(agent);
        }
        break;
    case HOLD_CONFIG:
        agent_on_config(agent, take_fd);
        break;
    case HOLD_STOPPING:
        agent_on_stopping(agent);
        break;
    case HOLD_SAVED:
        upgrade_on_state(agent->upgrade, TAKE_FD(take_fd));
        break;
    case HOLD_UPGRADED:
        upgrade_on_outcome(agent->upgrade, message);
        break;
    case HOLD_REFUSED:
        if (message->argument == HOLD_SAVE || message->argument == HOLD_UPGRADE) {
            upgrade_cancel(agent->upgrade, message->text);
            break;
        }
        if (message->argument == HOLD_RECONFIGURE) {
            agent_on_config_refused(agent, message->text);
            break;
        }
        workers_on_message(agent->workers, message, -1);
        break;
    default:
        workers_on_message(agent->workers, message, TAKE_FD(take_fd));
        if (message->type == HOLD_SYNCED && !agent->serving)
            begin_to_serve(agent);
    }
    fd_close(take_fd);
}

/* --- what the control API shows and asks ---------------------------------------------------------
 */

static const struct snapshot *get_snapshot(void *userdata)
{
    return ((struct agent *) userdata)->snapshot;
}

static const struct config *get_config(void *userdata)
{
    return ((struct agent *) userdata)->config;
}

static const struct event_ring *get_events(void *userdata)
{
    return ledger_events(((struct agent *) userdata)->ledger);
}

static struct http_response *get_health(void *userdata)
{
    return health_response(((struct agent *) userdata)->health);
}

static const struct statsd *get_statsd(void *userdata)
{
    return observer_statsd(((struct agent *) userdata)->observer);
}

static const struct history *get_history(void *userdata)
{
    return observer_history(((struct agent *) userdata)->observer);
}

static int print_bodies(struct buffer *out, void *userdata)
{
    return observer_print_bodies(((struct agent *) userdata)->observer, out);
}

static const char *get_log_directory(void *userdata)
{
    const struct agent *agent = userdata;

    return log_is_to_journal() ? NULL : agent->log_directory;
}

/* --- life cycle ---------------------------------------------------------------------------------
 */

static int new_modules(struct agent *agent)
{
    const struct workers_owner workers_owner = {on_worker, on_worker_gone, on_workers_changed,
                                                agent};
    const struct observer_owner observer_owner = {get_supervisor, on_tick, agent_stress_pid, agent};
    const struct control_owner control_owner = {
        .snapshot = get_snapshot,
        .config = get_config,
        .events = get_events,
        .health = get_health,
        .statsd = get_statsd,
        .history = get_history,
        .print_bodies = print_bodies,
        .log_directory = get_log_directory,
        .restart = agent_restart,
        .progress = agent_progress,
        .reload = agent_reload,
        .scale = agent_scale,
        .drain = agent_drain,
        .upgrade = agent_upgrade,
        .upgrade_progress = agent_upgrade_progress,
        .stress_on = agent_stress_on,
        .stress_off = agent_stress_off,
        .userdata = agent,
    };
    int r;

    r = ledger_open(&agent->ledger, agent->inheritance.ledger_fd);
    if (r < 0)
        return log_error_errno(-r, "can't use the ledger: %m");
    ledger_forget_gone(agent->ledger, agent->config);
    r = accounting_new(&agent->accounting, agent->ledger);
    if (r < 0)
        return r;
    r = link_new(&agent->link, agent->event, agent->inheritance.link_fd, on_message, agent);
    if (r < 0)
        return log_error_errno(-r, "can't use the socket to the holder: %m");
    agent->inheritance.link_fd = -1;
    r = upgrade_new(
        &agent->upgrade, agent->event, agent->link, &agent->inheritance, agent->ledger,
        &(struct upgrade_owner){ledger_events(agent->ledger), agent_on_upgrade_checked, agent});
    if (r < 0)
        return r;
    r = workers_new(
        &agent->workers, agent->event, agent->link, agent->ledger, agent->inheritance.notify_fd,
        agent->inheritance.runtime_directory ?: agent->config->runtime_dir, &workers_owner);
    if (r < 0)
        return r;
    agent_check_apps(workers_configure(agent->workers, agent->config));
    r = agent_stress_open(agent);
    if (r < 0)
        return r;
    r = observer_new(&agent->observer, agent->event, agent->config, agent->instance_id,
                     agent->ledger, agent->accounting, getppid(), &observer_owner);
    if (r < 0)
        return log_error_errno(-r, "can't observe the host: %m");
    r = health_new(&agent->health, agent->event);
    if (r >= 0 && agent->inheritance.n_prometheus_fds > 0)
        r = prometheus_server_new(&agent->prometheus, agent->event, get_snapshot, agent);
    if (r < 0)
        return r;
    return control_new(&agent->control, agent->event, &control_owner);
}

int agent_new(struct agent **ret, sd_event *event, const struct inheritance *take_inheritance)
{
    CLEANUP(agent_freep) struct agent *agent = calloc(1, sizeof(*agent));
    char error[CONFIG_ERROR_MAX] = "";
    int r;

    if (!agent)
        return -ENOMEM;
    agent->inheritance = *take_inheritance;
    agent->event = event;
    agent->started_at_us = agent->unit_started_at_us = clock_monotonic_us();
    agent->snapshot = calloc(1, sizeof(*agent->snapshot));
    if (!agent->snapshot)
        return -ENOMEM;
    r = agent_load_config(agent->inheritance.config_fd, &agent->config, error);
    if (r < 0) {
        log_error("%s", error);
        return r;
    }
    log_set_level(agent->config->log_level);
    agent_take_instance_id(agent);
    snprintf(agent->log_directory, sizeof(agent->log_directory), "%s/log",
             agent->inheritance.runtime_directory ?: agent->config->runtime_dir);
    r = new_modules(agent);
    if (r < 0)
        return r;
    r = sd_event_add_defer(event, &agent->refresh, agent_on_refresh, agent);
    if (r < 0)
        return r;
    (void) sd_event_source_set_description(agent->refresh, "refresh");
    r = sd_event_source_set_enabled(agent->refresh, SD_EVENT_OFF);
    if (r < 0)
        return r;
    r = sd_event_add_signal(event, &agent->hangup, SIGHUP, agent_on_hangup, agent);
    if (r < 0)
        return r;
    *ret = TAKE(agent);
    return 0;
}

struct agent *agent_free(struct agent *agent)
{
    if (!agent)
        return NULL;
    sd_event_source_disable_unref(agent->hangup);
    sd_event_source_disable_unref(agent->lame_duck);
    agent->refresh = sd_event_source_disable_unref(agent->refresh);
    agent_stress_close(agent);
    control_free(agent->control);
    health_free(agent->health);
    prometheus_server_free(agent->prometheus);
    observer_free(agent->observer);
    workers_free(agent->workers);
    upgrade_free(agent->upgrade);
    link_free(agent->link);
    accounting_free(agent->accounting);
    ledger_free(agent->ledger);
    config_free(agent->config);
    free(agent->snapshot);
    inheritance_done(&agent->inheritance);
    free(agent);
    return NULL;
}

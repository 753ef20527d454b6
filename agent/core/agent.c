/* SPDX-License-Identifier: Apache-2.0 */
/* See the header. */
#include "agent/core/agent.h"

#include "agent/core/commands.h"
#include "agent/core/config-changes.h"
#include "agent/core/log-files.h"
#include "agent/core/observer.h"
#include "agent/serve/control.h"
#include "agent/serve/health.h"
#include "agent/serve/prometheus-server.h"
#include "agent/serve/verdict.h"
#include "agent/supervise/workers.h"
#include "common/base/clock.h"
#include "common/base/files.h"
#include "common/base/log.h"
#include "common/base/text.h"
#include "common/schema/config-image.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#define LOG_CUT_NOTE_TICKS 60u /* a flood of log lines is no reason for a flood of events */

struct agent {
    sd_event *event;
    struct inheritance inheritance;
    struct config *config;
    struct ledger *ledger;
    struct link *link;
    struct accounting *accounting;
    struct workers *workers;
    struct observer *observer;
    struct health *health;
    struct prometheus_server *prometheus;
    struct control *control;
    struct commands commands;
    struct snapshot *snapshot;
    sd_event_source *refresh; /* deferred: many changes, one snapshot */
    sd_event_source *lame_duck;
    sd_event_source *hangup;
    char instance_id[CONFIG_STRING_MAX + 1];
    char log_directory[CONFIG_STRING_MAX + 8];
    enum node_state node;
    unsigned core_starts;
    unsigned ticks_to_note; /* until a cut log file is an event again */
    uint64_t unit_started_at_us, started_at_us;
    bool serving;   /* listeners are open */
    bool reloading; /* the holder was asked to */
    bool stopped;   /* the holder was told */
};

static void note_event(struct agent *agent, int level, const char *name, const char *text)
{
    struct event event = {.level = level};

    text_copy(event.name, sizeof(event.name), name);
    text_copy(event.text, sizeof(event.text), text);
    events_add(ledger_events(agent->ledger), &event, clock_realtime_us());
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
    snapshot->node = agent->node;
    observer_view(agent->observer, snapshot);
}

static void send_status(struct agent *agent)
{
    const struct snapshot *snapshot = agent->snapshot;
    unsigned ready = 0, wanted = 0;
    char text[HOLD_TEXT_MAX + 1];

    for (size_t i = 0; i < snapshot->n_apps; i++) {
        ready += snapshot->apps[i].ready;
        wanted += snapshot->apps[i].wanted;
    }
    snprintf(text, sizeof(text), "%s, %s: %u of %u workers ready",
             node_state_to_string(snapshot->node), verdict_to_string(verdict_node(snapshot)), ready,
             wanted);
    link_send_status(agent->link, text);
}

static void on_finished(void *userdata)
{
    struct agent *agent = userdata;

    note_event(agent, LOG_NOTICE, "node-stopped",
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

    take_snapshot(agent);
    workers_check_limits(agent->workers, agent->config, agent->snapshot);
    health_update(agent->health, agent->snapshot);
    send_status(agent);
    finish_stop(agent);
    return 0;
}

static void refresh_later(void *userdata)
{
    struct agent *agent = userdata;

    if (agent->refresh)
        (void) sd_event_source_set_enabled(agent->refresh, SD_EVENT_ONESHOT);
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
    note_event(agent, LOG_INFO, "log-cut",
               "a worker's log file was over its limit: its oldest lines are dropped");
}

static void on_tick(void *userdata)
{
    struct agent *agent = userdata;

    cut_logs(agent);
    refresh_later(agent);
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

/* --- configuration ------------------------------------------------------------------------------
 */

static void take_instance_id(struct agent *agent)
{
    if (agent->config->instance_id[0])
        text_copy(agent->instance_id, sizeof(agent->instance_id), agent->config->instance_id);
    else if (gethostname(agent->instance_id, sizeof(agent->instance_id) - 1) < 0)
        text_copy(agent->instance_id, sizeof(agent->instance_id), "unknown");
}

static int load_config(int fd, struct config **ret, char error[CONFIG_ERROR_MAX])
{
    CLEANUP(config_image_freep) struct config_image *image = NULL;
    int r = config_image_from_fd(fd, &image);

    if (r < 0) {
        snprintf(error, CONFIG_ERROR_MAX, "the configuration from the holder can't be read: %s",
                 strerror(-r));
        return r;
    }
    return config_load(image, ret, error);
}

struct changes {
    struct json_object *changed, *needs_restart;
};

static void add_change(const char *key, bool needs_restart, void *userdata)
{
    struct changes *changes = userdata;

    json_object_array_add(needs_restart ? changes->needs_restart : changes->changed,
                          json_object_new_string(key));
}

static void end_reload(struct agent *agent, const char *error, struct changes *take_changes)
{
    agent->reloading = false;
    control_reload_done(agent->control, error, take_changes ? take_changes->changed : NULL,
                        take_changes ? take_changes->needs_restart : NULL);
}

/* Their places in the ledger are for those that come. */
static void forget_gone_apps(struct agent *agent)
{
    for (unsigned app = 0; app < APPS_MAX; app++) {
        const char *name = ledger_app_name(agent->ledger, app);

        if (name[0] && !config_find_app(agent->config, name) &&
            ledger_app_is_over(agent->ledger, app))
            ledger_forget_app(agent->ledger, app);
    }
}

static void configure_workers(struct agent *agent)
{
    if (workers_configure(agent->workers, agent->config) < 0)
        log_error("more than %d apps since the core's start: the newest wait for the next core",
                  APPS_MAX);
}

static void on_config(struct agent *agent, int fd)
{
    CLEANUP(config_freep) struct config *config = NULL;
    struct config *old = agent->config;
    struct changes changes;
    char text[CONFIG_ERROR_MAX];
    size_t n;

    int r = load_config(fd, &config, text);
    if (r >= 0 && (r = observer_configure(agent->observer, config)) < 0)
        snprintf(text, sizeof(text), "%s", strerror(-r));
    if (r < 0) {
        log_error("a configuration that the holder has accepted does not load here, keeping the "
                  "old one: %s",
                  text);
        end_reload(agent, text, NULL);
        return;
    }
    changes = (struct changes){json_object_new_array(), json_object_new_array()};
    n = config_changes(old, config, add_change, &changes);
    agent->config = TAKE(config);
    log_set_level(agent->config->log_level);
    take_instance_id(agent);
    control_take_config(agent->control);
    configure_workers(agent);
    snprintf(text, sizeof(text),
             "configuration reloaded, %zu keys changed, %zu of them wait for a restart", n,
             json_object_array_length(changes.needs_restart));
    note_event(agent, LOG_NOTICE, "config-reloaded", text);
    config_free(old);
    end_reload(agent, NULL, &changes);
    refresh_later(agent);
}

/* See struct control_owner. */
static int reload(char *why, size_t why_size, void *userdata)
{
    struct agent *agent = userdata;
    const struct inheritance *files = &agent->inheritance;
    CLEANUP(config_image_freep) struct config_image *image = NULL;
    CLEANUP(config_freep) struct config *config = NULL;
    char error[CONFIG_ERROR_MAX], text[CONFIG_ERROR_MAX + 64];

    if (agent->reloading || agent->node == NODE_DRAINING)
        return -EBUSY;
    if (files->config_path &&
        (config_image_read(files->config_path, files->config_directory, &image, error) < 0 ||
         config_load(image, &config, error) < 0)) {
        snprintf(text, sizeof(text), "configuration refused, the old one stays: %s", error);
        note_event(agent, LOG_ERR, "config-refused", text);
        snprintf(why, why_size, "%s", error);
        return -EINVAL;
    }
    agent->reloading = true;
    link_send_simple(agent->link, HOLD_RECONFIGURE);
    return 0;
}

static int agent_on_hangup(sd_event_source *source, const struct signalfd_siginfo *info,
                           void *userdata)
{
    char why[CONFIG_ERROR_MAX];

    /* A refusal is an event already. */
    (void) reload(why, sizeof(why), userdata);
    return 0;
}

/* --- leaving ------------------------------------------------------------------------------------
 */

static int agent_on_lame_duck_over(sd_event_source *source, uint64_t usec, void *userdata)
{
    struct agent *agent = userdata;

    workers_stop(agent->workers);
    return 0;
}

/* The lame duck ends when it was to end, also if the core that began it is gone. */
static uint64_t begin_drain(struct agent *agent)
{
    uint64_t lame_duck_us = agent->config->lame_duck_s * USEC_PER_SEC;
    uint64_t noted_us = ledger_drain_at_us(agent->ledger);
    uint64_t at_us = clock_monotonic_us() + lame_duck_us;
    char text[160], wait[CLOCK_TEXT_MAX];

    if (noted_us)
        return MIN(noted_us, at_us);
    ledger_set_drain_at_us(agent->ledger, at_us);
    snprintf(text, sizeof(text), "stop asked for: /health says 503, workers serve for another %s",
             clock_format_duration(wait, lame_duck_us));
    note_event(agent, LOG_NOTICE, "node-draining", text);
    return at_us;
}

static void on_stopping(struct agent *agent)
{
    uint64_t at_us;

    if (agent->node == NODE_DRAINING)
        return;
    agent->node = NODE_DRAINING;
    at_us = begin_drain(agent);
    if (at_us <= clock_monotonic_us() ||
        sd_event_add_time(agent->event, &agent->lame_duck, CLOCK_MONOTONIC, at_us, 0,
                          agent_on_lame_duck_over, agent) < 0)
        workers_stop(agent->workers);
    else
        (void) sd_event_source_set_description(agent->lame_duck, "lame-duck");
    refresh_later(agent);
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
    link_send_simple(agent->link, HOLD_READY);
    if (agent->core_starts > 0)
        note_event(agent, LOG_WARNING, "core-replaced",
                   "the core was replaced; workers and totals go on");
    else
        note_event(agent, LOG_NOTICE, "agentd-started", "agentd has started");
}

static void on_message(const struct hold_message *message, int take_fd, void *userdata)
{
    struct agent *agent = userdata;

    switch (message->type) {
    case HOLD_HELLO:
        agent->core_starts = (unsigned) message->argument;
        agent->unit_started_at_us = message->started_at_us;
        if (agent->core_starts == 0) /* the ledger may be of a run that was stopped */
            ledger_set_drain_at_us(agent->ledger, 0);
        break;
    case HOLD_CONFIG:
        on_config(agent, take_fd);
        break;
    case HOLD_STOPPING:
        on_stopping(agent);
        break;
    case HOLD_REFUSED:
        if (message->argument == HOLD_RECONFIGURE) {
            note_event(agent, LOG_ERR, "config-refused", message->text);
            end_reload(agent, message->text, NULL);
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

static int print_bodies(struct buffer *out, void *userdata)
{
    return observer_print_bodies(((struct agent *) userdata)->observer, out);
}

static const char *get_log_directory(void *userdata)
{
    const struct agent *agent = userdata;

    return log_is_to_journal() ? NULL : agent->log_directory;
}

static int restart(const struct control_restart *restart, uint64_t *ret_token, void *userdata)
{
    struct agent *agent = userdata;

    if (agent->node == NODE_DRAINING)
        return -EBUSY;
    return commands_restart(&agent->commands, agent->event, agent->workers, agent->snapshot,
                            restart, ret_token);
}

static enum control_progress restart_progress(uint64_t token, const char **ret_why, void *userdata)
{
    const struct agent *agent = userdata;

    return commands_progress(&agent->commands, agent->workers, token, ret_why);
}

/* --- life cycle ---------------------------------------------------------------------------------
 */

static int new_modules(struct agent *agent)
{
    const struct workers_owner workers_owner = {on_worker, on_worker_gone, refresh_later, agent};
    const struct observer_owner observer_owner = {get_supervisor, on_tick, agent};
    const struct control_owner control_owner = {
        get_snapshot,      get_config, get_events,       get_health, get_statsd, print_bodies,
        get_log_directory, restart,    restart_progress, reload,     agent};
    int r;

    r = ledger_open(&agent->ledger, agent->inheritance.ledger_fd);
    if (r < 0)
        return log_error_errno(-r, "can't use the ledger: %m");
    forget_gone_apps(agent);
    r = accounting_new(&agent->accounting, agent->ledger);
    if (r < 0)
        return r;
    r = link_new(&agent->link, agent->event, agent->inheritance.link_fd, on_message, agent);
    if (r < 0)
        return log_error_errno(-r, "can't use the socket to the holder: %m");
    agent->inheritance.link_fd = -1;
    r = workers_new(
        &agent->workers, agent->event, agent->link, agent->ledger, agent->inheritance.notify_fd,
        agent->inheritance.runtime_directory ?: agent->config->runtime_dir, &workers_owner);
    if (r < 0)
        return r;
    configure_workers(agent);
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
    commands_init(&agent->commands);
    r = load_config(agent->inheritance.config_fd, &agent->config, error);
    if (r < 0) {
        log_error("%s", error);
        return r;
    }
    log_set_level(agent->config->log_level);
    take_instance_id(agent);
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
    control_free(agent->control);
    health_free(agent->health);
    prometheus_server_free(agent->prometheus);
    observer_free(agent->observer);
    workers_free(agent->workers);
    link_free(agent->link);
    accounting_free(agent->accounting);
    ledger_free(agent->ledger);
    config_free(agent->config);
    free(agent->snapshot);
    inheritance_done(&agent->inheritance);
    free(agent);
    return NULL;
}

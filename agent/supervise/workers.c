/* SPDX-License-Identifier: Apache-2.0 */
/* See the header. */
#include "agent/supervise/workers.h"

#include "agent/supervise/journal-words.h"
#include "agent/supervise/last-words.h"
#include "agent/supervise/limits.h"
#include "agent/supervise/notify-message.h"
#include "agent/supervise/notify-socket.h"
#include "agent/supervise/obituary.h"
#include "agent/supervise/prober.h"
#include "agent/supervise/worker-cgroups.h"
#include "common/base/clock.h"
#include "common/base/files.h"
#include "common/base/log.h"
#include "common/base/text.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#define EARLY_MAX 64
#define GONE_MAX  64u

/* What a process said that is none of our workers yet: the holder may be about to tell of it. */
struct early {
    int pid; /* 0: none */
    uint64_t at_us;
    struct notify_message message;
};

struct workers {
    sd_event *event;
    struct notify_socket *notify;
    sd_event_source *timer;
    struct link *link;
    struct ledger *ledger;
    struct supervisor *supervisor;
    struct prober *prober;
    struct workers_owner owner;
    struct limits limits;
    struct journal_words *journal_words;
    /* How far each slot's log file was when its last worker ended. */
    uint64_t log_from[APPS_MAX][APP_SLOTS_MAX];
    uint64_t bad_notifications;
    struct early early[EARLY_MAX]; /* ring */
    unsigned n_early;              /* ever */
    int gone[GONE_MAX];            /* ring: workers that have ended, whose last messages may wait */
    unsigned n_gone;               /* ever */
    bool synced;
    char runtime_directory[CONFIG_STRING_MAX + 1];
    struct worker_cgroups cgroups;
};

/* What it wrote at last goes to the event of its death, the newest; its successor begins behind. */
static void take_last_words(struct workers *workers, unsigned app, unsigned slot, bool died)
{
    struct event_ring *ring = ledger_events(workers->ledger);
    const char *name = ledger_app_name(workers->ledger, app);
    char path[sizeof(workers->runtime_directory) + APP_NAME_MAX + 32], text[EVENT_DETAIL_BYTES];
    uint64_t now_us = clock_monotonic_us(), age_us;

    snprintf(path, sizeof(path), "%s/log/%s.%u.log", workers->runtime_directory, name, slot);
    if (last_words_read(path, &workers->log_from[app][slot - 1], text) > 0 && died) {
        events_attach(ring, ring->last_id, text);
    } else if (died && log_is_to_journal()) {
        age_us =
            now_us - MIN(supervisor_slot(workers->supervisor, app, slot)->started_at_us, now_us);
        snprintf(path, sizeof(path), "%s.%u", name, slot);
        journal_words_ask(workers->journal_words, path, clock_realtime_us() - age_us,
                          ring->last_id);
    }
}

static void carry_out(struct workers *workers, const struct supervisor_action *action)
{
    const char *app = ledger_app_name(workers->ledger, action->app);
    struct event event = {.slot = action->slot, .pid = action->pid};

    switch (action->type) {
    case SUPERVISOR_START:
        link_send_slot(workers->link, HOLD_START, app, action->slot, 0, 0);
        break;
    case SUPERVISOR_TERMINATE:
        link_send_slot(workers->link, HOLD_SIGNAL, app, action->slot, action->serial, SIGTERM);
        break;
    case SUPERVISOR_KILL:
        link_send_slot(workers->link, HOLD_KILL, app, action->slot, action->serial, 0);
        break;
    case SUPERVISOR_RELEASE:
        link_send_slot(workers->link, HOLD_RELEASE, app, action->slot, action->serial, 0);
        break;
    case SUPERVISOR_EVENT:
        event.level = supervisor_event_level(action->event);
        text_copy(event.app, sizeof(event.app), app);
        text_copy(event.name, sizeof(event.name), supervisor_event_to_string(action->event));
        text_copy(event.text, sizeof(event.text), action->text);
        events_add(ledger_events(workers->ledger), &event, clock_realtime_us());
        if (action->event == SUPERVISOR_EVENT_DIED || action->event == SUPERVISOR_EVENT_STOPPED)
            take_last_words(workers, action->app, action->slot,
                            action->event == SUPERVISOR_EVENT_DIED || action->killed);
        break;
    }
}

/* Lets the supervisor decide, carries it out, and sets the alarm for its next decision. */
static void run(struct workers *workers)
{
    struct supervisor_action action;
    uint64_t next_us;

    do {
        supervisor_run(workers->supervisor, clock_monotonic_us());
        while (supervisor_next_action(workers->supervisor, &action))
            carry_out(workers, &action);
    } while (workers->synced && prober_update(workers->prober, clock_monotonic_us()));
    next_us = supervisor_next_us(workers->supervisor);
    if (next_us != SUPERVISOR_NEVER) {
        (void) sd_event_source_set_time(workers->timer, next_us);
        (void) sd_event_source_set_enabled(workers->timer, SD_EVENT_ONESHOT);
    } else {
        (void) sd_event_source_set_enabled(workers->timer, SD_EVENT_OFF);
    }
    workers->owner.on_change(workers->owner.userdata);
}

static int workers_on_time(sd_event_source *source, uint64_t usec, void *userdata)
{
    run(userdata);
    return 0;
}

static void workers_on_probe(void *userdata)
{
    run(userdata);
}

/* --- what workers say ---------------------------------------------------------------------------
 */

/* Which slot has the process |pid|; a worker speaks for itself, not through a child. */
static bool find_pid(const struct workers *workers, int pid, unsigned *ret_app, unsigned *ret_slot)
{
    for (unsigned app = 0; app < APPS_MAX; app++) {
        if (ledger_app_name(workers->ledger, app)[0] == '\0')
            continue;
        for (unsigned slot = 1; slot <= APP_SLOTS_MAX; slot++)
            if (supervisor_slot(workers->supervisor, app, slot)->pid == pid) {
                *ret_app = app;
                *ret_slot = slot;
                return true;
            }
    }
    return false;
}

static void obey(struct workers *workers, unsigned app, unsigned slot,
                 const struct notify_message *message)
{
    if (message->has_status)
        supervisor_on_status(workers->supervisor, app, slot, message->status);
    if (message->ready)
        supervisor_on_ready(workers->supervisor, app, slot, clock_monotonic_us());
    if (message->watchdog)
        prober_on_watchdog(workers->prober, app, slot, clock_monotonic_us());
}

/* A worker may be ready before the holder, which has only just forked it, has said so. */
static bool is_start_under_way(const struct workers *workers)
{
    for (unsigned app = 0; app < APPS_MAX; app++)
        for (unsigned slot = 1; ledger_app_name(workers->ledger, app)[0] && slot <= APP_SLOTS_MAX;
             slot++)
            if (supervisor_slot_is_asked_for(supervisor_slot(workers->supervisor, app, slot)))
                return true;
    return false;
}

static void keep_early(struct workers *workers, int pid, const struct notify_message *message)
{
    struct early *early = NULL;

    for (size_t i = 0; i < EARLY_MAX && !early; i++)
        if (workers->early[i].pid == pid)
            early = &workers->early[i];
    if (!early) {
        early = &workers->early[workers->n_early++ % EARLY_MAX];
        *early = (struct early){.pid = pid};
    }
    early->at_us = clock_monotonic_us();
    early->message.ready |= message->ready;
    if (message->has_status) {
        early->message.has_status = true;
        text_copy(early->message.status, sizeof(early->message.status), message->status);
    }
}

static void take_early(struct workers *workers, unsigned app, unsigned slot, int pid,
                       uint64_t started_at_us)
{
    for (size_t i = 0; i < EARLY_MAX; i++) {
        if (workers->early[i].pid != pid)
            continue;
        if (workers->early[i].at_us >= started_at_us) /* else of an earlier one of that number */
            obey(workers, app, slot, &workers->early[i].message);
        workers->early[i].pid = 0;
    }
}

static bool is_gone(const struct workers *workers, int pid)
{
    for (size_t i = 0; i < GONE_MAX; i++)
        if (workers->gone[i] == pid)
            return true;
    return false;
}

static void take_notification(struct workers *workers, int pid, const char *data, size_t length)
{
    struct notify_message message;
    unsigned app, slot;
    bool good = notify_message_parse(data, length, &message) >= 0 && pid > 0;

    if (good && find_pid(workers, pid, &app, &slot))
        obey(workers, app, slot, &message);
    else if (good && is_start_under_way(workers))
        keep_early(workers, pid, &message);
    else if (good && is_gone(workers, pid)) /* such as STOPPING=1 */
        log_debug("notify socket: the last message of pid %d, which has ended, ignoring", pid);
    else if (workers->bad_notifications++ == 0)
        /* Said once and counted always: a worker must not be able to fill the journal through us.
         */
        log_warning("notify socket: a message from pid %d is malformed or not from a worker's "
                    "main process, ignoring",
                    pid);
}

static void workers_on_notification(int pid, const char *data, size_t length, void *userdata)
{
    take_notification(userdata, pid, data, length);
}

static void workers_on_notifications(void *userdata)
{
    run(userdata);
}

/* --- what the holder says -----------------------------------------------------------------------
 */

static void on_slot(struct workers *workers, unsigned app, const struct hold_message *message,
                    int take_fd)
{
    uint64_t now_us = clock_monotonic_us();
    char text[160];

    switch (message->state) {
    case HOLD_SLOT_RUNNING:
        supervisor_on_running(workers->supervisor, app, message->slot, message->serial,
                              message->pid, message->started_at_us, now_us);
        take_early(workers, app, message->slot, message->pid, message->started_at_us);
        workers->owner.on_worker(app, message->slot, message->serial, message->pid, take_fd,
                                 workers->owner.userdata);
        return;
    case HOLD_SLOT_DEAD: {
        uint64_t started_at_us = MIN(message->started_at_us, message->ended_at_us);
        struct obituary obituary = {
            .code = message->exit_code,
            .status = message->exit_status,
            .oom = worker_cgroups_had_oom(&workers->cgroups, message->app, message->slot),
            .uptime_us = message->ended_at_us - started_at_us,
            .cause = prober_cause(workers->prober, app, message->slot, message->serial),
        };

        workers->gone[workers->n_gone++ % GONE_MAX] = message->pid;
        workers->owner.on_worker_gone(app, message->slot, message->serial, take_fd,
                                      workers->owner.userdata);
        supervisor_on_dead(workers->supervisor, app, message->slot, message->serial,
                           obituary_print(&obituary, text, sizeof(text)), now_us);
        return;
    }
    default:
        fd_close(take_fd);
        supervisor_on_empty(workers->supervisor, app, message->slot);
    }
}

static void on_refused(struct workers *workers, const struct hold_message *message)
{
    int app = message->app[0] ? ledger_app(workers->ledger, message->app) : -ENOENT;
    const char *why = message->text;
    char text[160];

    if (message->error == ESRCH) { /* strerror's "no such process" would send the reader astray */
        snprintf(text, sizeof(text), "this host does not know apps.%s.user or .group",
                 message->app);
        why = text;
    }
    if (message->argument == HOLD_START && app >= 0 && message->slot > 0)
        supervisor_on_refused(workers->supervisor, (unsigned) app, message->slot, why,
                              clock_monotonic_us());
    else
        log_warning("the holder refused %s for %s.%u: %s",
                    hold_message_type_to_string((unsigned) message->argument), message->app,
                    message->slot, message->text);
}

void workers_on_message(struct workers *workers, const struct hold_message *message, int take_fd)
{
    if (message->type == HOLD_SLOT) {
        int app = ledger_app(workers->ledger, message->app);

        if (app >= 0) {
            on_slot(workers, (unsigned) app, message, TAKE_FD(take_fd));
        } else {
            log_warning(
                "the holder has a worker of %s, and no place is left for one more app; killing it",
                message->app);
            link_send_slot(workers->link, HOLD_KILL, message->app, message->slot, message->serial,
                           0);
        }
    } else if (message->type == HOLD_SYNCED) {
        supervisor_on_synced(workers->supervisor, clock_monotonic_us());
        workers->synced = true;
        notify_socket_start(workers->notify);
    } else if (message->type == HOLD_REFUSED) {
        on_refused(workers, message);
    }
    fd_close(take_fd);
    if (workers->synced)
        run(workers);
}

/* --- life cycle ---------------------------------------------------------------------------------
 */

static uint64_t workers_random(void *userdata)
{
    return random_u64();
}

int workers_new(struct workers **ret, sd_event *event, struct link *link, struct ledger *ledger,
                int notify_fd, const char *runtime_directory, const struct workers_owner *owner)
{
    CLEANUP(workers_freep) struct workers *workers = calloc(1, sizeof(*workers));
    struct notify_socket_owner notify_owner = {.on_message = workers_on_notification,
                                               .on_read = workers_on_notifications,
                                               .userdata = workers};
    int r;

    if (!workers)
        return -ENOMEM;
    workers->event = event;
    workers->link = link;
    workers->ledger = ledger;
    workers->owner = *owner;
    text_copy(workers->runtime_directory, sizeof(workers->runtime_directory), runtime_directory);
    worker_cgroups_find(&workers->cgroups);
    r = supervisor_new(&workers->supervisor, ledger_slots(ledger), ledger_rolls(ledger),
                       workers_random, workers);
    if (r < 0)
        return r;
    r = prober_new(&workers->prober, event, link, ledger, workers->supervisor,
                   workers->runtime_directory, workers_on_probe, workers);
    if (r < 0)
        return r;
    r = journal_words_new(&workers->journal_words, event, ledger_events(ledger));
    if (r < 0)
        return r;
    /* It starts when the holder has told which workers there are. */
    r = notify_socket_new(&workers->notify, event, notify_fd, &notify_owner);
    if (r < 0)
        return r;
    r = sd_event_add_time(event, &workers->timer, CLOCK_MONOTONIC, 0, 1000, workers_on_time,
                          workers);
    if (r < 0)
        return r;
    (void) sd_event_source_set_description(workers->timer, "supervisor");
    r = sd_event_source_set_enabled(workers->timer, SD_EVENT_OFF);
    if (r < 0)
        return r;
    *ret = TAKE(workers);
    return 0;
}

struct workers *workers_free(struct workers *workers)
{
    if (!workers)
        return NULL;
    sd_event_source_disable_unref(workers->timer);
    notify_socket_free(workers->notify);
    journal_words_free(workers->journal_words);
    prober_free(workers->prober);
    supervisor_free(workers->supervisor);
    free(workers);
    return NULL;
}

static const struct config_app *configured(const struct workers *workers,
                                           const struct config *config, unsigned app)
{
    const char *name = ledger_app_name(workers->ledger, app);
    const struct config_app *c = name[0] ? config_find_app(config, name) : NULL;

    return c && c->enabled ? c : NULL;
}

static int set_policies(struct workers *workers, const struct config *config)
{
    int r = 0;

    for (unsigned i = 0; i < config->n_apps; i++)
        if (config->apps[i].enabled && ledger_app(workers->ledger, config->apps[i].name) < 0)
            r = -ENOSPC;
    for (unsigned app = 0; app < APPS_MAX; app++) {
        const struct config_app *c = configured(workers, config, app);

        if (c) {
            struct supervisor_policy policy = {
                .wanted = c->workers,
                .ready_timeout_us = c->ready_timeout_s * USEC_PER_SEC,
                .drain_timeout_us = config_app_drain_s(c) * USEC_PER_SEC,
                .probed = c->probe == CONFIG_PROBE_PRIVATE,
            };

            supervisor_set_policy(workers->supervisor, app, &policy);
        } else if (ledger_app_name(workers->ledger, app)[0]) {
            supervisor_set_policy(workers->supervisor, app, NULL);
        }
        if (prober_configure(workers->prober, app, c) < 0)
            log_error("no memory to probe %s, its workers are not asked",
                      ledger_app_name(workers->ledger, app));
    }
    return r;
}

int workers_configure(struct workers *workers, const struct config *config)
{
    int r = set_policies(workers, config);

    if (workers->synced)
        run(workers);
    return r;
}

int workers_reload(struct workers *workers, const struct config *config, uint32_t apps,
                   uint32_t ret_rolls[APPS_MAX])
{
    int r = set_policies(workers, config);
    uint64_t now_us = clock_monotonic_us();

    for (unsigned app = 0; app < APPS_MAX; app++) {
        ret_rolls[app] = 0;
        if (!configured(workers, config, app))
            continue;
        supervisor_renew(workers->supervisor, app);
        if (!(apps & UINT32_C(1) << app))
            continue;
        supervisor_scale(workers->supervisor, app, -1);
        ret_rolls[app] = supervisor_reload(workers->supervisor, app, now_us);
    }
    if (workers->synced)
        run(workers);
    return r;
}

int workers_restart(struct workers *workers, unsigned app, unsigned slot, uint32_t *ret_roll)
{
    int n = supervisor_restart(workers->supervisor, app, slot, clock_monotonic_us());

    if (n < 0)
        return n;
    *ret_roll = supervisor_roll(workers->supervisor, app)->number;
    run(workers);
    return n;
}

void workers_scale(struct workers *workers, unsigned app, unsigned wanted)
{
    supervisor_scale(workers->supervisor, app, (int) wanted);
    run(workers);
}

void workers_begin_anew(struct workers *workers)
{
    supervisor_forget_rolls(workers->supervisor);
}

static void check_limit(struct workers *workers, const struct app_view *app, uint64_t limit_bytes)
{
    struct event event = {.level = LOG_WARNING};
    const struct worker_view *worker = NULL;
    uint32_t roll;

    if (limits_are_blind(&workers->limits, app, clock_monotonic_us()))
        log_warning("memory_max of %s is not in force: no control group limits its workers' memory,"
                    " and agentd can't see it in /proc",
                    app->name);
    if (supervisor_roll(workers->supervisor, app->index)->state != SUPERVISOR_RESTART_RUNNING)
        worker = limits_pick(&workers->limits, app, limit_bytes, clock_monotonic_us());
    if (!worker || worker_cgroups_hold_memory(&workers->cgroups, app->name, worker->slot))
        return;
    event.slot = worker->slot;
    event.pid = worker->pid;
    text_copy(event.app, sizeof(event.app), app->name);
    text_copy(event.name, sizeof(event.name), "worker-over-limit");
    snprintf(event.text, sizeof(event.text),
             "has %.0f MiB of memory, over its limit of %" PRIu64 " MiB: is replaced",
             worker->memory_bytes / (1 << 20), limit_bytes >> 20);
    events_add(ledger_events(workers->ledger), &event, clock_realtime_us());
    (void) workers_restart(workers, app->index, worker->slot, &roll);
}

void workers_check_limits(struct workers *workers, const struct config *config,
                          const struct snapshot *snapshot)
{
    for (size_t i = 0; i < snapshot->n_apps && snapshot->node != NODE_DRAINING; i++) {
        const struct config_app *app = config_find_app(config, snapshot->apps[i].name);

        if (app && app->memory_max_mib > 0)
            check_limit(workers, &snapshot->apps[i], (uint64_t) app->memory_max_mib << 20);
    }
}

void workers_stop(struct workers *workers)
{
    supervisor_stop(workers->supervisor);
    run(workers);
}

bool workers_is_stopped(const struct workers *workers)
{
    return supervisor_is_stopped(workers->supervisor);
}

const struct supervisor *workers_supervisor(const struct workers *workers)
{
    return workers->supervisor;
}

void workers_view(const struct workers *workers, unsigned app, const struct config_app *config,
                  struct app_view *view)
{
    const char *failure = prober_app_failure(workers->prober, app);

    supervisor_view(workers->supervisor, app, config, view);
    text_copy(view->probe_failure, sizeof(view->probe_failure), failure ?: "");
}

uint64_t workers_bad_notifications(const struct workers *workers)
{
    return workers->bad_notifications;
}

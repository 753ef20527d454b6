/* SPDX-License-Identifier: Apache-2.0 */
/* See the header. */
#include "agent/core/observer.h"

#include "agent/core/sink.h"
#include "agent/core/statsd-listener.h"
#include "agent/observe/history.h"
#include "agent/observe/host-sampler.h"
#include "agent/observe/usage-sampler.h"
#include "agent/publish/record.h"
#include "common/base/cgroup.h"
#include "common/base/clock.h"
#include "common/base/log.h"
#include "common/base/text.h"
#include "common/schema/stress.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <math.h>
#include <string.h>
#include <unistd.h>

/* All series of all apps; what the outbox takes. */
#define RECORD_WINDOW_LIMIT (3u * 1024 * 1024)

struct process_view { /* of one worker slot */
    int pid;
    struct usage usage;
};

struct observer {
    sd_event *event;
    sd_event_source *timer;
    const struct config *config;
    struct ledger *ledger;
    struct accounting *accounting;
    int holder_pid;
    struct observer_owner owner;
    struct host_sampler *host;
    struct usage_sampler *usage;
    struct windows *windows;
    struct history *history;
    bool follows_history; /* not before all scoreboards are there */
    struct sink *sink;
    struct statsd *statsd; /* NULL: no socket */
    struct statsd_listener *statsd_listener;
    uint64_t statsd_unprinted;            /* series that found no room in a window */
    uint64_t statsd_dropped_counted;      /* as of the last closed window */
    struct buffer record;                 /* the last closed window */
    struct process_view *views[APPS_MAX]; /* APP_SLOTS_MAX each; NULL: none */
    double stress_percent;
    uint64_t sample_us;
    uint64_t next_us;
};

/* --- sampling -----------------------------------------------------------------------------------
 */

static void sample_workers(struct observer *observer, unsigned app, uint64_t now_us)
{
    const struct supervisor *supervisor = observer->owner.supervisor(observer->owner.userdata);
    double cpu = 0, memory = 0, in_flight = 0;

    if (!observer->views[app] &&
        !(observer->views[app] = calloc(APP_SLOTS_MAX, sizeof(struct process_view))))
        return;
    for (unsigned slot = 1; slot <= APP_SLOTS_MAX; slot++) {
        struct process_view *view = &observer->views[app][slot - 1];
        int pid = supervisor_slot(supervisor, app, slot)->pid;

        view->pid = 0;
        if (pid == 0)
            continue;
        in_flight += accounting_in_flight(observer->accounting, app, slot);
        if (usage_sampler_slot(observer->usage, ledger_app_name(observer->ledger, app), slot, pid,
                               now_us, &view->usage) < 0)
            view->usage = (struct usage){NAN, NAN};
        view->pid = pid;
        memory += view->usage.memory_bytes;
        cpu += view->usage.cpu_percent;
    }
    /* NAN is passed over. A worker whose first sample this is has no CPU yet, say: a sum without it
     * would show a dip that wasn't. */
    windows_observe(observer->windows, METRIC_APP_CPU, (int) app, cpu);
    windows_observe(observer->windows, METRIC_APP_MEMORY, (int) app, memory);
    windows_observe(observer->windows, METRIC_WORKERS_READY, (int) app,
                    supervisor_count(supervisor, app, WORKER_READY));
    if (accounting_has_app(observer->accounting, app))
        windows_observe(observer->windows, METRIC_IN_FLIGHT, (int) app, in_flight);
}

static void sample_agent(struct observer *observer, uint64_t now_us)
{
    struct usage usage;

    if (usage_sampler_agent(observer->usage, observer->holder_pid, getpid(), now_us, &usage) < 0)
        return;
    windows_observe(observer->windows, METRIC_AGENT_CPU, WINDOW_NO_APP, usage.cpu_percent);
    windows_observe(observer->windows, METRIC_AGENT_MEMORY, WINDOW_NO_APP, usage.memory_bytes);
}

/* Part of the host's CPU, not on top of it. Windows have it only while it is there. */
static void sample_stress(struct observer *observer, uint64_t now_us)
{
    int pid = observer->owner.stress_pid(observer->owner.userdata);
    long n_cpus = pid > 0 ? sysconf(_SC_NPROCESSORS_ONLN) : 0;
    struct usage usage;

    observer->stress_percent = pid > 0 ? (double) NAN : 0;
    if (n_cpus <= 0 || usage_sampler_slot(observer->usage, STRESS_APP, 1, pid, now_us, &usage) < 0)
        return;
    observer->stress_percent = usage.cpu_percent / (double) n_cpus;
    windows_observe(observer->windows, METRIC_STRESS_LOAD, WINDOW_NO_APP,
                    observer->stress_percent); /* NAN, at first, is passed over */
}

static void sample_publishing(struct observer *observer)
{
    struct publish_view view;

    sink_view(observer->sink, &view);
    if (view.sink == CONFIG_SINK_CLOUDWATCH)
        windows_observe(observer->windows, METRIC_SPOOL_BYTES, WINDOW_NO_APP,
                        (double) view.queued_bytes);
}

static void sample_history(struct observer *observer, const struct host_sample *host,
                           uint64_t now_us)
{
    struct tally total = {.bytes_sent = 0};
    bool fed = false;

    history_observe(observer->history, HISTORY_CPU, host->value[METRIC_CPU_UTILIZATION]);
    history_observe(observer->history, HISTORY_STRESS, observer->stress_percent);
    history_observe(observer->history, HISTORY_MEMORY, host->value[METRIC_MEMORY_UTILIZATION]);
    if (!history_due(observer->history, now_us))
        return;
    for (unsigned app = 0; app < APPS_MAX; app++) {
        const struct tally *one = accounting_total(observer->accounting, app);

        if (!one)
            continue;
        fed = true;
        tally_add(&total, one);
    }
    history_close(observer->history, now_us, fed ? &total : NULL);
}

static void sample(struct observer *observer, uint64_t now_us)
{
    struct host_sample host;

    host_sampler_sample(observer->host, now_us, &host);
    windows_observe_host(observer->windows, &host);
    for (unsigned app = 0; app < APPS_MAX; app++)
        if (ledger_app_name(observer->ledger, app)[0] != '\0')
            sample_workers(observer, app, now_us);
    sample_agent(observer, now_us);
    sample_stress(observer, now_us);
    sample_publishing(observer);
    usage_sampler_forget(observer->usage, now_us);
    accounting_sample(observer->accounting, now_us);
    if (observer->follows_history)
        sample_history(observer, &host, now_us);
}

void observer_follow_history(struct observer *observer)
{
    observer->follows_history = true;
}

const struct history *observer_history(const struct observer *observer)
{
    return observer->history;
}

/* --- windows ------------------------------------------------------------------------------------
 */

static double mean_cpu_percent(const struct window *window)
{
    const struct window_series *cpu = &window->host[METRIC_CPU_UTILIZATION];

    return cpu->count > 0 ? cpu->sum / (double) cpu->count : (double) NAN;
}

/* --- StatsD -------------------------------------------------------------------------------------
 */

static void view_statsd(const struct observer *observer, struct statsd_totals *ret)
{
    struct statsd_listener_counts listener;
    struct statsd_counts counts;

    *ret = (struct statsd_totals){.listens = observer->statsd};
    if (!observer->statsd)
        return;
    statsd_counts(observer->statsd, &counts);
    statsd_listener_counts(observer->statsd_listener, &listener);
    ret->datagrams = listener.datagrams;
    ret->lines = counts.lines;
    ret->bad_lines = counts.bad_lines;
    ret->over_series_max = counts.over_series_max;
    ret->dropped = listener.dropped + observer->statsd_unprinted;
    ret->series = counts.series;
    ret->series_max = observer->config->statsd_series_max;
    text_copy(ret->last_bad_line, sizeof(ret->last_bad_line), counts.last_bad_line);
}

static void count_statsd(struct observer *observer)
{
    struct statsd_totals totals;
    uint64_t dropped;

    view_statsd(observer, &totals);
    if (!totals.listens)
        return;
    dropped = totals.bad_lines + totals.over_series_max + totals.dropped;
    windows_count(observer->windows, METRIC_STATSD_DROPPED, WINDOW_NO_APP,
                  (double) (dropped - MIN(observer->statsd_dropped_counted, dropped)));
    observer->statsd_dropped_counted = dropped;
}

/* All series go into the one record; there is no second one. */
struct one_record {
    struct buffer *record;
};

static struct buffer *next_record(void *userdata)
{
    return TAKE(((struct one_record *) userdata)->record);
}

static void print_statsd(struct observer *observer, const struct window *window)
{
    struct one_record one = {&observer->record};
    uint64_t dropped = 0;

    if (!observer->statsd)
        return;
    statsd_close(observer->statsd, window->start_realtime_us, window->length_us, next_record, &one,
                 &dropped);
    observer->statsd_unprinted += dropped;
    if (dropped > 0)
        log_error("%" PRIu64 " StatsD series found no room in a window and are lost", dropped);
}

int observer_listen_statsd(struct observer *observer, int fd)
{
    const struct config *config = observer->config;
    int r = 0;

    if (!observer->statsd)
        r = statsd_new(&observer->statsd, (const char *const *) config->statsd_dimensions,
                       config->statsd_series_max);
    if (r >= 0 && !observer->statsd_listener)
        r = statsd_listener_new(&observer->statsd_listener, observer->event, observer->statsd);
    return r < 0 ? r : statsd_listener_add(observer->statsd_listener, fd);
}

const struct statsd *observer_statsd(const struct observer *observer)
{
    return observer->statsd;
}

/* --- closing ------------------------------------------------------------------------------------
 */

/* The window as text, kept until the next. */
static int print_window(struct observer *observer, const struct window *window)
{
    const char *names[APPS_MAX];

    for (unsigned app = 0; app < APPS_MAX; app++) {
        const char *name = ledger_app_name(observer->ledger, app);
        names[app] = name[0] ? name : NULL;
    }
    buffer_clear(&observer->record);
    return record_append_window(&observer->record, window, names);
}

static void close_window(struct observer *observer)
{
    const struct supervisor *supervisor = observer->owner.supervisor(observer->owner.userdata);
    uint64_t restarts[APPS_MAX] = {0};
    const struct window *window;
    struct sink_window out;

    for (unsigned app = 0; app < APPS_MAX; app++)
        for (unsigned slot = 1; ledger_app_name(observer->ledger, app)[0] && slot <= APP_SLOTS_MAX;
             slot++)
            restarts[app] += supervisor_slot(supervisor, app, slot)->restarts;
    accounting_close(observer->accounting, observer->windows, restarts);
    count_statsd(observer);

    window = windows_close(observer->windows, clock_monotonic_us(), clock_realtime_us());
    if (print_window(observer, window) < 0)
        log_error("no memory for all of a window: the rest of it is lost");
    print_statsd(observer, window);
    out = (struct sink_window){
        .text = observer->record.data,
        .length = observer->record.length,
        .start_realtime_us = window->start_realtime_us,
        .cpu_percent = mean_cpu_percent(window),
    };
    sink_write(observer->sink, &out);
}

/* --- the tick -----------------------------------------------------------------------------------
 */

static void arm(struct observer *observer, uint64_t now_us)
{
    uint64_t realtime_us = clock_realtime_us(), end_us = windows_end_realtime_us(observer->windows);
    uint64_t to_end_us = end_us > realtime_us ? end_us - realtime_us : 0;

    /* On the grid, not after the work: a slow tick must not shift all later ones. */
    observer->next_us =
        MAX(observer->next_us + observer->sample_us, now_us + observer->sample_us / 2);
    /* The last sample of a window is taken at its very end. */
    if (now_us + to_end_us < observer->next_us + observer->sample_us / 2)
        observer->next_us = now_us + MAX(to_end_us, USEC_PER_MSEC);
    (void) sd_event_source_set_time(observer->timer, observer->next_us);
    (void) sd_event_source_set_enabled(observer->timer, SD_EVENT_ONESHOT);
}

static int observer_on_tick(sd_event_source *source, uint64_t usec, void *userdata)
{
    struct observer *observer = userdata;
    uint64_t now_us = clock_monotonic_us();

    switch (windows_due(observer->windows, now_us, clock_realtime_us())) {
    case WINDOW_RUNNING:
        sample(observer, now_us);
        break;
    case WINDOW_DUE:
        sample(observer, now_us);
        close_window(observer);
        break;
    case WINDOW_OVERDUE:
        close_window(observer);
        sample(observer, now_us);
        break;
    }
    arm(observer, clock_monotonic_us());
    observer->owner.on_tick(observer->owner.userdata);
    return 0;
}

/* --- life cycle ---------------------------------------------------------------------------------
 */

int observer_new(struct observer **ret, sd_event *event, const struct config *config,
                 const char *instance_id, struct ledger *ledger, struct accounting *accounting,
                 int holder_pid, const struct observer_owner *owner)
{
    CLEANUP(observer_freep) struct observer *observer = calloc(1, sizeof(*observer));
    char cgroup[PATH_MAX];
    int r;

    if (!observer)
        return -ENOMEM;
    observer->event = event;
    observer->config = config;
    observer->ledger = ledger;
    observer->accounting = accounting;
    observer->holder_pid = holder_pid;
    observer->stress_percent = (double) NAN;
    observer->owner = *owner;
    observer->sample_us = config->sample_ms * USEC_PER_MSEC;
    buffer_init(&observer->record, RECORD_WINDOW_LIMIT);
    r = sink_new(&observer->sink, event, config, instance_id, ledger, accounting);
    if (r < 0)
        return r;
    r = host_sampler_new(&observer->host, "/proc", config->disk_path);
    if (r < 0)
        return r;
    r = usage_sampler_new(&observer->usage, "/proc", cgroup_find(cgroup) ? cgroup : NULL);
    if (r >= 0)
        r = history_new(&observer->history);
    if (r < 0)
        return r;
    r = windows_new(&observer->windows, config->window_s,
                    ledger_accounts(ledger)->window_start_realtime_us, clock_monotonic_us(),
                    clock_realtime_us());
    if (r < 0)
        return r;
    observer->next_us = clock_monotonic_us();
    r = sd_event_add_time(event, &observer->timer, CLOCK_MONOTONIC, 0, USEC_PER_MSEC,
                          observer_on_tick, observer);
    if (r < 0)
        return r;
    (void) sd_event_source_set_description(observer->timer, "sample");
    *ret = TAKE(observer);
    return 0;
}

struct observer *observer_free(struct observer *observer)
{
    if (!observer)
        return NULL;
    sd_event_source_disable_unref(observer->timer);
    statsd_listener_free(observer->statsd_listener);
    statsd_free(observer->statsd);
    sink_free(observer->sink);
    buffer_done(&observer->record);
    windows_free(observer->windows);
    history_free(observer->history);
    usage_sampler_free(observer->usage);
    host_sampler_free(observer->host);
    for (unsigned app = 0; app < APPS_MAX; app++)
        free(observer->views[app]);
    free(observer);
    return NULL;
}

int observer_configure(struct observer *observer, const struct config *config)
{
    CLEANUP(host_sampler_freep) struct host_sampler *host = NULL;
    CLEANUP(windows_freep) struct windows *windows = NULL;
    int r;

    r = host_sampler_new(&host, "/proc", config->disk_path);
    if (r < 0)
        return r;
    close_window(observer);
    r = windows_new(&windows, config->window_s,
                    ledger_accounts(observer->ledger)->window_start_realtime_us,
                    clock_monotonic_us(), clock_realtime_us());
    if (r < 0)
        return r;
    r = observer->statsd
            ? statsd_configure(observer->statsd, (const char *const *) config->statsd_dimensions,
                               config->statsd_series_max)
            : 0;
    if (r >= 0)
        r = sink_configure(observer->sink, config);
    if (r < 0)
        return r;
    observer->config = config; /* not before: the caller frees it if we fail */
    windows_free(observer->windows);
    observer->windows = TAKE(windows);
    host_sampler_free(observer->host);
    observer->host = TAKE(host);
    observer->sample_us = config->sample_ms * USEC_PER_MSEC;
    return 0;
}

void observer_finish(struct observer *observer, void (*done)(void *userdata), void *userdata)
{
    (void) sd_event_source_set_enabled(observer->timer, SD_EVENT_OFF);
    if (observer->statsd_listener)
        statsd_listener_drain(observer->statsd_listener);
    sample(observer, clock_monotonic_us());
    close_window(observer);
    sink_finish(observer->sink, done, userdata);
}

const char *observer_instance_id(const struct observer *observer)
{
    return sink_instance_id(observer->sink);
}

int observer_print_bodies(const struct observer *observer, struct buffer *out)
{
    if (observer->record.length == 0)
        return -EAGAIN;
    return sink_print_bodies(observer->sink, observer->record.data, observer->record.length, out);
}

/* --- views --------------------------------------------------------------------------------------
 */

static void view_app(const struct observer *observer, struct app_view *view, unsigned app)
{
    const struct tally *total = accounting_total(observer->accounting, app);

    view->fed = view->fed && total;
    if (view->fed)
        view->total = *total;
    view->requests_per_s = accounting_rate_per_s(observer->accounting, app);
    view->p50_ms = accounting_quantile_ms(observer->accounting, app, 500);
    view->p99_ms = accounting_quantile_ms(observer->accounting, app, 990);
    for (size_t i = 0; i < view->n_workers; i++) {
        struct worker_view *worker = &view->workers[i];
        const struct process_view *process =
            observer->views[app] ? &observer->views[app][worker->slot - 1] : NULL;

        worker->in_flight = accounting_in_flight(observer->accounting, app, worker->slot);
        worker->requests = accounting_requests(observer->accounting, app, worker->slot);
        worker->cpu_percent = (double) NAN;
        worker->memory_bytes = worker->pid ? (double) NAN : 0;
        if (process && process->pid == worker->pid && worker->pid) {
            worker->cpu_percent = process->usage.cpu_percent;
            worker->memory_bytes = process->usage.memory_bytes;
        }
    }
}

double observer_stress_percent(const struct observer *observer)
{
    return observer->stress_percent;
}

void observer_view(const struct observer *observer, struct snapshot *snapshot)
{
    for (int metric = 0; metric < METRIC_COUNT_; metric++)
        if (metric_info(metric)->scope != METRIC_APP)
            windows_view(observer->windows, metric, WINDOW_NO_APP, &snapshot->host[metric]);
    snapshot->host[METRIC_STRESS_LOAD].last = observer->stress_percent;
    snapshot->host[METRIC_STRESS_LOAD].present = isfinite(observer->stress_percent);
    for (size_t i = 0; i < snapshot->n_apps; i++) {
        unsigned app = snapshot->apps[i].index;

        for (int metric = 0; metric < METRIC_COUNT_; metric++)
            if (metric_info(metric)->scope == METRIC_APP)
                windows_view(observer->windows, metric, (int) app,
                             &snapshot->app_series[i][metric]);
        view_app(observer, &snapshot->apps[i], app);
    }
    sink_view(observer->sink, &snapshot->publish);
    view_statsd(observer, &snapshot->statsd);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* See the header. Every count and length is bounded here, whatever the answer claims. */
#include "ctl/top-model.h"

#include "common/base/clock.h"
#include "common/base/text.h"
#include "ctl/fields.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

void top_model_init(struct top_model *model)
{
    memset(model, 0, sizeof(*model));
    model->cpu_percent = model->memory_percent = model->steal_percent = (double) NAN;
    model->pressure_cpu = model->pressure_memory = model->pressure_io = (double) NAN;
    model->requests_per_second = model->p50_ms = model->p99_ms = (double) NAN;
    model->stress.share_percent = model->stress.load_percent = (double) NAN;
    model->publish.age_s = -1;
    model->last_event_id = -1;
}

static uint64_t amount(const struct json_object *object, const char *key)
{
    int64_t value = field_int(object, key, 0);

    return value > 0 ? (uint64_t) value : 0;
}

#define COPY(target, object, key) text_copy(target, sizeof(target), field_text(object, key, ""))

/* --- Status ---------------------------------------------------------------------------------- */

static void take_worker(struct top_worker *worker, const struct json_object *object)
{
    *worker = (struct top_worker){
        .slot = (unsigned) MIN(amount(object, "slot"), UINT64_C(9999)),
        .pid = field_int(object, "pid", 0),
        .uptime_s = amount(object, "uptime_s"),
        .restarts = amount(object, "restarts"),
        .in_flight = amount(object, "in_flight"),
        .requests = amount(object, "requests"),
        .memory_bytes = field_double(object, "memory_bytes"),
        .cpu_percent = field_double(object, "cpu_percent"),
    };
    COPY(worker->state, object, "state");
    COPY(worker->last_exit, object, "last_exit");
    COPY(worker->status, object, "status");
}

static void take_trouble(struct top_app *app, const struct json_object *object)
{
    const char *probe = field_text(object, "probe_failure", "");
    const char *roll = field_text(object, "roll_failed", "");

    if (*probe)
        snprintf(app->trouble, sizeof(app->trouble), "probe fails: %.140s", probe);
    else if (*roll)
        snprintf(app->trouble, sizeof(app->trouble), "not replaced: %.140s", roll);
}

static void take_app(struct top_model *model, const struct json_object *object)
{
    const struct json_object *latency = field_object(object, "latency_ms");
    struct top_app *app = &model->apps[model->n_apps++];

    *app = (struct top_app){
        .wanted = amount(object, "wanted"),
        .ready = amount(object, "ready"),
        .restarts = amount(object, "restarts"),
        .crash_loop = field_bool(object, "crash_loop"),
        .rolling = field_bool(object, "rolling"),
        .scaled = field_bool(object, "scaled"),
        .requests_per_second = field_double(object, "requests_per_second"),
        .p50_ms = field_double(latency, "p50"),
        .p99_ms = field_double(latency, "p99"),
        .errors_5xx = amount(field_object(object, "requests"), "5xx"),
        .first_worker = model->n_workers,
    };
    COPY(app->name, object, "name");
    take_trouble(app, object);
    for (size_t i = 0; i < field_items(object, "workers"); i++) {
        if (model->n_workers == TOP_WORKERS_MAX) {
            model->n_left_out++;
            continue;
        }
        take_worker(&model->workers[model->n_workers++], field_item(object, "workers", i));
        app->n_workers++;
    }
}

/* Sums and worst values over the apps that have some. */
static void sum_up_apps(struct top_model *model)
{
    model->requests_per_second = model->p50_ms = model->p99_ms = (double) NAN;
    for (size_t i = 0; i < model->n_apps; i++) {
        const struct top_app *app = &model->apps[i];

        if (isfinite(app->requests_per_second))
            model->requests_per_second =
                app->requests_per_second +
                (isnan(model->requests_per_second) ? 0 : model->requests_per_second);
        model->p50_ms = fmax(model->p50_ms, app->p50_ms); /* passes over NAN */
        model->p99_ms = fmax(model->p99_ms, app->p99_ms);
    }
}

static void take_stress(struct top_stress *stress, const struct json_object *object)
{
    *stress = (struct top_stress){
        .known = object,
        .on = field_bool(object, "on"),
        .normal_priority = strcmp(field_text(object, "priority", ""), "normal") == 0,
        .load_percent = field_double(object, "load"),
        .share_percent = field_double(object, "share"),
        .seconds_left = field_double(object, "seconds_left"),
        .cores = amount(object, "cores"),
    };
    COPY(stress->last, object, "last");
}

/* "2026-11-21T22:25:16.123Z" -> seconds before |now_realtime_us|; -1 if it is none. */
static int64_t age_of(const char *time, uint64_t now_realtime_us)
{
    struct tm tm = {.tm_sec = 0};
    const char *end = strptime(time, "%Y-%m-%dT%H:%M:%S", &tm);
    int64_t age_s;

    if (!end || (*end != '.' && *end != 'Z'))
        return -1;
    age_s = (int64_t) (now_realtime_us / USEC_PER_SEC) - (int64_t) timegm(&tm);
    return MAX(age_s, (int64_t) 0);
}

static void take_publish(struct top_publish *publish, const struct json_object *object,
                         uint64_t now_realtime_us)
{
    const struct json_object *cloudwatch = field_object(object, "cloudwatch");
    const struct json_object *spool = field_object(cloudwatch, "spool");

    *publish = (struct top_publish){
        .age_s = age_of(field_text(object, "last_success", ""), now_realtime_us),
        .errors = amount(object, "errors"),
        .waiting = amount(spool, "windows"),
        .dropped = amount(cloudwatch, "dropped"),
        .has_spool = spool,
    };
    COPY(publish->sink, object, "sink");
    COPY(publish->trouble, object, "last_error");
    if (!publish->trouble[0])
        COPY(publish->trouble, cloudwatch, "waiting_for");
}

static void take_host(struct top_model *model, const struct json_object *host)
{
    model->cpu_percent = field_double(host, "cpu_percent");
    model->steal_percent = field_double(host, "steal_percent");
    model->memory_percent = field_double(host, "memory_percent");
    model->pressure_cpu = field_double(host, "pressure_cpu_percent");
    model->pressure_memory = field_double(host, "pressure_memory_percent");
    model->pressure_io = field_double(host, "pressure_io_percent");
}

void top_model_take_status(struct top_model *model, const struct json_object *status,
                           uint64_t now_realtime_us)
{
    model->link = TOP_LINK_UP;
    model->away[0] = '\0';
    model->status_realtime_us = now_realtime_us;
    COPY(model->version, status, "version");
    COPY(model->instance_id, status, "instance_id");
    COPY(model->state, status, "state");
    COPY(model->verdict, status, "status");
    COPY(model->reason, status, "reason");
    model->uptime_s = amount(status, "uptime_s");
    model->core_starts = amount(field_object(status, "core"), "starts");
    take_host(model, field_object(status, "host"));
    take_stress(&model->stress, field_object(status, "stress"));
    take_publish(&model->publish, field_object(status, "publish"), now_realtime_us);
    model->n_apps = model->n_workers = model->n_left_out = 0;
    for (size_t i = 0; i < MIN(field_items(status, "apps"), (size_t) APPS_MAX); i++)
        take_app(model, field_item(status, "apps", i));
    sum_up_apps(model);
}

/* --- Events ---------------------------------------------------------------------------------- */

static enum top_severity severity_of(const char *text)
{
    return strcmp(text, "error") == 0 ? TOP_ERROR : strcmp(text, "warning") == 0 ? TOP_WARN : 0;
}

static void take_event(struct top_model *model, const struct json_object *object)
{
    const char *time = field_text(object, "time", "");
    struct top_event *event;

    if (model->n_events == TOP_EVENTS_MAX) {
        memmove(model->events, model->events + 1, (TOP_EVENTS_MAX - 1) * sizeof(*event));
        model->n_events--;
    }
    event = &model->events[model->n_events++];
    *event = (struct top_event){
        .id = field_int(object, "id", 0),
        .severity = severity_of(field_text(object, "severity", "")),
        .slot = (unsigned) MIN(amount(object, "slot"), UINT64_C(9999)),
    };
    if (strlen(time) >= 20 && time[10] == 'T')
        snprintf(event->time, sizeof(event->time), "%.8s", time + 11);
    COPY(event->name, object, "event");
    COPY(event->app, object, "app");
    COPY(event->text, object, "text");
}

void top_model_take_events(struct top_model *model, const struct json_object *events)
{
    int64_t last_id = MAX(field_int(events, "last_id", 0), (int64_t) 0);
    int64_t known_id = last_id < model->last_event_id ? -1 : model->last_event_id;

    if (known_id < 0)
        model->n_events = 0;
    for (size_t i = 0; i < field_items(events, "events"); i++) {
        const struct json_object *event = field_item(events, "events", i);

        if (field_int(event, "id", 0) > known_id)
            take_event(model, event);
    }
    model->last_event_id = last_id;
}

/* --- History --------------------------------------------------------------------------------- */

static double number_at(const struct json_object *array, size_t index)
{
    struct json_object *value = json_object_array_get_idx(array, index);
    bool number =
        json_object_is_type(value, json_type_int) || json_object_is_type(value, json_type_double);
    double result = number ? json_object_get_double(value) : (double) NAN;

    return result >= 0 ? result : (double) NAN;
}

void top_model_take_history(struct top_model *model, const struct json_object *history)
{
    static const char *const names[TOP_SERIES_] = {
        [TOP_CPU] = "cpu",
        [TOP_STRESS] = "stress",
        [TOP_REQUESTS] = "requests_per_second",
        [TOP_ERRORS] = "errors_per_second",
        [TOP_P99] = "p99_ms",
    };
    const struct json_object *series = field_object(history, "series");
    struct top_history *target = &model->history;
    double interval_s = field_double(history, "interval_seconds");

    target->n_points = (size_t) MIN(amount(history, "points"), (uint64_t) TOP_POINTS_MAX);
    target->number =
        (uint64_t) MAX(field_int(history, "number", (int64_t) target->n_points), (int64_t) 0);
    target->interval_s = interval_s > 0 && interval_s <= 3600 ? interval_s : 5;
    for (int i = 0; i < TOP_SERIES_; i++) {
        size_t length = field_items(series, names[i]);
        struct json_object *array = NULL;

        if (series)
            (void) json_get_array(series, names[i], &array);
        /* The newest points, where there are more or fewer of them than it says. */
        for (size_t point = 0; point < target->n_points; point++) {
            size_t behind = target->n_points - point;

            target->values[i][point] =
                array && behind <= length ? number_at(array, length - behind) : (double) NAN;
        }
    }
}

void top_model_lose(struct top_model *model, const char *why)
{
    if (model->link != TOP_LINK_NEW)
        model->link = TOP_LINK_AWAY;
    model->last_event_id = -1; /* who comes back may count from 1 again */
    text_copy(model->away, sizeof(model->away), why);
}

double top_model_errors_per_second(const struct top_model *model)
{
    const struct top_history *history = &model->history;

    return history->n_points > 0 ? history->values[TOP_ERRORS][history->n_points - 1]
                                 : (double) NAN;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What agentctl top shows, as plain values: taken from the answers to /v1/status, /v1/events and
 * /v1/history. Pure. What an answer doesn't have (an older daemon) or has wrongly is "not known",
 * as a NAN, 0 or "". Texts are bounded but as they came: the grid cleans them.
 */
#pragma once

#include "common/base/json.h"
#include "common/schema/contract.h"

#include <stdbool.h>

#define TOP_WORKERS_MAX (APPS_MAX * APP_SLOTS_MAX)
#define TOP_EVENTS_MAX  128u
#define TOP_POINTS_MAX  240u
#define TOP_TEXT_MAX    160u

struct top_worker {
    unsigned slot;
    char state[16];
    int64_t pid;
    uint64_t uptime_s, restarts, in_flight, requests;
    double cpu_percent;  /* of one CPU */
    double memory_bytes; /* NAN: not known */
    char last_exit[TOP_TEXT_MAX], status[TOP_TEXT_MAX];
};

struct top_app {
    char name[APP_NAME_MAX + 1];
    uint64_t wanted, ready, restarts;
    bool crash_loop, rolling, scaled;
    double requests_per_second, p50_ms, p99_ms; /* NAN: no scoreboard, no requests */
    uint64_t errors_5xx;
    char trouble[TOP_TEXT_MAX]; /* of its probe or its last roll */
    size_t first_worker, n_workers;
};

struct top_stress {
    bool known; /* false: this agentd has no stress mode */
    bool on, normal_priority;
    double load_percent, share_percent, seconds_left;
    uint64_t cores; /* 0: all */
    char last[TOP_TEXT_MAX];
};

struct top_publish {
    char sink[16];
    int64_t age_s; /* of the last success; -1: never */
    uint64_t errors, waiting, dropped;
    bool has_spool;
    char trouble[TOP_TEXT_MAX]; /* the last error, or what it waits for */
};

enum top_severity { TOP_INFO, TOP_WARN, TOP_ERROR };

struct top_event {
    int64_t id;
    char time[12]; /* "22:25:16" */
    char name[32];
    enum top_severity severity;
    char app[APP_NAME_MAX + 1];
    unsigned slot;
    char text[256];
};

enum top_series { TOP_CPU, TOP_STRESS, TOP_REQUESTS, TOP_ERRORS, TOP_P99, TOP_SERIES_ };

struct top_history {
    size_t n_points;
    uint64_t number; /* of points ever made: says where the newest one lies */
    double interval_s;
    double values[TOP_SERIES_][TOP_POINTS_MAX]; /* the oldest first */
};

enum top_link { TOP_LINK_NEW, TOP_LINK_UP, TOP_LINK_AWAY };

struct top_model {
    enum top_link link;
    char away[TOP_TEXT_MAX];  /* why, while it is away */
    uint64_t now_realtime_us; /* the caller's clock */
    uint64_t status_realtime_us;

    char version[32], instance_id[64], state[16], verdict[16], reason[TOP_TEXT_MAX];
    uint64_t uptime_s, core_starts;
    double cpu_percent, memory_percent, steal_percent;
    double pressure_cpu, pressure_memory, pressure_io;
    double requests_per_second, p50_ms, p99_ms; /* of all apps; the worst of them */
    struct top_stress stress;
    struct top_publish publish;
    size_t n_apps, n_workers;
    size_t n_left_out; /* workers for which there is no room here */
    struct top_app apps[APPS_MAX];
    struct top_worker workers[TOP_WORKERS_MAX];

    int64_t last_event_id; /* -1: ask for all */
    size_t n_events;
    struct top_event events[TOP_EVENTS_MAX]; /* the newest last */

    struct top_history history;
};

/* Everything unknown. */
void top_model_init(struct top_model *model);

void top_model_take_status(struct top_model *model, const struct json_object *status,
                           uint64_t now_realtime_us);
/* Adds those after last_event_id. A daemon that counts anew (a smaller last_id) begins a new list.
 */
void top_model_take_events(struct top_model *model, const struct json_object *events);
void top_model_take_history(struct top_model *model, const struct json_object *history);

/* The daemon was lost. What is known stays, but events must be asked for anew. */
void top_model_lose(struct top_model *model, const char *why);

/* The newest known 5xx a second; NAN. */
double top_model_errors_per_second(const struct top_model *model);

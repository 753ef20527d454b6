/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The snapshot: how the node is, as one plain value, made once a tick by the root object and handed
 * const to all that show something (/health, status, metrics, top). Data flows through it one way;
 * who reads it changes nothing.
 */
#pragma once

#include "common/base/scoreboard.h"
#include "common/schema/config.h"
#include "common/schema/metrics.h"

enum worker_state { /* as the supervisor sees a slot */
                    WORKER_STOPPED,
                    WORKER_STARTING,
                    WORKER_READY,
                    WORKER_DRAINING,
                    WORKER_BACKOFF,
                    WORKER_STATES_,
};
const char *worker_state_to_string(enum worker_state state);

enum node_state { /* why /health says what it says */
                  NODE_STARTING,
                  NODE_SERVING,
                  NODE_DRAINED,  /* taken out by hand; still serves */
                  NODE_DRAINING, /* asked to leave; still serves */
                  NODE_STATES_,
};
const char *node_state_to_string(enum node_state state);

struct worker_view {
    unsigned slot;
    enum worker_state state;
    int pid;           /* 0: none */
    uint64_t since_us; /* monotonic, of this state */
    uint64_t started_at_us;
    unsigned restarts; /* of this slot since the unit's start */
    unsigned generation;
    uint32_t in_flight;
    double cpu_percent;  /* of one CPU; NAN until two samples */
    double memory_bytes; /* anonymous and shared; NAN: not known, 0: no process */
    uint64_t requests;
    char last_exit[80]; /* "" or "killed by SIGKILL after 12 s" */
    char status[80];    /* the worker's own STATUS= */
};

struct app_view {
    char name[APP_NAME_MAX + 1];
    unsigned index;      /* the ledger's */
    unsigned wanted;     /* by hand or as configured */
    unsigned configured; /* wanted by the configuration */
    unsigned ready;
    unsigned generation; /* of what is started now */
    unsigned outdated;   /* ready workers of older ones */
    bool rolling, roll_queued;
    char roll_failed[160];  /* "" or why the last restart or reload was given up */
    unsigned drain_kills;   /* drains that ended with SIGKILL */
    bool crash_loop;        /* a slot died 5 times in 60 s */
    bool fed;               /* has scoreboards, so request numbers mean something */
    char probe_failure[64]; /* of its own probe: "status 503"; "": none */
    uint64_t restarts;
    struct tally total;    /* since the unit's start, all workers ever */
    double requests_per_s; /* over the last 10 s or so */
    double p50_ms, p99_ms; /* of the last full window; NAN without requests */
    size_t n_workers;
    struct worker_view workers[APP_SLOTS_MAX];
};

struct sample_view { /* the newest sample and the last full window of one series */
    bool present;
    double last;
    bool window_present;
    double window_minimum, window_maximum, window_sum;
    uint64_t window_count;
};

#define PUBLISH_CODES_MAX 8u /* different errors that are told apart; then "other" */

struct publish_error_view {
    char code[40]; /* "Throttling", "TimedOut" */
    uint64_t count;
};

struct publish_view {
    enum config_sink sink;
    uint64_t windows_written, errors, ambiguous, dropped; /* since the unit's start */
    uint64_t last_success_realtime_us;                    /* 0: never */
    char target[CONFIG_STRING_MAX + 1];
    char last_error[160]; /* "" after a success */
    /* The sink "cloudwatch" alone, from here on. */
    char waiting_for[200]; /* why nothing is sent yet; "": it is */
    char region[CONFIG_REGION_MAX + 1];
    char asg_name[CONFIG_STRING_MAX + 1];
    char instance_type[32]; /* "t3.micro"; "": IMDS doesn't tell */
    char credentials[40];   /* where they come from; "" none yet */
    char spool[CONFIG_STRING_MAX + 1];
    uint64_t queued, queued_bytes; /* windows, and bytes in the spool */
    bool spool_in_memory;          /* the disk refuses it */
    unsigned calls_last_hour;
    uint64_t next_us; /* monotonic, when the next request is due; 0: not before a window closes */
    size_t n_codes;
    struct publish_error_view codes[PUBLISH_CODES_MAX + 1];
};

struct stress_view {
    bool on;                      /* the rest but the last two means nothing without it */
    bool running;                 /* by this order: a changed one takes a moment */
    unsigned load_percent, cores; /* 0: all */
    bool normal_priority;
    int pid;      /* 0: it is being started */
    unsigned uid; /* whose order it is */
    uint64_t ends_at_us;
    double share_percent; /* of all CPUs' time, in the last sample; NAN: not known yet; 0: off */
    char last[160];       /* how the last one ended; "": there was none */
};

struct statsd_totals { /* since this core's start */
    bool listens;      /* false: there is no socket, the rest means nothing */
    uint64_t datagrams, lines;
    uint64_t bad_lines, over_series_max;
    uint64_t dropped; /* by the kernel, or for want of room in a window */
    size_t series, series_max;
    char last_bad_line[80];
};

struct snapshot {
    uint64_t taken_at_us; /* monotonic */
    uint64_t taken_realtime_us;
    char instance_id[CONFIG_STRING_MAX + 1];
    enum node_state node;
    uint64_t drained_at_us; /* by hand; 0: it is not */
    int holder_pid, core_pid;
    unsigned core_starts; /* cores before this one */
    uint64_t unit_started_at_us;
    uint64_t core_started_at_us;
    struct sample_view host[METRIC_COUNT_];                 /* host and agent metrics */
    struct sample_view app_series[APPS_MAX][METRIC_COUNT_]; /* app metrics */
    struct publish_view publish;
    struct statsd_totals statsd;
    struct stress_view stress;
    size_t n_apps;
    struct app_view apps[APPS_MAX];
};

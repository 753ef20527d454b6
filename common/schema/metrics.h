/* SPDX-License-Identifier: Apache-2.0 */
/* Every metric that agentd publishes, declared once: name, unit, scope, how a window sums it up,
 * help. References and dashboards are made from this table. */
#pragma once

#include <stddef.h>

enum metric_scope {
    METRIC_HOST,  /* one series a node */
    METRIC_APP,   /* one an app, with dimension App */
    METRIC_AGENT, /* about agentd itself */
};

enum metric_kind {
    METRIC_GAUGE,        /* sampled; a window has SampleCount, Sum, Minimum, Maximum */
    METRIC_COUNT,        /* how many in the window; SampleCount 1, Sum = Minimum = Maximum */
    METRIC_DISTRIBUTION, /* Values and Counts from a histogram */
};

/* METRIC(identifier, name, scope, kind, CloudWatch unit, help) */
#define METRICS(METRIC)                                                                            \
    METRIC(CPU_UTILIZATION, "CPUUtilization", HOST, GAUGE, "Percent",                              \
           "Busy time of all CPUs (user, nice, system, irq, softirq). Steal and iowait are not "   \
           "busy.")                                                                                \
    METRIC(CPU_STEAL, "CPUSteal", HOST, GAUGE, "Percent",                                          \
           "Time that the hypervisor gave to others. On burstable instances: a spent CPU credit "  \
           "balance.")                                                                             \
    METRIC(MEMORY_UTILIZATION, "MemoryUtilization", HOST, GAUGE, "Percent",                        \
           "1 - MemAvailable/MemTotal.")                                                           \
    METRIC(SWAP_UTILIZATION, "SwapUtilization", HOST, GAUGE, "Percent",                            \
           "Swap in use; 0 without swap.")                                                         \
    METRIC(DISK_UTILIZATION, "DiskUtilization", HOST, GAUGE, "Percent",                            \
           "Space in use on observe.disk_path's file system, as df counts it.")                    \
    METRIC(NETWORK_IN, "NetworkIn", HOST, COUNT, "Bytes", "Received on all interfaces but lo.")    \
    METRIC(NETWORK_OUT, "NetworkOut", HOST, COUNT, "Bytes", "Sent on all interfaces but lo.")      \
    METRIC(                                                                                        \
        PRESSURE_CPU, "PressureCPU", HOST, GAUGE, "Percent",                                       \
        "Share of time in which some task waited for a CPU. Absent where the kernel has no PSI.")  \
    METRIC(PRESSURE_MEMORY, "PressureMemory", HOST, GAUGE, "Percent",                              \
           "Some task waited for memory.")                                                         \
    METRIC(PRESSURE_IO, "PressureIO", HOST, GAUGE, "Percent",                                      \
           "Some task waited for input or output.")                                                \
    METRIC(REQUEST_COUNT, "RequestCount", APP, COUNT, "Count",                                     \
           "Requests answered by the app's workers.")                                              \
    METRIC(REQUEST_LATENCY, "RequestLatency", APP, DISTRIBUTION, "Milliseconds",                   \
           "From a request's head being read to its answer being handed over.")                    \
    METRIC(ERRORS_4XX, "Errors4xx", APP, COUNT, "Count", "Answers with status 400 to 499.")        \
    METRIC(ERRORS_5XX, "Errors5xx", APP, COUNT, "Count", "Answers with status 500 to 599.")        \
    METRIC(IN_FLIGHT, "InFlight", APP, GAUGE, "Count", "Requests that are being answered.")        \
    METRIC(WORKERS_READY, "WorkersReady", APP, GAUGE, "Count", "Workers that serve.")              \
    METRIC(WORKER_RESTARTS, "WorkerRestarts", APP, COUNT, "Count",                                 \
           "Workers started again after a death.")                                                 \
    METRIC(                                                                                        \
        APP_CPU, "AppCPU", APP, GAUGE, "Percent",                                                  \
        "CPU of all the app's workers, of one CPU. Under systemd, by their control groups, with "  \
        "what they have started; else of their main processes.")                                   \
    METRIC(                                                                                        \
        APP_MEMORY, "AppMemory", APP, GAUGE, "Bytes",                                              \
        "Anonymous and shared memory of all the app's workers, as AppCPU. Absent where it can't "  \
        "be read.")                                                                                \
    METRIC(AGENT_MEMORY, "AgentMemory", AGENT, GAUGE, "Bytes",                                     \
           "Anonymous and shared memory of holder and core, by their control group or as the sum " \
           "of both processes. Absent where it can't be read.")                                    \
    METRIC(AGENT_CPU, "AgentCPU", AGENT, GAUGE, "Percent",                                         \
           "CPU of holder and core, of one CPU, as AgentMemory.")                                  \
    METRIC(PUBLISH_ERRORS, "PublishErrors", AGENT, COUNT, "Count",                                 \
           "Attempts to write or send windows that failed. What failed waits and is tried again.") \
    METRIC(PUBLISH_AMBIGUOUS, "PublishAmbiguous", AGENT, COUNT, "Count",                           \
           "Sendings of windows that CloudWatch may have already, because an earlier sending got " \
           "no answer: they may count twice.")                                                     \
    METRIC(PUBLISH_DROPPED, "PublishDropped", AGENT, COUNT, "Count",                               \
           "Windows that were given up: older than two weeks, or over the spool's limit.")         \
    METRIC(SPOOL_BYTES, "SpoolBytes", AGENT, GAUGE, "Bytes",                                       \
           "What waits to be sent, on disk or in memory.")                                         \
    METRIC(STRESS_LOAD, "StressLoad", AGENT, GAUGE, "Percent",                                     \
           "Share of CPUUtilization that agentctl stress makes. Not sent while stress is off.")    \
    METRIC(STATSD_DROPPED, "StatsdDropped", AGENT, COUNT, "Count",                                 \
           "StatsD lines that were no StatsD, or whose series found no place; and datagrams that " \
           "were cut or that the kernel had no room for.")

#define METRIC_ENUM_(identifier, name, scope, kind, unit, help) METRIC_##identifier,
enum metric { METRICS(METRIC_ENUM_) METRIC_COUNT_ };
#undef METRIC_ENUM_

struct metric_info {
    const char *name;
    enum metric_scope scope;
    enum metric_kind kind;
    const char *unit; /* CloudWatch's word */
    const char *help;
};

/* Never NULL for a valid metric. */
const struct metric_info *metric_info(enum metric metric);

/* SPDX-License-Identifier: Apache-2.0 */
/* What agentd and its app workers agree on: names of variables and descriptors, limits, exit codes
 * of the command line. */
#pragma once

#define APP_NAME_MAX                                                                               \
    31 /* bytes, [a-z0-9][a-z0-9-]* : it is part of file, cgroup and journal names */
#define APPS_MAX          16
#define WORKERS_MAX       64 /* wanted workers an app */
#define APP_SLOTS_MAX     96 /* worker slots an app: wanted ones, and spares for rolls */
#define APP_LISTENERS_MAX 4

/* Besides sd_listen_fds(3)'s LISTEN_FDS, LISTEN_PID, LISTEN_FDNAMES and sd_notify(3)'s
 * NOTIFY_SOCKET: */
/* descriptor of this worker's scoreboard (common/base/scoreboard.h) */
#define ENV_SCOREBOARD "AGENTD_SCOREBOARD"
/* descriptor of the app's accept gate (common/base/accept-gate.h) */
#define ENV_GATE     "AGENTD_GATE"
#define ENV_APP      "AGENTD_APP"           /* the app's name */
#define ENV_SLOT     "AGENTD_SLOT"          /* this worker's slot, from 1 */
#define ENV_INSTANCE "AGENTD_INSTANCE_ID"   /* what to show as the node's name */
#define ENV_DRAIN_S  "AGENTD_DRAIN_SECONDS" /* after SIGTERM: time for requests in flight */
#define ENV_IDLE_S   "AGENTD_IDLE_SECONDS" /* after SIGTERM: time for idle kept-alive connections */
/* Where StatsD's first UDP socket is, in the names that client libraries read. Only if there is
 * one, and if the app's own environment doesn't say otherwise. */
#define ENV_STATSD_HOST "STATSD_HOST"
#define ENV_STATSD_PORT "STATSD_PORT"

/* Descriptor of a running agentd's state, for a new one and for its check
 * (agent/hold/handover.h). */
#define ENV_HANDOVER "AGENTD_HANDOVER"

/* Names in LISTEN_FDNAMES. */
#define FDNAME_WEB   "web"   /* an app's listener, shared by its workers */
#define FDNAME_PROBE "probe" /* one worker's own unix listener */
/* Where that is bound: runtime directory, app, slot. The longest one fits a socket's address. */
#define PROBE_DIRECTORY   "%s/probe"
#define PROBE_PATH_FORMAT PROBE_DIRECTORY "/%s.%u"

/* Names of what the core inherits from the holder, in its LISTEN_FDNAMES. */
#define FDNAME_LINK       "link"   /* seqpacket to the holder (agent/hold/messages.h) */
#define FDNAME_NOTIFY     "notify" /* the workers' notify socket */
#define FDNAME_LEDGER     "ledger" /* the core's notes (agent/core/ledger.h) */
#define FDNAME_CONFIG     "config" /* the config image in force (common/schema/config-image.h) */
#define FDNAME_HEALTH     "health"
#define FDNAME_CONTROL    "control"
#define FDNAME_STATSD     "statsd"     /* datagram sockets; none, one or several */
#define FDNAME_PROMETHEUS "prometheus" /* where it is configured */

/* agentctl's exit codes. agentd itself: 0, 1 failed, 2 bad usage or configuration. */
enum exit_code {
    EXIT_CODE_OK = 0,
    EXIT_CODE_FAILED = 1,
    EXIT_CODE_USAGE = 2,
    EXIT_CODE_NOT_HEALTHY = 3,
    EXIT_CODE_UNREACHABLE = 4,
    EXIT_CODE_NOT_PERMITTED = 5,
    EXIT_CODE_TIMED_OUT = 6,
    EXIT_CODE_REFUSED = 7,
};

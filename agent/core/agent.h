/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The core's root object: everything hangs from it. It wires the modules, which don't know each
 * other: what they observe flows through it into one snapshot, and commands flow through it back to
 * the supervisor.
 */
#pragma once

#include "common/base/macro.h"
#include "common/schema/config.h" /* STATSD_LISTENERS_MAX */
#include "common/schema/contract.h"

#include <systemd/sd-event.h>

#define AGENT_LISTENERS_MAX 4

struct agent;

/* What the holder handed over; the descriptors are taken. */
struct agent_inheritance {
    int link_fd, notify_fd, ledger_fd, config_fd, control_fd;
    int health_fds[AGENT_LISTENERS_MAX];
    size_t n_health_fds;
    int prometheus_fds[AGENT_LISTENERS_MAX];
    size_t n_prometheus_fds;
    int statsd_fds[STATSD_LISTENERS_MAX]; /* datagram sockets */
    size_t n_statsd_fds;
    const char
        *config_path; /* for a precise word on a bad file at reload; NULL: only the holder's */
    const char *config_directory;
    const char *runtime_directory; /* the holder's: a reload doesn't move it. NULL: the config's */
};

int agent_new(struct agent **ret, sd_event *event,
              const struct agent_inheritance *take_inheritance);
struct agent *agent_free(struct agent *agent);
DEFINE_CLEANUP(struct agent *, agent_free)

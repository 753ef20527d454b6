/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The holder: the root object of agentd's main process. It owns what must not be lost (listeners,
 * scoreboards, workers, the configuration in force) and starts, watches and obeys the core.
 */
#pragma once

#include "agent/hold/core.h"
#include "agent/hold/handover.h"
#include "agent/hold/listeners.h"
#include "agent/hold/slots.h"
#include "common/base/spawn.h"

#include <limits.h>
#include <systemd/sd-event.h>

struct holder_options { /* paths are absolute */
    char config_path[PATH_MAX];
    char config_directory[PATH_MAX];
    char libexec_directory[PATH_MAX];
    char program[PATH_MAX]; /* its own, and where the next version is looked for */
    char core_program[PATH_MAX], stress_program[PATH_MAX];
    char *const *argv; /* its command line */
};

enum holder_state { HOLDER_RUNNING, HOLDER_STOPPING, HOLDER_LEAVING };

struct holder {
    const struct holder_options *options;
    sd_event *event;
    enum holder_state state;
    sd_event_source *deadline; /* of the state */
    bool announced;            /* READY=1 was sent */
    struct spawn_means means;
    struct config *config;
    char *runtime_dir; /* of the start: a reload doesn't move it */
    char *control_path, *notify_path;
    int config_fd; /* the image of |config| */
    int stored_fd; /* that of an earlier holder, until the start has looked at it */
    int ledger_fd, notify_fd, null_fd, cgroup_fd;
    struct listeners listeners;
    struct slots slots;
    struct core *core;
    struct core_past core_past;
    bool is_upgrading;            /* it begins when the core has ended */
    struct hold_message upgraded; /* how the last one ended, for cores after it; serial 0: none */
};

/* Runs until it is told to stop. The process's exit status. */
int holder_run(const struct holder_options *options);

/* One checked message of the core. 0, also if it is refused, or -EPROTO: not in this state. */
int holder_on_request(struct holder *holder, const struct hold_message *request);

/* A child has ended: perhaps that was the last thing that a stop waited for. */
void holder_child_gone(struct holder *holder);

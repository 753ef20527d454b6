/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The holder: the root object of agentd's main process. It owns what must not be lost (listeners,
 * scoreboards, workers, the configuration in force) and starts, watches and obeys the core.
 */
#pragma once

#include "agent/hold/listeners.h"
#include "agent/hold/slots.h"
#include "common/base/spawn.h"

#include <systemd/sd-event.h>

struct core;

struct holder_options {
    const char *config_path;
    const char *config_directory;
    const char *libexec_directory;
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
    int ledger_fd, notify_fd, null_fd, cgroup_fd;
    struct listeners listeners;
    struct slots slots;
    struct core *core;
};

/* Reads and checks the configuration on disk. 0, or a negative errno with one line in |error|. */
int holder_read_config(const struct holder_options *options, struct config **ret, int *ret_image_fd,
                       char error[CONFIG_ERROR_MAX]);

/* Runs until it is told to stop. The process's exit status. */
int holder_run(const struct holder_options *options);

/* One checked message of the core. 0, also if it is refused, or -EPROTO: not in this state. */
int holder_on_request(struct holder *holder, const struct hold_message *request);

/* sd_event_add_child() for a child's end, which misses none. */
int holder_watch_child(struct holder *holder, sd_event_source **ret, pid_t pid,
                       sd_event_child_handler_t on_end, void *userdata);

/* A child has ended: perhaps that was the last thing that a stop waited for. */
void holder_child_gone(struct holder *holder);

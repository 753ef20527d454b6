/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where there are no control groups: processes that lost their parent become this one's children
 * (PR_SET_CHILD_SUBREAPER), so that what a dead worker left can be found, ended and reaped.
 *
 * What a process is left from, its environment says, which every descendant inherits unless it was
 * started with another one. Such a one, and one whose environment this process may not read, is
 * left alone.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>
#include <systemd/sd-event.h>

/* From now on they come to this process, and |on_child| is called when children have ended: SIGCHLD
 * must be blocked. 0 or a negative errno. */
int orphans_adopt(sd_event *event, sd_event_signal_handler_t on_child, void *userdata);

/* Says of a child whether it is one that this process has started itself and waits for. */
typedef bool (*orphans_is_known)(pid_t pid, void *userdata);
/* Says of any other, by the app and the slot that it comes from, whether it is to be ended. */
typedef bool (*orphans_is_left)(const char *app, unsigned slot, void *userdata);

/* The variables of its environment that name them. */
struct orphans_names {
    const char *app, *slot;
};

/* Reaps the dead ones among the unknown children and kills those that are left over. To be called
 * whenever a child has ended: what a killed one leaves comes here too, and is met then. */
void orphans_sweep(const struct orphans_names *names, orphans_is_known is_known,
                   orphans_is_left is_left, void *userdata);

/* The value of a variable in a process's environment, as it was when that was started. 0, -ENOENT
 * also if it is further back than ORPHANS_ENVIRONMENT_MAX or longer than |size| - 1, or a negative
 * errno. */
#define ORPHANS_ENVIRONMENT_MAX (16u * 1024)
int orphans_environment(pid_t pid, const char *name, char *value, size_t size);

/* SPDX-License-Identifier: Apache-2.0 */
/* Seeing the end of children. Their output's place is common/base/worker-output.h's. */
#pragma once

#include <systemd/sd-event.h>

/* sd_event_add_child() for a child's end, which misses none; with the source's description. -ECHILD
 * for what is no child of this process. */
int child_watch(sd_event *event, sd_event_source **ret, pid_t pid, const char *description,
                sd_event_child_handler_t on_end, void *userdata);

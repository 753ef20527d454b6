/* SPDX-License-Identifier: Apache-2.0 */
/* What goes with having children: seeing their end, and a place for their output. */
#pragma once

#include <systemd/sd-event.h>

/* sd_event_add_child() for a child's end, which misses none; with the source's description. -ECHILD
 * for what is no child of this process. */
int child_watch(sd_event *event, sd_event_source **ret, pid_t pid, const char *description,
                sd_event_child_handler_t on_end, void *userdata);

/*
 * For stdout and stderr of a child called |name|: a stream of the journal, if this process logs to
 * it; else <directory>/log/<name>.log, appended to. A descriptor or a negative errno.
 */
int child_open_output(const char *directory, const char *name);

/* SPDX-License-Identifier: Apache-2.0 */
/* See the header. Starting them is common/base/spawn.h's. */
#include "common/base/child.h"

#include <errno.h>
#include <sys/wait.h>

/*
 * sd-event's child sources fire once. A process that somebody traces at its end (strace, gdb, the
 * leak sanitizer) can't be reaped yet when its pidfd says that it has ended, and sd-event would
 * never look again. So it shall look until there is something to reap.
 */
int child_watch(sd_event *event, sd_event_source **ret, pid_t pid, const char *description,
                sd_event_child_handler_t on_end, void *userdata)
{
    siginfo_t info;

    if (waitid(P_PID, (id_t) pid, &info, WEXITED | WNOHANG | WNOWAIT) < 0)
        return -errno; /* sd-event would end the loop */
    int r = sd_event_add_child(event, ret, pid, WEXITED, on_end, userdata);

    if (r < 0)
        return r;
    (void) sd_event_source_set_description(*ret, description);
    r = sd_event_source_set_enabled(*ret, SD_EVENT_OFF); /* from off, for it registers with epoll */
    return r < 0 ? r : sd_event_source_set_enabled(*ret, SD_EVENT_ON); /* anew then only */
}

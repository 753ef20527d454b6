/* SPDX-License-Identifier: Apache-2.0 */
/* See the header. Starting them is common/base/spawn.h's. */
#include "common/base/child.h"

#include "common/base/files.h"
#include "common/base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <sys/wait.h>
#include <systemd/sd-journal.h>

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

int child_open_output(const char *directory, const char *name)
{
    char path[PATH_MAX];

    if (log_is_to_journal()) {
        int fd = sd_journal_stream_fd(name, LOG_INFO, true);
        if (fd >= 0)
            return fd;
        log_warning_errno(-fd, "no journal stream for %s, writing to a file: %m", name);
    }
    snprintf(path, sizeof(path), "%s/log", directory);
    int r = directory_make(path, 0750);
    if (r < 0)
        return r;
    snprintf(path, sizeof(path), "%s/log/%s.log", directory, name);
    int fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0640);
    return fd < 0 ? -errno : fd;
}

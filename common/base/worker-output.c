/* SPDX-License-Identifier: Apache-2.0 */
/* See the header. */
#include "common/base/worker-output.h"

#include "common/base/files.h"
#include "common/base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <systemd/sd-journal.h>

int worker_output_open(const char *directory, const char *name)
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

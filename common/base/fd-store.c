/* SPDX-License-Identifier: Apache-2.0 */
/* The two messages of sd_notify(3) that fill and empty the store, and sd_listen_fds(3). */
#include "common/base/fd-store.h"

#include "common/base/log.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <systemd/sd-daemon.h>

void fd_store_take(void (*take)(int take_fd, const char *name, void *userdata), void *userdata)
{
    char **names = NULL;
    int n = sd_listen_fds_with_names(true, &names);

    for (int i = 0; i < n; i++) {
        take(SD_LISTEN_FDS_START + i, names[i], userdata);
        free(names[i]);
    }
    free(names);
}

void fd_store_put(const char *name, int fd)
{
    char state[300];

    /* FDPOLL=0: else systemd drops what hangs up, as a listener does when it is shut down. */
    snprintf(state, sizeof(state), "FDSTORE=1\nFDPOLL=0\nFDNAME=%s", name);
    int r = sd_pid_notify_with_fds(0, false, state, &fd, 1);
    if (r < 0)
        log_warning_errno(-r, "could not store descriptor %s with systemd, ignoring: %m", name);
}

void fd_store_drop(const char *name)
{
    sd_notifyf(false, "FDSTOREREMOVE=1\nFDNAME=%s", name);
}

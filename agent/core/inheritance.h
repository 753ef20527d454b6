/* SPDX-License-Identifier: Apache-2.0 */
/* What the core is handed by the holder: descriptors by name, and where things are. */
#pragma once

#include "common/schema/config.h" /* STATSD_LISTENERS_MAX */
#include "common/schema/contract.h"

#define INHERITANCE_LISTENERS_MAX 4

struct inheritance {
    int link_fd, notify_fd, ledger_fd, config_fd, control_fd;
    int health_fds[INHERITANCE_LISTENERS_MAX];
    size_t n_health_fds;
    int prometheus_fds[INHERITANCE_LISTENERS_MAX];
    size_t n_prometheus_fds;
    int statsd_fds[STATSD_LISTENERS_MAX]; /* datagram sockets */
    size_t n_statsd_fds;
    const char
        *config_path; /* for a precise word on a bad file at reload; NULL: only the holder's */
    const char *config_directory;
    const char *holder_program;    /* where the holder's next version would be; NULL: not known */
    const char *libexec_directory; /* where this program is */
    const char *runtime_directory; /* the holder's: a reload doesn't move it. NULL: the config's */
};

/* Takes what LISTEN_FDS and LISTEN_FDNAMES speak of; what has no place here is closed. The paths
 * are left alone. 0, or -EBADF if one is missing that a core can't do without: nobody's holder
 * started it. */
int inheritance_take(struct inheritance *ret);
void inheritance_done(struct inheritance *inheritance); /* closes */

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who is at the other end of the control socket, and what they may do. The kernel says it
 * (SO_PEERCRED, SO_PEERGROUPS); where it can't be had, nothing is allowed.
 */
#pragma once

#include <stdbool.h>
#include <sys/types.h>

struct peer {
    pid_t pid;
    uid_t uid;
    bool may_change; /* root, the agent's own user, or in the admin group; who got past the socket's
                        mode may read */
};

/* |admin_group| "" = none. 0 or a negative errno; then *ret may do nothing. */
int peer_identify(int socket_fd, const char *admin_group, struct peer *ret);

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

#define PEER_NO_GROUP ((gid_t) -1)

/* The id of a group by its name; PEER_NO_GROUP for "" and for one that isn't there. May block
 * (LDAP): for the start and a reload, not for requests. */
gid_t peer_find_group(const char *name);

/* |admin_group| PEER_NO_GROUP = none. 0 or a negative errno; then *ret may do nothing. */
int peer_identify(int socket_fd, gid_t admin_group, struct peer *ret);

/* SPDX-License-Identifier: Apache-2.0 */
/* See the header. */
#include "agent/serve/peer.h"

#include "common/base/macro.h"

#include <errno.h>
#include <grp.h>
#include <sys/socket.h>

gid_t peer_find_group(const char *name)
{
    const struct group *group = name[0] ? getgrnam(name) : NULL;

    return group ? group->gr_gid : PEER_NO_GROUP;
}

static bool in_group(int socket_fd, gid_t wanted, gid_t primary)
{
    CLEANUP_FREE gid_t *groups = NULL;
    socklen_t size = 0;

    if (wanted == PEER_NO_GROUP)
        return false;
    if (wanted == primary)
        return true;
    if (getsockopt(socket_fd, SOL_SOCKET, SO_PEERGROUPS, NULL, &size) < 0 && errno != ERANGE)
        return false;
    groups = malloc(MAX(size, (socklen_t) sizeof(gid_t)));
    if (!groups || getsockopt(socket_fd, SOL_SOCKET, SO_PEERGROUPS, groups, &size) < 0)
        return false;
    for (size_t i = 0; i < size / sizeof(gid_t); i++)
        if (groups[i] == wanted)
            return true;
    return false;
}

int peer_identify(int socket_fd, gid_t admin_group, struct peer *ret)
{
    struct ucred credentials;
    socklen_t size = sizeof(credentials);

    *ret = (struct peer){.pid = -1, .uid = (uid_t) -1};
    if (getsockopt(socket_fd, SOL_SOCKET, SO_PEERCRED, &credentials, &size) < 0)
        return -errno;
    if (size != sizeof(credentials) || credentials.pid <= 0)
        return -ENODATA;
    ret->pid = credentials.pid;
    ret->uid = credentials.uid;
    ret->may_change = credentials.uid == 0 || credentials.uid == geteuid() ||
                      in_group(socket_fd, admin_group, credentials.gid);
    return 0;
}

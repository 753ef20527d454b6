/* SPDX-License-Identifier: Apache-2.0 */
/* See the header. */
#include "agent/serve/peer.h"

#include "common/base/macro.h"

#include <errno.h>
#include <grp.h>
#include <sys/socket.h>

/* NSS may block (LDAP): for the local files of a node that is acceptable, and it is asked only for
 * a change. */
static bool in_group(int socket_fd, const char *name, gid_t primary)
{
    CLEANUP_FREE gid_t *groups = NULL;
    const struct group *group = getgrnam(name);
    socklen_t size = 0;

    if (!group)
        return false;
    if (group->gr_gid == primary)
        return true;
    if (getsockopt(socket_fd, SOL_SOCKET, SO_PEERGROUPS, NULL, &size) < 0 && errno != ERANGE)
        return false;
    groups = malloc(MAX(size, (socklen_t) sizeof(gid_t)));
    if (!groups || getsockopt(socket_fd, SOL_SOCKET, SO_PEERGROUPS, groups, &size) < 0)
        return false;
    for (size_t i = 0; i < size / sizeof(gid_t); i++)
        if (groups[i] == group->gr_gid)
            return true;
    return false;
}

int peer_identify(int socket_fd, const char *admin_group, struct peer *ret)
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
                      (admin_group[0] && in_group(socket_fd, admin_group, credentials.gid));
    return 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* One datagram to the supervisor, or none. */
#include "common/net/notify.h"

#include "common/base/macro.h"

#include <errno.h>
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

int notify_send(const char *state)
{
    CLEANUP_CLOSE int fd = -1;
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    const char *path = getenv("NOTIFY_SOCKET");
    size_t length = path ? strlen(path) : 0;

    if (length == 0)
        return 0;
    if ((path[0] != '/' && path[0] != '@') || length < 2 || length >= sizeof(address.sun_path))
        return -EINVAL;
    if (strlen(state) > NOTIFY_STATE_MAX)
        return -EMSGSIZE;
    memcpy(address.sun_path, path, length);
    if (path[0] == '@')
        address.sun_path[0] = '\0';
    fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -errno;
    if (sendto(fd, state, strlen(state), MSG_DONTWAIT | MSG_NOSIGNAL,
               (const struct sockaddr *) &address,
               (socklen_t) (offsetof(struct sockaddr_un, sun_path) + length)) < 0)
        return -errno;
    return 0;
}

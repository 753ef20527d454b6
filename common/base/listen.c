/* SPDX-License-Identifier: Apache-2.0 */
/* Listening sockets. Whoever opens one decides who may; nothing here changes users or owners. */
#include "common/base/listen.h"

#include "common/base/files.h"
#include "common/base/macro.h"
#include "common/base/text.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/un.h>

static int listen_parse_port(const char *text, in_port_t *ret)
{
    uint64_t port;
    int r = text_parse_u64(text, 1, UINT16_MAX, &port);

    if (r < 0)
        return -EINVAL;
    *ret = htons((uint16_t) port);
    return 0;
}

static int listen_parse_unix(const char *text, union listen_address *ret, socklen_t *ret_length)
{
    struct sockaddr_un un = {.sun_family = AF_UNIX};

    if (!text_copy(un.sun_path, sizeof(un.sun_path), text))
        return -ENAMETOOLONG;
    *ret = (union listen_address){0};
    memcpy(ret, &un, sizeof(un));
    *ret_length = (socklen_t) (offsetof(struct sockaddr_un, sun_path) + strlen(text) + 1);
    return 0;
}

static int listen_parse_ipv6(const char *host, const char *port, union listen_address *ret,
                             socklen_t *ret_length)
{
    struct sockaddr_in6 in6 = {.sin6_family = AF_INET6};

    if (inet_pton(AF_INET6, host, &in6.sin6_addr) != 1 ||
        listen_parse_port(port, &in6.sin6_port) < 0)
        return -EINVAL;
    *ret = (union listen_address){0};
    memcpy(ret, &in6, sizeof(in6));
    *ret_length = sizeof(in6);
    return 0;
}

static int listen_parse_ipv4(const char *host, const char *port, union listen_address *ret,
                             socklen_t *ret_length)
{
    struct sockaddr_in in = {.sin_family = AF_INET};

    if (inet_pton(AF_INET, host, &in.sin_addr) != 1 || listen_parse_port(port, &in.sin_port) < 0)
        return -EINVAL;
    *ret = (union listen_address){0};
    memcpy(ret, &in, sizeof(in));
    *ret_length = sizeof(in);
    return 0;
}

int listen_parse(const char *text, union listen_address *ret, socklen_t *ret_length)
{
    char host[INET6_ADDRSTRLEN + 2];
    const char *colon;

    if (text[0] == '/')
        return listen_parse_unix(text, ret, ret_length);
    colon = strrchr(text, ':');
    if (!colon)
        return listen_parse_ipv6("::", text, ret, ret_length);
    if ((size_t) (colon - text) >= sizeof(host) || colon == text)
        return -EINVAL;
    memcpy(host, text, (size_t) (colon - text));
    host[colon - text] = '\0';
    if (host[0] != '[')
        return listen_parse_ipv4(host, colon + 1, ret, ret_length);
    if (colon[-1] != ']')
        return -EINVAL;
    host[colon - text - 1] = '\0';
    return listen_parse_ipv6(host + 1, colon + 1, ret, ret_length);
}

/* Whether the path is a socket that nobody serves any more. Only a refused connection says so: a
 * full queue, a missing permission or another type of socket say that somebody is there. */
static bool unix_socket_is_stale(const union listen_address *address, socklen_t length)
{
    const struct sockaddr_un *un = (const struct sockaddr_un *) address;
    CLEANUP_CLOSE int fd = -1;
    struct stat status;

    if (lstat(un->sun_path, &status) < 0 || !S_ISSOCK(status.st_mode))
        return false;
    fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    return fd >= 0 && connect(fd, &address->any, length) < 0 && errno == ECONNREFUSED;
}

static int listen_bind_unix(int fd, const union listen_address *address, socklen_t length,
                            unsigned mode)
{
    const struct sockaddr_un *un = (const struct sockaddr_un *) address;

    if (bind(fd, &address->any, length) < 0) {
        if (errno != EADDRINUSE)
            return -errno;
        if (!unix_socket_is_stale(address, length))
            return -EADDRINUSE;
        if (unlink(un->sun_path) < 0 && errno != ENOENT)
            return -errno;
        if (bind(fd, &address->any, length) < 0)
            return -errno;
    }
    /* Before listen(): until then nobody can connect, whatever the umask left open. */
    if (chmod(un->sun_path, (mode_t) mode) < 0) {
        int r = -errno;

        unlink(un->sun_path);
        return r;
    }
    return 0;
}

static int listen_bind_inet(int fd, const union listen_address *address, socklen_t length, int type)
{
    const int on = 1, off = 0;

    if (type == SOCK_STREAM && setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) < 0)
        return -errno;
    if (address->any.sa_family == AF_INET6) {
        const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *) address;
        bool wildcard = IN6_IS_ADDR_UNSPECIFIED(&in6->sin6_addr);

        /* Said in both cases, so that net.ipv6.bindv6only doesn't decide it. */
        if (setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, wildcard ? &off : &on, sizeof(on)) < 0)
            return -errno;
    }
    return bind(fd, &address->any, length) < 0 ? -errno : 0;
}

static int listen_open_address(const union listen_address *address, socklen_t length, unsigned mode,
                               int type)
{
    const int buffer_bytes = LISTEN_RECEIVE_BUFFER_BYTES;
    CLEANUP_CLOSE int fd = socket(address->any.sa_family, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    int r;

    if (fd < 0)
        return -errno;
    if (type == SOCK_DGRAM) /* what the kernel cuts is no reason to fail */
        (void) setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &buffer_bytes, sizeof(buffer_bytes));
    r = address->any.sa_family == AF_UNIX ? listen_bind_unix(fd, address, length, mode)
                                          : listen_bind_inet(fd, address, length, type);
    if (r < 0)
        return r;
    if (type == SOCK_STREAM && listen(fd, LISTEN_BACKLOG) < 0)
        return -errno;
    return TAKE_FD(fd);
}

/* If |address| is "[::]", makes it "0.0.0.0" with the same port. Returns whether it was. */
static bool listen_fall_back_to_ipv4(union listen_address *address, socklen_t *length)
{
    struct sockaddr_in6 in6;
    struct sockaddr_in in = {.sin_family = AF_INET};

    if (address->any.sa_family != AF_INET6)
        return false;
    memcpy(&in6, address, sizeof(in6));
    if (!IN6_IS_ADDR_UNSPECIFIED(&in6.sin6_addr))
        return false;
    in.sin_port = in6.sin6_port;
    *address = (union listen_address){0};
    memcpy(address, &in, sizeof(in));
    *length = sizeof(in);
    return true;
}

static int listen_open_type(const char *text, unsigned unix_mode, int type)
{
    union listen_address address;
    socklen_t length;
    int r = listen_parse(text, &address, &length);

    if (r < 0)
        return r;
    r = listen_open_address(&address, length, unix_mode, type);
    /* No IPv6 in the kernel, or none on any interface (disable_ipv6=1). */
    if ((r == -EAFNOSUPPORT || r == -EADDRNOTAVAIL) && listen_fall_back_to_ipv4(&address, &length))
        r = listen_open_address(&address, length, unix_mode, type);
    return r;
}

int listen_open(const char *text, unsigned unix_mode)
{
    return listen_open_type(text, unix_mode, SOCK_STREAM);
}

int listen_open_private(const char *path)
{
    CLEANUP_FREE char *directory = strndup(path, (size_t) (strrchr(path, '/') - path));
    int r = directory ? directory_make(directory, 0700) : -ENOMEM;

    if (r < 0)
        return r;
    return unlink(path) < 0 && errno != ENOENT ? -errno : listen_open(path, 0600);
}

int listen_open_datagram(const char *text, unsigned unix_mode)
{
    return listen_open_type(text, unix_mode, SOCK_DGRAM);
}

/* Whether listen_open() would find IPv6 here. */
static bool listen_has_ipv6(void)
{
    const struct sockaddr_in6 any = {.sin6_family = AF_INET6};
    CLEANUP_CLOSE int fd = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);

    return fd >= 0 && bind(fd, (const struct sockaddr *) &any, sizeof(any)) == 0;
}

/* Whether a socket bound to |bound| is what |wanted| says. */
static bool listen_address_equals(const union listen_address *bound,
                                  const union listen_address *wanted)
{
    struct sockaddr_in bound_in, wanted_in;
    struct sockaddr_in6 bound_in6, wanted_in6;

    if (bound->any.sa_family != wanted->any.sa_family)
        return false;
    switch (bound->any.sa_family) {
    case AF_INET:
        memcpy(&bound_in, bound, sizeof(bound_in));
        memcpy(&wanted_in, wanted, sizeof(wanted_in));
        return bound_in.sin_port == wanted_in.sin_port &&
               bound_in.sin_addr.s_addr == wanted_in.sin_addr.s_addr;
    case AF_INET6:
        memcpy(&bound_in6, bound, sizeof(bound_in6));
        memcpy(&wanted_in6, wanted, sizeof(wanted_in6));
        return bound_in6.sin6_port == wanted_in6.sin6_port &&
               IN6_ARE_ADDR_EQUAL(&bound_in6.sin6_addr, &wanted_in6.sin6_addr);
    default:
        return strcmp(((const struct sockaddr_un *) bound)->sun_path,
                      ((const struct sockaddr_un *) wanted)->sun_path) == 0;
    }
}

static bool listen_matches_type(int fd, const char *text, int wanted_type)
{
    union listen_address bound = {0}, wanted;
    socklen_t bound_length = sizeof(bound), wanted_length, size = sizeof(int);
    int listening = 0, type = 0;

    if (listen_parse(text, &wanted, &wanted_length) < 0)
        return false;
    if (getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listening, &size) < 0 ||
        listening != (wanted_type == SOCK_STREAM))
        return false;
    size = sizeof(int);
    if (getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &size) < 0 || type != wanted_type)
        return false;
    if (getsockname(fd, &bound.any, &bound_length) < 0)
        return false;
    if (listen_address_equals(&bound, &wanted))
        return true;
    return listen_fall_back_to_ipv4(&wanted, &wanted_length) &&
           listen_address_equals(&bound, &wanted) && !listen_has_ipv6();
}

int listen_open_notify(const char *path, unsigned unix_mode)
{
    const int on = 1;

    (void) unlink(path);
    CLEANUP_CLOSE int fd = listen_open_datagram(path, unix_mode);
    if (fd < 0)
        return fd;
    if (setsockopt(fd, SOL_SOCKET, SO_PASSCRED, &on, sizeof(on)) < 0)
        return -errno;
    return TAKE_FD(fd);
}

bool listen_matches(int fd, const char *text)
{
    return listen_matches_type(fd, text, SOCK_STREAM);
}

bool listen_matches_datagram(int fd, const char *text)
{
    return listen_matches_type(fd, text, SOCK_DGRAM);
}

bool listen_client_address(const char *text, char host[LISTEN_HOST_MAX], unsigned *ret_port)
{
    union listen_address address;
    struct sockaddr_in in;
    struct sockaddr_in6 in6;
    socklen_t length;
    bool is_wildcard;

    _Static_assert(LISTEN_HOST_MAX >= INET6_ADDRSTRLEN, "any address fits");
    if (listen_parse(text, &address, &length) < 0 || address.any.sa_family == AF_UNIX)
        return false;
    memcpy(&in, &address, sizeof(in));
    memcpy(&in6, &address, sizeof(in6));
    if (in.sin_family == AF_INET) {
        is_wildcard = in.sin_addr.s_addr == htonl(INADDR_ANY);
        *ret_port = ntohs(in.sin_port);
        (void) inet_ntop(AF_INET, &in.sin_addr, host, LISTEN_HOST_MAX);
    } else {
        is_wildcard = IN6_IS_ADDR_UNSPECIFIED(&in6.sin6_addr);
        *ret_port = ntohs(in6.sin6_port);
        (void) inet_ntop(AF_INET6, &in6.sin6_addr, host, LISTEN_HOST_MAX);
    }
    if (is_wildcard) /* both take IPv4, which every client has */
        text_copy(host, LISTEN_HOST_MAX, "127.0.0.1");
    return true;
}

bool listen_first_client_address(char *const *list, char host[LISTEN_HOST_MAX], unsigned *ret_port)
{
    while (*list && !listen_client_address(*list, host, ret_port))
        list++;
    return *list;
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "common/base/listen.h"

#include "common/base/macro.h"
#include "tests/unit/unit.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <netinet/in.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>

static void test_parse(void **state)
{
    static const struct {
        const char *text;
        int r;
        int family;
        const char *host;
        uint16_t port;
    } cases[] = {
        {"127.0.0.1:8080", 0, AF_INET, "127.0.0.1", 8080},
        {"0.0.0.0:1", 0, AF_INET, "0.0.0.0", 1},
        {"[::1]:80", 0, AF_INET6, "::1", 80},
        {"[::]:65535", 0, AF_INET6, "::", 65535},
        {"8080", 0, AF_INET6, "::", 8080},
        {"[2001:db8:0:0:0:0:255.255.255.255]:80", 0, AF_INET6, "2001:db8::ffff:ffff", 80},
        {"/run/x.sock", 0, AF_UNIX, "/run/x.sock", 0},
        {"", -EINVAL, 0, NULL, 0},
        {":80", -EINVAL, 0, NULL, 0},
        {"0", -EINVAL, 0, NULL, 0},
        {"65536", -EINVAL, 0, NULL, 0},
        {"127.0.0.1", -EINVAL, 0, NULL, 0},
        {"127.0.0.1:", -EINVAL, 0, NULL, 0},
        {"127.0.0.1:0", -EINVAL, 0, NULL, 0},
        {"127.0.0.1:http", -EINVAL, 0, NULL, 0},
        {"127.0.0.1: 80", -EINVAL, 0, NULL, 0},
        {"127.1:80", -EINVAL, 0, NULL, 0},
        {"256.0.0.1:80", -EINVAL, 0, NULL, 0},
        {"localhost:80", -EINVAL, 0, NULL, 0},
        {"::1:80", -EINVAL, 0, NULL, 0}, /* ambiguous without brackets */
        {"[::1]", -EINVAL, 0, NULL, 0},
        {"[::1]80", -EINVAL, 0, NULL, 0},
        {"[::1:80", -EINVAL, 0, NULL, 0},
        {"[]:80", -EINVAL, 0, NULL, 0},
        {"[127.0.0.1]:80", -EINVAL, 0, NULL, 0},
        {"[fe80::1%lo]:80", -EINVAL, 0, NULL, 0},
        {"run/x.sock", -EINVAL, 0, NULL, 0},
        {"1111111111111111111111111111111111111111111111111111111111111111111:80", -EINVAL, 0, NULL,
         0},
    };

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        union listen_address address = {0};
        const struct sockaddr_in *in = (struct sockaddr_in *) &address;
        const struct sockaddr_in6 *in6 = (struct sockaddr_in6 *) &address;
        char host[INET6_ADDRSTRLEN];
        socklen_t length = 0;
        int r = listen_parse(cases[i].text, &address, &length);

        if (r != cases[i].r)
            fail_msg("\"%s\": %d", cases[i].text, r);
        if (r < 0) {
            assert_int_equal(length, 0);
            continue;
        }
        assert_int_equal(address.any.sa_family, cases[i].family);
        if (cases[i].family == AF_UNIX) {
            assert_string_equal(((struct sockaddr_un *) &address)->sun_path, cases[i].host);
            continue;
        }
        if (cases[i].family == AF_INET)
            inet_ntop(AF_INET, &in->sin_addr, host, sizeof(host));
        else
            inet_ntop(AF_INET6, &in6->sin6_addr, host, sizeof(host));
        assert_string_equal(host, cases[i].host);
        assert_int_equal(ntohs(in->sin_port), cases[i].port); /* at the same place in both */
    }
}

static void test_parse_unix_length(void **state)
{
    union listen_address address;
    socklen_t length;
    char path[200];

    memset(path, 'a', sizeof(path));
    path[0] = '/';
    path[107] = '\0'; /* sun_path has 108 bytes */
    assert_int_equal(listen_parse(path, &address, &length), 0);
    path[107] = 'a';
    path[108] = '\0';
    assert_int_equal(listen_parse(path, &address, &length), -ENAMETOOLONG);
}

/* A port that nobody has now. */
static unsigned free_port(void)
{
    struct sockaddr_in in = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof(in);
    CLEANUP_CLOSE int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    assert_int_equal(bind(fd, (struct sockaddr *) &in, sizeof(in)), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *) &in, &length), 0);
    return ntohs(in.sin_port);
}

static int connect_ipv4(unsigned port)
{
    struct sockaddr_in in = {.sin_family = AF_INET,
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
                             .sin_port = htons((uint16_t) port)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    if (connect(fd, (struct sockaddr *) &in, sizeof(in)) < 0) {
        int r = -errno;

        close(fd);
        return r;
    }
    return fd;
}

static void check_listener(int fd)
{
    assert_true(fd >= 0);
    assert_int_equal(fcntl(fd, F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
    assert_int_equal(fcntl(fd, F_GETFL) & O_NONBLOCK, O_NONBLOCK);
}

static void test_open_inet(void **state)
{
    unsigned port = free_port();
    char text[64], other[64];
    int fd, client, again;

    snprintf(text, sizeof(text), "127.0.0.1:%u", port);
    fd = listen_open(text, 0);
    check_listener(fd);
    assert_true(listen_matches(fd, text));
    snprintf(other, sizeof(other), "127.0.0.2:%u", port);
    assert_false(listen_matches(fd, other));
    snprintf(other, sizeof(other), "127.0.0.1:%u", port == 1 ? 2 : port - 1);
    assert_false(listen_matches(fd, other));
    assert_false(listen_matches(fd, "/run/x.sock"));
    assert_false(listen_matches(fd, "nonsense"));
    assert_int_equal(listen_open(text, 0), -EADDRINUSE);
    client = connect_ipv4(port);
    assert_true(client >= 0);
    assert_false(listen_matches(client, text)); /* connected, not listening */
    /* With a connection in TIME_WAIT the port can be had again at once. */
    again = accept4(fd, NULL, NULL, SOCK_CLOEXEC);
    assert_true(again >= 0);
    close(again);
    close(client);
    close(fd);
    fd = listen_open(text, 0);
    check_listener(fd);
    close(fd);
    assert_false(listen_matches(fd, text));
    assert_int_equal(listen_open("nonsense", 0), -EINVAL);
    assert_int_equal(listen_open("192.0.2.1:1", 0), -EADDRNOTAVAIL); /* not an address of ours */
}

/* "[::]" also takes IPv4, on a host with IPv6 and, by the fall-back, on one without. */
static void test_open_wildcard(void **state)
{
    unsigned port = free_port();
    char text[64], port_only[16];
    int fd, client, ipv6 = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
    bool has_ipv6 = ipv6 >= 0;

    if (has_ipv6)
        close(ipv6);
    snprintf(text, sizeof(text), "[::]:%u", port);
    snprintf(port_only, sizeof(port_only), "%u", port);
    fd = listen_open(text, 0);
    check_listener(fd);
    assert_true(listen_matches(fd, text));
    assert_true(listen_matches(fd, port_only));
    client = connect_ipv4(port);
    assert_true(client >= 0);
    close(client);
    close(fd);

    /* What the fall-back opens is taken for "[::]", but only where there is no IPv6: else a restart
     * that is to add IPv6 would keep the old socket. */
    snprintf(text, sizeof(text), "0.0.0.0:%u", port);
    fd = listen_open(text, 0);
    check_listener(fd);
    assert_int_equal(listen_matches(fd, port_only), !has_ipv6);
    close(fd);
}

/* Makes socket(AF_INET6) fail in this process as on a kernel without IPv6. */
static int forbid_ipv6(void)
{
    struct sock_filter filter[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, __NR_socket, 0, 3),
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, AF_INET6, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EAFNOSUPPORT),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    const struct sock_fprog program = {.len = ARRAY_SIZE(filter), .filter = filter};

    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
        return -errno;
    return prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) < 0 ? -errno : 0;
}

/* Which step failed, 0 if none. In a child, because the filter stays. */
static int open_without_ipv6(unsigned port)
{
    char text[64];
    int fd, client;

    if (forbid_ipv6() < 0)
        return 1;
    snprintf(text, sizeof(text), "[::1]:%u", port);
    if (listen_open(text, 0) != -EAFNOSUPPORT) /* only "[::]" falls back */
        return 2;
    snprintf(text, sizeof(text), "%u", port);
    fd = listen_open(text, 0);
    if (fd < 0)
        return 3;
    if (!listen_matches(fd, text))
        return 4;
    client = connect_ipv4(port);
    if (client < 0)
        return 5;
    close(client);
    close(fd);
    return 0;
}

static void test_fall_back(void **state)
{
    unsigned port = free_port();
    int status;
    pid_t pid = fork();

    assert_true(pid >= 0);
    if (pid == 0)
        _exit(open_without_ipv6(port));
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
}

static int connect_unix(const char *path, int type)
{
    struct sockaddr_un un = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, type | SOCK_CLOEXEC, 0);

    snprintf(un.sun_path, sizeof(un.sun_path), "%.100s", path);
    if (connect(fd, (struct sockaddr *) &un, sizeof(un)) < 0) {
        int r = -errno;

        close(fd);
        return r;
    }
    return fd;
}

static int set_up(void **state)
{
    char *path = malloc(PATH_MAX);

    unit_directory_make(path);
    strcat(path, "/socket");
    *state = path;
    return 0;
}

static int tear_down(void **state)
{
    char *path = *state;

    *strrchr(path, '/') = '\0';
    unit_directory_remove(path);
    free(path);
    return 0;
}

static void test_open_unix(void **state)
{
    const char *path = *state;
    struct stat status, same;
    int fd, client, again;

    fd = listen_open(path, 0640);
    check_listener(fd);
    assert_int_equal(stat(path, &status), 0);
    assert_int_equal(status.st_mode & 07777, 0640);
    assert_true(listen_matches(fd, path));
    assert_false(listen_matches(fd, "/run/other.sock"));
    assert_false(listen_matches(fd, "127.0.0.1:80"));
    client = connect_unix(path, SOCK_STREAM);
    assert_true(client >= 0);
    close(client);
    /* It is served: left alone. */
    assert_int_equal(listen_open(path, 0600), -EADDRINUSE);
    assert_int_equal(stat(path, &same), 0);
    assert_int_equal(same.st_ino, status.st_ino);
    assert_int_equal(same.st_mode & 07777, 0640);
    close(fd);
    /* Now nobody serves it: replaced. */
    assert_int_equal(connect_unix(path, SOCK_STREAM), -ECONNREFUSED);
    again = listen_open(path, 0660);
    check_listener(again);
    client = connect_unix(path, SOCK_STREAM);
    assert_true(client >= 0);
    close(client);
    close(again);
}

/* Other things at the path are nobody's stale listener. */
static void test_unix_not_replaced(void **state)
{
    const char *path = *state;
    char target[PATH_MAX + 8];
    struct sockaddr_un un = {.sun_family = AF_UNIX};
    int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

    close(fd);
    assert_int_equal(listen_open(path, 0600), -EADDRINUSE);
    assert_int_equal(unlink(path), 0);

    snprintf(un.sun_path, sizeof(un.sun_path), "%.100s", path); /* a datagram socket in use */
    fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(fd, (struct sockaddr *) &un, sizeof(un)), 0);
    assert_int_equal(listen_open(path, 0600), -EADDRINUSE);
    assert_int_equal(access(path, F_OK), 0);
    close(fd);
    assert_int_equal(unlink(path), 0);

    snprintf(target, sizeof(target), "%s.target", path); /* a link to a stale socket */
    fd = listen_open(target, 0600);
    close(fd);
    assert_int_equal(symlink(target, path), 0);
    assert_int_equal(listen_open(path, 0600), -EADDRINUSE);
    assert_int_equal(access(target, F_OK), 0);

    snprintf(target, sizeof(target), "%s/none/socket", path);
    assert_int_equal(listen_open(target, 0600), -ENOTDIR);
}

static void test_open_datagram(void **state)
{
    unsigned port = free_port();
    char text[64], received[8];
    int fd, stream, client, bytes = 0;
    socklen_t size = sizeof(bytes);
    struct sockaddr_in in = {.sin_family = AF_INET,
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
                             .sin_port = htons((uint16_t) port)};

    snprintf(text, sizeof(text), "127.0.0.1:%u", port);
    fd = listen_open_datagram(text, 0);
    check_listener(fd);
    assert_int_equal(getsockopt(fd, SOL_SOCKET, SO_RCVBUF, &bytes, &size), 0);
    assert_true(bytes > 0);
    /* Nobody else may take its datagrams; TCP's port of that number is another. */
    assert_int_equal(listen_open_datagram(text, 0), -EADDRINUSE);
    stream = listen_open(text, 0);
    check_listener(stream);
    assert_true(listen_matches_datagram(fd, text));
    assert_false(listen_matches(fd, text));
    assert_true(listen_matches(stream, text));
    assert_false(listen_matches_datagram(stream, text));
    assert_false(listen_matches_datagram(fd, "127.0.0.2:1"));
    client = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    assert_int_equal(sendto(client, "a:1|c", 5, 0, (struct sockaddr *) &in, sizeof(in)), 5);
    assert_int_equal(recv(fd, received, sizeof(received), 0), 5);
    assert_int_equal(recv(fd, received, sizeof(received), 0), -1); /* and doesn't block */
    close(client);
    close(stream);
    close(fd);
    fd = listen_open_datagram(text, 0);
    check_listener(fd);
    close(fd);
}

static void test_open_unix_datagram(void **state)
{
    const char *path = *state;
    struct stat status;
    int fd, client;

    fd = listen_open_datagram(path, 0666);
    check_listener(fd);
    assert_int_equal(stat(path, &status), 0);
    assert_int_equal(status.st_mode & 07777, 0666);
    assert_true(listen_matches_datagram(fd, path));
    assert_false(listen_matches(fd, path));
    assert_int_equal(listen_open_datagram(path, 0666), -EADDRINUSE);
    client = connect_unix(path, SOCK_DGRAM);
    assert_int_equal(send(client, "a:1|c", 5, 0), 5);
    close(client);
    close(fd);
    fd = listen_open_datagram(path, 0600); /* stale: replaced */
    check_listener(fd);
    close(fd);
}

static void test_client_address(void **state)
{
    static const struct {
        const char *text;
        const char *host; /* NULL: none */
        unsigned port;
    } cases[] = {
        {"127.0.0.1:8125", "127.0.0.1", 8125},
        {"10.1.2.3:1", "10.1.2.3", 1},
        {"0.0.0.0:8125", "127.0.0.1", 8125},
        {"8125", "127.0.0.1", 8125},
        {"[::]:8125", "127.0.0.1", 8125},
        {"[::1]:8125", "::1", 8125},
        {"[2001:db8::1]:8125", "2001:db8::1", 8125},
        {"/run/statsd.sock", NULL, 0},
        {"nonsense", NULL, 0},
    };

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        char host[LISTEN_HOST_MAX];
        unsigned port;
        bool found = listen_client_address(cases[i].text, host, &port);

        assert_int_equal(found, cases[i].host != NULL);
        if (!found)
            continue;
        assert_string_equal(host, cases[i].host);
        assert_int_equal(port, cases[i].port);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_open_datagram),
        cmocka_unit_test(test_client_address),
        cmocka_unit_test_setup_teardown(test_open_unix_datagram, set_up, tear_down),
        cmocka_unit_test(test_parse),
        cmocka_unit_test(test_parse_unix_length),
        cmocka_unit_test(test_open_inet),
        cmocka_unit_test(test_open_wildcard),
        cmocka_unit_test(test_fall_back),
        cmocka_unit_test_setup_teardown(test_open_unix, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_unix_not_replaced, set_up, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

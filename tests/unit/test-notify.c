/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/unit.h"

#include "common/net/notify.h"

#include <errno.h>
#include <sys/socket.h>
#include <sys/un.h>

static int bind_socket(const char *name, socklen_t length)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

    assert_true(fd >= 0);
    memcpy(address.sun_path, name, length);
    assert_int_equal(bind(fd, (struct sockaddr *) &address,
                          (socklen_t) (offsetof(struct sockaddr_un, sun_path) + length)),
                     0);
    return fd;
}

static void expect_message(int fd, const char *text)
{
    char message[600];
    ssize_t n = recv(fd, message, sizeof(message) - 1, 0);

    assert_true(n > 0);
    message[n] = '\0';
    assert_string_equal(message, text);
}

static void test_send(void **state)
{
    char directory[PATH_MAX], path[PATH_MAX + 8], abstract[64];
    int fd;

    unsetenv("NOTIFY_SOCKET");
    assert_int_equal(notify_send("READY=1"), 0); /* nobody wants to know */
    setenv("NOTIFY_SOCKET", "", 1);
    assert_int_equal(notify_send("READY=1"), 0);

    unit_directory_make(directory);
    snprintf(path, sizeof(path), "%s/notify", directory);
    setenv("NOTIFY_SOCKET", path, 1);
    assert_int_equal(notify_send("READY=1"), -ENOENT);
    fd = bind_socket(path, (socklen_t) strlen(path));
    assert_int_equal(notify_send("READY=1\nSTATUS=x"), 0);
    expect_message(fd, "READY=1\nSTATUS=x");
    close(fd);
    assert_int_equal(notify_send("READY=1"), -ECONNREFUSED);
    unit_directory_remove(directory);

    snprintf(abstract, sizeof(abstract), "@agentd-unit-%d", getpid());
    setenv("NOTIFY_SOCKET", abstract, 1);
    abstract[0] = '\0';
    fd = bind_socket(abstract, (socklen_t) (1 + strlen(abstract + 1)));
    assert_int_equal(notify_send("STOPPING=1"), 0);
    expect_message(fd, "STOPPING=1");
    close(fd);
}

static void test_refused(void **state)
{
    static const char *const NAMES[] = {"relative", "/", "@", "vsock:1:2"};
    char text[NOTIFY_STATE_MAX + 2], name[200];

    for (size_t i = 0; i < sizeof(NAMES) / sizeof(NAMES[0]); i++) {
        setenv("NOTIFY_SOCKET", NAMES[i], 1);
        assert_int_equal(notify_send("READY=1"), -EINVAL);
    }
    memset(name, 'x', sizeof(name));
    name[0] = '/';
    name[sizeof(name) - 1] = '\0';
    setenv("NOTIFY_SOCKET", name, 1);
    assert_int_equal(notify_send("READY=1"), -EINVAL);
    memset(text, 'x', sizeof(text));
    text[sizeof(text) - 1] = '\0';
    setenv("NOTIFY_SOCKET", "/x", 1);
    assert_int_equal(notify_send(text), -EMSGSIZE);
}

/* Where sd_notify() would wait for ever. */
static void test_full(void **state)
{
    char directory[PATH_MAX], path[PATH_MAX + 8];
    int fd, r = 0;
    unsigned n = 0;

    unit_directory_make(directory);
    snprintf(path, sizeof(path), "%s/notify", directory);
    fd = bind_socket(path, (socklen_t) strlen(path));
    setenv("NOTIFY_SOCKET", path, 1);
    alarm(10);
    while (r == 0 && n++ < 100000)
        r = notify_send("WATCHDOG=1");
    alarm(0);
    assert_int_equal(r, -EAGAIN);
    expect_message(fd, "WATCHDOG=1");
    assert_int_equal(notify_send("READY=1"), 0);
    close(fd);
    unit_directory_remove(directory);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_send),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_full),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

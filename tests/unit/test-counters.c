/* SPDX-License-Identifier: Apache-2.0 */
/* What a StatsD server gets to see. */
#include "tests/unit/unit.h"

#include "apps/visitor-board/counters.h"
#include "common/base/clock.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <sys/socket.h>

struct server {
    sd_event *event;
    int fd;
    unsigned port;
};

static struct server start_server(void)
{
    struct server server;
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof(address);

    assert_true(sd_event_new(&server.event) >= 0);
    server.fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    assert_true(server.fd >= 0);
    assert_int_equal(bind(server.fd, (struct sockaddr *) &address, length), 0);
    assert_int_equal(getsockname(server.fd, (struct sockaddr *) &address, &length), 0);
    server.port = ntohs(address.sin_port);
    return server;
}

static void stop_server(struct server *server)
{
    close(server->fd);
    sd_event_unref(server->event);
}

/* The next datagram, waiting for up to 5 s. */
static void receive(struct server *server, char *text, size_t size)
{
    uint64_t end_us = clock_monotonic_us() + 5 * USEC_PER_SEC;
    ssize_t n;

    do {
        assert_true(sd_event_run(server->event, USEC_PER_MSEC) >= 0);
        n = recv(server->fd, text, size - 1, MSG_DONTWAIT);
    } while (n < 0 && clock_monotonic_us() < end_us);
    assert_true(n >= 0);
    text[n] = '\0';
}

static void test_datagrams(void **state)
{
    struct server server = start_server();
    struct counters *counters;
    char text[2000];

    assert_int_equal(counters_new(&counters, server.event, "127.0.0.1", server.port), 0);
    for (unsigned i = 0; i < 3; i++)
        counters_add(counters, COUNT_RATE_LIMITED);
    counters_add(counters, COUNT_STORE_THROTTLED);
    receive(&server, text, sizeof(text));
    assert_string_equal(text, "board.store_throttled:1|c\nboard.rate_limited:3|c");
    counters_add(counters, COUNT_RATE_LIMITED);
    receive(&server, text, sizeof(text));
    assert_string_equal(text, "board.rate_limited:1|c");
    assert_int_equal(counters_get(counters, COUNT_RATE_LIMITED), 4);
    /* What is left goes with the end; and all of them fit. */
    for (unsigned i = 0; i < COUNTERS; i++)
        counters_add(counters, (enum counter) i);
    counters_free(counters);
    receive(&server, text, sizeof(text));
    for (unsigned i = 0; i < COUNTERS; i++)
        assert_non_null(strstr(text, counter_name((enum counter) i)));
    stop_server(&server);
}

/* Nobody listens: nothing breaks, and nothing is forgotten. */
static void test_nobody_listens(void **state)
{
    struct server server = start_server();
    struct counters *counters;

    close(server.fd);
    assert_int_equal(counters_new(&counters, server.event, "127.0.0.1", server.port), 0);
    counters_add(counters, COUNT_INVALID);
    for (unsigned i = 0; i < 25; i++)
        assert_true(sd_event_run(server.event, 100 * USEC_PER_MSEC) >= 0);
    assert_int_equal(counters_get(counters, COUNT_INVALID), 1);
    counters_free(counters);
    assert_int_equal(counters_new(&counters, server.event, NULL, 0), 0);
    counters_add(counters, COUNT_INVALID);
    counters_free(counters);
    assert_int_equal(counters_new(&counters, server.event, "::1", 8125), 0);
    counters_free(counters);
    assert_int_equal(counters_new(&counters, server.event, "localhost", 8125), -EINVAL);
    sd_event_unref(server.event);
}

static void test_errors(void **state)
{
    static const struct {
        int error;
        enum counter counter;
    } cases[] = {
        {-ETIMEDOUT, COUNT_STORE_TIMEOUT},  {-EAGAIN, COUNT_STORE_THROTTLED},
        {-ENOKEY, COUNT_STORE_CREDENTIALS}, {-EACCES, COUNT_STORE_CREDENTIALS},
        {-ENOENT, COUNT_STORE_MISSING},     {-EHOSTUNREACH, COUNT_STORE_UNREACHABLE},
        {-ENOSPC, COUNT_STORE_FULL},        {-EROFS, COUNT_STORE_FULL},
        {-EBUSY, COUNT_STORE_BUSY},         {-ENOBUFS, COUNT_STORE_BUSY},
        {-EIO, COUNT_STORE_OTHER},          {-EBADMSG, COUNT_STORE_OTHER},
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        assert_int_equal(counter_of_error(cases[i].error), cases[i].counter);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_datagrams),
        cmocka_unit_test(test_nobody_listens),
        cmocka_unit_test(test_errors),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/core/statsd-listener.h"

#include "common/base/listen.h"
#include "common/base/macro.h"
#include "tests/unit/unit.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/un.h>

static const char *const no_dimensions[] = {NULL};

struct fixture {
    sd_event *event;
    struct statsd *statsd;
    struct statsd_listener *listener;
    int server, client;
};

static int set_up(void **state)
{
    struct sockaddr_in in = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof(in);
    struct fixture *f = calloc(1, sizeof(*f));

    f->server = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    f->client = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(f->server, (struct sockaddr *) &in, sizeof(in)), 0);
    assert_int_equal(getsockname(f->server, (struct sockaddr *) &in, &length), 0);
    assert_int_equal(connect(f->client, (struct sockaddr *) &in, sizeof(in)), 0);
    assert_true(sd_event_new(&f->event) >= 0);
    assert_int_equal(statsd_new(&f->statsd, no_dimensions, 10), 0);
    assert_int_equal(statsd_listener_new(&f->listener, f->event, f->statsd), 0);
    assert_true(statsd_listener_add(f->listener, f->server) >= 0);
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;

    statsd_listener_free(f->listener);
    statsd_free(f->statsd);
    sd_event_unref(f->event);
    close(f->server);
    close(f->client);
    free(f);
    return 0;
}

static void send_text(const struct fixture *f, const char *text, size_t length)
{
    assert_int_equal(send(f->client, text, length, 0), length);
}

static struct statsd_counts counts_of(const struct fixture *f)
{
    struct statsd_counts counts;

    statsd_counts(f->statsd, &counts);
    return counts;
}

static void test_reads(void **state)
{
    const struct fixture *f = *state;
    struct statsd_listener_counts counts;

    send_text(f, "a:1|c\nb:1|c\n", 12);
    send_text(f, "", 0); /* an empty datagram is one too, and no end */
    send_text(f, "c:1|c", 5);
    assert_true(sd_event_run(f->event, 1000000) > 0);
    assert_int_equal(counts_of(f).lines, 3);
    statsd_listener_counts(f->listener, &counts);
    assert_int_equal(counts.datagrams, 3);
    assert_int_equal(counts.cut, 0);
    assert_int_equal(counts.dropped, 0);
    assert_true(counts.receive_buffer_bytes > 0);
    assert_int_equal(sd_event_run(f->event, 0), 0);
}

/* Whole lines of a datagram that is too long are taken, and not the half one at its end. */
static void test_too_long(void **state)
{
    static const char line[] = "hits:100|c\n";
    const struct fixture *f = *state;
    struct statsd_listener_counts counts;
    char text[STATSD_DATAGRAM_MAX + 2000];
    size_t length = 0;

    while (length + sizeof(line) < sizeof(text)) {
        memcpy(text + length, line, sizeof(line) - 1);
        length += sizeof(line) - 1;
    }
    send_text(f, text, length);
    memset(text, 'x', sizeof(text)); /* one without any line's end */
    send_text(f, text, sizeof(text));
    assert_true(sd_event_run(f->event, 1000000) > 0);
    assert_int_equal(counts_of(f).lines, STATSD_DATAGRAM_MAX / (sizeof(line) - 1));
    assert_int_equal(counts_of(f).bad_lines, 2); /* what was cut off */
    statsd_listener_counts(f->listener, &counts);
    assert_int_equal(counts.datagrams, 2);
    assert_int_equal(counts.cut, 2);
}

/* A wake-up's work is bounded, and nothing is left behind. */
static void test_flood(void **state)
{
    const struct fixture *f = *state;
    const unsigned n = STATSD_BATCH * STATSD_BATCHES + 10;
    const int large = 1 << 20;
    struct statsd_listener_counts counts;

    assert_int_equal(setsockopt(f->server, SOL_SOCKET, SO_RCVBUF, &large, sizeof(large)), 0);
    for (unsigned i = 0; i < n; i++)
        send_text(f, "a:1|c", 5);
    statsd_listener_counts(f->listener, &counts);
    if (counts.dropped > 0)
        skip(); /* net.core.rmem_max is tiny here */
    assert_true(sd_event_run(f->event, 1000000) > 0);
    assert_int_equal(counts_of(f).lines, STATSD_BATCH * STATSD_BATCHES);
    assert_true(sd_event_run(f->event, 1000000) > 0);
    assert_int_equal(counts_of(f).lines, n);
}

static int note_turn(sd_event_source *source, void *userdata)
{
    (*(unsigned *) userdata)++;
    return 0;
}

static void test_others_come_first(void **state)
{
    const struct fixture *f = *state;
    sd_event_source *other = NULL;
    unsigned turns = 0;

    assert_true(sd_event_add_defer(f->event, &other, note_turn, &turns) >= 0);
    send_text(f, "a:1|c", 5);
    assert_true(sd_event_run(f->event, 1000000) > 0);
    assert_int_equal(turns, 1);
    assert_int_equal(counts_of(f).lines, 0);
    assert_true(sd_event_run(f->event, 1000000) > 0);
    assert_int_equal(counts_of(f).lines, 1);
    sd_event_source_unref(other);
}

/* Each datagram is read or counted as dropped. */
static void test_drops_are_counted(void **state)
{
    const struct fixture *f = *state;
    const unsigned n = 30000;
    const int small = 4096;
    int copy = dup(f->server);
    struct statsd_listener *next;
    struct statsd_listener_counts counts;

    assert_int_equal(setsockopt(f->server, SOL_SOCKET, SO_RCVBUF, &small, sizeof(small)), 0);
    for (unsigned i = 0; i < n; i++)
        send_text(f, "a:1|c", 5);
    statsd_listener_drain(f->listener);
    statsd_listener_counts(f->listener, &counts);
    assert_true(counts.dropped > 0);
    assert_int_equal(counts.datagrams + counts.dropped, n);
    assert_int_equal(counts_of(f).lines, counts.datagrams);

    /* Another core's listener doesn't count them again. */
    assert_int_equal(statsd_listener_new(&next, f->event, f->statsd), 0);
    assert_true(statsd_listener_add(next, copy) >= 0);
    statsd_listener_counts(next, &counts);
    assert_int_equal(counts.dropped, 0);
    statsd_listener_free(next);
    close(copy);
}

static void test_unix_socket(void **state)
{
    const struct fixture *f = *state;
    char directory[PATH_MAX], path[PATH_MAX + 8];
    struct sockaddr_un un = {.sun_family = AF_UNIX};
    CLEANUP_CLOSE int server = -1, client = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);

    unit_directory_make(directory);
    snprintf(path, sizeof(path), "%s/s", directory);
    snprintf(un.sun_path, sizeof(un.sun_path), "%.100s", path);
    server = listen_open_datagram(path, 0666);
    assert_true(server >= 0);
    assert_true(statsd_listener_add(f->listener, server) >= 0);
    assert_int_equal(sendto(client, "a:1|c", 5, 0, (struct sockaddr *) &un, sizeof(un)), 5);
    assert_true(sd_event_run(f->event, 1000000) > 0);
    assert_int_equal(counts_of(f).lines, 1);
    unit_directory_remove(directory);
}

static void test_too_many(void **state)
{
    const struct fixture *f = *state;
    int fds[STATSD_LISTENERS_MAX];

    for (size_t i = 0; i < STATSD_LISTENERS_MAX; i++) {
        fds[i] = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        assert_int_equal(statsd_listener_add(f->listener, fds[i]) < 0,
                         i + 1 == STATSD_LISTENERS_MAX);
    }
    for (size_t i = 0; i < STATSD_LISTENERS_MAX; i++)
        close(fds[i]); /* the loop forgets a closed socket by itself */
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(test_reads),
        TEST(test_too_long),
        TEST(test_flood),
        TEST(test_others_come_first),
        TEST(test_drops_are_counted),
        TEST(test_unix_socket),
        TEST(test_too_many),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

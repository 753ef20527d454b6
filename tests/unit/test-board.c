/* SPDX-License-Identifier: Apache-2.0 */
/* Who is answered when, and with what, on a store that answers when the test says so. */
#include "tests/unit/http-harness.h"

#include "apps/visitor-board/board.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <sys/socket.h>

#define HOST "Host: test\r\n"
#define GET  "GET / HTTP/1.1\r\n" HOST "\r\n"
#define POST                                                                                       \
    "POST / HTTP/1.1\r\n" HOST "Content-Type: application/x-www-form-urlencoded\r\n"               \
    "Content-Length: 9\r\n\r\nmessage=x"

#define PENDING_MAX 8

struct fake_store {
    struct store store; /* first: the operations cast */
    uint64_t version;
    int refuse; /* what post and latest say at once */
    store_list_done read_done;
    void *read_userdata;
    uint64_t read_known;
    unsigned reads; /* begun */
    store_post_done post_done[PENDING_MAX];
    void *post_userdata[PENDING_MAX];
    unsigned posts; /* pending */
};

struct bench {
    struct harness http; /* its event, server and port; nothing else of it is used */
    struct fake_store fake;
    struct board *board;
};

/* --- the store ------------------------------------------------------------------------------- */

static uint64_t fake_version(const struct store *store)
{
    return ((const struct fake_store *) store)->version;
}

static int fake_post(struct store *store, const struct message *message, const char *key,
                     store_post_done done, void *userdata)
{
    struct fake_store *fake = (struct fake_store *) store;

    if (fake->refuse < 0)
        return fake->refuse;
    assert_string_equal(message->text, "x");
    assert_string_equal(message->instance, "node");
    assert_int_equal(strlen(message->id), 36);
    assert_true(fake->posts < PENDING_MAX);
    fake->post_done[fake->posts] = done;
    fake->post_userdata[fake->posts++] = userdata;
    return 0;
}

static int fake_latest(struct store *store, size_t limit, uint64_t known, store_list_done done,
                       void *userdata)
{
    struct fake_store *fake = (struct fake_store *) store;

    assert_null(fake->read_done); /* one at a time */
    assert_int_equal(limit, MESSAGE_LIST_MAX);
    fake->reads++;
    if (fake->refuse < 0)
        return fake->refuse;
    fake->read_done = done;
    fake->read_userdata = userdata;
    fake->read_known = known;
    return 0;
}

/* Answers the oldest pending post. */
static void answer_post(struct fake_store *fake, int error)
{
    store_post_done done = fake->post_done[0];
    void *userdata = fake->post_userdata[0];

    assert_true(fake->posts > 0);
    fake->posts--;
    memmove(fake->post_done, fake->post_done + 1, sizeof(done) * fake->posts);
    memmove(fake->post_userdata, fake->post_userdata + 1, sizeof(userdata) * fake->posts);
    done(error, error < 0 ? NULL : &(struct message){"id", "x", "now", "node"}, false, userdata);
}

/* Answers the read: a list of one message |text| (NULL: no list) as of |version|; or an error. */
static void answer_read(struct fake_store *fake, int error, const char *text, uint64_t version)
{
    store_list_done done = TAKE(fake->read_done);
    struct message_list *list = NULL;

    assert_non_null(done);
    if (text) {
        assert_int_equal(message_list_new(&list), 0);
        assert_int_equal(message_list_add(list, &(struct message){"id", text, "now", "node"}), 0);
    }
    done(error, list, version, "", fake->read_userdata);
}

static struct store *fake_free(struct store *store)
{
    struct fake_store *fake = (struct fake_store *) store;

    while (fake->posts > 0)
        answer_post(fake, -ECANCELED);
    if (fake->read_done)
        answer_read(fake, -ECANCELED, NULL, STORE_VERSION_NONE);
    return NULL;
}

static const struct store_operations fake_operations = {
    .version = fake_version,
    .post = fake_post,
    .latest = fake_latest,
    .free = fake_free,
};

/* --- the bench ------------------------------------------------------------------------------- */

static void start_server(struct harness *http, struct board *board)
{
    const struct http_server_options options = {
        .routes = board_routes, .userdata = board, .connections_max = 100, .idle_timeout_s = 60};
    struct sockaddr_in address = {.sin_family = AF_INET};
    socklen_t length = sizeof(address);

    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    assert_int_equal(http_server_new(&http->server, http->event, &options), 0);
    http->listen_fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    assert_true(http->listen_fd >= 0);
    assert_int_equal(bind(http->listen_fd, (struct sockaddr *) &address, length), 0);
    assert_int_equal(listen(http->listen_fd, SOMAXCONN), 0);
    assert_int_equal(getsockname(http->listen_fd, (struct sockaddr *) &address, &length), 0);
    http->port = ntohs(address.sin_port);
    assert_int_equal(http_server_listen(http->server, http->listen_fd), 0);
}

static int setup(void **state)
{
    struct bench *bench = calloc(1, sizeof(*bench));

    bench->fake.store.operations = &fake_operations;
    bench->fake.version = 1;
    assert_true(sd_event_new(&bench->http.event) >= 0);
    assert_int_equal(board_new(&bench->board, bench->http.event), 0);
    assert_int_equal(board_start(bench->board, &bench->fake.store, "node"), 0);
    start_server(&bench->http, bench->board);
    *state = bench;
    return 0;
}

static int teardown(void **state)
{
    struct bench *bench = *state;

    http_server_free(bench->http.server);
    close(bench->http.listen_fd);
    board_free(bench->board);
    assert_int_equal(bench->fake.posts, 0);
    sd_event_unref(bench->http.event);
    free(bench);
    return 0;
}

/* Sends |request| on a connection of its own and lets the board see it. */
static int begin(struct bench *bench, const char *request)
{
    int fd = harness_connect(&bench->http);

    harness_send(&bench->http, fd, request, strlen(request));
    harness_turn(&bench->http, 30);
    return fd;
}

static void assert_waits(struct bench *bench, int fd)
{
    char byte;

    harness_turn(&bench->http, 30);
    assert_int_equal(recv(fd, &byte, 1, MSG_PEEK), -1);
    assert_int_equal(errno, EAGAIN);
}

/* The answer has that status and |words| in it, and it has a notice if it should. Closes. */
static void expect(struct bench *bench, int fd, unsigned status, const char *words, bool notice)
{
    char *answer = harness_read(&bench->http, fd, 1, NULL);

    if (status_of(answer) != status || !strstr(answer, words) ||
        !strstr(answer, "class=\"box notice\"") == notice)
        fail_msg("wanted %u, \"%s\", notice %d; got %s", status, words, notice, answer);
    free(answer);
    close(fd);
}

/* --- pages ----------------------------------------------------------------------------------- */

static void test_one_read_for_many(void **state)
{
    struct bench *bench = *state;
    int fds[3];

    for (size_t i = 0; i < ARRAY_SIZE(fds); i++)
        fds[i] = begin(bench, GET);
    assert_int_equal(bench->fake.reads, 1);
    assert_true(bench->fake.read_known == STORE_VERSION_NONE);
    assert_waits(bench, fds[0]);
    answer_read(&bench->fake, 0, "first", 1);
    for (size_t i = 0; i < ARRAY_SIZE(fds); i++)
        expect(bench, fds[i], 200, ">first<", false);
    /* From now on it is there, until the version changes. */
    expect(bench, begin(bench, GET), 200, ">first<", false);
    assert_int_equal(bench->fake.reads, 1);
    bench->fake.version = 2;
    fds[0] = begin(bench, GET);
    assert_int_equal(bench->fake.reads, 2);
    assert_true(bench->fake.read_known == 1);
    answer_read(&bench->fake, 0, "second", 2);
    expect(bench, fds[0], 200, ">second<", false);
}

/* A read that began before a post was acknowledged does not answer who came after that. */
static void test_read_too_old(void **state)
{
    struct bench *bench = *state;
    int early = begin(bench, GET), late;

    bench->fake.version = 2;
    late = begin(bench, GET);
    assert_int_equal(bench->fake.reads, 1);
    answer_read(&bench->fake, 0, "old", 1);
    expect(bench, early, 200, ">old<", false);
    assert_waits(bench, late);
    assert_int_equal(bench->fake.reads, 2);
    answer_read(&bench->fake, 0, "new", 2);
    expect(bench, late, 200, ">new<", false);
}

/* One that began before it but noted the version after it does. */
static void test_read_new_enough(void **state)
{
    struct bench *bench = *state;
    int early = begin(bench, GET), late;

    bench->fake.version = 2;
    late = begin(bench, GET);
    answer_read(&bench->fake, 0, "new", 2);
    expect(bench, early, 200, ">new<", false);
    expect(bench, late, 200, ">new<", false);
    assert_int_equal(bench->fake.reads, 1);
}

/* After a second it asks even if the version says nothing; no list means no change. */
static void test_asks_again(void **state)
{
    struct bench *bench = *state;
    int fd = begin(bench, GET);

    answer_read(&bench->fake, 0, "first", 1);
    expect(bench, fd, 200, ">first<", false);
    harness_turn(&bench->http, 1050);
    fd = begin(bench, GET);
    assert_int_equal(bench->fake.reads, 2);
    assert_true(bench->fake.read_known == 1);
    answer_read(&bench->fake, 0, NULL, 1);
    expect(bench, fd, 200, ">first<", false);
    expect(bench, begin(bench, GET), 200, ">first<", false);
    assert_int_equal(bench->fake.reads, 2);
}

static void test_failed_reads(void **state)
{
    struct bench *bench = *state;
    int fd = begin(bench, GET);

    answer_read(&bench->fake, -EIO, NULL, STORE_VERSION_NONE);
    expect(bench, fd, 503, "Retry-After: 2", true);
    /* Not asked again at each request. */
    expect(bench, begin(bench, GET), 503, "can&#39;t be read", true);
    assert_int_equal(bench->fake.reads, 1);
    harness_turn(&bench->http, 260);
    fd = begin(bench, GET);
    answer_read(&bench->fake, 0, "first", 1);
    expect(bench, fd, 200, ">first<", false);

    /* With a page: that, and a notice on it. */
    bench->fake.version = 2;
    fd = begin(bench, GET);
    answer_read(&bench->fake, -EBADMSG, NULL, STORE_VERSION_NONE);
    expect(bench, fd, 200, ">first<", true);
    expect(bench, begin(bench, GET), 200, ">first<", true);
    fd = begin(bench, "GET /?error=too-long HTTP/1.1\r\n" HOST "\r\n");
    expect(bench, fd, 200, "more than 500 characters", true);
    harness_turn(&bench->http, 260);
    fd = begin(bench, GET);
    answer_read(&bench->fake, 0, "second", 2);
    expect(bench, fd, 200, ">second<", false);
    expect(bench, begin(bench, GET), 200, ">second<", false);
}

/* A store that takes no more. */
static void test_refused_read(void **state)
{
    struct bench *bench = *state;

    bench->fake.refuse = -ENOBUFS;
    expect(bench, begin(bench, GET), 503, "Retry-After: 2", true);
    expect(bench, begin(bench, POST), 503, "was not stored", false);
}

/* --- posts ----------------------------------------------------------------------------------- */

static void test_posts(void **state)
{
    static const struct {
        int error;
        unsigned status;
        const char *words;
    } cases[] = {
        {0, 302, "Location: /\r\n"},         {-ENOSPC, 503, "was not stored"},
        {-EBUSY, 503, "Retry-After: 2\r\n"}, {0, 302, "Location: /\r\n"},
        {-ECANCELED, 503, "was not stored"},
    };
    struct bench *bench = *state;

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        int fd = begin(bench, POST);

        assert_int_equal(bench->fake.posts, 1);
        assert_waits(bench, fd); /* never before it is stored */
        answer_post(&bench->fake, cases[i].error);
        expect(bench, fd, cases[i].status, cases[i].words, false);
    }
}

/* --- clients and stores that go -------------------------------------------------------------- */

static void test_clients_go(void **state)
{
    struct bench *bench = *state;
    int pages[3], post = begin(bench, POST);

    for (size_t i = 0; i < ARRAY_SIZE(pages); i++)
        pages[i] = begin(bench, GET);
    close(post);
    close(pages[1]);
    close(pages[2]);
    harness_turn(&bench->http, 100);
    answer_post(&bench->fake, 0);
    answer_read(&bench->fake, 0, "first", 1);
    expect(bench, pages[0], 200, ">first<", false);
}

static void test_ends_with_requests(void **state)
{
    struct bench *bench = *state;

    close(begin(bench, GET));
    (void) begin(bench, POST);
    (void) begin(bench, GET);
    assert_int_equal(bench->fake.posts, 1); /* the teardown ends them, the sanitizer looks on */
}

int main(void)
{
#define BOARD_TEST(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
    const struct CMUnitTest tests[] = {
        BOARD_TEST(test_one_read_for_many),
        BOARD_TEST(test_read_too_old),
        BOARD_TEST(test_read_new_enough),
        BOARD_TEST(test_asks_again),
        BOARD_TEST(test_failed_reads),
        BOARD_TEST(test_refused_read),
        BOARD_TEST(test_posts),
        BOARD_TEST(test_clients_go),
        BOARD_TEST(test_ends_with_requests),
    };
#undef BOARD_TEST

    return cmocka_run_group_tests(tests, NULL, NULL);
}

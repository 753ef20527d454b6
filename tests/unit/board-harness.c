/* SPDX-License-Identifier: Apache-2.0 */
/* See the header. */
#include "tests/unit/board-harness.h"

#include "common/base/text.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <sys/socket.h>

/* --- the store's operations ------------------------------------------------------------------ */

static uint64_t fake_version(const struct store *store)
{
    return ((const struct fake_store *) store)->version;
}

static void fake_expect(struct store *store)
{
    ((struct fake_store *) store)->expected++;
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
    assert_true(fake->posts < POSTS_MAX);
    assert_true(text_copy(fake->post_key, sizeof(fake->post_key), key ? key : ""));
    fake->post_done[fake->posts] = done;
    fake->post_userdata[fake->posts++] = userdata;
    return 0;
}

static int fake_latest(struct store *store, size_t limit, uint64_t known, store_list_done done,
                       void *userdata)
{
    struct fake_store *fake = (struct fake_store *) store;

    assert_null(fake->read_done); /* one at a time */
    fake->reads++;
    if (fake->refuse < 0)
        return fake->refuse;
    fake->read_done = done;
    fake->read_userdata = userdata;
    fake->read_known = known;
    fake->read_limit = limit;
    return 0;
}

static int fake_older(struct store *store, const char *position, size_t limit, store_list_done done,
                      void *userdata)
{
    struct fake_store *fake = (struct fake_store *) store;

    assert_null(fake->older_done);
    if (fake->refuse < 0)
        return fake->refuse;
    assert_true(text_copy(fake->older_position, sizeof(fake->older_position), position));
    fake->older_limit = limit;
    fake->older_done = done;
    fake->older_userdata = userdata;
    return 0;
}

/* Answers at once, against the contract, so that most tests need not think of them. */
static int fake_stats(struct store *store, store_stats_done done, void *userdata)
{
    struct fake_store *fake = (struct fake_store *) store;
    static const struct store_stats stats = {.total = 42};

    fake->stats++;
    if (fake->refuse < 0)
        return fake->refuse;
    fake->stats_done = done;
    fake->stats_userdata = userdata;
    if (!fake->holds_stats)
        answer_stats(fake, 0, stats.total);
    return 0;
}

static int fake_secret(struct store *store, store_secret_done done, void *userdata)
{
    struct fake_store *fake = (struct fake_store *) store;

    assert_null(fake->secret_done);
    fake->secrets++;
    if (fake->refuse < 0)
        return fake->refuse;
    fake->secret_done = done;
    fake->secret_userdata = userdata;
    return 0;
}

static int fake_check(struct store *store, store_check_done done, void *userdata)
{
    struct fake_store *fake = (struct fake_store *) store;

    assert_null(fake->check_done);
    fake->checks++;
    if (fake->refuse < 0)
        return fake->refuse;
    fake->check_done = done;
    fake->check_userdata = userdata;
    return 0;
}

static struct store *fake_free(struct store *store)
{
    struct fake_store *fake = (struct fake_store *) store;

    while (fake->posts > 0)
        answer_post(fake, -ECANCELED, NULL, false);
    if (fake->secret_done)
        answer_secret(fake, -ECANCELED);
    if (fake->read_done)
        answer_read(fake, -ECANCELED, NULL, STORE_VERSION_NONE);
    if (fake->older_done)
        answer_older(fake, -ECANCELED, NULL, "");
    if (fake->stats_done)
        answer_stats(fake, -ECANCELED, 0);
    if (fake->check_done)
        answer_check(fake, -ECANCELED, "");
    return NULL;
}

static const struct store_operations fake_operations = {
    .name = "fake",
    .version = fake_version,
    .expect = fake_expect,
    .post = fake_post,
    .latest = fake_latest,
    .older = fake_older,
    .stats = fake_stats,
    .secret = fake_secret,
    .check = fake_check,
    .free = fake_free,
};

/* --- its answers ----------------------------------------------------------------------------- */

void answer_post(struct fake_store *fake, int error, const char *text, bool repeated)
{
    store_post_done done = fake->post_done[0];
    void *userdata = fake->post_userdata[0];
    const struct message message = {"id-of-it", text, "now", "node"};

    assert_true(fake->posts > 0);
    fake->posts--;
    memmove(fake->post_done, fake->post_done + 1, sizeof(done) * fake->posts);
    memmove(fake->post_userdata, fake->post_userdata + 1, sizeof(userdata) * fake->posts);
    done(error, error < 0 ? NULL : &message, repeated, userdata);
}

static struct message_list *list_of(const char *text)
{
    struct message_list *list = NULL;

    if (!text)
        return NULL;
    assert_int_equal(message_list_new(&list), 0);
    assert_int_equal(message_list_add(list, &(struct message){"id", text, "now", "node"}), 0);
    return list;
}

void answer_read(struct fake_store *fake, int error, const char *text, uint64_t version)
{
    store_list_done done = TAKE(fake->read_done);

    assert_non_null(done);
    done(error, list_of(text), version, "", fake->read_userdata);
}

void answer_read_next(struct fake_store *fake, const char *text, uint64_t version, const char *next)
{
    store_list_done done = TAKE(fake->read_done);

    assert_non_null(done);
    done(0, list_of(text), version, next, fake->read_userdata);
}

void answer_older(struct fake_store *fake, int error, const char *text, const char *next)
{
    store_list_done done = TAKE(fake->older_done);

    assert_non_null(done);
    done(error, list_of(text), STORE_VERSION_NONE, next, fake->older_userdata);
}

void answer_stats(struct fake_store *fake, int error, uint64_t total)
{
    store_stats_done done = TAKE(fake->stats_done);
    const struct store_stats stats = {
        .total = total, .n_instances = 1, .instances = {{"node", 7}}, .others = 2};

    assert_non_null(done);
    done(error, error < 0 ? NULL : &stats, fake->stats_userdata);
}

void answer_secret(struct fake_store *fake, int error)
{
    static const uint8_t secret[STORE_SECRET_BYTES] = {1, 2, 3};
    store_secret_done done = TAKE(fake->secret_done);

    assert_non_null(done);
    done(error, error < 0 ? NULL : secret, fake->secret_userdata);
}

void answer_check(struct fake_store *fake, int error, const char *what)
{
    store_check_done done = TAKE(fake->check_done);

    assert_non_null(done);
    done(error, what, fake->check_userdata);
}

/* --- the bench ------------------------------------------------------------------------------- */

static void start_server(struct harness *http, struct board *board)
{
    const struct http_server_options options = {.routes = board_routes,
                                                .userdata = board,
                                                .connections_max = 100,
                                                .idle_timeout_s = 60,
                                                .error_page = board_error_page};
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

int bench_start(void **state, const struct board_options *options, bool is_shared, bool has_secret)
{
    struct bench *bench = calloc(1, sizeof(*bench));
    struct board_options all = *options;

    all.instance = "node";
    all.zone = all.zone ? all.zone : "";
    all.name = all.name ? all.name : "main";
    bench->fake.operations = fake_operations;
    bench->fake.operations.is_shared = is_shared;
    bench->fake.store.operations = &bench->fake.operations;
    bench->fake.version = 1;
    assert_true(sd_event_new(&bench->http.event) >= 0);
    assert_int_equal(board_new(&bench->board, bench->http.event), 0);
    assert_int_equal(board_start(bench->board, &bench->fake.store, &all), 0);
    if (has_secret)
        answer_secret(&bench->fake, 0);
    start_server(&bench->http, bench->board);
    *state = bench;
    return 0;
}

int bench_setup(void **state)
{
    return bench_start(state, &(struct board_options){0}, false, true);
}

int bench_setup_shared(void **state)
{
    return bench_start(state, &(struct board_options){0}, true, true);
}

int bench_teardown(void **state)
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

/* --- clients --------------------------------------------------------------------------------- */

int begin(struct bench *bench, const char *request)
{
    int fd = harness_connect(&bench->http);

    harness_send(&bench->http, fd, request, strlen(request));
    harness_turn(&bench->http, 30);
    return fd;
}

void assert_waits(struct bench *bench, int fd)
{
    char byte;

    harness_turn(&bench->http, 30);
    assert_int_equal(recv(fd, &byte, 1, MSG_PEEK), -1);
    assert_int_equal(errno, EAGAIN);
}

char *answer_of(struct bench *bench, int fd)
{
    char *answer = harness_read(&bench->http, fd, 1, NULL);

    close(fd);
    return answer;
}

void expect(struct bench *bench, int fd, unsigned status, const char *words)
{
    char *answer = answer_of(bench, fd);

    if (status_of(answer) != status || !strstr(answer, words))
        fail_msg("wanted %u, \"%s\"; got %s", status, words, answer);
    free(answer);
}

void expect_page(struct bench *bench, int fd, unsigned status, const char *words, bool notice)
{
    char *answer = answer_of(bench, fd);

    if (status_of(answer) != status || !strstr(answer, words) ||
        !strstr(answer, "class=\"box notice\"") == notice)
        fail_msg("wanted %u, \"%s\", notice %d; got %s", status, words, notice, answer);
    free(answer);
}

char *header_of(const char *answer, const char *name)
{
    char line[100];
    const char *found;

    snprintf(line, sizeof(line), "\r\n%s: ", name);
    found = strstr(answer, line);
    if (!found || found > body_of(answer))
        return NULL;
    found += strlen(line);
    return strndup(found, strcspn(found, "\r"));
}

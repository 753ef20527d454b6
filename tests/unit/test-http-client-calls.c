/* SPDX-License-Identifier: Apache-2.0 */
/* Calls as objects: cancelled, freed, started and ended out of callbacks, as many as there may be.
 */
#include "tests/unit/http-harness.h"
#include "tests/unit/http-peer.h"

#include "common/base/clock.h"
#include "common/base/macro.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/wait.h>

static void serve_nothing(struct peer *peer, int fd)
{
    peer_read(peer, fd);
    peer_wait_close(fd);
}

static void serve(struct peer *peer, int fd)
{
    while (peer_read(peer, fd))
        peer_say(fd, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
}

/* --- cancelled from outside ------------------------------------------------------------------- */

static void test_cancel(void **state)
{
    struct answer answer = {0};
    struct http_client_request request;
    struct http_client_call *call;
    char url[PEER_URL_MAX];
    struct bench bench;
    struct peer peer;

    peer_start(&peer, serve_nothing, NULL);
    bench_start(&bench);
    request = bench_request(peer_url(url, "http", peer.port, "/"));
    /* Before anything happened. */
    assert_int_equal(http_client_start(bench.client, &request, answer_on_done, &answer, &call), 0);
    http_client_cancel(call);
    bench_turn(&bench, 50);
    assert_int_equal(peer.connections, 0);
    /* With the request at the server. */
    assert_int_equal(http_client_start(bench.client, &request, answer_on_done, &answer, &call), 0);
    while (peer.requests == 0)
        bench_turn(&bench, 5);
    http_client_cancel(call);
    bench_turn(&bench, 50);
    assert_int_equal(answer.times, 0);
    bench_stop(&bench);
    peer_stop(&peer);
}

/* --- freed under way -------------------------------------------------------------------------- */

struct ending {
    struct bench *bench;
    struct http_client_request request;
    struct answer answers[3];
    struct http_client_call *calls[3];
};

/* The first to end takes another with it, and starts none: the client is going. */
static void on_done_while_freed(const struct http_client_response *response, void *userdata)
{
    struct ending *e = userdata;
    size_t i = response->call == e->calls[2] ? 2 : response->call == e->calls[1] ? 1 : 0;

    answer_on_done(response, &e->answers[i]);
    if (i == 2) {
        http_client_cancel(e->calls[0]);
        assert_int_equal(
            http_client_start(e->bench->client, &e->request, on_done_while_freed, e, NULL),
            -ECANCELED);
        http_client_free(e->bench->client); /* once more: nothing */
    }
}

static void test_free_under_way(void **state)
{
    char url[PEER_URL_MAX];
    struct bench bench;
    struct ending e = {.bench = &bench};
    struct peer peer;

    peer_start(&peer, serve_nothing, NULL);
    bench_start(&bench);
    e.request = bench_request(peer_url(url, "http", peer.port, "/"));
    for (size_t i = 0; i < 2; i++)
        assert_int_equal(
            http_client_start(bench.client, &e.request, on_done_while_freed, &e, &e.calls[i]), 0);
    while (peer.requests < 2)
        bench_turn(&bench, 5);
    assert_int_equal(
        http_client_start(bench.client, &e.request, on_done_while_freed, &e, &e.calls[2]), 0);
    bench_stop(&bench);
    assert_int_equal(e.answers[0].times, 0);
    assert_int_equal(e.answers[1].times, 1);
    assert_int_equal(e.answers[1].error, -ECANCELED);
    assert_true(e.answers[1].sent);
    assert_int_equal(e.answers[2].times, 1);
    assert_int_equal(e.answers[2].error, -ECANCELED);
    assert_false(e.answers[2].sent);
    for (size_t i = 0; i < ARRAY_SIZE(e.answers); i++)
        answer_done(&e.answers[i]);
    peer_stop(&peer);
}

/* --- out of a callback ------------------------------------------------------------------------ */

enum act { ACT_START, ACT_CANCEL_OTHER, ACT_CANCEL_SELF, ACT_FREE, ACT_N };

struct actor {
    struct bench *bench;
    enum act act;
    struct http_client_request request;
    struct answer first, second, other;
    struct http_client_call *self, *victim;
};

static void on_done_act(const struct http_client_response *response, void *userdata)
{
    struct actor *a = userdata;

    answer_on_done(response, &a->first);
    switch (a->act) {
    case ACT_START:
        assert_int_equal(
            http_client_start(a->bench->client, &a->request, answer_on_done, &a->second, NULL), 0);
        break;
    case ACT_CANCEL_OTHER:
        http_client_cancel(a->victim);
        break;
    case ACT_CANCEL_SELF:
        http_client_cancel(a->self);
        break;
    case ACT_FREE:
        a->bench->client = http_client_free(a->bench->client);
        break;
    default:
        break;
    }
    /* What the answer consists of stays until the callback returns. */
    assert_string_equal(response->body, "ok");
    assert_string_equal(http_client_header(response, "content-length"), "2");
}

static void test_out_of_callback(void **state)
{
    for (enum act act = 0; act < ACT_N; act++) {
        struct bench bench;
        struct actor a = {.bench = &bench, .act = act};
        struct http_client_request slow_request;
        char url[PEER_URL_MAX], slow_url[PEER_URL_MAX];
        struct peer peer, slow;

        peer_start(&peer, serve, NULL);
        peer_start(&slow, serve_nothing, NULL);
        bench_start(&bench);
        slow_request = bench_request(peer_url(slow_url, "http", slow.port, "/"));
        assert_int_equal(
            http_client_start(bench.client, &slow_request, answer_on_done, &a.other, &a.victim), 0);
        while (slow.requests == 0)
            bench_turn(&bench, 5);
        a.request = bench_request(peer_url(url, "http", peer.port, "/"));
        assert_int_equal(http_client_start(bench.client, &a.request, on_done_act, &a, &a.self), 0);
        bench_wait(&bench, &a.first);
        if (act == ACT_START) {
            bench_wait(&bench, &a.second);
            assert_int_equal(a.second.error, 0);
        }
        bench_turn(&bench, 20);
        assert_int_equal(a.first.times, 1);
        assert_int_equal(a.first.error, 0);
        assert_int_equal(a.other.times, act == ACT_FREE);
        if (act == ACT_FREE)
            assert_int_equal(a.other.error, -ECANCELED);
        bench_stop(&bench);
        answer_done(&a.first);
        answer_done(&a.second);
        answer_done(&a.other);
        peer_stop(&slow);
        peer_stop(&peer);
    }
}

/* Two that end in one turn of the loop, and the first cancels the second: it is told nothing. */
static void on_done_cancel_victim(const struct http_client_response *response, void *userdata)
{
    struct actor *a = userdata;

    answer_on_done(response, &a->first);
    if (response->call == a->self)
        http_client_cancel(a->victim);
    else
        http_client_cancel(a->self);
}

static void test_cancel_ended(void **state)
{
    struct bench bench;
    struct actor a = {.bench = &bench};

    bench_start(&bench);
    /* Each of them fails before a socket is needed, in the same call of libcurl's. */
    a.request = bench_request("http://127.0.0.1:99999/");
    assert_int_equal(
        http_client_start(bench.client, &a.request, on_done_cancel_victim, &a, &a.self), 0);
    assert_int_equal(
        http_client_start(bench.client, &a.request, on_done_cancel_victim, &a, &a.victim), 0);
    bench_wait(&bench, &a.first);
    bench_turn(&bench, 50);
    assert_int_equal(a.first.times, 1);
    answer_done(&a.first);
    bench_stop(&bench);
}

/* --- many ------------------------------------------------------------------------------------- */

static size_t open_descriptors(void)
{
    size_t n = 0;

    for (int fd = 0; fd < 2048; fd++)
        n += fcntl(fd, F_GETFD) >= 0;
    return n;
}

static void test_many(void **state)
{
    struct answer answers[HTTP_CLIENT_CALLS_MAX] = {0}, over = {0};
    struct http_client_request request;
    struct http_client *client;
    char url[PEER_URL_MAX];
    struct harness h;
    size_t before;

    harness_start(&h, NULL);
    assert_int_equal(http_client_new(&client, h.event, "many"), 0);
    request = bench_request(peer_url(url, "http", h.port, "/"));
    request.timeout_us = 60 * USEC_PER_SEC;
    before = open_descriptors();
    for (int round = 0; round < 2; round++) {
        for (size_t i = 0; i < ARRAY_SIZE(answers); i++)
            assert_int_equal(http_client_start(client, &request, answer_on_done, &answers[i], NULL),
                             0);
        assert_int_equal(http_client_start(client, &request, answer_on_done, &over, NULL), -EBUSY);
        for (size_t i = 0; i < ARRAY_SIZE(answers); i++) {
            uint64_t end = clock_monotonic_us() + 60 * USEC_PER_SEC;

            while (answers[i].times == 0 && clock_monotonic_us() < end)
                harness_turn(&h, 1);
            assert_int_equal(answers[i].times, 1);
            assert_int_equal(answers[i].error, 0);
            assert_string_equal(answers[i].body, "hello\n");
            answer_done(&answers[i]);
        }
        harness_turn(&h, 50);
        assert_true(h.connections <= 4); /* the others aren't kept */
        assert_true(open_descriptors() <= before + 2 * 4 + 8);
    }
    assert_int_equal(over.times, 0);
    assert_int_equal(h.handled, 2 * HTTP_CLIENT_CALLS_MAX);
    /* One after the other they share a connection. */
    for (int i = 0; i < 10; i++) {
        assert_int_equal(http_client_start(client, &request, answer_on_done, &answers[0], NULL), 0);
        while (answers[0].times == 0)
            harness_turn(&h, 1);
        assert_int_equal(answers[0].error, 0);
        answer_done(&answers[0]);
    }
    http_client_free(client);
    harness_turn(&h, 50);
    assert_int_equal(h.connections, 0);
    harness_stop(&h);
}

/* --- without libcurl -------------------------------------------------------------------------- */

/* In a process whose libcurl.so.4 is no libcurl, or can't be loaded. */
static int without_libcurl(void)
{
    struct http_client_request request = bench_request("http://127.0.0.1/");
    struct bench bench;
    int first, second;

    bench_start(&bench);
    first = http_client_start(bench.client, &request, answer_on_done, NULL, NULL);
    second = http_client_start(bench.client, &request, answer_on_done, NULL, NULL);
    bench_stop(&bench);
    return first == -ELIBACC && second == -ELIBACC ? 42 : 1;
}

static int run_without_libcurl(const char *directory)
{
    int status;
    pid_t pid = fork();

    assert_true(pid >= 0);
    if (pid == 0) {
        setenv("LD_LIBRARY_PATH", directory, 1);
        execl("/proc/self/exe", "test-http-client-calls", "without-libcurl", (char *) NULL);
        _exit(127);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static void test_no_libcurl(void **state)
{
    static const char *const LIBRARIES[] = {"/lib64/libm.so.6", "/lib/x86_64-linux-gnu/libm.so.6",
                                            "/lib/aarch64-linux-gnu/libm.so.6"};
    char directory[PATH_MAX], path[PATH_MAX + 16];
    FILE *file;

    unit_directory_make(directory);
    snprintf(path, sizeof(path), "%s/libcurl.so.4", directory);
    file = fopen(path, "w");
    fprintf(file, "no library, but a file of its name that is long enough to be read as one\n");
    fclose(file);
    assert_int_equal(run_without_libcurl(directory), 42);
    /* A library without its functions. */
    unlink(path);
    for (size_t i = 0; i < ARRAY_SIZE(LIBRARIES); i++)
        if (access(LIBRARIES[i], R_OK) == 0 && symlink(LIBRARIES[i], path) == 0)
            assert_int_equal(run_without_libcurl(directory), 42);
    unit_directory_remove(directory);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_cancel),
        cmocka_unit_test(test_free_under_way),
        cmocka_unit_test(test_out_of_callback),
        cmocka_unit_test(test_cancel_ended),
        cmocka_unit_test(test_many),
        cmocka_unit_test(test_no_libcurl),
    };

    if (argc > 1)
        return without_libcurl();
    alarm(240); /* a hang is a failure too */
    return cmocka_run_group_tests(tests, NULL, NULL);
}

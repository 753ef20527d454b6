/* SPDX-License-Identifier: Apache-2.0 */
/* What a client needs that makes many calls to one server: more at a time, connections of their
 * own, bodies that are not all kept. */
#include "tests/unit/http-harness.h"
#include "tests/unit/http-peer.h"

#include "common/base/clock.h"
#include "common/base/macro.h"

#include <errno.h>
#include <sys/resource.h>

#define MANY 512u

/* Both ends of each connection are in this process; a login shell's soft limit is 1024. */
static int raise_descriptors(void **state)
{
    const rlim_t wanted = 2 * MANY + 64;
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
        return -errno;
    limit.rlim_cur = MAX(limit.rlim_cur, wanted);
    return setrlimit(RLIMIT_NOFILE, &limit); /* fails where the hard limit is below */
}

static void wait_for(struct harness *h, const struct answer *answer)
{
    uint64_t end_us = clock_monotonic_us() + 60 * USEC_PER_SEC;

    while (answer->times == 0 && clock_monotonic_us() < end_us)
        harness_turn(h, 1);
    assert_int_equal(answer->times, 1);
    assert_int_equal(answer->error, 0);
}

static void test_set_calls(void **state)
{
    static struct answer answers[MANY];
    struct http_server_options options = {.connections_max = 2 * MANY};
    struct answer over = {0};
    struct http_client_request request;
    struct http_client *client;
    char url[PEER_URL_MAX];
    struct harness h;

    harness_start(&h, &options);
    assert_int_equal(http_client_new(&client, h.event, "many"), 0);
    http_client_set_calls(client, MANY);
    request = bench_request(peer_url(url, "http", h.port, "/"));
    request.timeout_us = 60 * USEC_PER_SEC;
    for (int round = 0; round < 2; round++) {
        for (size_t i = 0; i < MANY; i++)
            assert_int_equal(http_client_start(client, &request, answer_on_done, &answers[i], NULL),
                             0);
        assert_int_equal(http_client_start(client, &request, answer_on_done, &over, NULL), -EBUSY);
        for (size_t i = 0; i < MANY; i++) {
            wait_for(&h, &answers[i]);
            answer_done(&answers[i]);
        }
        harness_turn(&h, 50);
        assert_true(h.connections > 4); /* those that were needed are kept */
    }
    assert_int_equal(h.handled, 2 * MANY);
    assert_int_equal(over.times, 0);
    http_client_free(client);
    harness_turn(&h, 50);
    assert_int_equal(h.connections, 0);
    harness_stop(&h);
}

/* One more than can be set. */
static void test_limit(void **state)
{
    struct http_client_request request = bench_request("http://127.0.0.1:1/");
    static struct answer answers[HTTP_CLIENT_CALLS_LIMIT];
    struct bench bench;

    bench_start(&bench);
    http_client_set_calls(bench.client, 2 * HTTP_CLIENT_CALLS_LIMIT);
    for (size_t i = 0; i < HTTP_CLIENT_CALLS_LIMIT; i++)
        assert_int_equal(
            http_client_start(bench.client, &request, answer_on_done, &answers[i], NULL), 0);
    assert_int_equal(http_client_start(bench.client, &request, answer_on_done, NULL, NULL), -EBUSY);
    bench_stop(&bench);
    for (size_t i = 0; i < HTTP_CLIENT_CALLS_LIMIT; i++) {
        assert_int_equal(answers[i].error, -ECANCELED);
        answer_done(&answers[i]);
    }
}

/* The server would keep them. */
static void serve_kept(struct peer *peer, int fd)
{
    while (peer_read(peer, fd))
        peer_say(fd, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
}

static void test_own_connection(void **state)
{
    struct http_client_request request;
    struct answer answer = {0};
    char url[PEER_URL_MAX];
    struct bench bench;
    struct peer peer;

    peer_start(&peer, serve_kept, NULL);
    bench_start(&bench);
    request = bench_request(peer_url(url, "http", peer.port, "/"));
    for (unsigned i = 0; i < 6; i++) {
        static const char *const own[] = {"Connection: keep-alive", NULL};

        /* Kept ones before and after are not touched by it. */
        request.own_connection = i > 0 && i < 5;
        request.headers = i == 4 ? own : NULL;
        assert_int_equal(http_client_start(bench.client, &request, answer_on_done, &answer, NULL),
                         0);
        bench_wait(&bench, &answer);
        assert_int_equal(answer.error, 0);
        assert_int_equal(!!strstr(peer.request, "Connection: close\r\n"),
                         request.own_connection && i != 4);
        answer_done(&answer);
        answer = (struct answer){0};
    }
    assert_int_equal(peer.requests, 6);
    assert_int_equal(peer.connections, 5); /* the first and the last share one */
    bench_stop(&bench);
    peer_stop(&peer);
}

struct cut {
    struct answer answer;
    uint64_t received;
};

static void on_cut(const struct http_client_response *response, void *userdata)
{
    struct cut *cut = userdata;

    answer_on_done(response, &cut->answer);
    cut->received = response->body_received;
}

static void test_cut_body(void **state)
{
    static const size_t limits[] = {0, 1, 1000, HARNESS_BIG_BYTES, 2 * HARNESS_BIG_BYTES};
    struct http_client_request request;
    struct http_client *client;
    char url[PEER_URL_MAX];
    struct harness h;

    harness_start(&h, NULL);
    assert_int_equal(http_client_new(&client, h.event, "cut"), 0);
    request = bench_request(peer_url(url, "http", h.port, "/big"));
    request.cut_body = true;
    for (size_t i = 0; i < ARRAY_SIZE(limits); i++) {
        struct cut cut = {0};

        request.response_limit_bytes = limits[i];
        assert_int_equal(http_client_start(client, &request, on_cut, &cut, NULL), 0);
        wait_for(&h, &cut.answer);
        assert_int_equal(cut.answer.status, 200);
        assert_int_equal(cut.answer.body_length, MIN(limits[i], (size_t) HARNESS_BIG_BYTES));
        assert_int_equal(cut.received, HARNESS_BIG_BYTES);
        answer_done(&cut.answer);
    }
    assert_int_equal(h.connections, 1); /* read to its end, so it is kept */
    http_client_free(client);
    harness_stop(&h);
}

/* A call out of each answer: neither the others nor the rest of the loop have to wait for ever. */
struct chain {
    struct http_client *client;
    struct http_client_request request;
    unsigned ended;
    bool stop;
};

static void on_link(const struct http_client_response *response, void *userdata)
{
    struct chain *chain = userdata;

    if (response->error == -ECANCELED)
        return;
    assert_int_equal(response->error, 0);
    chain->ended++;
    if (!chain->stop)
        assert_int_equal(http_client_start(chain->client, &chain->request, on_link, chain, NULL),
                         0);
}

static void test_chains_are_fair(void **state)
{
    struct chain chains[16] = {0};
    struct bench bench;
    struct peer peer;
    char url[PEER_URL_MAX];
    uint64_t end_us = clock_monotonic_us() + 60 * USEC_PER_SEC;
    unsigned least = 0;

    peer_start(&peer, serve_kept, NULL);
    bench_start(&bench);
    http_client_set_calls(bench.client, ARRAY_SIZE(chains)); /* so that all connections are kept */
    for (size_t i = 0; i < ARRAY_SIZE(chains); i++) {
        chains[i].client = bench.client;
        chains[i].request = bench_request(peer_url(url, "http", peer.port, "/"));
        assert_int_equal(
            http_client_start(bench.client, &chains[i].request, on_link, &chains[i], NULL), 0);
    }
    while (least < 5 && clock_monotonic_us() < end_us) {
        bench_turn(&bench, 5);
        least = chains[0].ended;
        for (size_t i = 1; i < ARRAY_SIZE(chains); i++)
            least = MIN(least, chains[i].ended);
    }
    assert_true(least >= 5);
    for (size_t i = 0; i < ARRAY_SIZE(chains); i++)
        chains[i].stop = true;
    bench_stop(&bench);
    peer_stop(&peer);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_set_calls),       cmocka_unit_test(test_limit),
        cmocka_unit_test(test_own_connection),  cmocka_unit_test(test_cut_body),
        cmocka_unit_test(test_chains_are_fair),
    };

    alarm(120); /* a hang is a failure too */
    return cmocka_run_group_tests(tests, raise_descriptors, NULL);
}

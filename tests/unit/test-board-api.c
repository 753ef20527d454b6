/* SPDX-License-Identifier: Apache-2.0 */
/* What the API reads, /ready, and what the server itself refuses below /api. */
#include "tests/unit/board-harness.h"

#include "common/base/json.h"

#include <errno.h>
#include <stdio.h>

static int setup_no_secret(void **state)
{
    return bench_start(state, &(struct board_options){0}, false, false);
}

/* The member |key| of the answer's body; the caller frees it. */
static char *member_of(const char *answer, const char *key)
{
    CLEANUP_JSON struct json_object *object = NULL;
    const char *body = body_of(answer), *value;

    assert_int_equal(json_parse(body, strlen(body), &object), 0);
    return json_get_string(object, key, &value) == 0 ? strdup(value) : NULL;
}

static int begin_list(struct bench *bench, const char *query)
{
    char request[400];

    snprintf(request, sizeof(request), "GET /api/messages?%s HTTP/1.1\r\n" HOST "\r\n", query);
    return begin(bench, request);
}

static void test_list(void **state)
{
    struct bench *bench = *state;
    int fd = begin(bench, GET_PATH("/api/messages"));

    answer_read(&bench->fake, 0, "a \"b\"", 1);
    expect(
        bench, fd, 200,
        "\r\n\r\n{\"messages\":[{\"id\":\"id\",\"message\":\"a \\\"b\\\"\",\"timestamp\":\"now\","
        "\"instanceId\":\"node\"}],\"next\":null}\n");
    /* Page and API have the same list. */
    expect(bench, begin(bench, GET), 200, ">a &quot;b&quot;<");
    expect(bench, begin_list(bench, "limit=50"), 200, "\"next\":null");
    assert_int_equal(bench->fake.reads, 1);
}

static void test_cursors(void **state)
{
    struct bench *bench = *state;
    int fd = begin(bench, GET_PATH("/api/messages"));
    char query[300], *answer, *next;

    answer_read_next(&bench->fake, "first", 1, "42");
    answer = answer_of(bench, fd);
    next = member_of(answer, "next");
    assert_non_null(next);
    snprintf(query, sizeof(query), "limit=7&cursor=%s", next);
    free(next);
    free(answer);
    fd = begin_list(bench, query);
    assert_string_equal(bench->fake.older_position, "42");
    assert_int_equal(bench->fake.older_limit, 7);
    answer_older(&bench->fake, 0, "second", "");
    expect(bench, fd, 200, "\"message\":\"second\"");
    fd = begin_list(bench, query);
    answer_older(&bench->fake, -EAGAIN, NULL, "");
    expect(bench, fd, 503, "Retry-After: 2");
    query[strlen(query) - 1] ^= 2;
    expect(bench, begin_list(bench, query), 400, "\"field\":\"cursor\"");
    expect(bench, begin_list(bench, "cursor="), 400, "\"field\":\"cursor\"");
}

static void test_limits(void **state)
{
    static const char *const bad[] = {"0", "51", "-1", "1.5", "", "x", "99999999999999999999"};
    struct bench *bench = *state;
    int fd;

    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        char query[50];

        snprintf(query, sizeof(query), "limit=%s", bad[i]);
        expect(bench, begin_list(bench, query), 400, "\"field\":\"limit\"");
    }
    assert_int_equal(bench->fake.reads, 0);
    fd = begin_list(bench, "limit=1");
    assert_int_equal(bench->fake.read_limit, 1);
    answer_read(&bench->fake, 0, "one", 1);
    expect(bench, fd, 200, "\"message\":\"one\"");
}

/* The first read brings the secret, and what was asked for comes behind it. */
static void test_part_without_secret(void **state)
{
    struct bench *bench = *state;
    int fd = begin_list(bench, "limit=1"), gone = begin_list(bench, "limit=2");

    answer_secret(&bench->fake, 0);
    close(gone);
    harness_turn(&bench->http, 30);
    assert_int_equal(bench->fake.read_limit, MESSAGE_LIST_MAX);
    answer_read(&bench->fake, 0, "kept", 1);
    assert_int_equal(bench->fake.read_limit, 1);
    assert_waits(bench, fd);
    answer_read(&bench->fake, 0, "one", 1);
    expect(bench, fd, 200, "\"message\":\"one\"");
}

static void test_part_is_given_up(void **state)
{
    struct bench *bench = *state;
    int fd = begin_list(bench, "limit=1");

    answer_secret(&bench->fake, 0);
    answer_read(&bench->fake, 0, "kept", 1);
    close(fd);
    harness_turn(&bench->http, 100);
    answer_read(&bench->fake, 0, "one", 1); /* for nobody */
    fd = begin_list(bench, "limit=1");
    answer_read(&bench->fake, 0, "two", 1);
    expect(bench, fd, 200, "\"message\":\"two\"");
}

static void test_stats(void **state)
{
    struct bench *bench = *state;
    int fd = begin(bench, GET_PATH("/api/stats"));

    answer_read(&bench->fake, 0, "first", 1);
    expect(bench, fd, 200,
           "\r\n\r\n{\"total\":42,\"lastHour\":{\"instances\":[{\"instanceId\":\"node\","
           "\"messages\":7}],\"others\":2}}\n");
}

static void test_unavailable(void **state)
{
    struct bench *bench = *state;
    int fd = begin(bench, GET_PATH("/api/messages"));

    answer_read(&bench->fake, -EAGAIN, NULL, STORE_VERSION_NONE);
    expect(bench, fd, 503, "Retry-After: 2");
    expect(bench, begin(bench, GET_PATH("/api/stats")), 503, "problem:unavailable");
    assert_int_equal(bench->fake.reads, 1); /* not asked at each request */
    harness_turn(&bench->http, 260);
    fd = begin(bench, GET_PATH("/api/messages"));
    answer_read(&bench->fake, 0, "again", 1);
    expect(bench, fd, 200, "again");
}

static void test_openapi(void **state)
{
    CLEANUP_JSON struct json_object *object = NULL;
    struct bench *bench = *state;
    char *answer = answer_of(bench, begin(bench, GET_PATH("/api/openapi.json")));
    const char *body = body_of(answer);

    assert_int_equal(status_of(answer), 200);
    assert_int_equal(json_parse(body, strlen(body), &object), 0);
    assert_non_null(strstr(body, "\"maxLength\": 500")); /* MESSAGE_TEXT_CHARACTERS */
    assert_non_null(strstr(body, "\"maximum\": 50,"));   /* MESSAGE_LIST_MAX */
    assert_int_equal(MESSAGE_TEXT_CHARACTERS, 500);
    assert_int_equal(MESSAGE_LIST_MAX, 50);
    free(answer);
}

static void test_refused_by_the_server(void **state)
{
    struct bench *bench = *state;

    expect(bench, begin(bench, GET_PATH("/api/nothing")), 404, "application/problem+json");
    expect(bench, begin(bench, "DELETE /api/messages HTTP/1.1\r\n" HOST "\r\n"), 405,
           "Allow: GET, HEAD, POST\r\n");
    expect(bench,
           begin(bench, "POST /api/messages HTTP/1.1\r\n" HOST "Content-Length: 20000\r\n\r\n"),
           413, "application/problem+json");
    expect(bench, begin(bench, GET_PATH("/nothing")), 404, "Content-Security-Policy: ");
}

/* --- /ready ---------------------------------------------------------------------------------- */

#define GET_READY GET_PATH("/ready")

static void test_ready(void **state)
{
    struct bench *bench = *state;
    char *answer;
    int fds[3];

    for (size_t i = 0; i < 3; i++)
        fds[i] = begin(bench, GET_READY);
    assert_int_equal(bench->fake.checks, 1); /* one for all of them */
    assert_waits(bench, fds[0]);
    answer_check(&bench->fake, 0, "");
    for (size_t i = 0; i < 3; i++)
        expect(bench, fds[i], 200,
               "{\"ok\":true,\"instanceId\":\"node\",\"dependencies\":[{\"name\":\"fake\","
               "\"ok\":true,\"latencyMs\":");
    expect(bench, begin(bench, GET_READY), 200, "\"ok\":true"); /* kept */
    assert_int_equal(bench->fake.checks, 1);
    harness_turn(&bench->http, 1050);
    fds[0] = begin(bench, GET_READY);
    assert_int_equal(bench->fake.checks, 2);
    answer_check(&bench->fake, -ENOENT, "the table is not there");
    answer = answer_of(bench, fds[0]);
    assert_int_equal(status_of(answer), 503);
    assert_null(strstr(answer, "the table is not there")); /* for the log alone */
    free(answer);
    expect(bench, begin(bench, GET_READY), 503, "\"error\":\"store_missing\"");
    /* That is no reason to end a worker. */
    expect(bench, begin(bench, GET_PATH("/health")), 200, "\"ok\":true");
    harness_turn(&bench->http, 1050);
    bench->fake.refuse = -ENOBUFS;
    expect(bench, begin(bench, GET_READY), 503, "\"error\":\"store_busy\"");
}

static void test_ready_ends(void **state)
{
    struct bench *bench = *state;

    close(begin(bench, GET_READY));
    (void) begin(bench, GET_READY);
    (void) begin(bench, GET_PATH("/api/messages"));
    (void) begin(bench, API_POST);
    assert_int_equal(bench->fake.checks, 1); /* the teardown ends them, the sanitizer looks on */
}

int main(void)
{
#define API_TEST(test) cmocka_unit_test_setup_teardown(test, bench_setup, bench_teardown)
    const struct CMUnitTest tests[] = {
        API_TEST(test_list),
        API_TEST(test_cursors),
        API_TEST(test_limits),
        cmocka_unit_test_setup_teardown(test_part_without_secret, setup_no_secret, bench_teardown),
        cmocka_unit_test_setup_teardown(test_part_is_given_up, setup_no_secret, bench_teardown),
        API_TEST(test_stats),
        API_TEST(test_unavailable),
        API_TEST(test_openapi),
        API_TEST(test_refused_by_the_server),
        API_TEST(test_ready),
        API_TEST(test_ready_ends),
    };
#undef API_TEST

    return cmocka_run_group_tests(tests, NULL, NULL);
}

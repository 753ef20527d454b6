/* SPDX-License-Identifier: Apache-2.0 */
/* Posting by form and by API: who may, what comes back, and what is kept of a refused text. */
#include "tests/unit/board-harness.h"

#include "common/base/clock.h"

#include <errno.h>
#include <stdio.h>

static int setup_limited(void **state)
{
    struct board_options options = {.posts_per_minute = 2};
    const char *bad;
    size_t length;

    assert_int_equal(client_proxies_parse("127.0.0.0/8", &options.proxies, &bad, &length), 0);
    return bench_start(state, &options, false, true);
}

static int setup_limited_alone(void **state)
{
    return bench_start(state, &(struct board_options){.posts_per_minute = 2}, false, true);
}

static int setup_no_secret(void **state)
{
    return bench_start(state, &(struct board_options){0}, false, false);
}

static int begin_form(struct bench *bench, const char *body)
{
    char request[1500];

    snprintf(request, sizeof(request),
             "POST / HTTP/1.1\r\n" HOST "Content-Type: application/x-www-form-urlencoded\r\n"
             "Content-Length: %zu\r\n\r\n%s",
             strlen(body), body);
    return begin(bench, request);
}

static int begin_api(struct bench *bench, const char *headers, const char *body)
{
    char request[1500];

    snprintf(request, sizeof(request),
             "POST /api/messages HTTP/1.1\r\n" HOST "%sContent-Length: %zu\r\n\r\n%s", headers,
             strlen(body), body);
    return begin(bench, request);
}

/* --- the form -------------------------------------------------------------------------------- */

static void test_refused_text_comes_back(void **state)
{
    struct bench *bench = *state;
    char body[600] = "message=%3Cb%3E";

    memset(body + strlen(body), 'x', 500);
    expect(bench, begin_form(bench, body), 400, "&lt;b&gt;xxx");
    expect(bench, begin_form(bench, body), 400, "more than 500 characters");
    expect(bench, begin_form(bench, "message=a%07b%3C"), 400, "\nab&lt;</textarea>");
    expect(bench, begin_form(bench, "message=%"), 400, "damaged");
    assert_int_equal(bench->fake.posts, 0);
}

static void test_unstored_text_comes_back(void **state)
{
    struct bench *bench = *state;
    int fd = begin(bench, POST);

    answer_post(&bench->fake, -EAGAIN, NULL, false);
    expect(bench, fd, 503, "\nx</textarea>");
    bench->fake.refuse = -ENOBUFS;
    expect(bench, begin(bench, POST), 503, "\nx</textarea>");
    bench->fake.refuse = 0;
    fd = begin(bench, POST);
    answer_post(&bench->fake, -EIO, NULL, false);
    expect(bench, fd, 503, "may not have been stored");
}

/* --- other sites' pages ---------------------------------------------------------------------- */

static void test_cross_origin(void **state)
{
    struct bench *bench = *state;
    int fd;

    expect(bench, begin(bench, POST_WITH("Sec-Fetch-Site: cross-site\r\n")), 403, "another site");
    expect(bench, begin(bench, POST_WITH("Origin: https://evil.example\r\n")), 403, "text/html");
    expect(bench, begin(bench, POST_WITH("Origin: null\r\n")), 403, "text/html");
    expect(bench, begin(bench, API_POST_WITH("Sec-Fetch-Site: same-site\r\n")), 403,
           "problem:cross-origin");
    assert_int_equal(bench->fake.posts, 0);
    fd = begin(bench, POST_WITH("Sec-Fetch-Site: same-origin\r\nOrigin: https://x\r\n"));
    answer_post(&bench->fake, 0, "x", false);
    expect(bench, fd, 302, "Location: /\r\n");
    fd = begin(bench, POST_WITH("Origin: http://test\r\n"));
    answer_post(&bench->fake, 0, "x", false);
    expect(bench, fd, 302, "Location: /\r\n");
}

/* --- too fast -------------------------------------------------------------------------------- */

/* Posts, and returns whether it was taken. */
static bool is_taken(struct bench *bench, const char *request)
{
    int fd = begin(bench, request);
    char *answer;
    unsigned status;

    if (bench->fake.posts > 0)
        answer_post(&bench->fake, 0, "x", false);
    answer = answer_of(bench, fd);
    status = status_of(answer);
    assert_true(status == 302 || status == 201 || status == 429);
    if (status == 429)
        assert_non_null(strstr(answer, "Retry-After: "));
    free(answer);
    return status != 429;
}

static void test_rate_limit(void **state)
{
    struct bench *bench = *state;

    assert_true(is_taken(bench, POST));
    assert_true(is_taken(bench, API_POST));
    assert_false(is_taken(bench, API_POST));
    assert_false(is_taken(bench, POST));
    expect(bench, begin(bench, POST), 429, "\nx</textarea>");
    expect(bench, begin(bench, API_POST), 429, "problem:too-fast");
    /* Reading is free, and mistakes are. */
    expect(bench, begin_form(bench, "message=%"), 400, "damaged");
    expect(bench, begin(bench, GET_PATH("/health")), 200, "ok");
    /* The proxy is trusted: each of its clients has his own. */
    assert_true(is_taken(bench, POST_WITH("X-Forwarded-For: 192.0.2.1\r\n")));
    assert_true(is_taken(bench, POST_WITH("X-Forwarded-For: 192.0.2.1\r\n")));
    assert_false(is_taken(bench, POST_WITH("X-Forwarded-For: 192.0.2.1\r\n")));
    /* Whatever that client says of itself. */
    assert_false(is_taken(bench, POST_WITH("X-Forwarded-For: 198.51.100.7, 192.0.2.1\r\n")));
    assert_false(is_taken(bench, POST_WITH("X-Forwarded-For: 198.51.100.7\r\n"
                                           "X-Forwarded-For: 192.0.2.1\r\n")));
    assert_true(is_taken(bench, POST_WITH("X-Forwarded-For: 2001:db8::1\r\n")));
    assert_true(is_taken(bench, POST_WITH("X-Forwarded-For: 2001:db8::2\r\n")));
    assert_false(is_taken(bench, POST_WITH("X-Forwarded-For: 2001:db8::3\r\n")));
    assert_true(is_taken(bench, POST_WITH("X-Forwarded-For: 2001:db8:0:1::1\r\n")));
}

static void test_nobody_is_trusted(void **state)
{
    struct bench *bench = *state;

    assert_true(is_taken(bench, POST_WITH("X-Forwarded-For: 192.0.2.1\r\n")));
    assert_true(is_taken(bench, POST_WITH("X-Forwarded-For: 192.0.2.2\r\n")));
    assert_false(is_taken(bench, POST_WITH("X-Forwarded-For: 192.0.2.3\r\n")));
}

/* --- the poster's next page ------------------------------------------------------------------ */

static void test_cookie(void **state)
{
    struct bench *bench = *state;
    int fd = begin(bench, POST);
    uint64_t before_ms = clock_realtime_us() / USEC_PER_MSEC;
    unsigned long long posted_ms;
    char *answer, *cookie, rest[100];

    answer_post(&bench->fake, 0, "x", false);
    answer = answer_of(bench, fd);
    assert_int_equal(status_of(answer), 302);
    assert_non_null(strstr(answer, "Location: /\r\n"));
    cookie = header_of(answer, "Set-Cookie");
    assert_int_equal(sscanf(cookie, "board_posted=%llu; %99[^\n]", &posted_ms, rest), 2);
    assert_true(posted_ms >= before_ms);
    assert_true(posted_ms <= clock_realtime_us() / USEC_PER_MSEC);
    assert_string_equal(rest, "Max-Age=10; Path=/; HttpOnly; SameSite=Lax");
    free(cookie);
    free(answer);
    fd = begin(bench, API_POST);
    answer_post(&bench->fake, 0, "x", false);
    expect(bench, fd, 201, "Set-Cookie: board_posted=");
}

static void test_no_cookie(void **state)
{
    struct bench *bench = *state;
    int fd = begin(bench, POST);
    char *answer;

    answer_post(&bench->fake, 0, "x", false);
    answer = answer_of(bench, fd);
    assert_null(header_of(answer, "Set-Cookie"));
    free(answer);
}

/* --- the API --------------------------------------------------------------------------------- */

#define JSON_TYPE "Content-Type: application/json; charset=utf-8\r\n"

static void test_api_refusals(void **state)
{
    static const struct {
        const char *headers;
        const char *body;
        unsigned status;
        const char *words;
    } cases[] = {
        {JSON_TYPE, "", 400, "problem:malformed"},
        {JSON_TYPE, "{", 400, "problem:malformed"},
        {JSON_TYPE, "{\"message\":\"\xff\"}", 400, "problem:malformed"},
        {JSON_TYPE, "null", 422, "\"field\":\"message\""},
        {JSON_TYPE, "[]", 422, "\"field\":\"message\""},
        {JSON_TYPE, "\"x\"", 422, "\"field\":\"message\""},
        {JSON_TYPE, "{}", 422, "\"field\":\"message\""},
        {JSON_TYPE, "{\"message\":null}", 422, "No message"},
        {JSON_TYPE, "{\"message\":1}", 422, "No message"},
        {JSON_TYPE, "{\"message\":[\"x\"]}", 422, "No message"},
        {JSON_TYPE, "{\"message\":\" \\t\\u00a0\"}", 422, "is empty"},
        {JSON_TYPE, "{\"message\":\"a\\u0000b\"}", 422, "control characters"},
        {JSON_TYPE, "{\"message\":\"a\\u001bb\"}", 422, "control characters"},
        {"", "{\"message\":\"x\"}", 415, "Content-Type"},
        {"Content-Type: text/plain\r\n", "{\"message\":\"x\"}", 415, "about:blank"},
        {"Content-Type: application/jsonp\r\n", "{\"message\":\"x\"}", 415, "about:blank"},
        {JSON_TYPE "Idempotency-Key: \r\n", "{\"message\":\"x\"}", 400, "problem:bad-key"},
        {JSON_TYPE "Idempotency-Key: \"\"\r\n", "{\"message\":\"x\"}", 400, "problem:bad-key"},
        {JSON_TYPE "Idempotency-Key: a b\r\n", "{\"message\":\"x\"}", 400, "problem:bad-key"},
        {JSON_TYPE "Idempotency-Key: \"a\r\n", "{\"message\":\"x\"}", 400, "problem:bad-key"},
        {JSON_TYPE "Idempotency-Key: \xc3\xa9\r\n", "{\"message\":\"x\"}", 400, "problem:bad-key"},
    };
    struct bench *bench = *state;

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char *answer = answer_of(bench, begin_api(bench, cases[i].headers, cases[i].body));

        if (status_of(answer) != cases[i].status || !strstr(answer, cases[i].words) ||
            !strstr(answer, "Content-Type: application/problem+json\r\n"))
            fail_msg("case %zu: %s", i, answer);
        free(answer);
    }
    assert_int_equal(bench->fake.posts, 0);
}

static void test_api_lengths(void **state)
{
    struct bench *bench = *state;
    char body[1000] = "{\"message\":\"";
    size_t length = strlen(body);

    memset(body + length, 'y', 501);
    strcpy(body + length + 501, "\"}");
    expect(bench, begin_api(bench, JSON_TYPE, body), 422, "too long");
}

static void test_api_post(void **state)
{
    struct bench *bench = *state;
    int fd = begin_api(bench, JSON_TYPE, "{\"message\":\"  x\\r\\n\",\"other\":1}");

    assert_string_equal(bench->fake.post_key, "");
    assert_waits(bench, fd);
    answer_post(&bench->fake, 0, "x", false);
    expect(
        bench, fd, 201,
        "{\"id\":\"id-of-it\",\"message\":\"x\",\"timestamp\":\"now\",\"instanceId\":\"node\"}\n");
    fd = begin(bench, API_POST);
    answer_post(&bench->fake, -ENOKEY, NULL, false);
    expect(bench, fd, 503, "Retry-After: 2\r\n");
}

static void test_idempotency(void **state)
{
    struct bench *bench = *state;
    char key[STORE_KEY_MAX];
    int fd = begin(bench, API_POST_WITH("Idempotency-Key: \"abc\"\r\n"));
    char *answer;

    strcpy(key, bench->fake.post_key);
    assert_int_equal(strlen(key), 32);
    assert_int_equal(strspn(key, "0123456789abcdef"), 32);
    answer_post(&bench->fake, 0, "x", false);
    answer = answer_of(bench, fd);
    assert_null(header_of(answer, "Idempotent-Replayed"));
    free(answer);
    /* The same key, without its quotation marks. */
    fd = begin(bench, API_POST_WITH("Idempotency-Key: abc\r\n"));
    assert_string_equal(bench->fake.post_key, key);
    answer_post(&bench->fake, 0, "x", true);
    expect(bench, fd, 201, "Idempotent-Replayed: true\r\n");
    /* For another message. */
    fd = begin(bench, API_POST_WITH("Idempotency-Key: abc\r\n"));
    answer_post(&bench->fake, 0, "y", true);
    expect(bench, fd, 422, "problem:key-reused");
    /* Another key. */
    fd = begin(bench, API_POST_WITH("Idempotency-Key: abd\r\n"));
    assert_string_not_equal(bench->fake.post_key, key);
    answer_post(&bench->fake, 0, "x", false);
    expect(bench, fd, 201, "id-of-it");
}

/* Keys are hashed with the secret: a worker that has just begun waits for it. */
static void test_key_without_secret(void **state)
{
    struct bench *bench = *state;
    int keyed = begin(bench, API_POST_WITH("Idempotency-Key: abc\r\n"));
    int fd = begin(bench, API_POST);

    answer_post(&bench->fake, 0, "x", false);
    expect(bench, fd, 201, "id-of-it");
    assert_waits(bench, keyed);
    answer_secret(&bench->fake, 0);
    answer_read(&bench->fake, 0, "kept", 1);
    assert_waits(bench, keyed);
    assert_int_equal(strlen(bench->fake.post_key), 32);
    answer_post(&bench->fake, 0, "x", false);
    expect(bench, keyed, 201, "id-of-it");
}

static void test_secret_can_not_be_had(void **state)
{
    struct bench *bench = *state;
    int fd = begin(bench, API_POST_WITH("Idempotency-Key: abc\r\n"));

    answer_secret(&bench->fake, -EIO);
    expect(bench, fd, 503, "Retry-After");
    assert_int_equal(bench->fake.posts, 0);
}

int main(void)
{
#define POST_TEST(test, setup) cmocka_unit_test_setup_teardown(test, setup, bench_teardown)
    const struct CMUnitTest tests[] = {
        POST_TEST(test_refused_text_comes_back, bench_setup),
        POST_TEST(test_unstored_text_comes_back, bench_setup),
        POST_TEST(test_cross_origin, bench_setup),
        POST_TEST(test_rate_limit, setup_limited),
        POST_TEST(test_nobody_is_trusted, setup_limited_alone),
        POST_TEST(test_cookie, bench_setup_shared),
        POST_TEST(test_no_cookie, bench_setup),
        POST_TEST(test_api_refusals, bench_setup),
        POST_TEST(test_api_lengths, bench_setup),
        POST_TEST(test_api_post, bench_setup),
        POST_TEST(test_idempotency, bench_setup),
        POST_TEST(test_key_without_secret, setup_no_secret),
        POST_TEST(test_secret_can_not_be_had, setup_no_secret),
    };
#undef POST_TEST

    return cmocka_run_group_tests(tests, NULL, NULL);
}

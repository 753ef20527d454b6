/* SPDX-License-Identifier: Apache-2.0 */
/* Requests on a real loop against a fake service. */
#include "common/aws/credentials-internal.h"
#include "common/aws/request-internal.h"

#include "common/base/clock.h"
#include "tests/unit/aws-harness.h"

#include <errno.h>

#define EXPIRED   "{\"__type\":\"ExpiredTokenException\",\"message\":\"expired\"}"
#define THROTTLED "{\"__type\":\"ThrottlingException\",\"message\":\"slow down\"}"
#define REFUSED   "{\"__type\":\"ValidationException\",\"message\":\"no\"}"
#define SKEWED    "{\"__type\":\"InvalidSignatureException\",\"message\":\"Signature expired: x\"}"
#define DATE      "Date: Sat, 21 Nov 2026 22:26:40 GMT\r\n" /* 1795300000 */

struct outcome {
    unsigned calls;
    struct aws_result result;
    char body[256];
};

static void on_done(const struct aws_result *result, void *userdata)
{
    struct outcome *o = userdata;

    o->calls++;
    o->result = *result;
    snprintf(o->body, sizeof(o->body), "%s", result->response ? result->response->body : "-");
}

struct fixture {
    struct aws_harness h;
    struct credentials_provider *provider;
    struct aws_client *client;
};

/* Another client than before, of what is at |url|. */
static void make_client(struct fixture *f, const char *url)
{
    struct aws_client_options options = {
        .event = f->h.event,
        .http = f->h.http,
        .credentials = f->provider,
        .service = "monitoring",
        .region = "eu-west-1",
        .getenv_function = aws_harness_getenv,
        .getenv_userdata = &f->h,
    };
    const struct endpoint_query query = {.service = "monitoring", .override = url};

    assert_int_equal(endpoint_resolve(&query, aws_harness_getenv, &f->h, &options.endpoint), 0);
    f->client = aws_client_free(f->client);
    assert_int_equal(aws_client_new(&f->client, &options), 0);
    aws_client_set_clock(f->client, aws_harness_clock, &f->h);
}

static void start_at(struct fixture *f, const char *base_path)
{
    char url[128];

    aws_harness_start(&f->h);
    f->client = NULL;
    aws_harness_setenv(&f->h, "AWS_ACCESS_KEY_ID", "AKIDEXAMPLE");
    aws_harness_setenv(&f->h, "AWS_SECRET_ACCESS_KEY", "secret");
    aws_harness_setenv(&f->h, "AWS_SESSION_TOKEN", "session");
    assert_int_equal(credentials_provider_new(&f->provider, f->h.event, f->h.http, NULL,
                                              aws_harness_getenv, &f->h),
                     0);
    snprintf(url, sizeof(url), "%s%s", f->h.url, base_path);
    make_client(f, url);
}

static void start(struct fixture *f)
{
    start_at(f, "");
}

static void stop(struct fixture *f)
{
    aws_client_free(f->client);
    credentials_provider_free(f->provider);
    aws_harness_stop(&f->h);
}

static const struct aws_request REQUEST = {
    .target = "Service.Operation",
    .content_type = "application/x-amz-json-1.0",
    .body = "{\"a\":1}",
    .body_length = 7,
    .attempt_timeout_us = 5 * USEC_PER_SEC,
    .timeout_us = 15 * USEC_PER_SEC,
    .response_limit_bytes = 4096,
};

static void run(struct fixture *f, const struct aws_request *request, struct outcome *o)
{
    *o = (struct outcome){0};
    assert_int_equal(aws_call_start(f->client, request, on_done, o, NULL), 0);
    assert_int_equal(o->calls, 0);
    aws_harness_run(&f->h, &o->calls, 1);
    assert_int_equal(o->calls, 1);
}

static void assert_header(const struct fake_request *request, const char *name, const char *value)
{
    char *have = fake_header(request, name);

    assert_non_null(have);
    if (!strstr(have, value))
        fail_msg("%s: %s", name, have);
    free(have);
}

static void test_success(void **state)
{
    static const struct fake_answer script[] = {{200, "x-amzn-RequestId: id-1\r\n", "{}"}};
    static const char *const headers[] = {"X-Amzn-Query-Mode: true", NULL};
    struct aws_request request = REQUEST;
    struct fixture f;
    struct outcome o;

    start(&f);
    SCRIPT(&f.h, script);
    request.headers = headers;
    run(&f, &request, &o);
    assert_int_equal(o.result.error, 0);
    assert_int_equal(o.result.status, 200);
    assert_int_equal(o.result.attempts, 1);
    assert_int_equal(o.result.ambiguous, 0);
    assert_string_equal(o.result.request_id, "id-1");
    assert_string_equal(o.result.code, "");
    assert_string_equal(o.body, "{}");
    assert_string_equal(f.h.requests[0].method, "POST");
    assert_string_equal(f.h.requests[0].path, "/");
    assert_string_equal(f.h.requests[0].body, "{\"a\":1}");
    assert_header(&f.h.requests[0], "X-Amz-Target", "Service.Operation");
    assert_header(&f.h.requests[0], "Content-Type", "application/x-amz-json-1.0");
    assert_header(&f.h.requests[0], "X-Amzn-Query-Mode", "true");
    assert_header(&f.h.requests[0], "X-Amz-Date", "20231114T221320Z"); /* the harness's clock */
    assert_header(&f.h.requests[0], "X-Amz-Security-Token", "session");
    assert_header(&f.h.requests[0], "Authorization",
                  "Credential=AKIDEXAMPLE/20231114/eu-west-1/monitoring/aws4_request");
    assert_header(&f.h.requests[0], "Authorization", "x-amz-security-token");
    assert_header(&f.h.requests[0], "Authorization", "x-amz-target");
    stop(&f);
}

/* An endpoint with a path of its own; GET with a query. */
static void test_get(void **state)
{
    static const struct fake_answer script[] = {{204}};
    struct aws_request request = REQUEST;
    struct fixture f;
    struct outcome o;

    start_at(&f, "/base/");
    SCRIPT(&f.h, script);
    request.method = "GET";
    request.path = "/x?b=2&a=1";
    request.target = request.content_type = NULL;
    request.body_length = 0;
    run(&f, &request, &o);
    assert_int_equal(o.result.error, 0);
    assert_string_equal(f.h.requests[0].method, "GET");
    assert_string_equal(f.h.requests[0].path, "/base/x?b=2&a=1");
    stop(&f);
}

/* What is tried again and what isn't. */
static void test_verdicts(void **state)
{
    static const struct {
        const char *what;
        struct fake_answer script[4];
        size_t n_script;
        int error;
        unsigned attempts, ambiguous, status;
        const char *code;
    } cases[] = {
        {"refused", {{400, NULL, REFUSED}}, 1, -EREMOTEIO, 1, 0, 400, "ValidationException"},
        {"500, then good", {{500}, {200}}, 2, 0, 2, 1, 200, ""},
        {"503, then good", {{503}, {200}}, 2, 0, 2, 0, 200, ""},
        {"500 to the last", {{500}}, 1, -EREMOTEIO, 3, 3, 500, ""},
        {"502, 503, 504", {{502}, {503}, {504}}, 3, -EREMOTEIO, 3, 2, 504, ""},
        {"dropped, then good", {{.mode = FAKE_DROP}, {200}}, 2, 0, 2, 1, 200, ""},
        {"dropped to the last", {{.mode = FAKE_DROP}}, 1, -ECONNRESET, 3, 3, 0, ""},
        {"half a 200, then good", {{200, NULL, "x", FAKE_HALF}, {200}}, 2, 0, 2, 1, 200, ""},
        {"half a 400, then good", {{400, NULL, "x", FAKE_HALF}, {200}}, 2, 0, 2, 0, 200, ""},
        {"throttled, then good", {{400, NULL, THROTTLED}, {200}}, 2, 0, 2, 0, 200, ""},
        {"old code in the header",
         {{400, "x-amzn-query-error: Throttling;Sender\r\n", REFUSED}, {200}},
         2,
         0,
         2,
         0,
         200,
         ""},
        {"ErrorType",
         {{400, "x-amzn-ErrorType: Foo:http://x\r\n", "{}"}},
         1,
         -EREMOTEIO,
         1,
         0,
         400,
         "Foo"},
        {"retry-after",
         {{400, "x-amz-retry-after: 1\r\n", THROTTLED}, {503, "Retry-After: 0\r\n"}, {200}},
         3,
         0,
         3,
         0,
         200,
         ""},
        {"redirect", {{307, "Location: http://127.0.0.1:1/\r\n"}}, 1, -EREMOTEIO, 1, 0, 307, ""},
        {"expired, and again",
         {{400, NULL, EXPIRED}},
         1,
         -EREMOTEIO,
         2,
         0,
         400,
         "ExpiredTokenException"},
        {"skewed without a Date",
         {{400, NULL, SKEWED}},
         1,
         -EREMOTEIO,
         1,
         0,
         400,
         "InvalidSignatureException"},
        {"skewed, and again",
         {{400, DATE, SKEWED}},
         1,
         -EREMOTEIO,
         2,
         0,
         400,
         "InvalidSignatureException"},
    };

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct fixture f;
        struct outcome o;

        start(&f);
        aws_harness_script(&f.h, cases[i].script, cases[i].n_script);
        run(&f, &REQUEST, &o);
        if (o.result.error != cases[i].error || o.result.attempts != cases[i].attempts ||
            o.result.ambiguous != cases[i].ambiguous || o.result.status != cases[i].status ||
            strcmp(o.result.code, cases[i].code) != 0)
            fail_msg("%s: %d, %u attempts, %u ambiguous, status %u \"%s\" \"%s\"", cases[i].what,
                     o.result.error, o.result.attempts, o.result.ambiguous, o.result.status,
                     o.result.code, o.result.message);
        assert_int_equal(f.h.n_requests, cases[i].attempts);
        stop(&f);
    }
}

static void test_retry_after_is_told(void **state)
{
    static const struct fake_answer script[] = {{503, "Retry-After: 3600\r\n", THROTTLED}};
    struct aws_request request = REQUEST;
    struct fixture f;
    struct outcome o;

    start(&f);
    SCRIPT(&f.h, script);
    /* The wish, as far as it counts, is past the deadline: no use in waiting. */
    request.timeout_us = 2 * USEC_PER_SEC;
    run(&f, &request, &o);
    assert_int_equal(o.result.error, -ETIMEDOUT);
    assert_int_equal(o.result.attempts, 1);
    assert_string_equal(o.result.code, "ThrottlingException");
    assert_int_equal(o.result.retry_class, RETRY_THROTTLE);
    assert_int_equal(o.result.retry_after_us, 3600 * USEC_PER_SEC);
    stop(&f);
}

static void test_attempts(void **state)
{
    static const struct fake_answer script[] = {{503}};
    static const struct {
        const char *text;
        unsigned attempts;
    } cases[] = {{"1", 1}, {"2", 2}, {"0", 3}, {"x", 3}, {"", 3}, {"1000", 3}};

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct fixture f;
        struct outcome o;

        start(&f);
        SCRIPT(&f.h, script);
        aws_harness_setenv(&f.h, "AWS_MAX_ATTEMPTS", cases[i].text);
        make_client(&f, f.h.url);
        run(&f, &REQUEST, &o);
        assert_int_equal(o.result.attempts, cases[i].attempts);
        stop(&f);
    }
}

/* The clock is years off: the answer's Date corrects it, for this request and those to come. */
static void test_skew(void **state)
{
    static const struct fake_answer script[] = {{400, DATE, SKEWED}, {200}};
    struct fixture f;
    struct outcome o;

    start(&f);
    SCRIPT(&f.h, script);
    assert_int_equal(aws_client_skew_us(f.client), 0);
    run(&f, &REQUEST, &o);
    assert_int_equal(o.result.error, 0);
    assert_int_equal(aws_client_skew_us(f.client),
                     UINT64_C(1795300000) * USEC_PER_SEC - f.h.now_us);
    assert_header(&f.h.requests[0], "X-Amz-Date", "20231114T221320Z");
    assert_header(&f.h.requests[1], "X-Amz-Date", "20261121T222640Z");
    f.h.now_us += 60 * USEC_PER_SEC;
    run(&f, &REQUEST, &o);
    assert_header(&f.h.requests[2], "X-Amz-Date", "20261121T222740Z");
    stop(&f);
}

/* A refused signature while the clocks agree: the key is wrong, and one request says it. */
static void test_wrong_key(void **state)
{
    static const struct fake_answer script[] = {
        {403, DATE,
         "{\"__type\":\"InvalidSignatureException\",\"message\":\"The request signature we "
         "calculated does not match\"}"},
    };
    struct fixture f;
    struct outcome o;

    start(&f);
    SCRIPT(&f.h, script);
    f.h.now_us = UINT64_C(1795300001) * USEC_PER_SEC;
    run(&f, &REQUEST, &o);
    assert_int_equal(o.result.attempts, 1);
    assert_int_equal(aws_client_skew_us(f.client), 0);
    stop(&f);
}

/* Expired credentials: asked for anew, once for all requests that were signed with the old. */
static void test_expired(void **state)
{
    static const struct fake_answer script[] = {
        {400, NULL, EXPIRED}, {400, NULL, EXPIRED}, {200}, {200}};
    struct fixture f;
    struct outcome o[2] = {0};

    start(&f);
    SCRIPT(&f.h, script);
    for (size_t i = 0; i < 2; i++)
        assert_int_equal(aws_call_start(f.client, &REQUEST, on_done, &o[i], NULL), 0);
    aws_harness_run_requests(&f.h, 1);
    aws_harness_setenv(&f.h, "AWS_ACCESS_KEY_ID", "NEW");
    for (size_t i = 0; i < 2; i++) {
        aws_harness_run(&f.h, &o[i].calls, 1);
        assert_int_equal(o[i].result.error, 0);
        assert_int_equal(o[i].result.attempts, 2);
    }
    assert_int_equal(credentials_generation(f.provider), 2);
    assert_header(&f.h.requests[0], "Authorization", "Credential=AKIDEXAMPLE/");
    assert_header(&f.h.requests[3], "Authorization", "Credential=NEW/");
    stop(&f);
}

static void test_no_credentials(void **state)
{
    struct fixture f;
    struct outcome o;

    start(&f);
    aws_harness_setenv(&f.h, "AWS_ACCESS_KEY_ID", NULL);
    run(&f, &REQUEST, &o);
    assert_int_equal(o.result.error, -ENOKEY);
    assert_int_equal(o.result.attempts, 0);
    assert_non_null(strstr(o.result.message, "no credentials: environment"));
    assert_string_equal(o.body, "-");
    stop(&f);
}

/* Credentials that never come. */
static void test_deadline_of_credentials(void **state)
{
    static const struct fake_answer script[] = {{.mode = FAKE_HANG}};
    struct aws_request request = REQUEST;
    struct fixture f;
    struct outcome o;

    start(&f);
    SCRIPT(&f.h, script);
    aws_harness_setenv(&f.h, "AWS_ACCESS_KEY_ID", NULL);
    aws_harness_setenv(&f.h, "AWS_CONTAINER_CREDENTIALS_FULL_URI", f.h.url);
    request.timeout_us = USEC_PER_SEC / 5;
    run(&f, &request, &o);
    assert_int_equal(o.result.error, -ETIMEDOUT);
    assert_int_equal(o.result.attempts, 0);
    assert_non_null(strstr(o.result.message, "credentials"));
    stop(&f);
}

/* A service that never answers: each attempt has its deadline, and all have one. */
static void test_deadlines(void **state)
{
    static const struct fake_answer script[] = {{.mode = FAKE_HANG}};
    struct aws_request request = REQUEST;
    struct fixture f;
    struct outcome o;

    start(&f);
    SCRIPT(&f.h, script);
    request.attempt_timeout_us = USEC_PER_SEC / 5;
    run(&f, &request, &o);
    assert_int_equal(o.result.error, -ETIMEDOUT);
    assert_int_equal(o.result.attempts, 3);
    assert_int_equal(o.result.ambiguous, 3);
    request.attempt_timeout_us = 60 * USEC_PER_SEC;
    request.timeout_us = USEC_PER_SEC / 5;
    run(&f, &request, &o);
    assert_int_equal(o.result.error, -ETIMEDOUT);
    assert_int_equal(o.result.attempts, 1);
    assert_int_equal(o.result.ambiguous, 1);
    stop(&f);
}

static void test_not_reached(void **state)
{
    struct fixture f;
    struct outcome o;

    start(&f);
    make_client(&f, "http://127.0.0.1:1");
    run(&f, &REQUEST, &o);
    assert_int_equal(o.result.error, -ECONNREFUSED);
    assert_int_equal(o.result.attempts, 3);
    assert_int_equal(o.result.ambiguous, 0);
    assert_true(o.result.message[0] != '\0');
    stop(&f);
}

static void test_too_large(void **state)
{
    static const struct fake_answer script[] = {{200, NULL, "0123456789"}};
    struct aws_request request = REQUEST;
    struct fixture f;
    struct outcome o;

    start(&f);
    SCRIPT(&f.h, script);
    request.response_limit_bytes = 9;
    run(&f, &request, &o);
    assert_int_equal(o.result.error, -EMSGSIZE);
    assert_int_equal(o.result.attempts, 1);
    stop(&f);
}

static void test_bad_requests(void **state)
{
    static const char *const bad_header[] = {"X: a\r\nY: b", NULL};
    struct aws_request requests[] = {REQUEST, REQUEST, REQUEST, REQUEST, REQUEST};
    struct fixture f;
    struct outcome o = {0};

    start(&f);
    requests[0].timeout_us = 0;
    requests[1].attempt_timeout_us = 0;
    requests[2].path = "x";
    requests[3].target = "a\nb";
    requests[4].headers = bad_header;
    for (size_t i = 0; i < ARRAY_SIZE(requests); i++)
        assert_int_equal(aws_call_start(f.client, &requests[i], on_done, &o, NULL), -EINVAL);
    aws_harness_settle(&f.h);
    assert_int_equal(o.calls, 0);
    stop(&f);
}

/* While credentials, the answer or the next attempt are waited for; the last by the client's end.
 */
static void test_cancel(void **state)
{
    static const struct fake_answer scripts[] = {{200}, {.mode = FAKE_HANG}, {503}};

    for (size_t i = 0; i < ARRAY_SIZE(scripts); i++)
        for (unsigned by_client = 0; by_client < 2; by_client++) {
            struct fixture f;
            struct outcome o = {0};
            struct aws_call *call;

            start(&f);
            aws_harness_script(&f.h, &scripts[i], 1);
            assert_int_equal(aws_call_start(f.client, &REQUEST, on_done, &o, &call), 0);
            aws_harness_run_requests(&f.h, i == 0 ? 0 : 1);
            if (by_client)
                f.client = aws_client_free(f.client);
            else
                aws_call_cancel(call);
            aws_harness_settle(&f.h);
            assert_int_equal(o.calls, 0);
            stop(&f);
        }
}

static void on_done_free(const struct aws_result *result, void *userdata)
{
    struct fixture *f = userdata;

    f->client = aws_client_free(f->client);
    assert_int_equal(result->status, 200); /* still there */
    f->h.now_us = 1;
}

static void test_free_in_callback(void **state)
{
    static const struct fake_answer script[] = {{200}};
    struct fixture f;

    start(&f);
    SCRIPT(&f.h, script);
    assert_int_equal(aws_call_start(f.client, &REQUEST, on_done_free, &f, NULL), 0);
    assert_int_equal(aws_call_start(f.client, &REQUEST, on_done_free, &f, NULL), 0);
    aws_harness_run_requests(&f.h, 1);
    aws_harness_settle(&f.h);
    assert_int_equal(f.h.now_us, 1);
    stop(&f);
}

/* More at a time than there may be. */
static void test_busy(void **state)
{
    static const struct fake_answer script[] = {{200}};
    struct fixture f;
    struct outcome o = {0};

    start(&f);
    SCRIPT(&f.h, script);
    for (unsigned i = 0; i < AWS_CALLS_MAX; i++)
        assert_int_equal(aws_call_start(f.client, &REQUEST, on_done, &o, NULL), 0);
    assert_int_equal(aws_call_start(f.client, &REQUEST, on_done, &o, NULL), -EBUSY);
    aws_harness_run(&f.h, &o.calls, AWS_CALLS_MAX);
    run(&f, &REQUEST, &o);
    assert_int_equal(o.result.error, 0);
    stop(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_busy),
        cmocka_unit_test(test_success),
        cmocka_unit_test(test_get),
        cmocka_unit_test(test_verdicts),
        cmocka_unit_test(test_retry_after_is_told),
        cmocka_unit_test(test_attempts),
        cmocka_unit_test(test_skew),
        cmocka_unit_test(test_wrong_key),
        cmocka_unit_test(test_expired),
        cmocka_unit_test(test_no_credentials),
        cmocka_unit_test(test_deadline_of_credentials),
        cmocka_unit_test(test_deadlines),
        cmocka_unit_test(test_not_reached),
        cmocka_unit_test(test_too_large),
        cmocka_unit_test(test_bad_requests),
        cmocka_unit_test(test_cancel),
        cmocka_unit_test(test_free_in_callback),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

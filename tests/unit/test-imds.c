/* SPDX-License-Identifier: Apache-2.0 */
#include "common/aws/imds.h"

#include "tests/unit/aws-harness.h"

#include <errno.h>

#define TOKEN_PATH "/latest/api/token"

struct outcome {
    unsigned calls;
    int error;
    char value[256];
};

static void on_done(int error, const char *value, size_t length, void *userdata)
{
    struct outcome *o = userdata;

    o->calls++;
    o->error = error;
    assert_int_equal(strlen(value), length);
    snprintf(o->value, sizeof(o->value), "%s", value);
}

static struct imds *new_imds(struct aws_harness *h)
{
    struct imds *imds;

    aws_harness_start(h);
    aws_harness_setenv(h, "AWS_EC2_METADATA_SERVICE_ENDPOINT", h->url);
    assert_int_equal(imds_new(&imds, h->event, h->http, aws_harness_getenv, h), 0);
    return imds;
}

static void get(struct aws_harness *h, struct imds *imds, const char *path, struct outcome *o)
{
    *o = (struct outcome){0};
    assert_int_equal(imds_get(imds, path, on_done, o, NULL), 0);
    assert_int_equal(o->calls, 0); /* never from in there */
    aws_harness_run(h, &o->calls, 1);
    assert_int_equal(o->calls, 1);
}

static size_t count_tokens(const struct aws_harness *h)
{
    size_t n = 0;

    for (size_t i = 0; i < h->n_requests; i++)
        n += strcmp(h->requests[i].path, TOKEN_PATH) == 0;
    return n;
}

static void test_token_is_shared_and_kept(void **state)
{
    static const struct fake_answer script[] = {{200, NULL, "AQAEAtoken=="}, {200, NULL, "i-0123"}};
    struct aws_harness h;
    struct imds *imds = new_imds(&h);
    struct outcome o[3] = {0};
    char *header;

    SCRIPT(&h, script);
    for (size_t i = 0; i < 3; i++)
        assert_int_equal(imds_get(imds, "meta-data/instance-id", on_done, &o[i], NULL), 0);
    for (size_t i = 0; i < 3; i++)
        aws_harness_run(&h, &o[i].calls, 1);
    get(&h, imds, "meta-data/ami-id", &o[0]);
    assert_int_equal(o[0].error, 0);
    assert_string_equal(o[0].value, "i-0123");
    assert_int_equal(count_tokens(&h), 1);
    assert_string_equal(h.requests[0].method, "PUT");
    header = fake_header(&h.requests[0], "X-aws-ec2-metadata-token-ttl-seconds");
    assert_string_equal(header, "21600");
    free(header);
    assert_int_equal(h.n_requests, 5);
    for (size_t i = 1; i < 5; i++) {
        assert_string_equal(h.requests[i].method, "GET");
        header = fake_header(&h.requests[i], "X-aws-ec2-metadata-token");
        assert_string_equal(header, "AQAEAtoken==");
        free(header);
    }
    assert_string_equal(h.requests[4].path, "/latest/meta-data/ami-id");
    imds_free(imds);
    aws_harness_stop(&h);
}

static void test_token_ends(void **state)
{
    static const struct fake_answer script[] = {
        {200, "X-Aws-Ec2-Metadata-Token-Ttl-Seconds: 0\r\n", "first"},
        {200, NULL, "one"},
        {200, NULL, "second"},
        {200, NULL, "two"},
    };
    struct aws_harness h;
    struct imds *imds = new_imds(&h);
    struct outcome o;

    SCRIPT(&h, script);
    get(&h, imds, "a", &o);
    assert_string_equal(o.value, "one");
    get(&h, imds, "b", &o);
    assert_string_equal(o.value, "two");
    assert_int_equal(count_tokens(&h), 2);
    imds_free(imds);
    aws_harness_stop(&h);
}

/* Each from a new object: script, error, requests in all. */
static void test_answers(void **state)
{
    static const struct {
        const char *what;
        struct fake_answer script[6];
        size_t n_script, n_requests;
        int error;
        const char *value;
    } cases[] = {
        {"401: a new token",
         {{200, NULL, "t"}, {401}, {200, NULL, "u"}, {200, NULL, "v"}},
         4,
         4,
         0,
         "v"},
        {"401 again", {{200, NULL, "t"}, {401}, {200, NULL, "u"}, {401}}, 4, 4, -EACCES, ""},
        {"404", {{200, NULL, "t"}, {404}}, 2, 2, -ENOENT, ""},
        {"403", {{200, NULL, "t"}, {403}}, 2, 2, -EACCES, ""},
        {"400", {{200, NULL, "t"}, {400}}, 2, 2, -EBADMSG, ""},
        {"an empty value", {{200, NULL, "t"}, {200}}, 2, 2, 0, ""},
        {"a NUL inside",
         {{200, NULL, "t"}, {200, NULL, "a\0b", .body_length = 3}},
         2,
         2,
         -EBADMSG,
         ""},
        {"503 once", {{200, NULL, "t"}, {503}, {200, NULL, "v"}}, 3, 3, 0, "v"},
        {"503 to the last", {{200, NULL, "t"}, {503}}, 2, 4, -EREMOTEIO, ""},
        {"dropped once", {{200, NULL, "t"}, {.mode = FAKE_DROP}, {200, NULL, "v"}}, 3, 3, 0, "v"},
        {"half a body once",
         {{200, NULL, "t"}, {200, NULL, "xx", FAKE_HALF}, {200, NULL, "v"}},
         3,
         3,
         0,
         "v"},
        {"slow once", {{200, NULL, "t"}, {.mode = FAKE_HANG}, {200, NULL, "v"}}, 3, 3, 0, "v"},
        {"token: 403", {{403}}, 1, 1, -EACCES, ""},
        {"token: 404, no IMDSv2", {{404}}, 1, 1, -EBADMSG, ""},
        {"token: 405, no IMDSv2", {{405}}, 1, 1, -EBADMSG, ""},
        {"token: 500 once", {{500}, {200, NULL, "t"}, {200, NULL, "v"}}, 3, 3, 0, "v"},
        {"token: 500 to the last", {{500}}, 1, 3, -EREMOTEIO, ""},
        {"token: slow once",
         {{.mode = FAKE_HANG}, {200, NULL, "t"}, {200, NULL, "v"}},
         3,
         3,
         0,
         "v"},
        {"token: empty", {{200}}, 1, 1, -EBADMSG, ""},
        {"token: a header's end in it", {{200, NULL, "t\r\nX: y"}}, 1, 1, -EBADMSG, ""},
    };

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct aws_harness h;
        struct imds *imds = new_imds(&h);
        struct outcome o;

        aws_harness_script(&h, cases[i].script, cases[i].n_script);
        get(&h, imds, "meta-data/x", &o);
        if (o.error != cases[i].error || strcmp(o.value, cases[i].value) != 0 ||
            h.n_requests != cases[i].n_requests)
            fail_msg("%s: %d \"%s\", %zu requests", cases[i].what, o.error, o.value, h.n_requests);
        imds_free(imds);
        aws_harness_stop(&h);
    }
}

/* Nobody is there, then somebody is: who asks again gets it. */
static void test_late(void **state)
{
    static const struct fake_answer script[] = {{200, NULL, "t"}, {200, NULL, "v"}};
    struct aws_harness h, other;
    struct imds *imds;
    struct outcome o;

    aws_harness_start(&other); /* a port that nobody listens on any more */
    aws_harness_start(&h);
    aws_harness_setenv(&h, "AWS_EC2_METADATA_SERVICE_ENDPOINT", other.url);
    assert_int_equal(imds_new(&imds, h.event, h.http, aws_harness_getenv, &h), 0);
    SCRIPT(&h, script);
    aws_harness_stop(&other);
    get(&h, imds, "meta-data/x", &o);
    assert_int_equal(o.error, -ECONNREFUSED);
    imds_free(imds);
    aws_harness_setenv(&h, "AWS_EC2_METADATA_SERVICE_ENDPOINT", h.url);
    assert_int_equal(imds_new(&imds, h.event, h.http, aws_harness_getenv, &h), 0);
    get(&h, imds, "meta-data/x", &o);
    assert_string_equal(o.value, "v");
    imds_free(imds);
    aws_harness_stop(&h);
}

static void test_environment(void **state)
{
    static const struct {
        const char *disabled, *endpoint;
        int error;
    } cases[] = {
        {"true", NULL, -EOPNOTSUPP},
        {"TRUE", NULL, -EOPNOTSUPP},
        {"false", "nonsense", -EINVAL},
        {"", "file:///etc/passwd", -EINVAL},
    };

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct aws_harness h;
        struct imds *imds;
        struct outcome o;

        aws_harness_start(&h);
        aws_harness_setenv(&h, "AWS_EC2_METADATA_DISABLED", cases[i].disabled);
        aws_harness_setenv(&h, "AWS_EC2_METADATA_SERVICE_ENDPOINT", cases[i].endpoint);
        assert_int_equal(imds_new(&imds, h.event, h.http, aws_harness_getenv, &h), 0);
        assert_true(imds_is_disabled(imds) == (cases[i].error == -EOPNOTSUPP));
        get(&h, imds, "meta-data/x", &o);
        if (o.error != cases[i].error)
            fail_msg("case %zu: %d", i, o.error);
        imds_free(imds);
        aws_harness_stop(&h);
    }
}

/* A slash at the endpoint's end, and paths that are none. */
static void test_paths(void **state)
{
    static const char *const bad[] = {"", "/meta-data", "a b", "a\nb", "a\x7f"};
    static const struct fake_answer script[] = {{200, NULL, "t"}, {200, NULL, "v"}};
    struct aws_harness h;
    struct imds *imds;
    struct outcome o;
    char url[80], long_path[600];

    aws_harness_start(&h);
    snprintf(url, sizeof(url), "%s//", h.url);
    aws_harness_setenv(&h, "AWS_EC2_METADATA_SERVICE_ENDPOINT", url);
    assert_int_equal(imds_new(&imds, h.event, h.http, aws_harness_getenv, &h), 0);
    SCRIPT(&h, script);
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
        assert_int_equal(imds_get(imds, bad[i], on_done, &o, NULL), -EINVAL);
    memset(long_path, 'x', sizeof(long_path) - 1);
    long_path[sizeof(long_path) - 1] = '\0';
    assert_int_equal(imds_get(imds, long_path, on_done, &o, NULL), -EINVAL);
    get(&h, imds, "meta-data/tags/instance/aws:autoscaling:groupName", &o);
    assert_string_equal(h.requests[0].path, TOKEN_PATH);
    assert_string_equal(h.requests[1].path,
                        "/latest/meta-data/tags/instance/aws:autoscaling:groupName");
    imds_free(imds);
    aws_harness_stop(&h);
}

/* While the token, the value or the next attempt is waited for; one by hand, one by the object's
 * end. */
static void test_cancel(void **state)
{
    static const struct fake_answer scripts[][2] = {
        {{.mode = FAKE_HANG}},
        {{200, NULL, "t"}, {.mode = FAKE_HANG}},
        {{200, NULL, "t"}, {503}},
    };

    for (size_t i = 0; i < ARRAY_SIZE(scripts); i++) {
        struct aws_harness h;
        struct imds *imds = new_imds(&h);
        struct outcome o = {0};
        struct imds_call *call;

        aws_harness_script(&h, scripts[i], i == 0 ? 1 : 2);
        assert_int_equal(imds_get(imds, "meta-data/x", on_done, &o, &call), 0);
        assert_int_equal(imds_get(imds, "meta-data/y", on_done, &o, NULL), 0);
        aws_harness_run_requests(&h, i == 0 ? 1 : 3);
        imds_cancel(call);
        imds_free(imds);
        aws_harness_settle(&h);
        assert_int_equal(o.calls, 0);
        aws_harness_stop(&h);
    }
}

/* A callback that ends everything. */
struct suicide {
    struct imds *imds;
    unsigned calls;
};
static void on_done_free(int error, const char *value, size_t length, void *userdata)
{
    struct suicide *s = userdata;

    s->calls++;
    s->imds = imds_free(s->imds);
}

static void test_free_in_callback(void **state)
{
    static const struct fake_answer scripts[][2] = {{{200, NULL, "t"}, {200, NULL, "v"}}, {{403}}};

    for (size_t i = 0; i < ARRAY_SIZE(scripts); i++) {
        struct aws_harness h;
        struct suicide s = {.imds = new_imds(&h)};

        aws_harness_script(&h, scripts[i], i == 0 ? 2 : 1);
        for (int j = 0; j < 3; j++)
            assert_int_equal(imds_get(s.imds, "meta-data/x", on_done_free, &s, NULL), 0);
        aws_harness_run(&h, &s.calls, 1);
        aws_harness_settle(&h);
        assert_int_equal(s.calls, 1);
        aws_harness_stop(&h);
    }
}

/* More at a time than there may be. */
static void test_busy(void **state)
{
    static const struct fake_answer script[] = {{.mode = FAKE_HANG}};
    struct aws_harness h;
    struct imds *imds = new_imds(&h);
    struct outcome o = {0};
    struct imds_call *call;

    SCRIPT(&h, script);
    for (unsigned i = 0; i < IMDS_CALLS_MAX; i++)
        assert_int_equal(imds_get(imds, "a", on_done, &o, &call), 0);
    assert_int_equal(imds_get(imds, "a", on_done, &o, NULL), -EBUSY);
    imds_cancel(call);
    assert_int_equal(imds_get(imds, "a", on_done, &o, NULL), 0);
    imds_free(imds);
    aws_harness_stop(&h);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_busy),
        cmocka_unit_test(test_token_is_shared_and_kept),
        cmocka_unit_test(test_token_ends),
        cmocka_unit_test(test_answers),
        cmocka_unit_test(test_late),
        cmocka_unit_test(test_environment),
        cmocka_unit_test(test_paths),
        cmocka_unit_test(test_cancel),
        cmocka_unit_test(test_free_in_callback),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "common/aws/cloudwatch.h"

#include "common/base/clock.h"
#include "tests/unit/aws-service.h"

#include <zlib.h>

static void test_compress(void **state)
{
    static const char *const plain[] = {"", "{", "{}", "{\"Namespace\":\"x\"}"};
    char body[4096], back[4097];
    void *packed = NULL;
    size_t length;
    z_stream stream = {0};

    for (size_t i = 0; i < ARRAY_SIZE(plain); i++)
        assert_int_equal(cloudwatch_compress(plain[i], strlen(plain[i]), &packed, &length),
                         -ENODATA);
    memset(body, 'x', sizeof(body));
    assert_int_equal(cloudwatch_compress(body, sizeof(body), &packed, &length), 0);
    assert_true(length < 100);
    assert_int_equal(inflateInit2(&stream, 15 + 16), Z_OK);
    stream.next_in = packed;
    stream.avail_in = (unsigned) length;
    stream.next_out = (unsigned char *) back;
    stream.avail_out = sizeof(back);
    assert_int_equal(inflate(&stream, Z_FINISH), Z_STREAM_END);
    assert_int_equal(stream.total_out, sizeof(body));
    assert_memory_equal(back, body, sizeof(body));
    inflateEnd(&stream);
    free(packed);
}

static void on_done(const struct aws_result *result, void *userdata)
{
    unsigned *calls = userdata;

    assert_int_equal(result->error, 0);
    ++*calls;
}

static void test_put(void **state)
{
    static const struct fake_answer script[] = {{200, NULL, "{}"}};
    static const struct {
        const char *name, *value; /* NULL: absent */
    } headers[] = {
        {"X-Amz-Target", "GraniteServiceVersion20100801.PutMetricData"},
        {"Content-Type", "application/x-amz-json-1.0"},
        {"X-Amzn-Query-Mode", "true"},
    };
    char large[2000];
    unsigned calls = 0;
    struct service s;

    service_start(&s, CLOUDWATCH_SERVICE);
    SCRIPT(&s.h, script);
    memset(large, 'x', sizeof(large));
    assert_int_equal(
        cloudwatch_put_metric_data(s.client, "{}", 2, 10 * USEC_PER_SEC, on_done, &calls, NULL), 0);
    aws_harness_run(&s.h, &calls, 1);
    assert_int_equal(cloudwatch_put_metric_data(s.client, large, sizeof(large), 10 * USEC_PER_SEC,
                                                on_done, &calls, NULL),
                     0);
    aws_harness_run(&s.h, &calls, 2);
    for (size_t i = 0; i < 2; i++) {
        char *encoding = fake_header(&s.h.requests[i], "Content-Encoding");

        for (size_t j = 0; j < ARRAY_SIZE(headers); j++) {
            char *value = fake_header(&s.h.requests[i], headers[j].name);

            assert_non_null(value);
            assert_string_equal(value, headers[j].value);
            free(value);
        }
        if (i == 0)
            assert_null(encoding);
        else
            assert_string_equal(encoding, "gzip");
        free(encoding);
    }
    assert_string_equal(s.h.requests[0].body, "{}");
    assert_true(s.h.requests[1].body_length < 100);
    service_stop(&s);
}

static void test_limits(void **state)
{
    char *body = calloc(1, CLOUDWATCH_BODY_MAX + 1);
    struct service s;

    service_start(&s, CLOUDWATCH_SERVICE);
    assert_int_equal(cloudwatch_put_metric_data(s.client, body, CLOUDWATCH_BODY_MAX + 1,
                                                USEC_PER_SEC, on_done, NULL, NULL),
                     -EMSGSIZE);
    assert_int_equal(cloudwatch_put_metric_data(s.client, body, 2, 0, on_done, NULL, NULL),
                     -EINVAL);
    service_stop(&s);
    free(body);
}

static void test_client(void **state)
{
    static const struct {
        const char *region, *endpoint;
        int r;
    } cases[] = {
        {"eu-west-1", NULL, 0},     {"eu-west-1", "http://127.0.0.1:1", 0},
        {NULL, NULL, -ENODATA},     {NULL, "http://127.0.0.1:1", -ENODATA},
        {"eu west", NULL, -EINVAL}, {"eu-west-1", "nonsense", -EINVAL},
    };
    struct service s;

    service_start(&s, CLOUDWATCH_SERVICE);
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        const struct cloudwatch_options options = {
            .event = s.h.event,
            .http = s.h.http,
            .credentials = s.provider,
            .region = cases[i].region,
            .endpoint = cases[i].endpoint,
            .getenv_function = aws_harness_getenv,
            .getenv_userdata = &s.h,
        };
        struct aws_client *client = NULL;

        assert_int_equal(cloudwatch_client_new(&client, &options), cases[i].r);
        aws_client_free(client);
    }
    service_stop(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_compress),
        cmocka_unit_test(test_put),
        cmocka_unit_test(test_limits),
        cmocka_unit_test(test_client),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* What is sent, what is refused, and AWS's documented examples. The published vectors are in
 * test-sigv4-vectors.c, random requests in tests/integration/test_sigv4.py. */
#include "tests/unit/unit.h"

#include "common/aws/sigv4.h"

#include <errno.h>

#define LIMIT (1 << 20)

/* As in the examples of the S3 documentation. */
static const struct sigv4_keys KEYS = {"AKIAIOSFODNN7EXAMPLE",
                                       "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", NULL};
static const struct sigv4_keys TOKEN_KEYS = {
    "AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", "a+token/with=all"};

static struct sigv4_request s3_request(void)
{
    return (struct sigv4_request){
        .method = "GET",
        .host = "examplebucket.s3.amazonaws.com",
        .path = "/test.txt",
        .region = "us-east-1",
        .service = "s3",
        .time_s = 1369353600, /* 2013-05-24 */
        .s3 = true,
    };
}

/* The |i|th of lines that each have a NUL behind them; NULL: there are fewer. */
static const char *line(const struct buffer *lines, size_t i)
{
    const char *at = lines->data, *end = lines->data + lines->length;

    while (at < end && i-- > 0)
        at += strlen(at) + 1;
    return at < end ? at : NULL;
}

/* "Authenticating Requests: Using the Authorization Header", its first and third example. */
static void test_s3_examples(void **state)
{
    static const char *const RANGE[] = {"Range: bytes=0-9", NULL};
    struct sigv4_request request = s3_request();
    CLEANUP(buffer_done) struct buffer lines;

    buffer_init(&lines, LIMIT);
    request.headers = RANGE;
    assert_int_equal(sigv4_sign(&request, &KEYS, &lines), 0);
    assert_string_equal(line(&lines, 0), "X-Amz-Date: 20130524T000000Z");
    assert_string_equal(line(&lines, 1),
                        "X-Amz-Content-Sha256: "
                        "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    assert_string_equal(
        line(&lines, 2),
        "Authorization: AWS4-HMAC-SHA256 "
        "Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request, "
        "SignedHeaders=host;range;x-amz-content-sha256;x-amz-date, "
        "Signature=f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41");
    assert_null(line(&lines, 3));

    buffer_clear(&lines);
    request.headers = NULL;
    request.path = "/";
    request.query = "lifecycle";
    assert_int_equal(sigv4_sign(&request, &KEYS, &lines), 0);
    assert_non_null(
        strstr(line(&lines, 2),
               "Signature=fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543"));
}

/* "Authenticating Requests: Using Query Parameters", its example. */
static void test_presign_example(void **state)
{
    struct sigv4_request request = s3_request();
    CLEANUP(buffer_done) struct buffer query;

    buffer_init(&query, LIMIT);
    assert_int_equal(sigv4_presign(&request, &KEYS, 86400, &query), 0);
    assert_string_equal(
        query.data,
        "X-Amz-Algorithm=AWS4-HMAC-SHA256"
        "&X-Amz-Credential=AKIAIOSFODNN7EXAMPLE%2F20130524%2Fus-east-1%2Fs3%2Faws4_request"
        "&X-Amz-Date=20130524T000000Z&X-Amz-Expires=86400&X-Amz-SignedHeaders=host"
        "&X-Amz-Signature=aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404");
}

static void test_presign_parts(void **state)
{
    static const char *const HEADERS[] = {"Content-Type: text/plain", NULL};
    struct sigv4_request request = s3_request();
    CLEANUP(buffer_done) struct buffer query;

    buffer_init(&query, LIMIT);
    request.query = "z=1&a&b=c d";
    request.headers = HEADERS;
    assert_int_equal(sigv4_presign(&request, &TOKEN_KEYS, 300, &query), 0);
    assert_int_equal(strncmp(query.data, "z=1&a=&b=c%20d&X-Amz-Algorithm=", 31), 0);
    assert_non_null(strstr(query.data, "&X-Amz-SignedHeaders=content-type%3Bhost"
                                       "&X-Amz-Security-Token=a%2Btoken%2Fwith%3Dall"
                                       "&X-Amz-Signature="));
}

static void test_presign_expiry(void **state)
{
    static const struct {
        uint32_t expires_s;
        int r;
    } CASES[] = {{0, -ERANGE},
                 {1, 0},
                 {SIGV4_PRESIGN_MAX_S, 0},
                 {SIGV4_PRESIGN_MAX_S + 1, -ERANGE},
                 {UINT32_MAX, -ERANGE}};

    for (size_t i = 0; i < ARRAY_SIZE(CASES); i++) {
        struct sigv4_request request = s3_request();
        CLEANUP(buffer_done) struct buffer query;

        buffer_init(&query, LIMIT);
        assert_int_equal(sigv4_presign(&request, &KEYS, CASES[i].expires_s, &query), CASES[i].r);
        assert_true((query.length > 0) == (CASES[i].r == 0));
    }
}

static void test_token_header(void **state)
{
    struct sigv4_request request = s3_request();
    CLEANUP(buffer_done) struct buffer lines;

    buffer_init(&lines, LIMIT);
    request.s3 = false;
    request.service = "monitoring";
    assert_int_equal(sigv4_sign(&request, &TOKEN_KEYS, &lines), 0);
    assert_string_equal(line(&lines, 1), "X-Amz-Security-Token: a+token/with=all");
    assert_non_null(strstr(line(&lines, 2), "SignedHeaders=host;x-amz-date;x-amz-security-token,"));
    assert_null(line(&lines, 3));
}

/* A hash that is given is the hash of the body. */
static void test_payload_hash(void **state)
{
    struct sigv4_request request = s3_request();
    CLEANUP(buffer_done) struct buffer ours;
    CLEANUP(buffer_done) struct buffer given;

    buffer_init(&ours, LIMIT);
    buffer_init(&given, LIMIT);
    request.body = "abc";
    request.body_length = 3;
    assert_int_equal(sigv4_sign(&request, &KEYS, &ours), 0);
    request.payload_hash = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
    request.body = NULL;
    request.body_length = 0;
    assert_int_equal(sigv4_sign(&request, &KEYS, &given), 0);
    assert_int_equal(ours.length, given.length);
    assert_memory_equal(ours.data, given.data, given.length);

    buffer_clear(&given);
    request.payload_hash = SIGV4_UNSIGNED_PAYLOAD;
    assert_int_equal(sigv4_sign(&request, &KEYS, &given), 0);
    assert_string_equal(line(&given, 1), "X-Amz-Content-Sha256: UNSIGNED-PAYLOAD");
}

/* What can't be signed is refused, and nothing is appended. */
static void test_refused_requests(void **state)
{
    static const char *const NO_NAME[] = {": x", NULL};
    static const char *const OURS[][2] = {{"Host: x"},
                                          {"authorization: x"},
                                          {"x-amz-date: x"},
                                          {"X-Amz-Security-Token: x"},
                                          {"X-Amz-Content-Sha256: x"}};
    const char *too_many[SIGV4_HEADERS_MAX + 1] = {NULL};
    char long_service[200] = {0};
    struct sigv4_request good = s3_request(), cases[24];
    size_t n = 0;

#define CASE(change) (cases[n] = good, cases[n].change, n++)
    memset(long_service, 's', sizeof(long_service) - 1);
    for (size_t i = 0; i < SIGV4_HEADERS_MAX - 2; i++) /* host, date, content-sha256 are there */
        too_many[i] = "a: b";
    CASE(region = NULL);
    CASE(region = "");
    CASE(region = "us/east");
    CASE(region = "us east");
    CASE(service = NULL);
    CASE(service = "s3/x");
    CASE(service = long_service);
    CASE(method = NULL);
    CASE(method = "GET\n");
    CASE(host = NULL);
    CASE(host = "");
    CASE(host = "a\r\nb");
    CASE(path = "test.txt");
    CASE(path = "/a?b");
    CASE(payload_hash = "");
    CASE(time_s = UINT64_C(253402300800)); /* the year 10000 */
    CASE(time_s = UINT64_MAX / 2);
    CASE(headers = NO_NAME);
    CASE(headers = too_many);
    for (size_t i = 0; i < ARRAY_SIZE(OURS); i++)
        CASE(headers = OURS[i]);
    assert_int_equal(n, ARRAY_SIZE(cases));

    for (size_t i = 0; i < n; i++) {
        CLEANUP(buffer_done) struct buffer out;

        buffer_init(&out, LIMIT);
        if (sigv4_sign(&cases[i], &KEYS, &out) != -EINVAL)
            fail_msg("case %zu was signed", i);
        if (sigv4_presign(&cases[i], &KEYS, 60, &out) != -EINVAL && cases[i].headers != too_many)
            fail_msg("case %zu was presigned", i);
        assert_true(out.length == 0 || cases[i].headers == too_many);
    }
}

static void test_header_count(void **state)
{
    const char *headers[SIGV4_HEADERS_MAX] = {NULL};
    struct sigv4_request request = s3_request();
    CLEANUP(buffer_done) struct buffer out;

    for (size_t i = 0; i < SIGV4_HEADERS_MAX - 3; i++)
        headers[i] = "a: b";
    request.headers = headers;
    buffer_init(&out, LIMIT);
    assert_int_equal(sigv4_sign(&request, &KEYS, &out), 0);
    buffer_clear(&out);
    assert_int_equal(sigv4_sign(&request, &TOKEN_KEYS, &out), -EINVAL);
}

static void test_refused_keys(void **state)
{
    char long_secret[400] = {0};
    const struct sigv4_keys CASES[] = {
        {NULL, "s", NULL},        {"", "s", NULL},         {"a", NULL, NULL},
        {"a", "", NULL},          {"a b", "s", NULL},      {"a\n", "s", NULL},
        {"a", long_secret, NULL}, {"a", "s", "t\r\nX: y"}, {"a", "s", "t t"},
    };
    struct sigv4_request request = s3_request();

    memset(long_secret, 's', sizeof(long_secret) - 1);
    for (size_t i = 0; i < ARRAY_SIZE(CASES); i++) {
        CLEANUP(buffer_done) struct buffer out;

        buffer_init(&out, LIMIT);
        if (sigv4_sign(&request, &CASES[i], &out) != -EINVAL)
            fail_msg("keys %zu were taken", i);
        assert_int_equal(out.length, 0);
    }
}

static void test_small_buffer(void **state)
{
    struct sigv4_request request = s3_request();

    for (size_t limit = 0; limit < 200; limit += 7) {
        CLEANUP(buffer_done) struct buffer out;

        buffer_init(&out, limit);
        assert_int_equal(sigv4_sign(&request, &KEYS, &out), -ENOBUFS);
        assert_int_equal(out.length, 0);
        assert_int_equal(sigv4_presign(&request, &KEYS, 60, &out), -ENOBUFS);
        assert_int_equal(out.length, 0);
    }
}

/* A token as long as the longest that credentials take, presigned: three bytes for each. */
static void test_long_token(void **state)
{
    char *token = malloc(16385);
    struct sigv4_keys keys = {"AKID", "secret", token};
    struct sigv4_request request = s3_request();
    CLEANUP(buffer_done) struct buffer out;

    memset(token, '/', 16384);
    token[16384] = '\0';
    buffer_init(&out, LIMIT);
    assert_int_equal(sigv4_presign(&request, &keys, 60, &out), 0);
    assert_true(out.length > 3 * 16384);
    free(token);
}

static void test_rds_token(void **state)
{
    CLEANUP(buffer_done) struct buffer token;

    buffer_init(&token, LIMIT);
    assert_int_equal(
        sigv4_rds_token("db.example.com", 3306, "me&you", "us-east-1", &KEYS, 1369353600, &token),
        0);
    assert_int_equal(strncmp(token.data,
                             "db.example.com:3306/?Action=connect&DBUser=me%26you"
                             "&X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential="
                             "AKIAIOSFODNN7EXAMPLE%2F20130524%2Fus-east-1%2Frds-db%2Faws4_request"
                             "&X-Amz-Date=20130524T000000Z&X-Amz-Expires=900"
                             "&X-Amz-SignedHeaders=host&X-Amz-Signature=",
                             strlen(token.data) - 64),
                     0);
}

static void test_refused_rds_tokens(void **state)
{
    char long_host[300] = {0};
    const struct {
        const char *host, *user, *region;
        uint16_t port;
    } CASES[] = {
        {NULL, "u", "us-east-1", 3306},
        {"", "u", "us-east-1", 3306},
        {"a/b", "u", "us-east-1", 3306},
        {"a b", "u", "us-east-1", 3306},
        {"a", "", "us-east-1", 3306},
        {"a", NULL, "us-east-1", 3306},
        {"a", "u", "", 3306},
        {"a", "u", "us-east-1", 0},
        {long_host, "u", "us-east-1", 1},
    };

    memset(long_host, 'h', sizeof(long_host) - 1);
    for (size_t i = 0; i < ARRAY_SIZE(CASES); i++) {
        CLEANUP(buffer_done) struct buffer token;

        buffer_init(&token, LIMIT);
        if (sigv4_rds_token(CASES[i].host, CASES[i].port, CASES[i].user, CASES[i].region, &KEYS, 0,
                            &token) != -EINVAL)
            fail_msg("case %zu was signed", i);
        assert_int_equal(token.length, 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_s3_examples),        cmocka_unit_test(test_presign_example),
        cmocka_unit_test(test_presign_parts),      cmocka_unit_test(test_presign_expiry),
        cmocka_unit_test(test_token_header),       cmocka_unit_test(test_payload_hash),
        cmocka_unit_test(test_refused_requests),   cmocka_unit_test(test_header_count),
        cmocka_unit_test(test_refused_keys),       cmocka_unit_test(test_small_buffer),
        cmocka_unit_test(test_long_token),         cmocka_unit_test(test_rds_token),
        cmocka_unit_test(test_refused_rds_tokens),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* The pure parts of a request: what an answer that is no success says. */
#include "common/aws/request-internal.h"

#include "common/base/clock.h"
#include "tests/unit/unit.h"

#include <errno.h>

static void test_parse_error(void **state)
{
    static const struct {
        const char *body, *header, *code, *message;
    } cases[] = {
        {"{\"__type\":\"com.amazonaws.dynamodb.v20120810#ThrottlingException\",\"message\":\"Rate "
         "exceeded\"}",
         NULL, "ThrottlingException", "Rate exceeded"},
        {"{\"__type\":\"InvalidSignatureException\",\"Message\":\"Signature expired: x\"}", NULL,
         "InvalidSignatureException", "Signature expired: x"},
        {"{\"code\":\"Throttling:http://x/\",\"message\":\"m\"}", NULL, "Throttling", "m"},
        {"{\"Code\":\"a\",\"errorMessage\":\"m\"}", NULL, "a", "m"},
        {"{\"__type\":\"NewName\",\"message\":\"m\"}", "OldName;Sender", "OldName", "m"},
        {"{\"__type\":\"x\"}", "ValidationException:http://internal.amazon.com/coral/",
         "ValidationException", ""},
        {"{\"__type\":\"x\"}", "", "x", ""},
        {"{\"__type\":\"x\"}", ";Sender", "x", ""},
        {"", "aws.protocoltests#FooError:http://x#y", "FooError", ""},
        {"{\"message\":\"two\\nlines\\u001b[31m\"}", NULL, "", "two lines [31m"},
        {"{\"__type\":5,\"message\":[]}", NULL, "", ""},
        {"{\"__type\":\"a<b>\"}", NULL, "a", ""},
        {"<ErrorResponse xmlns=\"http://x/\"><Error><Type>Sender</Type><Code>Throttling</Code>"
         "<Message>a &lt; b</Message></Error><RequestId>r</RequestId></ErrorResponse>",
         NULL, "Throttling", "a < b"},
        {"\n<?xml version=\"1.0\"?><Response><Errors><Error><Code>AuthFailure</Code><Message>m"
         "</Message></Error></Errors></Response>",
         NULL, "AuthFailure", "m"},
        {"<Error><Code>SlowDown</Code><Message>cut o", NULL, "SlowDown", ""},
        {"<html><head><title>503 Service Unavailable</title></head><br></html>", NULL, "", ""},
        {"Bad Gateway", NULL, "", ""},
        {"{", NULL, "", ""},
        {"", NULL, "", ""},
    };

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        char code[AWS_ERROR_CODE_MAX], message[AWS_ERROR_MESSAGE_MAX];

        aws_parse_error(cases[i].body, strlen(cases[i].body), cases[i].header, code, message);
        if (strcmp(code, cases[i].code) != 0 || strcmp(message, cases[i].message) != 0)
            fail_msg("%s: \"%s\" \"%s\"", cases[i].body, code, message);
    }
}

/* Cut between characters; a code as long as there is room. */
static void test_long(void **state)
{
    char code[AWS_ERROR_CODE_MAX], message[AWS_ERROR_MESSAGE_MAX], body[4096];
    int length = snprintf(body, sizeof(body), "{\"__type\":\"%0300d\",\"message\":\"x", 7);

    for (unsigned i = 0; i < 300; i++)
        length += snprintf(body + length, sizeof(body) - (size_t) length, "\xe2\x82\xac");
    length += snprintf(body + length, sizeof(body) - (size_t) length, "\"}");
    aws_parse_error(body, (size_t) length, NULL, code, message);
    assert_int_equal(strlen(code), AWS_ERROR_CODE_MAX - 1);
    assert_int_equal(strlen(message), 1 + (AWS_ERROR_MESSAGE_MAX - 2) / 3 * 3);
}

static void test_date(void **state)
{
    static const struct {
        const char *text;
        int r;
        uint64_t seconds;
    } cases[] = {
        {"Sun, 06 Nov 1994 08:49:37 GMT", 0, 784111777},
        {"Sat, 21 Nov 2026 22:26:40 GMT", 0, 1795300000},
        {"Thu, 01 Jan 1970 00:00:00 GMT", -EBADMSG, 0},
        {"Sunday, 06-Nov-94 08:49:37 GMT", -EBADMSG, 0},
        {"Sun Nov  6 08:49:37 1994", -EBADMSG, 0},
        {"Sun, 06 Nov 1994 08:49:37 UTC", -EBADMSG, 0},
        {"Sun, 06 Foo 1994 08:49:37 GMT", -EBADMSG, 0},
        {"Sun, 00 Nov 1994 08:49:37 GMT", -EBADMSG, 0},
        {"Sun, 06 Nov 1994 24:49:37 GMT", -EBADMSG, 0},
        {"Sun, 06 Nov 19x4 08:49:37 GMT", -EBADMSG, 0},
        {"", -EBADMSG, 0},
    };

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        uint64_t us = 0;
        int r = aws_parse_date(cases[i].text, &us);

        if (r != cases[i].r || us != cases[i].seconds * USEC_PER_SEC)
            fail_msg("%s: %d", cases[i].text, r);
    }
}

static void test_skew(void **state)
{
    static const struct {
        const char *code, *message;
        int64_t off_s; /* how far Date is from what was signed; INT64_MIN: no Date */
        bool skewed;
    } cases[] = {
        {"RequestTimeTooSkewed", "", INT64_MIN, true},
        {"RequestTimeTooSkewed", "", 0, true},
        {"RequestExpired", "", 0, true},
        {"RequestInTheFuture", "", 0, true},
        {"InvalidSignatureException", "Signature expired: 2 is now earlier than 3", 0, true},
        {"InvalidSignatureException", "Signature not yet current: 3 is still later", 0, true},
        {"SignatureDoesNotMatch", "Signature expired: 2", INT64_MIN, true},
        {"InvalidSignatureException", "The request signature we calculated does not match", 0,
         false},
        {"InvalidSignatureException", "", 239, false},
        {"AuthFailure", "", 241, true},
        {"AuthFailure", "", -241, true},
        {"AuthFailure", "", INT64_MIN, false},
        {"AccessDenied", "Signature expired", 10000, false},
        {"", "", 10000, false},
    };
    const uint64_t signed_us = UINT64_C(1700000000) * USEC_PER_SEC;

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        uint64_t date_us = cases[i].off_s == INT64_MIN
                               ? 0
                               : signed_us + (uint64_t) (cases[i].off_s * (int64_t) USEC_PER_SEC);

        if (aws_is_skewed(cases[i].code, cases[i].message, signed_us, date_us) != cases[i].skewed)
            fail_msg("case %zu", i);
    }
}

static void test_ambiguous(void **state)
{
    static const struct {
        int error;
        bool sent;
        unsigned status;
        bool ambiguous;
    } cases[] = {
        {0, true, 200, false},          {0, true, 400, false},
        {0, true, 429, false},          {0, true, 500, true},
        {0, true, 502, true},           {0, true, 503, false},
        {0, true, 504, true},           {-ECONNREFUSED, false, 0, false},
        {-ENOENT, false, 0, false},     {-ETIMEDOUT, false, 0, false},
        {-ETIMEDOUT, true, 0, true},    {-ECONNRESET, true, 0, true},
        {-ECONNRESET, false, 0, false}, {-EBADMSG, true, 200, true},
        {-EBADMSG, true, 400, false},   {-EBADMSG, true, 503, false},
        {-EBADMSG, true, 500, true},    {-EPROTO, true, 0, true},
        {-EPROTO, false, 0, false},
    };

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        const struct http_client_response response = {
            .error = cases[i].error,
            .sent = cases[i].sent,
            .status = cases[i].status,
        };

        if (aws_is_ambiguous(&response) != cases[i].ambiguous)
            fail_msg("case %zu", i);
    }
}

static void test_retry_after(void **state)
{
    static const struct {
        const char *milliseconds, *seconds;
        uint64_t us;
    } cases[] = {
        {NULL, NULL, 0},
        {"1500", NULL, 1500000},
        {"1500", "9", 1500000},
        {NULL, "9", 9000000},
        {"x", "9", 9000000},
        {"-1", NULL, 0},
        {NULL, "Sun, 06 Nov 1994 08:49:37 GMT", 0},
        {NULL, "86401", 0},
        {"99999999999999999999", NULL, 0},
    };

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
        assert_int_equal(aws_parse_retry_after(cases[i].milliseconds, cases[i].seconds),
                         cases[i].us);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_parse_error), cmocka_unit_test(test_long),
        cmocka_unit_test(test_date),        cmocka_unit_test(test_skew),
        cmocka_unit_test(test_ambiguous),   cmocka_unit_test(test_retry_after),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* DynamoDB's errors, reasons, attributes and bodies; and one call against a fake service. */
#include "common/aws/dynamodb.h"

#include "tests/unit/aws-service.h"

static void test_errors(void **state)
{
    static const struct {
        struct aws_result result;
        int error;
    } cases[] = {
        {{.error = 0}, 0},
        {{.error = -EREMOTEIO, .status = 400, .code = "ResourceNotFoundException"}, -ENOENT},
        {{.error = -EREMOTEIO, .status = 400, .code = "ConditionalCheckFailedException"}, -EEXIST},
        {{.error = -EREMOTEIO, .status = 400, .code = "TransactionCanceledException"}, -ERESTART},
        {{.error = -EREMOTEIO, .status = 400, .code = "ResourceInUseException"}, -EBUSY},
        {{.error = -EREMOTEIO, .status = 400, .code = "AccessDeniedException"}, -EACCES},
        {{.error = -EREMOTEIO, .status = 403, .code = ""}, -EACCES},
        {{.error = -EREMOTEIO, .status = 400, .code = "ValidationException"}, -EINVAL},
        {{.error = -EREMOTEIO, .status = 400, .code = "WhoKnowsException"}, -EINVAL},
        {{.error = -EREMOTEIO, .status = 400, .code = "UnknownOperationException"}, -EOPNOTSUPP},
        {{.error = -EREMOTEIO,
          .status = 400,
          .code = "ProvisionedThroughputExceededException",
          .retry_class = RETRY_THROTTLE},
         -EAGAIN},
        {{.error = -EREMOTEIO, .status = 500, .code = "InternalServerError"}, -EIO},
        {{.error = -EREMOTEIO, .status = 503, .code = ""}, -EIO},
        {{.error = -ECONNREFUSED}, -EHOSTUNREACH},
        {{.error = -ENOENT}, -EHOSTUNREACH}, /* a name that can't be resolved is no missing table */
        {{.error = -ECONNRESET}, -EIO},
        {{.error = -EBADMSG}, -EIO},
        {{.error = -ETIMEDOUT}, -ETIMEDOUT},
        {{.error = -ETIMEDOUT, .retry_class = RETRY_THROTTLE}, -EAGAIN},
        {{.error = -ENOKEY}, -ENOKEY},
        {{.error = -EMSGSIZE}, -EMSGSIZE},
    };

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
        if (dynamodb_error(&cases[i].result) != cases[i].error)
            fail_msg("case %zu: %d", i, dynamodb_error(&cases[i].result));
}

static struct json_object *parse(const char *text)
{
    struct json_object *object = NULL;

    assert_int_equal(json_parse(text, strlen(text), &object), 0);
    return object;
}

static void test_reasons(void **state)
{
    static const char *const bad[] = {
        "{}",
        "{\"CancellationReasons\":{}}",
        "{\"CancellationReasons\":[1]}",
        "{\"CancellationReasons\":[{\"Code\":7}]}",
        "{\"CancellationReasons\":[{\"Code\":\"None\"},{}]}",
    };
    CLEANUP_JSON struct json_object *good =
        parse("{\"CancellationReasons\":[{\"Code\":\"None\"},{\"Code\":\"ConditionalCheckFailed\","
              "\"Item\":{\"id\":{\"S\":\"earlier\"}},\"Message\":\"x\"},{\"Code\":"
              "\"TransactionConflict\"},"
              "{\"Code\":\"ThrottlingError\"},{\"Code\":\"ProvisionedThroughputExceeded\"},"
              "{\"Code\":\"ValidationError\",\"Item\":null}]}");
    static const enum dynamodb_reason wanted[] = {
        DYNAMODB_REASON_NONE,      DYNAMODB_REASON_CONDITION, DYNAMODB_REASON_CONFLICT,
        DYNAMODB_REASON_THROTTLED, DYNAMODB_REASON_THROTTLED, DYNAMODB_REASON_OTHER,
    };
    struct dynamodb_reasons reasons;
    struct json_object *many, *array;
    const char *id;

    assert_int_equal(dynamodb_parse_reasons(good, &reasons), 0);
    assert_int_equal(reasons.count, ARRAY_SIZE(wanted));
    for (size_t i = 0; i < reasons.count; i++) {
        assert_int_equal(reasons.at[i].reason, wanted[i]);
        assert_int_equal(reasons.at[i].item != NULL, i == 1);
    }
    assert_int_equal(dynamodb_get_string(reasons.at[1].item, "id", &id), 0);
    assert_string_equal(id, "earlier");
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
        CLEANUP_JSON struct json_object *object = parse(bad[i]);

        if (dynamodb_parse_reasons(object, &reasons) != -EBADMSG)
            fail_msg("%s is taken", bad[i]);
    }
    many = json_object_new_object();
    array = json_object_new_array();
    for (unsigned i = 0; i <= DYNAMODB_ACTIONS_MAX; i++) {
        struct json_object *one = json_object_new_object();

        json_add_string(one, "Code", "None");
        json_object_array_add(array, one);
    }
    json_add(many, "CancellationReasons", array);
    assert_int_equal(dynamodb_parse_reasons(many, &reasons), -EBADMSG);
    json_object_put(many);
}

static void test_attributes(void **state)
{
    CLEANUP_JSON struct json_object *item = parse(
        "{\"s\":{\"S\":\"text\"},\"n\":{\"N\":\"12\"},\"minus\":{\"N\":\"-1\"},"
        "\"half\":{\"N\":\"0.5\"},\"huge\":{\"N\":\"99999999999999999999\"},\"list\":{\"L\":[]},"
        "\"bare\":\"x\",\"null\":null}");
    CLEANUP_JSON struct json_object *answer = parse(
        "{\"Items\":[{}],\"LastEvaluatedKey\":{\"sk\":{\"S\":\"here\"},\"pk\":{\"S\":\"p\"}}}");
    CLEANUP_JSON struct json_object *other = parse("{\"Items\":{},\"LastEvaluatedKey\":[]}");
    CLEANUP_JSON struct json_object *end = parse("{\"Items\":[],\"LastEvaluatedKey\":null}");
    static const char *const numbers[] = {"s", "minus", "half", "huge", "list", "bare", "null"};
    struct json_object *items;
    const char *text;
    uint64_t number;

    assert_int_equal(dynamodb_get_string(item, "s", &text), 0);
    assert_string_equal(text, "text");
    assert_int_equal(dynamodb_get_number(item, "n", &number), 0);
    assert_int_equal(number, 12);
    assert_int_equal(dynamodb_get_string(item, "none", &text), -ENOENT);
    assert_int_equal(dynamodb_get_string(item, "n", &text), -EBADMSG);
    for (size_t i = 0; i < ARRAY_SIZE(numbers); i++)
        assert_int_equal(dynamodb_get_number(item, numbers[i], &number), -EBADMSG);
    assert_int_equal(dynamodb_get_items(answer, &items), 0);
    assert_int_equal(dynamodb_get_last_key(answer, "sk", &text), 1);
    assert_string_equal(text, "here");
    assert_int_equal(dynamodb_get_last_key(answer, "other", &text), -EBADMSG);
    assert_int_equal(dynamodb_get_items(other, &items), -EBADMSG);
    assert_int_equal(dynamodb_get_last_key(other, "sk", &text), -EBADMSG);
    assert_int_equal(dynamodb_get_last_key(end, "sk", &text), 0);
}

static void test_adding(void **state)
{
    struct buffer buffer;

    buffer_init(&buffer, 1024);
    buffer_append_string(&buffer, "{");
    dynamodb_add_string(&buffer, "a\"b", "x\n\xff");
    dynamodb_add_number(&buffer, "n", UINT64_MAX);
    buffer_append_string(&buffer, "}");
    assert_string_equal(buffer.data, "{\"a\\\"b\":{\"S\":\"x\\u000a\\ufffd\"},"
                                     "\"n\":{\"N\":\"18446744073709551615\"}}");
    buffer_done(&buffer);
}

/* --- one call -------------------------------------------------------------------------------- */

struct called {
    unsigned count;
    int error;
    unsigned attempts;
    char text[64];
};

static void on_called(const struct dynamodb_result *result, void *userdata)
{
    struct called *called = userdata;
    const char *text = "";

    called->count++;
    called->error = result->error;
    called->attempts = result->aws->attempts;
    if (result->error == 0)
        (void) dynamodb_get_string(result->answer, "x", &text);
    if (result->error == -ERESTART)
        text = result->reasons->at[0].reason == DYNAMODB_REASON_CONFLICT ? "conflict" : "other";
    snprintf(called->text, sizeof(called->text), "%s", text);
}

static void call(struct service *s, struct called *called)
{
    struct buffer body;
    unsigned wanted = called->count + 1;

    buffer_init(&body, 1024);
    buffer_append_string(&body, "{\"TableName\":\"t\"}");
    assert_int_equal(dynamodb_call(s->client, "Query", &body, 10000000, on_called, called, NULL),
                     0);
    buffer_done(&body);
    aws_harness_run(&s->h, &called->count, wanted);
}

static void test_call(void **state)
{
    static const char body[] = "{\"x\":{\"S\":\"right\"}}"; /* CRC-32 4276051984 */
    static const struct {
        struct fake_answer answers[2];
        int error;
        unsigned attempts;
        const char *text;
    } cases[] = {
        {{{200, "x-amz-crc32: 4276051984\r\n", body, 0, 0}}, 0, 1, "right"},
        {{{200, NULL, body, 0, 0}}, 0, 1, "right"},
        {{{200, "x-amz-crc32: 4276051985\r\n", body, 0, 0},
          {200, "x-amz-crc32: 4276051984\r\n", body, 0, 0}},
         0,
         2,
         "right"},
        {{{200, NULL, "[]", 0, 0}}, -EBADMSG, 1, ""},
        {{{200, NULL, "{\"x\":", 0, 0}}, -EBADMSG, 1, ""},
        {{{400, NULL,
           "{\"__type\":\"com.amazonaws.dynamodb.v20120810#TransactionCanceledException\","
           "\"CancellationReasons\":[{\"Code\":\"TransactionConflict\"}]}",
           0, 0}},
         -ERESTART,
         1,
         "conflict"},
        {{{400, NULL, "{\"__type\":\"x#TransactionCanceledException\"}", 0, 0}}, -EBADMSG, 1, ""},
        {{{400, NULL, "{\"__type\":\"x#ResourceNotFoundException\"}", 0, 0}}, -ENOENT, 1, ""},
    };
    struct service s = {0};
    struct called called = {0};
    char *target;

    service_start(&s, DYNAMODB_SERVICE);
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        aws_harness_script(&s.h, cases[i].answers, cases[i].answers[1].status ? 2 : 1);
        call(&s, &called);
        if (called.error != cases[i].error || called.attempts != cases[i].attempts ||
            strcmp(called.text, cases[i].text) != 0)
            fail_msg("case %zu: %d, %u attempts, \"%s\"", i, called.error, called.attempts,
                     called.text);
    }
    target = fake_header(&s.h.requests[0], "X-Amz-Target");
    assert_string_equal(target, "DynamoDB_20120810.Query");
    free(target);
    target = fake_header(&s.h.requests[0], "Content-Type");
    assert_string_equal(target, "application/x-amz-json-1.0");
    free(target);
    service_stop(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_errors),     cmocka_unit_test(test_reasons),
        cmocka_unit_test(test_attributes), cmocka_unit_test(test_adding),
        cmocka_unit_test(test_call),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

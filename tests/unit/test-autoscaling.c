/* SPDX-License-Identifier: Apache-2.0 */
/* Which group an instance is in: the answer, and the call. */
#include "common/aws/autoscaling.h"

#include "tests/unit/aws-service.h"

#define ANSWER(members)                                                                            \
    "<DescribeAutoScalingInstancesResponse xmlns=\"http://autoscaling.amazonaws.com/doc/"          \
    "2011-01-01/\"><DescribeAutoScalingInstancesResult><AutoScalingInstances>" members             \
    "</AutoScalingInstances></DescribeAutoScalingInstancesResult><ResponseMetadata><RequestId>r"   \
    "</RequestId></ResponseMetadata></DescribeAutoScalingInstancesResponse>"
#define MEMBER(id, group)                                                                          \
    "<member><LaunchTemplate><InstanceId>no</InstanceId></LaunchTemplate>"                         \
    "<AutoScalingGroupName>" group "</AutoScalingGroupName><InstanceId>" id "</InstanceId>"        \
    "<HealthStatus>HEALTHY</HealthStatus></member>"

static void test_parse(void **state)
{
    static const struct {
        const char *text;
        int r;
        const char *group;
    } cases[] = {
        {ANSWER(MEMBER("i-1", "web")), 0, "web"},
        {ANSWER(MEMBER("i-1", "a &amp; b &#233;")), 0, "a & b \xc3\xa9"},
        {ANSWER(MEMBER("i-2", "other") MEMBER("i-1", "web")), 0, "web"},
        {ANSWER(MEMBER("i-2", "other")), 0, ""},
        {ANSWER("<member><InstanceId>i-1</InstanceId></member>"), 0, ""},
        {ANSWER(MEMBER("i-2", "other") "<member><InstanceId>i-1</InstanceId></member>"), 0, ""},
        {ANSWER(""), 0, ""},
        {"<DescribeAutoScalingInstancesResponse><DescribeAutoScalingInstancesResult>"
         "<AutoScalingInstances/></DescribeAutoScalingInstancesResult>"
         "</DescribeAutoScalingInstancesResponse>",
         0, ""},
        {"<DescribeAutoScalingInstancesResponse/>", -EBADMSG, ""},
        {"<Other><AutoScalingInstances/></Other>", -EBADMSG, ""},
        {ANSWER(MEMBER("i-1", "a &bad; b")), -EBADMSG, ""},
        {ANSWER(MEMBER("i-1", "web") "<member>"), -EBADMSG, ""},
        {"{}", -EBADMSG, ""},
        {"", -EBADMSG, ""},
    };

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        char group[AUTOSCALING_GROUP_MAX];
        int r = autoscaling_parse_group(cases[i].text, strlen(cases[i].text), "i-1", group);

        if (r != cases[i].r || strcmp(group, cases[i].group) != 0)
            fail_msg("%s: %d \"%s\"", cases[i].text, r, group);
    }
}

/* Each prefix of an answer is nonsense; none is read past its end. */
static void test_truncated(void **state)
{
    static const char text[] = ANSWER(MEMBER("i-1", "web"));

    for (size_t length = 0; length < sizeof(text) - 1; length++) {
        char *copy = memcpy(malloc(length + (length == 0)), text, length);
        char group[AUTOSCALING_GROUP_MAX];

        assert_int_equal(autoscaling_parse_group(copy, length, "i-1", group), -EBADMSG);
        assert_string_equal(group, "");
        free(copy);
    }
}

struct outcome {
    unsigned calls;
    int error;
    char group[AUTOSCALING_GROUP_MAX];
    char code[AWS_ERROR_CODE_MAX];
};

static void on_group(int error, const char *group, const struct aws_result *result, void *userdata)
{
    struct outcome *o = userdata;

    o->calls++;
    o->error = error;
    snprintf(o->group, sizeof(o->group), "%s", group);
    snprintf(o->code, sizeof(o->code), "%s", result->code);
}

static void test_call(void **state)
{
    static const struct {
        struct fake_answer answer;
        int error;
        const char *group, *code;
    } cases[] = {
        {{200, NULL, ANSWER(MEMBER("i-1", "web"))}, 0, "web", ""},
        {{200, NULL, ANSWER("")}, 0, "", ""},
        {{200, NULL, "nonsense"}, -EBADMSG, "", ""},
        {{403, NULL, "<ErrorResponse><Error><Code>AccessDenied</Code></Error></ErrorResponse>"},
         -EREMOTEIO,
         "",
         "AccessDenied"},
    };

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct service s;
        struct outcome o = {0};

        service_start(&s, AUTOSCALING_SERVICE);
        aws_harness_script(&s.h, &cases[i].answer, 1);
        assert_int_equal(autoscaling_find_group(s.client, "i-1", on_group, &o, NULL), 0);
        aws_harness_run(&s.h, &o.calls, 1);
        assert_int_equal(o.error, cases[i].error);
        assert_string_equal(o.group, cases[i].group);
        assert_string_equal(o.code, cases[i].code);
        assert_string_equal(
            s.h.requests[0].body,
            "Action=DescribeAutoScalingInstances&Version=2011-01-01&InstanceIds.member.1=i-1");
        service_stop(&s);
    }
}

static void test_bad_and_cancelled(void **state)
{
    static const struct fake_answer script[] = {{.mode = FAKE_HANG}};
    struct service s;
    struct outcome o = {0};
    struct aws_call *call;
    char long_id[100];

    service_start(&s, AUTOSCALING_SERVICE);
    SCRIPT(&s.h, script);
    memset(long_id, 'i', sizeof(long_id));
    long_id[sizeof(long_id) - 1] = '\0';
    assert_int_equal(autoscaling_find_group(s.client, "", on_group, &o, NULL), -EINVAL);
    assert_int_equal(autoscaling_find_group(s.client, long_id, on_group, &o, NULL), -EINVAL);
    assert_int_equal(autoscaling_find_group(s.client, "i-1", on_group, &o, &call), 0);
    assert_int_equal(autoscaling_find_group(s.client, "i-1", on_group, &o, NULL), 0);
    aws_harness_run_requests(&s.h, 2);
    aws_call_cancel(call);
    service_stop(&s); /* ends the other */
    assert_int_equal(o.calls, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_parse),
        cmocka_unit_test(test_truncated),
        cmocka_unit_test(test_call),
        cmocka_unit_test(test_bad_and_cancelled),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* DescribeAutoScalingInstances of one instance. */
#include "common/aws/autoscaling.h"

#include "common/aws/request-internal.h"
#include "common/aws/sigv4.h"
#include "common/aws/xml.h"
#include "common/base/clock.h"
#include "common/base/text.h"

#include <errno.h>
#include <string.h>

#define INSTANCE_ID_MAX    64u
#define ATTEMPT_TIMEOUT_US (5 * USEC_PER_SEC)
#define TIMEOUT_US         (20 * USEC_PER_SEC)
#define ANSWER_LIMIT       (64u * 1024)
#define BODY_LIMIT         1024u

struct autoscaling_call { /* freed with the aws_call, which it is the userdata of */
    autoscaling_group_done done;
    void *userdata;
    char instance_id[INSTANCE_ID_MAX];
};

/* What one <member> said. */
struct member {
    char instance_id[INSTANCE_ID_MAX];
    char group[AUTOSCALING_GROUP_MAX];
};

/* A leaf: kept if it is one of the two that count. */
static int member_take(struct member *member, const struct xml *xml)
{
    if (xml_slice_is(xml->name, "InstanceId"))
        return xml_decode(xml->text, member->instance_id, sizeof(member->instance_id));
    if (xml_slice_is(xml->name, "AutoScalingGroupName"))
        return xml_decode(xml->text, member->group, sizeof(member->group));
    return 0;
}

int autoscaling_parse_group(const char *text, size_t length, const char *instance_id,
                            char ret_group[AUTOSCALING_GROUP_MAX])
{
    static const char *const around[] = {"DescribeAutoScalingInstancesResponse",
                                         "DescribeAutoScalingInstancesResult",
                                         "AutoScalingInstances", "member"};
    struct member member = {0};
    bool has_list = false;
    struct xml xml;
    int event;

    ret_group[0] = '\0';
    xml_init(&xml, text, length);
    for (event = xml_next(&xml); event > XML_END; event = xml_next(&xml)) {
        size_t known = 0;

        while (known < MIN(xml.depth, (unsigned) ARRAY_SIZE(around)) &&
               xml_slice_is(xml.open[known], around[known]))
            known++;
        if (event == XML_OPEN && xml.depth == 3 && known == 3)
            has_list = true;
        if (event == XML_OPEN && xml.depth == 4 && known == 4)
            member = (struct member){0};
        if (event == XML_CLOSE && xml.depth == 4 && known == 4 && xml.is_leaf &&
            member_take(&member, &xml) < 0)
            return -EBADMSG;
        if (event == XML_CLOSE && xml.depth == 3 && known == 3 &&
            xml_slice_is(xml.name, "member") && strcmp(member.instance_id, instance_id) == 0)
            text_copy(ret_group, AUTOSCALING_GROUP_MAX, member.group);
    }
    if (event < 0 || !has_list) {
        ret_group[0] = '\0';
        return -EBADMSG;
    }
    return 0;
}

static void autoscaling_on_done(const struct aws_result *result, void *userdata)
{
    const struct autoscaling_call *call = userdata;
    char group[AUTOSCALING_GROUP_MAX] = "";
    int error = result->error;

    if (error == 0)
        error = autoscaling_parse_group(result->response->body, result->response->body_length,
                                        call->instance_id, group);
    call->done(error, group, result, call->userdata);
}

int autoscaling_find_group(struct aws_client *client, const char *instance_id,
                           autoscaling_group_done done, void *userdata, struct aws_call **ret_call)
{
    CLEANUP_FREE struct autoscaling_call *call = calloc(1, sizeof(*call));
    struct aws_call *aws_call;
    struct buffer body;
    int r;

    if (!call)
        return -ENOMEM;
    if (!*instance_id || !text_copy(call->instance_id, sizeof(call->instance_id), instance_id))
        return -EINVAL;
    call->done = done;
    call->userdata = userdata;
    buffer_init(&body, BODY_LIMIT);
    buffer_append_string(
        &body, "Action=DescribeAutoScalingInstances&Version=2011-01-01&InstanceIds.member.1=");
    sigv4_encode(&body, instance_id, false);
    r = body.failed ? -ENOMEM : 0;
    if (r == 0) {
        const struct aws_request request = {
            .content_type = "application/x-www-form-urlencoded; charset=utf-8",
            .body = body.data,
            .body_length = body.length,
            .attempt_timeout_us = ATTEMPT_TIMEOUT_US,
            .timeout_us = TIMEOUT_US,
            .response_limit_bytes = ANSWER_LIMIT,
        };

        r = aws_call_start(client, &request, autoscaling_on_done, call, &aws_call);
    }
    buffer_done(&body);
    if (r < 0)
        return r;
    aws_call_own(aws_call, TAKE(call));
    if (ret_call)
        *ret_call = aws_call;
    return 0;
}

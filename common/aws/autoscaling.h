/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Auto Scaling: which group an instance is in. Query protocol, XML.
 *
 * Source:
 * https://docs.aws.amazon.com/autoscaling/ec2/APIReference/API_DescribeAutoScalingInstances.html
 */
#pragma once

#include "common/aws/request.h"

#define AUTOSCALING_SERVICE     "autoscaling"
#define AUTOSCALING_ENVIRONMENT "AUTO_SCALING" /* behind AWS_ENDPOINT_URL_ */
#define AUTOSCALING_GROUP_MAX   (255u * 4 + 1) /* AWS's limit: 255 characters */

/* |error| as in |result|, or -EBADMSG: nonsense. |group|: "" if the instance is in none; borrowed.
 */
typedef void (*autoscaling_group_done)(int error, const char *group,
                                       const struct aws_result *result, void *userdata);

/* The callback comes once, from the loop. 0, -EINVAL or -ENOMEM. |ret_call| may be NULL. */
int autoscaling_find_group(struct aws_client *client, const char *instance_id,
                           autoscaling_group_done done, void *userdata, struct aws_call **ret_call);

/* Pure: the group of that instance in an answer. 0 or -EBADMSG. */
int autoscaling_parse_group(const char *text, size_t length, const char *instance_id,
                            char ret_group[AUTOSCALING_GROUP_MAX]);

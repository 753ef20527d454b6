/* SPDX-License-Identifier: Apache-2.0 */
/*
 * CloudWatch: sends a body of PutMetricData, AWS JSON 1.0. It knows nothing of what is in it.
 *
 * Source: https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_PutMetricData.html
 */
#pragma once

#include "common/aws/request.h"

#define CLOUDWATCH_SERVICE     "monitoring"
#define CLOUDWATCH_ENVIRONMENT "CLOUDWATCH"   /* behind AWS_ENDPOINT_URL_ */
#define CLOUDWATCH_BODY_MAX    (1024u * 1024) /* bytes; AWS's limit, before and after gzip */

struct cloudwatch_options { /* as aws_client_options; strings are copied */
    sd_event *event;
    struct http_client *http;
    struct credentials_provider *credentials;
    const char *region;
    const char *endpoint;  /* of the configuration; NULL or "": none */
    unsigned attempts_max; /* 0: as aws_client_options says */
    endpoint_getenv getenv_function;
    void *getenv_userdata;
};

/* 0 or what endpoint_resolve() and aws_client_new() say. */
int cloudwatch_client_new(struct aws_client **ret, const struct cloudwatch_options *options);

/* |timeout_us|: of all attempts and waits. The callback comes once, from the loop. 0, -EINVAL,
 * -EMSGSIZE past CLOUDWATCH_BODY_MAX, or -ENOMEM. |body| is borrowed for this call only. */
int cloudwatch_put_metric_data(struct aws_client *client, const char *body, size_t length,
                               uint64_t timeout_us, aws_done done, void *userdata,
                               struct aws_call **ret_call);

/* Pure: gzip where that is smaller. 0 and the bytes (the caller frees them), -ENODATA: it isn't
 * smaller, or -ENOMEM. */
int cloudwatch_compress(const char *body, size_t length, void **ret, size_t *ret_length);

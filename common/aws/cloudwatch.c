/* SPDX-License-Identifier: Apache-2.0 */
/* PutMetricData: headers and gzip. */
#include "common/aws/cloudwatch.h"

#include "common/base/clock.h"

#include <errno.h>
#include <zlib.h>

#define ATTEMPT_TIMEOUT_US                                                                         \
    (25 * USEC_PER_SEC) /* not idempotent: an answer given up is a window twice */
#define ANSWER_LIMIT (64u * 1024)
/* A quarter of zlib's most memory, for a moment; on this text it costs under 1 % of the size. */
#define GZIP_WINDOW_BITS (13 + 16)
#define GZIP_MEMORY      6

int cloudwatch_client_new(struct aws_client **ret, const struct cloudwatch_options *options)
{
    const struct endpoint_query query = {
        .service = CLOUDWATCH_SERVICE,
        .environment = CLOUDWATCH_ENVIRONMENT,
        .region = options->region,
        .override = options->endpoint,
    };
    struct aws_client_options client_options = {
        .event = options->event,
        .http = options->http,
        .credentials = options->credentials,
        .service = CLOUDWATCH_SERVICE,
        .region = options->region,
        .attempts_max = options->attempts_max,
        .getenv_function = options->getenv_function,
        .getenv_userdata = options->getenv_userdata,
    };
    int r = endpoint_resolve(&query, options->getenv_function, options->getenv_userdata,
                             &client_options.endpoint);

    if (r < 0)
        return r;
    return aws_client_new(ret, &client_options);
}

int cloudwatch_compress(const char *body, size_t length, void **ret, size_t *ret_length)
{
    CLEANUP_FREE unsigned char *packed = NULL;
    z_stream stream = {0};
    int result;

    if (length < 2 || length > CLOUDWATCH_BODY_MAX)
        return -ENODATA;
    packed = malloc(length - 1); /* no room for what is not smaller */
    if (!packed)
        return -ENOMEM;
    if (deflateInit2(&stream, Z_DEFAULT_COMPRESSION, Z_DEFLATED, GZIP_WINDOW_BITS, GZIP_MEMORY,
                     Z_DEFAULT_STRATEGY) != Z_OK)
        return -ENOMEM;
    stream.next_in = (unsigned char *) body;
    stream.avail_in = (unsigned) length;
    stream.next_out = packed;
    stream.avail_out = (unsigned) length - 1;
    result = deflate(&stream, Z_FINISH);
    *ret_length = stream.total_out;
    deflateEnd(&stream);
    if (result != Z_STREAM_END)
        return -ENODATA;
    *ret = TAKE(packed);
    return 0;
}

int cloudwatch_put_metric_data(struct aws_client *client, const char *body, size_t length,
                               uint64_t timeout_us, aws_done done, void *userdata,
                               struct aws_call **ret_call)
{
    /* The query mode's header asks for the old error codes beside the new. */
    static const char *const plain[] = {"X-Amzn-Query-Mode: true", NULL};
    static const char *const gzip[] = {"X-Amzn-Query-Mode: true", "Content-Encoding: gzip", NULL};
    CLEANUP_FREE void *packed = NULL;
    size_t packed_length;
    struct aws_request request = {
        .target = "GraniteServiceVersion20100801.PutMetricData",
        .content_type = "application/x-amz-json-1.0",
        .headers = plain,
        .body = body,
        .body_length = length,
        .attempt_timeout_us = ATTEMPT_TIMEOUT_US,
        .timeout_us = timeout_us,
        .response_limit_bytes = ANSWER_LIMIT,
    };

    if (length > CLOUDWATCH_BODY_MAX)
        return -EMSGSIZE;
    /* Without memory for it, it goes as it is. */
    if (cloudwatch_compress(body, length, &packed, &packed_length) == 0) {
        request.headers = gzip;
        request.body = packed;
        request.body_length = packed_length;
    }
    return aws_call_start(client, &request, done, userdata, ret_call);
}

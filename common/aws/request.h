/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One request to an AWS service: credentials, signature, sending, retries in standard mode, a fresh
 * signature after expired credentials, and correction of a clock that is off. On the loop.
 *
 * JSON protocols (CloudWatch, DynamoDB, Logs: |target|), the Query protocol (STS, Auto Scaling) and
 * plain GET. What an answer means beyond success and error code is the service's own file.
 */
#pragma once

#include "common/aws/credentials.h"
#include "common/aws/endpoint.h"
#include "common/aws/retry.h"
#include "common/net/http-client.h"

#define AWS_CALLS_MAX         64u /* of a client, at a time */
#define AWS_ERROR_CODE_MAX    96u
#define AWS_ERROR_MESSAGE_MAX 256u
#define AWS_REQUEST_ID_MAX    80u

struct aws_client; /* of one service in one Region */
struct aws_call;

struct aws_client_options { /* strings are copied; objects borrowed */
    sd_event *event;
    struct http_client *http;
    struct credentials_provider *credentials;
    const char *service; /* signing name, "monitoring" */
    const char *region;
    struct endpoint endpoint;
    unsigned attempts_max; /* 0: AWS_MAX_ATTEMPTS, else RETRY_ATTEMPTS_DEFAULT */
    endpoint_getenv getenv_function;
    void *getenv_userdata;
};

struct aws_request {            /* borrowed for aws_call_start() only */
    const char *target;         /* X-Amz-Target; NULL: none */
    const char *content_type;   /* NULL: none */
    const char *const *headers; /* more, signed too; NULL at the end; may be NULL */
    const void *body;
    size_t body_length;
    const char *method; /* NULL: POST */
    const char *path;   /* NULL: "/" */
    uint64_t attempt_timeout_us;
    uint64_t timeout_us; /* of all attempts and waits; then -ETIMEDOUT */
    size_t response_limit_bytes;
};

struct aws_result { /* borrowed, for the callback only */
    /* 0: 2xx. -ENOKEY: no credentials. -EREMOTEIO: the service said no (|code|). Else as
     * http_client_response. */
    int error;
    enum retry_class retry_class; /* of the last attempt's failure */
    unsigned status;
    char code[AWS_ERROR_CODE_MAX];       /* "Throttling", "" if there was none */
    char message[AWS_ERROR_MESSAGE_MAX]; /* one line, controls replaced */
    char request_id[AWS_REQUEST_ID_MAX]; /* x-amzn-RequestId or x-amz-request-id; "" */
    uint64_t retry_after_us;             /* the last answer's wish; 0: none */
    unsigned attempts;
    /* Attempts that may have been carried out though no answer says so: the request was sent, and
     * the connection broke or timed out, or the status was 500, 502 or 504. */
    unsigned ambiguous;
    const struct http_client_response *response; /* of the last attempt; NULL: none was made */
};

typedef void (*aws_done)(const struct aws_result *result, void *userdata);

/* 0, -ENODATA without a Region or -ENOMEM. */
int aws_client_new(struct aws_client **ret, const struct aws_client_options *options);
struct aws_client *aws_client_free(struct aws_client *client); /* calls end without a callback */
DEFINE_CLEANUP(struct aws_client *, aws_client_free)

/* The callback comes once, from the loop. 0, -EINVAL, -EBUSY past AWS_CALLS_MAX or -ENOMEM: then
 * there is none. */
int aws_call_start(struct aws_client *client, const struct aws_request *request, aws_done done,
                   void *userdata, struct aws_call **ret_call);
void aws_call_cancel(struct aws_call *call); /* no callback; what was sent may be carried out */

/* How far the service's clock is ahead of ours, as its answers told; 0 until one refused ours. */
int64_t aws_client_skew_us(const struct aws_client *client);

/* Pure: the error code of an answer, in JSON (__type, code) or XML (<Code>), or from the header
 * x-amzn-query-error / x-amzn-ErrorType (NULL: absent); without what stands before '#' and after
 * ':' or ';'. |ret_message| is one line. */
void aws_parse_error(const char *body, size_t length, const char *error_header,
                     char ret_code[AWS_ERROR_CODE_MAX], char ret_message[AWS_ERROR_MESSAGE_MAX]);

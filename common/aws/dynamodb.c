/* SPDX-License-Identifier: Apache-2.0 */
#include "common/aws/dynamodb.h"

#include "common/aws/request-internal.h"
#include "common/base/clock.h"
#include "common/base/text.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* Half of what a visitor is made to wait: a connection that died unseen leaves time for another. */
#define ATTEMPT_TIMEOUT_US (2500 * USEC_PER_MSEC)
#define OPERATION_MAX      64u

struct dynamodb_call { /* freed with the aws_call, which it is the userdata of */
    dynamodb_done done;
    void *userdata;
};

int dynamodb_client_new(struct aws_client **ret, const struct dynamodb_options *options)
{
    const struct endpoint_query query = {
        .service = DYNAMODB_SERVICE,
        .environment = DYNAMODB_ENVIRONMENT,
        .region = options->region,
        .override = options->endpoint,
    };
    endpoint_getenv get =
        options->getenv_function ? options->getenv_function : endpoint_process_getenv;
    struct aws_client_options client_options = {
        .event = options->event,
        .http = options->http,
        .credentials = options->credentials,
        .service = DYNAMODB_SERVICE,
        .region = options->region,
        .attempts_max = get("AWS_MAX_ATTEMPTS", options->getenv_userdata) ? 0 : DYNAMODB_ATTEMPTS,
        .getenv_function = get,
        .getenv_userdata = options->getenv_userdata,
    };
    int r = endpoint_resolve(&query, get, options->getenv_userdata, &client_options.endpoint);

    if (r < 0)
        return r;
    return aws_client_new(ret, &client_options);
}

/* --- Errors --- */

static int error_of_code(const char *code)
{
    static const struct {
        const char *code;
        int error;
    } codes[] = {
        {"ResourceNotFoundException", -ENOENT},
        {"TableNotFoundException", -ENOENT},
        {"ConditionalCheckFailedException", -EEXIST},
        {"ResourceInUseException", -EBUSY},
        {"TransactionCanceledException", -ERESTART},
        {"TransactionConflictException", -EAGAIN},
        {"ContinuousBackupsUnavailableException", -EBUSY},
        {"ValidationException", -EINVAL},
        {"SerializationException", -EINVAL},
        {"IdempotentParameterMismatchException", -EINVAL},
        {"ItemCollectionSizeLimitExceededException", -EINVAL},
        {"UnknownOperationException", -EOPNOTSUPP},
        {"AccessDeniedException", -EACCES},
        {"UnrecognizedClientException", -EACCES},
        {"InvalidClientTokenId", -EACCES},
        {"InvalidSignatureException", -EACCES},
        {"IncompleteSignatureException", -EACCES},
        {"MissingAuthenticationTokenException", -EACCES},
        {"MissingAuthenticationToken", -EACCES},
        {"ExpiredTokenException", -EACCES},
        {"KMSAccessDeniedException", -EACCES},
    };

    for (size_t i = 0; i < ARRAY_SIZE(codes); i++)
        if (strcmp(code, codes[i].code) == 0)
            return codes[i].error;
    return 0;
}

int dynamodb_error(const struct aws_result *result)
{
    int r;

    switch (result->error) {
    case 0:
        return 0;
    case -EREMOTEIO:
        r = error_of_code(result->code);
        if (r < 0)
            return r;
        if (result->retry_class == RETRY_THROTTLE)
            return -EAGAIN;
        if (result->status / 100 == 5)
            return -EIO;
        return result->status == 403 ? -EACCES : -EINVAL;
    case -ETIMEDOUT: /* before another attempt that throttling had put off */
        return result->retry_class == RETRY_THROTTLE ? -EAGAIN : -ETIMEDOUT;
    case -ENOENT: /* the name, not the table */
    case -ECONNREFUSED:
        return -EHOSTUNREACH;
    case -ECONNRESET:
    case -EBADMSG:
    case -EPROTO:
        return -EIO;
    default:
        return result->error;
    }
}

static enum dynamodb_reason reason_of_code(const char *code)
{
    if (strcmp(code, "None") == 0)
        return DYNAMODB_REASON_NONE;
    if (strcmp(code, "ConditionalCheckFailed") == 0)
        return DYNAMODB_REASON_CONDITION;
    if (strcmp(code, "TransactionConflict") == 0)
        return DYNAMODB_REASON_CONFLICT;
    if (strcmp(code, "ThrottlingError") == 0 || strcmp(code, "ThrottlingException") == 0 ||
        strcmp(code, "ProvisionedThroughputExceeded") == 0 ||
        strcmp(code, "RequestLimitExceeded") == 0)
        return DYNAMODB_REASON_THROTTLED;
    return DYNAMODB_REASON_OTHER;
}

int dynamodb_parse_reasons(const struct json_object *body, struct dynamodb_reasons *ret)
{
    struct json_object *array;
    int r = json_get_array(body, "CancellationReasons", &array);

    ret->count = 0;
    if (r < 0 || json_object_array_length(array) > DYNAMODB_ACTIONS_MAX)
        return -EBADMSG;
    for (size_t i = 0; i < json_object_array_length(array); i++) {
        struct json_object *one = json_object_array_get_idx(array, i), *item = NULL;
        const char *code;

        r = json_get_string(one, "Code", &code);
        if (r < 0)
            return -EBADMSG;
        if (json_object_object_get_ex(one, "Item", &item) &&
            !json_object_is_type(item, json_type_object))
            item = NULL;
        ret->at[i].reason = reason_of_code(code);
        ret->at[i].item = item;
        ret->count = i + 1;
    }
    return 0;
}

/* --- One call --- */

static void dynamodb_on_done(const struct aws_result *aws, void *userdata)
{
    const struct dynamodb_call *call = userdata;
    CLEANUP_JSON struct json_object *body = NULL;
    struct dynamodb_reasons reasons;
    struct dynamodb_result result = {.error = dynamodb_error(aws), .aws = aws};

    if (result.error == 0 || result.error == -ERESTART) {
        int r = json_parse(aws->response->body, aws->response->body_length, &body);

        if (r < 0 || !json_object_is_type(body, json_type_object))
            result.error = r == -ENOMEM ? r : -EBADMSG;
    }
    if (result.error == 0)
        result.answer = body;
    if (result.error == -ERESTART) {
        result.reasons = &reasons;
        if (dynamodb_parse_reasons(body, &reasons) < 0) {
            result.error = -EBADMSG;
            result.reasons = NULL;
        }
    }
    call->done(&result, call->userdata);
}

int dynamodb_call(struct aws_client *client, const char *operation, const struct buffer *body,
                  uint64_t timeout_us, dynamodb_done done, void *userdata,
                  struct aws_call **ret_call)
{
    CLEANUP_FREE struct dynamodb_call *call = calloc(1, sizeof(*call));
    struct aws_call *aws_call;
    char target[OPERATION_MAX];
    struct aws_request request = {
        .target = target,
        .content_type = "application/x-amz-json-1.0",
        .body = body->data,
        .body_length = body->length,
        .attempt_timeout_us = ATTEMPT_TIMEOUT_US,
        .timeout_us = timeout_us,
        .response_limit_bytes = DYNAMODB_ANSWER_MAX,
    };
    int r;

    if (!call)
        return -ENOMEM;
    if (body->failed)
        return -ENOBUFS;
    if (snprintf(target, sizeof(target), "DynamoDB_20120810.%s", operation) >= (int) sizeof(target))
        return -EINVAL;
    call->done = done;
    call->userdata = userdata;
    r = aws_call_start(client, &request, dynamodb_on_done, call, &aws_call);
    if (r < 0)
        return r;
    aws_call_own(aws_call, TAKE(call));
    if (ret_call)
        *ret_call = aws_call;
    return 0;
}

/* --- Items --- */

static int get_attribute(const struct json_object *item, const char *name, const char *type,
                         const char **ret)
{
    struct json_object *value;

    if (!json_object_is_type(item, json_type_object))
        return -EBADMSG;
    if (!json_object_object_get_ex(item, name, &value))
        return -ENOENT;
    return json_get_string(value, type, ret) < 0 ? -EBADMSG : 0;
}

int dynamodb_get_string(const struct json_object *item, const char *name, const char **ret)
{
    return get_attribute(item, name, "S", ret);
}

int dynamodb_get_number(const struct json_object *item, const char *name, uint64_t *ret)
{
    const char *text;
    int r = get_attribute(item, name, "N", &text);

    if (r < 0)
        return r;
    return text_parse_u64(text, 0, INT64_MAX, ret) < 0 ? -EBADMSG : 0;
}

int dynamodb_get_items(const struct json_object *answer, struct json_object **ret)
{
    return json_get_array(answer, "Items", ret) < 0 ? -EBADMSG : 0;
}

int dynamodb_get_last_key(const struct json_object *answer, const char *name, const char **ret)
{
    struct json_object *key;

    if (!json_object_object_get_ex(answer, "LastEvaluatedKey", &key) || !key)
        return 0;
    return dynamodb_get_string(key, name, ret) < 0 ? -EBADMSG : 1;
}

static void add_attribute(struct buffer *buffer, const char *name, const char *type,
                          const char *value)
{
    bool first = buffer->length > 0 && buffer->data[buffer->length - 1] == '{';

    (void) buffer_append_string(buffer, first ? "" : ",");
    (void) json_append_string(buffer, name);
    (void) buffer_printf(buffer, ":{\"%s\":", type);
    (void) json_append_string(buffer, value);
    (void) buffer_append_string(buffer, "}");
}

void dynamodb_add_string(struct buffer *buffer, const char *name, const char *value)
{
    add_attribute(buffer, name, "S", value);
}

void dynamodb_add_number(struct buffer *buffer, const char *name, uint64_t value)
{
    char text[24];

    snprintf(text, sizeof(text), "%" PRIu64, value);
    add_attribute(buffer, name, "N", text);
}

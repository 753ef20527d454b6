/* SPDX-License-Identifier: Apache-2.0 */
/*
 * DynamoDB: one operation, AWS JSON 1.0, on common/aws/request.h; its answer parsed, its errors as
 * errnos. Bodies are the caller's, who knows its table.
 *
 * Source: https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/
 */
#pragma once

#include "common/aws/request.h"
#include "common/base/json.h"

#define DYNAMODB_SERVICE     "dynamodb"
#define DYNAMODB_ENVIRONMENT "DYNAMODB" /* behind AWS_ENDPOINT_URL_ */
/* One more than elsewhere, as the SDKs have it for DynamoDB; AWS_MAX_ATTEMPTS wins. */
#define DYNAMODB_ATTEMPTS       4u
#define DYNAMODB_BODY_MAX       (1024u * 1024)     /* ours; AWS's is 4 MB a transaction */
#define DYNAMODB_ANSWER_MAX     (2u * 1024 * 1024) /* AWS's is 1 MB of items, before JSON */
#define DYNAMODB_ACTIONS_MAX    100u               /* of a transaction: AWS's */
#define DYNAMODB_TABLE_NAME_MAX 256u               /* bytes with NUL */

struct dynamodb_options { /* as aws_client_options; strings are copied */
    sd_event *event;
    struct http_client *http;
    struct credentials_provider *credentials;
    const char *region;
    const char *endpoint; /* of the configuration; NULL or "": none */
    endpoint_getenv getenv_function;
    void *getenv_userdata;
};

/* 0 or what endpoint_resolve() and aws_client_new() say. */
int dynamodb_client_new(struct aws_client **ret, const struct dynamodb_options *options);

enum dynamodb_reason { /* why one action of a transaction was not done */
                       DYNAMODB_REASON_NONE,
                       DYNAMODB_REASON_CONDITION, /* ConditionalCheckFailed */
                       DYNAMODB_REASON_CONFLICT, /* TransactionConflict: another attempt may succeed
                                                  */
                       DYNAMODB_REASON_THROTTLED, /* ThrottlingError, ProvisionedThroughputExceeded:
                                                     as well */
                       DYNAMODB_REASON_OTHER, /* ValidationError, ItemCollectionSizeLimitExceeded,
                                                 ... */
};

struct dynamodb_reasons { /* by the transaction's positions */
    size_t count;
    struct {
        enum dynamodb_reason reason;
        const struct json_object *item; /* as it was (ALL_OLD); NULL: not told */
    } at[DYNAMODB_ACTIONS_MAX];
};

struct dynamodb_result { /* borrowed, for the callback only */
    /*
     * 0, or:
     *     -ENOENT    no such table                   -EACCES   not permitted, or a bad signature
     *     -ENOKEY    no credentials                  -EAGAIN   throttled, to the last attempt
     *     -EEXIST    ConditionalCheckFailed          -EBUSY    ResourceInUse
     *     -EINVAL    the request is wrong            -ERESTART the transaction was cancelled:
     *     -ETIMEDOUT the deadline                              |reasons|
     *     -EHOSTUNREACH  nobody there                -EIO      5xx or a broken connection
     *     -EOPNOTSUPP UnknownOperation               -EBADMSG  an answer that is none
     * and what http_client_response has besides.
     */
    int error;
    const struct json_object *answer;       /* error 0: an object */
    const struct dynamodb_reasons *reasons; /* -ERESTART */
    const struct aws_result *aws;
};
typedef void (*dynamodb_done)(const struct dynamodb_result *result, void *userdata);

/* |operation|: "Query". |timeout_us|: of all attempts and waits. As aws_call_start(). */
int dynamodb_call(struct aws_client *client, const char *operation, const struct buffer *body,
                  uint64_t timeout_us, dynamodb_done done, void *userdata,
                  struct aws_call **ret_call);

/* --- Pure parts --- */

/* The errno of a result that is none of success; -ERESTART for a cancelled transaction. */
int dynamodb_error(const struct aws_result *result);

/* CancellationReasons of a TransactionCanceledException's body. 0 or -EBADMSG. |ret| borrows from
 * |body|. */
int dynamodb_parse_reasons(const struct json_object *body, struct dynamodb_reasons *ret);

/* Attributes of an item: {"S": "text"}, {"N": "12"} (whole, 0 to INT64_MAX). 0, -ENOENT (absent) or
 * -EBADMSG. */
int dynamodb_get_string(const struct json_object *item, const char *name, const char **ret);
int dynamodb_get_number(const struct json_object *item, const char *name, uint64_t *ret);

/* "Items" of an answer: 0 or -EBADMSG. */
int dynamodb_get_items(const struct json_object *answer, struct json_object **ret);
/* Whether there is more behind these items: 1 and the last key's |name|, 0, or -EBADMSG. */
int dynamodb_get_last_key(const struct json_object *answer, const char *name, const char **ret);

/* Appends `"name":{"S":"value"}` and `"name":{"N":"value"}`, with a comma in front unless the
 * buffer ends with '{'. Failures are the buffer's. */
void dynamodb_add_string(struct buffer *buffer, const char *name, const char *value);
void dynamodb_add_number(struct buffer *buffer, const char *name, uint64_t value);

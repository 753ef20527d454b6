/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The way to DynamoDB: HTTP client, credentials by the standard chain, and the Region, from the
 * environment or IMDS. Calls that come before the Region is known wait for it. On the loop.
 */
#pragma once

#include "common/aws/dynamodb.h"

#define LINK_WAITING_MAX 64u /* calls that wait for the Region */
#define LINK_REASON_MAX  384u

struct link;
struct link_call;

struct link_options {
    const char *region;              /* NULL or "": from the environment, else from IMDS */
    const char *endpoint;            /* NULL or "": from the environment, else AWS's */
    endpoint_getenv getenv_function; /* NULL: the process's own */
    void *getenv_userdata;
};

/* 0, -EINVAL (a Region or an endpoint that is none) or -ENOMEM. Strings are copied. */
int link_new(struct link **ret, sd_event *event, const struct link_options *options);
struct link *link_free(struct link *link); /* calls end without a callback */
DEFINE_CLEANUP(struct link *, link_free)

/* As dynamodb_call(); empties |take_body|, also on failure. |deadline_us|: on the monotonic clock.
 * In the result |aws| may be NULL: -ENOKEY then means that there is no Region. */
int link_call(struct link *link, const char *operation, struct buffer *take_body,
              uint64_t deadline_us, dynamodb_done done, void *userdata, struct link_call **ret);
void link_cancel(struct link_call *call);

/* Whether the endpoint is somebody else's than AWS's. */
bool link_is_overridden(const struct link *link);

/* What a failed result says, in one line. Returns |ret|. */
const char *link_reason(char ret[LINK_REASON_MAX], const struct dynamodb_result *result);

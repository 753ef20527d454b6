/* SPDX-License-Identifier: Apache-2.0 */
/* The pure parts of common/aws/request.c, and the clock that its tests set. */
#pragma once

#include "common/aws/request.h"

/* For tests: the wall clock in microseconds. */
void aws_client_set_clock(struct aws_client *client, uint64_t (*clock)(void *userdata),
                          void *userdata);

/* Memory that lives as long as the call: what its callback needs. */
void aws_call_own(struct aws_call *call, void *take_memory);

/* "Sun, 06 Nov 1994 08:49:37 GMT" (RFC 9110, 5.6.7; the obsolete forms are not read). 0 or
 * -EBADMSG. */
int aws_parse_date(const char *text, uint64_t *ret_realtime_us);

/*
 * Whether the service refuses a signature because our clock is off: the codes that mean only that;
 * or one of a bad signature whose message speaks of time, or whose answer's Date is over 4 minutes
 * off |signed_us| (signatures hold for 5). |date_us|: 0: the answer had none.
 */
bool aws_is_skewed(const char *code, const char *message, uint64_t signed_us, uint64_t date_us);

/* Whether an attempt may have been carried out though its answer doesn't say so. */
bool aws_is_ambiguous(const struct http_client_response *response);

/* x-amz-retry-after (milliseconds), else Retry-After (seconds); NULL: absent. 0: none, or no number
 * up to a day. */
uint64_t aws_parse_retry_after(const char *milliseconds, const char *seconds);

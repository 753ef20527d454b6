/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The uplink: all that sending to CloudWatch takes besides something to send: HTTP client,
 * credentials, who this node is, endpoint. It sends one body at a time.
 */
#pragma once

#include "agent/lifecycle/identity.h"
#include "common/aws/request.h"
#include "common/schema/config.h"

#define UPLINK_TIMEOUT_US UINT64_C(30000000) /* of one request */

struct uplink;

/* |on_change|: something is known now that wasn't; from the loop. */
int uplink_new(struct uplink **ret, sd_event *event, const struct config *config,
               const char *host_name, void (*on_change)(void *userdata), void *userdata);
struct uplink *uplink_free(struct uplink *uplink);
DEFINE_CLEANUP(struct uplink *, uplink_free)

/* Asks anew who this node is; a request under way goes on. 0 or a negative errno: nothing changed.
 */
int uplink_configure(struct uplink *uplink, const struct config *config);

/* Whether it can send: all is known that must be in a body. */
bool uplink_is_ready(const struct uplink *uplink);
const char *uplink_why(const struct uplink *uplink); /* it can't; "" if it can */
const struct identity *uplink_identity(const struct uplink *uplink);
const char *uplink_credentials_source(const struct uplink *uplink);

/* -EBUSY while one is under way, -EAGAIN if it isn't ready. The callback comes once, from the loop;
 * the result's |attempts| is 1, for who sends decides on trying again. */
int uplink_send(struct uplink *uplink, const char *body, size_t length, aws_done done,
                void *userdata);

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * EC2's instance metadata, IMDSv2 only: a session token first, then the values. On the loop.
 *
 * AWS_EC2_METADATA_DISABLED=true turns it off; AWS_EC2_METADATA_SERVICE_ENDPOINT (and _MODE=IPv6)
 * say where it is. Never through a proxy. It may not be up yet at boot: who needs a value asks
 * again (imds_get() itself tries a few times).
 */
#pragma once

#include "common/aws/endpoint.h"
#include "common/net/http-client.h"

#define IMDS_TOKEN_TTL_S          21600u   /* AWS's most */
#define IMDS_TIMEOUT_US           1000000u /* of one attempt */
#define IMDS_ATTEMPTS             3u
#define IMDS_CALLS_MAX            64u /* at a time */
#define IMDS_RESPONSE_LIMIT_BYTES (64u * 1024)

struct imds;
struct imds_call;

/* |http| and what |getenv_function| returns are borrowed. NULL: the process's environment. */
int imds_new(struct imds **ret, sd_event *event, struct http_client *http,
             endpoint_getenv getenv_function, void *userdata);
struct imds *imds_free(struct imds *imds); /* calls under way end without a callback */
DEFINE_CLEANUP(struct imds *, imds_free)

bool imds_is_disabled(const struct imds *imds);

/*
 * |error|: 0 and a value (borrowed, NUL behind it); -ENOENT: 404, there is no such value now;
 * -ECONNREFUSED, -ETIMEDOUT and their like: no IMDS; -EACCES: refused (403: IMDS is off for this
 * instance, or the hop limit); -EOPNOTSUPP: disabled by the environment; -EINVAL: its endpoint in
 * the environment is no URL; -EREMOTEIO: 5xx or 429 to the last; -EBADMSG: nonsense, or no IMDSv2.
 */
typedef void (*imds_done)(int error, const char *value, size_t length, void *userdata);

/* |path| below /latest/, as "meta-data/instance-id". The callback comes once, from the loop. 0,
 * -EINVAL (no path), -EBUSY past IMDS_CALLS_MAX or -ENOMEM: then there is none. */
int imds_get(struct imds *imds, const char *path, imds_done done, void *userdata,
             struct imds_call **ret_call);
void imds_cancel(struct imds_call *call); /* no callback */

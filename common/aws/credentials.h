/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Credentials: the standard chain, first success wins:
 *
 *     environment    AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_SESSION_TOKEN
 *     web identity   AWS_WEB_IDENTITY_TOKEN_FILE, AWS_ROLE_ARN (sts:AssumeRoleWithWebIdentity)
 *     shared files   AWS_SHARED_CREDENTIALS_FILE, AWS_CONFIG_FILE, AWS_PROFILE: static keys
 *     container      AWS_CONTAINER_CREDENTIALS_RELATIVE_URI or _FULL_URI
 *     IMDS           the instance's role
 *
 * As in botocore, a step that is configured but broken (a key without its secret, a profile that is
 * nowhere, a container's address that refuses) ends the chain: what comes behind it would act as
 * somebody else. So does a profile with a role, SSO or a process, which are not supported here.
 *
 * Those that expire are refreshed: from 15 minutes before on, keeping the old if it fails; from 10
 * minutes before on, requests wait for it. Static stability: if what comes is expired already, or
 * nothing comes, the old are used on, the owner is told once, and they are asked for again after 5
 * to 10 minutes.
 *
 * Source: https://docs.aws.amazon.com/sdkref/latest/guide/standardized-credentials.html
 */
#pragma once

#include "common/aws/imds.h"
#include "common/aws/sigv4.h"

#define CREDENTIALS_ADVISORY_US  (UINT64_C(15) * 60 * 1000000)
#define CREDENTIALS_MANDATORY_US (UINT64_C(10) * 60 * 1000000)
#define CREDENTIALS_CALLS_MAX    256u /* at a time */
#define CREDENTIALS_KEY_MAX      256u
#define CREDENTIALS_TOKEN_MAX    16384u

struct credentials { /* plain value; credentials_done() wipes it */
    char *access_key_id, *secret_access_key, *session_token; /* the last may be NULL */
    uint64_t expires_realtime_us;                            /* 0: never */
    const char *source; /* "environment", "shared file", "container", "IMDS", ... */
};
void credentials_done(struct credentials *credentials);

struct credentials_provider;

/* |http|, |imds| (NULL: none) are borrowed; getenv as in imds_new(). */
int credentials_provider_new(struct credentials_provider **ret, sd_event *event,
                             struct http_client *http, struct imds *imds,
                             endpoint_getenv getenv_function, void *userdata);
struct credentials_provider *credentials_provider_free(struct credentials_provider *provider);
DEFINE_CLEANUP(struct credentials_provider *, credentials_provider_free)

/*
 * Static stability begins or ends: |line| says so, for the owner's log. Optional; called from the
 * loop, once for each change.
 */
typedef void (*credentials_stale_function)(bool is_stale, const char *line, void *userdata);
void credentials_on_stale(struct credentials_provider *provider,
                          credentials_stale_function on_stale, void *userdata);

/* 0 and credentials (borrowed, for the callback only), or -ENOKEY and a line that says what each
 * step of the chain said. */
typedef void (*credentials_done_function)(int error, const struct credentials *credentials,
                                          const char *why, void *userdata);

struct credentials_call;
/* The callback comes once, from the loop; at its next turn if they are in hand, else when the chain
 * ends. 0, -EBUSY past CREDENTIALS_CALLS_MAX or -ENOMEM: then there is none. */
int credentials_get(struct credentials_provider *provider, credentials_done_function done,
                    void *userdata, struct credentials_call **ret_call);
void credentials_cancel(struct credentials_call *call); /* no callback */

/* A service called them expired: the next credentials_get() asks the chain first. */
void credentials_expire(struct credentials_provider *provider);

/* For status: where they come from ("" if none yet) and when they expire (0: never or none). */
const char *credentials_source(const struct credentials_provider *provider);
uint64_t credentials_expires_realtime_us(const struct credentials_provider *provider);

/* --- Pure parts, for tests and fuzzing --- */

/* The JSON of IMDS and containers: AccessKeyId, SecretAccessKey, Token, Expiration (ISO 8601), and
 * IMDS's "Code" if there. 0, -EBADMSG, -EKEYREJECTED (Code is not Success), -ENOMEM. */
int credentials_parse_json(const char *text, size_t length, struct credentials *ret);
/* An ini file's profile; |is_config|: its sections are "[profile x]". 0, -ENOENT (no such profile
 * or no keys in it), -EBADMSG, -ENOMEM. */
int credentials_parse_profile(const char *text, size_t length, const char *profile, bool is_config,
                              struct credentials *ret);
/* STS's XML. 0 or -EBADMSG. */
int credentials_parse_sts(const char *text, size_t length, struct credentials *ret);

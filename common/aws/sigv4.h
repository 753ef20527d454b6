/* SPDX-License-Identifier: Apache-2.0 */
/*
 * AWS Signature Version 4. Pure: the time and the keys are given. Tested against AWS's published
 * vectors and against botocore.
 *
 * Source:
 * https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html
 */
#pragma once

#include "common/base/buffer.h"
#include "common/base/macro.h"

#include <stdbool.h>
#include <stdint.h>

#define SIGV4_HEADERS_MAX          32u
#define SIGV4_PRESIGN_MAX_S        604800u /* AWS's limit: a week */
#define SIGV4_RDS_TOKEN_LIFETIME_S 900u
#define SIGV4_UNSIGNED_PAYLOAD     "UNSIGNED-PAYLOAD"

struct sigv4_keys { /* borrowed */
    const char *access_key_id;
    const char *secret_access_key;
    const char *session_token; /* NULL or "": none */
};

struct sigv4_request { /* borrowed */
    const char *method;
    const char *host;  /* with ":port" where it isn't the scheme's own */
    const char *path;  /* as it goes on the wire, percent-encoded; "" is "/" */
    const char *query; /* as on the wire, without "?"; NULL or "": none. Sorted here; what is not
                          percent-encoded but should be is signed as if it were */
    /* "Name: value", NULL at the end: signed besides those made here, which must not be among them
     * (Host, Authorization, X-Amz-Date, -Security-Token, -Content-Sha256). */
    const char *const *headers;
    const void *body;
    size_t body_length;
    const char *payload_hash; /* NULL: of |body|; or hex, or SIGV4_UNSIGNED_PAYLOAD */
    const char *region;
    const char *service; /* the signing name: "monitoring", "dynamodb", "s3", "rds-db" */
    uint64_t time_s;     /* wall clock */
    bool s3; /* the path is signed as it is: neither normalised nor encoded a second time; and
                x-amz-content-sha256 is sent */
};

/*
 * Appends the headers to add, each "Name: value" with a NUL behind it: X-Amz-Date, with a token
 * X-Amz-Security-Token, for S3 X-Amz-Content-Sha256, and Authorization. 0; -EINVAL: what can't be
 * signed (a header without a name, too many headers or parameters, no Region, a path not from the
 * root or with '?' in it, keys or a host with blanks or controls); -ENOBUFS, -ENOMEM or -ELIBACC.
 * Appends nothing on failure; so do the others here.
 */
int sigv4_sign(const struct sigv4_request *request, const struct sigv4_keys *keys,
               struct buffer *ret_headers);

/* Appends the query, signed, without "?": what was in |query|, encoded, then X-Amz-Algorithm and
 * its like. |expires_s| from 1 to SIGV4_PRESIGN_MAX_S, else -ERANGE. Headers that are signed have
 * to be sent. For S3 the payload is unsigned if |payload_hash| is NULL. */
int sigv4_presign(const struct sigv4_request *request, const struct sigv4_keys *keys,
                  uint32_t expires_s, struct buffer *ret_query);

/* Appends a token that RDS takes as a password: host:port/?Action=connect&DBUser=...&X-Amz-... */
int sigv4_rds_token(const char *host, uint16_t port, const char *user, const char *region,
                    const struct sigv4_keys *keys, uint64_t time_s, struct buffer *ret_token);

/* Appends |text| with all but A-Za-z0-9-._~ as %XX; with |keep_slash| '/' stays. */
int sigv4_encode(struct buffer *out, const char *text, bool keep_slash);

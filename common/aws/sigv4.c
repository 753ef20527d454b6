/* SPDX-License-Identifier: Apache-2.0 */
/* The signature, and the three ways to carry it: headers, a query, an RDS token. */
#include "common/aws/sigv4.h"

#include "common/aws/hash.h"
#include "common/aws/sigv4-canonical.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#define ALGORITHM    "AWS4-HMAC-SHA256"
#define STAMP_BYTES  17u /* 20150830T123600Z */
#define DATE_LENGTH  8u
#define SCOPE_BYTES  128u
#define SECRET_MAX   256u
#define RDS_HOST_MAX 255u /* of a name in DNS */
#define CANONICAL_MAX                                                                              \
    (256u * 1024) /* a session token alone may have 16 KiB, three times that encoded */

/* One signature in the making. */
struct signing {
    const struct sigv4_request *request;
    const struct sigv4_keys *keys;
    char stamp[STAMP_BYTES];
    char scope[SCOPE_BYTES]; /* 20150830/us-east-1/service/aws4_request */
    char payload[HASH_SHA256_HEX_BYTES];
    const char *payload_hash;
    struct sigv4_header headers[SIGV4_HEADERS_MAX];
    size_t n_headers;
    struct buffer names; /* of the signed headers */
    char signature[HASH_SHA256_HEX_BYTES];
};

static void signing_done(struct signing *signing)
{
    buffer_done(&signing->names);
}

/* Not empty, and nothing in it that would break a header line. */
static bool is_plain(const char *text)
{
    if (!text || !*text)
        return false;
    for (; *text; text++)
        if (*text <= ' ' || *text > '~')
            return false;
    return true;
}

static bool has_token(const struct sigv4_keys *keys)
{
    return keys->session_token && *keys->session_token;
}

/* What the keys are derived from, and who may check the signature: nobody else. */
static int signing_scope(struct signing *signing)
{
    const struct sigv4_request *request = signing->request;
    time_t time_s = (time_t) request->time_s;
    struct tm tm;
    int n;

    if (!is_plain(request->region) || !is_plain(request->service) || strchr(request->region, '/') ||
        strchr(request->service, '/'))
        return -EINVAL;
    /* Five digits of a year don't fit, and are no date of ours. */
    if (!gmtime_r(&time_s, &tm) ||
        strftime(signing->stamp, STAMP_BYTES, "%Y%m%dT%H%M%SZ", &tm) != STAMP_BYTES - 1)
        return -EINVAL;
    n = snprintf(signing->scope, SCOPE_BYTES, "%.*s/%s/%s/aws4_request", (int) DATE_LENGTH,
                 signing->stamp, request->region, request->service);
    return n < (int) SCOPE_BYTES ? 0 : -EINVAL;
}

/* |otherwise|: what stands for the hash if the caller gives none; NULL: the body is hashed. */
static int signing_payload(struct signing *signing, const char *otherwise)
{
    const struct sigv4_request *request = signing->request;
    uint8_t hash[HASH_SHA256_BYTES];
    int r;

    signing->payload_hash = request->payload_hash ? request->payload_hash : otherwise;
    if (signing->payload_hash)
        return is_plain(signing->payload_hash) ? 0 : -EINVAL;
    r = hash_sha256(request->body, request->body_length, hash);
    if (r == 0)
        signing->payload_hash = hash_hex(signing->payload, hash);
    return r;
}

/* A name of our own, which the caller's must not repeat. */
static int add_header(struct signing *signing, const char *name, const char *value)
{
    signing->headers[signing->n_headers++] = (struct sigv4_header){name, strlen(name), value};
    return is_plain(value) ? 0 : -EINVAL;
}

static bool is_ours(const struct sigv4_header *header)
{
    static const char *const OURS[] = {"host", "x-amz-date", "x-amz-security-token",
                                       "x-amz-content-sha256", "authorization"};

    for (size_t i = 0; i < ARRAY_SIZE(OURS); i++)
        if (header->name_length == strlen(OURS[i]) &&
            strncasecmp(header->name, OURS[i], header->name_length) == 0)
            return true;
    return false;
}

static int add_callers_headers(struct signing *signing)
{
    const char *const *lines = signing->request->headers;

    for (; lines && *lines; lines++) {
        struct sigv4_header header;
        int r = sigv4_header_parse(*lines, &header);

        if (r < 0)
            return r;
        if (is_ours(&header) || signing->n_headers == SIGV4_HEADERS_MAX)
            return -EINVAL;
        signing->headers[signing->n_headers++] = header;
    }
    return 0;
}

/* What a query carries is not sent as headers: then only the host is ours. */
static int signing_headers(struct signing *signing, bool in_query)
{
    int r = add_header(signing, "host", signing->request->host);

    if (r == 0 && !in_query)
        r = add_header(signing, "x-amz-date", signing->stamp);
    if (r == 0 && !in_query && has_token(signing->keys))
        r = add_header(signing, "x-amz-security-token", signing->keys->session_token);
    if (r == 0 && !in_query && signing->request->s3)
        r = add_header(signing, "x-amz-content-sha256", signing->payload_hash);
    return r < 0 ? r : add_callers_headers(signing);
}

/* All but the signature. To be followed by signing_done(), also on failure. */
static int signing_begin(struct signing *signing, const struct sigv4_request *request,
                         const struct sigv4_keys *keys, bool in_query)
{
    int r;

    *signing = (struct signing){.request = request, .keys = keys};
    buffer_init(&signing->names, CANONICAL_MAX);
    if (!is_plain(request->method) || !is_plain(keys->access_key_id) || !keys->secret_access_key ||
        !*keys->secret_access_key)
        return -EINVAL;
    r = signing_scope(signing);
    if (r == 0)
        r = signing_payload(signing, in_query && request->s3 ? SIGV4_UNSIGNED_PAYLOAD : NULL);
    if (r == 0)
        r = signing_headers(signing, in_query);
    return r;
}

/* The chain of keys: each is of the day, the Region and the service alone. */
static int derive_key(const struct signing *signing, uint8_t ret[HASH_SHA256_BYTES])
{
    const char *const REST[] = {signing->request->region, signing->request->service,
                                "aws4_request"};
    char secret[sizeof("AWS4") + SECRET_MAX];
    int n = snprintf(secret, sizeof(secret), "AWS4%s", signing->keys->secret_access_key);
    int r = n < (int) sizeof(secret) ? 0 : -EINVAL;

    if (r == 0)
        r = hash_hmac_sha256(secret, (size_t) n, signing->stamp, DATE_LENGTH, ret);
    for (size_t i = 0; r == 0 && i < ARRAY_SIZE(REST); i++)
        r = hash_hmac_sha256(ret, HASH_SHA256_BYTES, REST[i], strlen(REST[i]), ret);
    explicit_bzero(secret, sizeof(secret));
    return r;
}

/* Signs the canonical request. */
static int signing_seal(struct signing *signing, const struct buffer *canonical)
{
    uint8_t key[HASH_SHA256_BYTES], hash[HASH_SHA256_BYTES];
    char hex[HASH_SHA256_HEX_BYTES];
    char text[sizeof(ALGORITHM) + STAMP_BYTES + SCOPE_BYTES + HASH_SHA256_HEX_BYTES];
    int n, r = hash_sha256(canonical->data, canonical->length, hash);

    if (r < 0)
        return r;
    n = snprintf(text, sizeof(text), ALGORITHM "\n%s\n%s\n%s", signing->stamp, signing->scope,
                 hash_hex(hex, hash));
    r = derive_key(signing, key);
    if (r == 0)
        r = hash_hmac_sha256(key, sizeof(key), text, (size_t) n, hash);
    if (r == 0)
        hash_hex(signing->signature, hash);
    explicit_bzero(key, sizeof(key));
    return r;
}

/* Method, path, query, headers, their names, payload: a line each. |names| is made already if the
 * query had to name them. */
static int signing_sign(struct signing *signing, const char *query)
{
    const struct sigv4_request *request = signing->request;
    CLEANUP(buffer_done) struct buffer canonical;
    int r;

    buffer_init(&canonical, CANONICAL_MAX);
    r = buffer_printf(&canonical, "%s\n", request->method);
    if (r == 0)
        r = sigv4_canonical_path(&canonical, request->path ? request->path : "", request->s3);
    if (r == 0)
        r = buffer_append(&canonical, "\n", 1);
    if (r == 0)
        r = sigv4_canonical_query(&canonical, query, true);
    if (r == 0)
        r = buffer_append(&canonical, "\n", 1);
    buffer_clear(&signing->names);
    if (r == 0)
        r = sigv4_canonical_headers(&canonical, &signing->names, signing->headers,
                                    signing->n_headers);
    if (r == 0)
        r = buffer_printf(&canonical, "\n%s\n%s", signing->names.data, signing->payload_hash);
    return r < 0 ? r : signing_seal(signing, &canonical);
}

int sigv4_sign(const struct sigv4_request *request, const struct sigv4_keys *keys,
               struct buffer *ret_headers)
{
    CLEANUP(signing_done) struct signing signing;
    CLEANUP(buffer_done) struct buffer lines;
    int r = signing_begin(&signing, request, keys, false);

    buffer_init(&lines, CANONICAL_MAX);
    if (r == 0)
        r = signing_sign(&signing, request->query);
    if (r < 0)
        return r;
    /* The caller sends the host itself; all else that was added and signed is here. */
    r = buffer_printf(&lines, "X-Amz-Date: %s%c", signing.stamp, '\0');
    if (r == 0 && has_token(keys))
        r = buffer_printf(&lines, "X-Amz-Security-Token: %s%c", keys->session_token, '\0');
    if (r == 0 && request->s3)
        r = buffer_printf(&lines, "X-Amz-Content-Sha256: %s%c", signing.payload_hash, '\0');
    if (r == 0)
        r = buffer_printf(&lines,
                          "Authorization: " ALGORITHM " Credential=%s/%s, SignedHeaders=%s, "
                          "Signature=%s%c",
                          keys->access_key_id, signing.scope, signing.names.data, signing.signature,
                          '\0');
    return r < 0 ? r : buffer_append(ret_headers, lines.data, lines.length);
}

/* --- Query ----------------------------------------------------------------------------------- */

/* The parameters that carry the signature but for itself, in the order that the SDKs have. */
static int append_parameters(const struct signing *signing, uint32_t expires_s, struct buffer *out)
{
    CLEANUP(buffer_done) struct buffer credential;
    int r;

    buffer_init(&credential, CANONICAL_MAX);
    r = buffer_printf(&credential, "%s/%s", signing->keys->access_key_id, signing->scope);
    if (r == 0)
        r = buffer_printf(
            out, "%sX-Amz-Algorithm=" ALGORITHM "&X-Amz-Credential=", out->length > 0 ? "&" : "");
    if (r == 0)
        r = sigv4_encode(out, credential.data, false);
    if (r == 0)
        r = buffer_printf(
            out, "&X-Amz-Date=%s&X-Amz-Expires=%u&X-Amz-SignedHeaders=", signing->stamp, expires_s);
    if (r == 0)
        r = sigv4_encode(out, signing->names.data, false);
    if (r == 0 && has_token(signing->keys)) {
        r = buffer_append_string(out, "&X-Amz-Security-Token=");
        if (r == 0)
            r = sigv4_encode(out, signing->keys->session_token, false);
    }
    return r;
}

int sigv4_presign(const struct sigv4_request *request, const struct sigv4_keys *keys,
                  uint32_t expires_s, struct buffer *ret_query)
{
    CLEANUP(signing_done) struct signing signing;
    CLEANUP(buffer_done) struct buffer query;
    CLEANUP(buffer_done) struct buffer unused;
    int r = signing_begin(&signing, request, keys, true);

    buffer_init(&query, CANONICAL_MAX);
    buffer_init(&unused, CANONICAL_MAX);
    if (r == 0 && (expires_s == 0 || expires_s > SIGV4_PRESIGN_MAX_S))
        r = -ERANGE;
    if (r == 0)
        r = sigv4_canonical_query(&query, request->query, false);
    /* The query names the headers, and is signed with them: their names are made before. */
    if (r == 0)
        r = sigv4_canonical_headers(&unused, &signing.names, signing.headers, signing.n_headers);
    if (r == 0)
        r = append_parameters(&signing, expires_s, &query);
    if (r == 0)
        r = signing_sign(&signing, query.data);
    if (r == 0)
        r = buffer_printf(&query, "&X-Amz-Signature=%s", signing.signature);
    return r < 0 ? r : buffer_append(ret_query, query.data, query.length);
}

/* --- RDS ------------------------------------------------------------------------------------- */

int sigv4_rds_token(const char *host, uint16_t port, const char *user, const char *region,
                    const struct sigv4_keys *keys, uint64_t time_s, struct buffer *ret_token)
{
    CLEANUP(buffer_done) struct buffer query;
    CLEANUP(buffer_done) struct buffer token;
    char address[RDS_HOST_MAX + sizeof(":65535")];
    struct sigv4_request request = {.method = "GET",
                                    .host = address,
                                    .path = "/",
                                    .region = region,
                                    .service = "rds-db",
                                    .time_s = time_s};
    int r;

    buffer_init(&query, CANONICAL_MAX);
    buffer_init(&token, CANONICAL_MAX);
    if (!is_plain(host) || strlen(host) > RDS_HOST_MAX || strpbrk(host, "/?#@") || !user ||
        !*user || port == 0)
        return -EINVAL;
    r = buffer_append_string(&query, "Action=connect&DBUser=");
    if (r == 0)
        r = sigv4_encode(&query, user, false);
    if (r == 0)
        r = buffer_printf(&token, "%s:%u/?", host, port);
    if (r < 0)
        return r;
    /* The token is a URL of https without its scheme, whose own port would not be in Host. */
    if (port == 443)
        snprintf(address, sizeof(address), "%s", host);
    else
        snprintf(address, sizeof(address), "%s:%u", host, port);
    request.query = query.data;
    r = sigv4_presign(&request, keys, SIGV4_RDS_TOKEN_LIFETIME_S, &token);
    return r < 0 ? r : buffer_append(ret_token, token.data, token.length);
}

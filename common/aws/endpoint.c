/* SPDX-License-Identifier: Apache-2.0 */
/* Endpoints by rule: partitions from their table, and the few hosts that don't follow it. Nothing
 * is looked up; whether a service exists in a Region is for the name server to say. */
#include "common/aws/endpoint.h"

#include "common/base/macro.h"
#include "common/base/text.h"

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#define VARIABLE_MAX 128u
#define PORT_MAX     65535u

/*
 * By the first letters of a Region; the first that fits, so the last is for all others.
 * Source: partitions.json, which each AWS SDK carries; a test compares.
 */
struct partition {
    const char *prefix;
    const char *suffix, *dual_stack_suffix;
    bool is_gov, is_china;
};
static const struct partition PARTITIONS[] = {
    {"cn-", "amazonaws.com.cn", "api.amazonwebservices.com.cn", .is_china = true},
    {"us-gov-", "amazonaws.com", "api.aws", .is_gov = true},
    {"eusc-", "amazonaws.eu", "api.amazonwebservices.eu"},
    {"us-iso-", "c2s.ic.gov", "api.aws.ic.gov"},
    {"us-isob-", "sc2s.sgov.gov", "api.aws.scloud"},
    {"eu-isoe-", "cloud.adc-e.uk", "api.cloud-aws.adc-e.uk"},
    {"us-isof-", "csp.hci.ic.gov", "api.aws.hci.ic.gov"},
    {"", "amazonaws.com", "api.aws"},
};

static const struct partition *partition_of(const char *region)
{
    size_t i = 0;

    while (strncmp(region, PARTITIONS[i].prefix, strlen(PARTITIONS[i].prefix)) != 0)
        i++;
    return &PARTITIONS[i];
}

static bool is_alphanumeric(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

/* A label of a host name; nothing in it may end the host and begin something else. */
static bool is_region(const char *text)
{
    size_t length = strlen(text);

    if (length == 0 || length >= ENDPOINT_REGION_MAX || text[0] == '-' || text[length - 1] == '-')
        return false;
    for (size_t i = 0; i < length; i++)
        if (!is_alphanumeric(text[i]) && text[i] != '-')
            return false;
    return true;
}

/* --- Hosts by rule --------------------------------------------------------------------------- */

/* GovCloud's ordinary hosts are FIPS-validated ones, and have no other name; but S3's have, and so
 * have the dual-stack ones, except CloudWatch's. */
static bool has_fips_host(const struct partition *partition, const char *service, bool dual_stack)
{
    if (!partition->is_gov || strcmp(service, "s3") == 0)
        return true;
    return dual_stack && strcmp(service, "monitoring") != 0;
}

static int resolve_by_rule(const struct endpoint_query *query, bool fips, bool dual_stack,
                           struct endpoint *ret)
{
    const struct partition *partition = partition_of(query->region);
    bool s3 =
        strcmp(query->service, "s3") == 0; /* its dual-stack hosts are older than the domain */
    int n;

    if (fips && s3 && partition->is_china)
        return -EOPNOTSUPP;
    fips = fips && has_fips_host(partition, query->service, dual_stack);
    n = snprintf(ret->host, sizeof(ret->host), "%s%s%s.%s.%s", query->service, fips ? "-fips" : "",
                 s3 && dual_stack ? ".dualstack" : "", query->region,
                 dual_stack && !s3 ? partition->dual_stack_suffix : partition->suffix);
    if (n >= (int) sizeof(ret->host))
        return -EINVAL;
    n = snprintf(ret->url, sizeof(ret->url), "https://%s", ret->host);
    return n < (int) sizeof(ret->url) ? 0 : -EINVAL;
}

/* --- URLs by hand ---------------------------------------------------------------------------- */

static bool is_host(const char *text, size_t length)
{
    bool literal = length > 2 && text[0] == '[' && text[length - 1] == ']'; /* of IPv6 */

    for (size_t i = literal ? 1 : 0; i < length - (literal ? 1 : 0); i++)
        if (!is_alphanumeric(text[i]) && !strchr(literal ? ":." : "-._", text[i]))
            return false;
    return length > 0;
}

/* host or host:port, from |text|. What |default_port| says isn't in Host:. */
static int parse_authority(const char *text, size_t length, uint64_t default_port,
                           char ret_host[ENDPOINT_URL_MAX])
{
    char copy[ENDPOINT_URL_MAX];
    char *colon, *bracket;
    uint64_t port = default_port;
    int r;

    if (length >= sizeof(copy))
        return -EINVAL;
    memcpy(copy, text, length);
    copy[length] = '\0';
    bracket = strrchr(copy, ']');
    colon = strchr(bracket ? bracket : copy, ':');
    if (colon) {
        *colon = '\0';
        r = text_parse_u64(colon + 1, 1, PORT_MAX, &port);
        if (r < 0)
            return -EINVAL;
    }
    if (!is_host(copy, strlen(copy)))
        return -EINVAL;
    text_copy(ret_host, ENDPOINT_URL_MAX, copy);
    if (port != default_port) /* shorter than what was there */
        snprintf(ret_host + strlen(copy), ENDPOINT_URL_MAX - strlen(copy), ":%u", (unsigned) port);
    return 0;
}

/* What is no part of a path would be signed in one way and sent in another. */
static bool is_path(const char *text)
{
    for (; *text; text++)
        if (*text <= ' ' || *text > '~' || strchr("?#\\\"<>", *text))
            return false;
    return true;
}

static int parse_url(const char *url, struct endpoint *ret)
{
    bool secure = strncasecmp(url, "https://", 8) == 0;
    const char *authority = url + (secure ? 8 : 7), *path;
    size_t length;
    int n;

    if (!secure && strncasecmp(url, "http://", 7) != 0)
        return -EINVAL;
    length = strcspn(authority, "/?#");
    path = authority + length;
    if (!is_path(path) || parse_authority(authority, length, secure ? 443 : 80, ret->host) < 0)
        return -EINVAL;
    n = snprintf(ret->url, sizeof(ret->url), "%s://%s", secure ? "https" : "http", ret->host);
    if (n >= (int) sizeof(ret->url) || !text_copy(ret->base_path, sizeof(ret->base_path), path))
        return -EINVAL;
    for (size_t end = strlen(ret->base_path); end > 0 && ret->base_path[end - 1] == '/'; end--)
        ret->base_path[end - 1] = '\0';
    return 0;
}

/* --- What the environment says --------------------------------------------------------------- */

/* NULL if not set, or set to nothing, which the SDKs take for the same. */
static const char *variable(endpoint_getenv getenv_function, void *userdata, const char *name)
{
    const char *value = getenv_function ? getenv_function(name, userdata) : getenv(name);

    return value && *value ? value : NULL;
}

/* The SDKs take true in any case of letters, and all else for false. */
static bool is_on(endpoint_getenv getenv_function, void *userdata, const char *name)
{
    const char *value = variable(getenv_function, userdata, name);

    return value && strcasecmp(value, "true") == 0;
}

/* The first that is set: the configuration, the service's variable, the one for all services. */
static const char *overriding_url(const struct endpoint_query *query,
                                  endpoint_getenv getenv_function, void *userdata)
{
    char name[VARIABLE_MAX];
    const char *url = NULL;

    if (query->override && *query->override)
        return query->override;
    if (is_on(getenv_function, userdata, "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS"))
        return NULL;
    if (query->environment) {
        snprintf(name, sizeof(name), "AWS_ENDPOINT_URL_%s", query->environment);
        url = variable(getenv_function, userdata, name);
    }
    return url ? url : variable(getenv_function, userdata, "AWS_ENDPOINT_URL");
}

int endpoint_resolve(const struct endpoint_query *query, endpoint_getenv getenv_function,
                     void *userdata, struct endpoint *ret)
{
    const char *url = overriding_url(query, getenv_function, userdata);
    bool has_region = query->region && *query->region;
    struct endpoint endpoint = {.overridden = url != NULL};
    int r;

    if (has_region && !is_region(query->region))
        return -EINVAL;
    if (url)
        r = parse_url(url, &endpoint);
    else if (!has_region)
        r = -ENODATA;
    else
        r = resolve_by_rule(query, is_on(getenv_function, userdata, "AWS_USE_FIPS_ENDPOINT"),
                            is_on(getenv_function, userdata, "AWS_USE_DUALSTACK_ENDPOINT"),
                            &endpoint);
    if (r == 0)
        *ret = endpoint;
    return r;
}

const char *endpoint_process_getenv(const char *name, void *userdata)
{
    return getenv(name);
}

const char *endpoint_region_from_environment(endpoint_getenv getenv_function, void *userdata)
{
    const char *region = variable(getenv_function, userdata, "AWS_REGION");

    return region ? region : variable(getenv_function, userdata, "AWS_DEFAULT_REGION");
}

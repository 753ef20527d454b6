/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which URL a service has: by Region, partition, FIPS and dual-stack, or as the standard
 * environment says (AWS_ENDPOINT_URL_<SERVICE>, AWS_ENDPOINT_URL,
 * AWS_IGNORE_CONFIGURED_ENDPOINT_URLS, AWS_USE_FIPS_ENDPOINT, AWS_USE_DUALSTACK_ENDPOINT). Pure but
 * for getenv() through the caller.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#define ENDPOINT_URL_MAX    256u
#define ENDPOINT_REGION_MAX 32u

typedef const char *(*endpoint_getenv)(const char *name, void *userdata); /* NULL: not set */
/* The process's own environment. */
const char *endpoint_process_getenv(const char *name, void *userdata);

struct endpoint_query {
    const char *service; /* the host's first label: "monitoring", "dynamodb", "autoscaling" */
    const char
        *environment; /* behind AWS_ENDPOINT_URL_: "CLOUDWATCH", "DYNAMODB", "AUTO_SCALING" */
    const char *region;
    const char *override; /* from the configuration; NULL or "": none. Wins over the environment */
};

struct endpoint {                     /* where a path goes: |url|, |base_path|, the path */
    char url[ENDPOINT_URL_MAX];       /* "https://monitoring.eu-west-1.amazonaws.com", no slash at
                                         the end */
    char host[ENDPOINT_URL_MAX];      /* as in Host: and in the signature: with a port if not the
                                         scheme's */
    char base_path[ENDPOINT_URL_MAX]; /* of an overridden URL with a path, "/base", no slash at the
                                         end; "": none */
    bool overridden;
};

/* 0; -EINVAL for what is no Region (letters, digits, dashes: it goes into a host name) or no
 * http(s) URL (a query, a fragment and a user are refused); -ENODATA without a Region and without
 * an override; -EOPNOTSUPP for S3 with FIPS in China, where there is none. */
int endpoint_resolve(const struct endpoint_query *query, endpoint_getenv getenv_function,
                     void *userdata, struct endpoint *ret);

/* AWS_REGION, else AWS_DEFAULT_REGION; NULL if neither is set. */
const char *endpoint_region_from_environment(endpoint_getenv getenv_function, void *userdata);

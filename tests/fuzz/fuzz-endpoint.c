/* SPDX-License-Identifier: Apache-2.0 */
/* Two lines: a Region and an overriding URL. What is resolved has nothing in it that could break
 * out of a URL or a header, and resolves to itself. */
#include "common/aws/endpoint.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size);

static void require(bool condition)
{
    if (!condition)
        abort();
}

static const char *no_environment(const char *name, void *userdata)
{
    return NULL;
}

static void check(const struct endpoint *endpoint)
{
    char url[2 * ENDPOINT_URL_MAX];
    struct endpoint_query query = {"sts", "STS", NULL, url};
    struct endpoint again;
    const char *host = strstr(endpoint->url, "://");
    int r;

    require(host && strcmp(host + 3, endpoint->host) == 0 && endpoint->host[0]);
    for (const char *c = endpoint->host; *c; c++)
        require(*c > ' ' && *c < 0x7f && !strchr("/?#@\\\"<>", *c));
    for (const char *c = endpoint->base_path; *c; c++)
        require(*c > ' ' && *c < 0x7f && !strchr("?#\\\"<>", *c));
    strcpy(url, endpoint->url);
    strcat(url, endpoint->base_path);
    r = endpoint_resolve(&query, no_environment, NULL, &again);
    require(r == 0);
    require(strcmp(again.url, endpoint->url) == 0 && strcmp(again.host, endpoint->host) == 0);
    require(strcmp(again.base_path, endpoint->base_path) == 0);
}

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size)
{
    struct endpoint endpoint;
    struct endpoint_query query = {"sts", "STS", NULL, NULL};
    char *text, *rest;
    int r;

    if (size > 4096)
        return 0;
    text = rest = strndup((const char *) data, size);
    require(text);
    query.region = strsep(&rest, "\n");
    query.override = rest;
    r = endpoint_resolve(&query, no_environment, NULL, &endpoint);
    require(r == 0 || r == -EINVAL || r == -ENODATA);
    if (r == 0)
        check(&endpoint);
    free(text);
    return 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Credentials from a container's own address (ECS, EKS Pod Identity).
 *
 * Source: https://docs.aws.amazon.com/sdkref/latest/guide/feature-container-credentials.html
 */
#include "common/aws/credentials-chain.h"

#include "common/base/clock.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#define CONTAINER_TIMEOUT_US   (2 * USEC_PER_SEC)
#define CONTAINER_RELATIVE_URL "http://169.254.170.2"
#define CONTAINER_URL_MAX      2048u

/* The host of "http://host[:port]/..."; what curl could read in another way is refused. */
static bool url_host(const char *url, char *host, size_t size)
{
    const char *start = url + strlen("http://"), *end;
    size_t length = strcspn(start, "/?#");

    if (memchr(start, '@', length) || memchr(start, '\\', length) || memchr(start, '%', length))
        return false;
    end = start + length;
    if (*start == '[') {
        start++;
        end = memchr(start, ']', length - 1);
        if (!end)
            return false;
    } else {
        const char *colon = memchr(start, ':', length);

        end = colon ? colon : end;
    }
    length = (size_t) (end - start);
    if (length == 0 || length >= size)
        return false;
    memcpy(host, start, length);
    host[length] = '\0';
    return true;
}

bool credentials_container_url_is_allowed(const char *url)
{
    static const char *const allowed[] = {"169.254.170.2", "169.254.170.23", "localhost"};
    char host[64];
    struct in_addr ipv4;
    struct in6_addr ipv6, eks;

    for (const char *p = url; *p; p++)
        if (*p <= ' ' || *p > '~')
            return false;
    if (strncasecmp(url, "https://", 8) == 0)
        return true;
    if (strncasecmp(url, "http://", 7) != 0 || !url_host(url, host, sizeof(host)))
        return false;
    for (size_t i = 0; i < ARRAY_SIZE(allowed); i++)
        if (strcmp(host, allowed[i]) == 0)
            return true;
    if (inet_pton(AF_INET, host, &ipv4) == 1)
        return (ntohl(ipv4.s_addr) >> 24) == 127;
    inet_pton(AF_INET6, "fd00:ec2::23", &eks);
    if (inet_pton(AF_INET6, host, &ipv6) == 1)
        return IN6_IS_ADDR_LOOPBACK(&ipv6) || memcmp(&ipv6, &eks, sizeof(eks)) == 0;
    return false;
}

static void container_failed(struct credentials_chain *chain,
                             const struct http_client_response *response, int parsed)
{
    if (response->error < 0)
        chain_note_clean(chain, "container",
                         response->error_text ? response->error_text : strerror(-response->error));
    else if (response->status != 200)
        credentials_note(&chain->why, "container: its credentials' address answers %u",
                         response->status);
    else
        credentials_note(&chain->why, "container: its credentials' address answers %s",
                         parsed == -EKEYREJECTED ? "with an error" : "with no credentials");
}

static void container_on_done(const struct http_client_response *response, void *userdata)
{
    struct credentials_chain *chain = userdata;
    int r = -EBADMSG;

    chain->http_call = NULL;
    if (response->error == 0 && response->status == 200)
        r = credentials_parse_json(response->body, response->body_length, &chain->found);
    if (r == 0) {
        chain->found.source = "container";
        chain_go_on(chain, 0);
        return;
    }
    if (chain_is_worth_another(response) && chain_again(chain))
        return;
    container_failed(chain, response, r);
    chain_go_on(chain, -ENOKEY);
}

/* The "Authorization" header; *ret = NULL if none is wanted. The file is read each time: it is
 * rotated. */
static int container_authorization(struct credentials_chain *chain, char **ret)
{
    const char *path = chain_getenv(chain, "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE");
    const char *variable = chain_getenv(chain, "AWS_CONTAINER_AUTHORIZATION_TOKEN");
    char *token = NULL;
    int r = 0;

    *ret = NULL;
    if (path) {
        r = credentials_read_token(path, CREDENTIALS_TOKEN_MAX, &token);
        if (r < 0) {
            credentials_note(&chain->why, "container: %s: %s", path,
                             r == -EBADMSG ? "no token in it" : strerror(-r));
            return r;
        }
        variable = token;
    }
    if (variable && strpbrk(variable, "\r\n")) {
        credentials_note(&chain->why,
                         "container: AWS_CONTAINER_AUTHORIZATION_TOKEN is more than one line");
        r = -EBADMSG;
    } else if (variable && asprintf(ret, "Authorization: %s", variable) < 0) {
        *ret = NULL;
        r = -ENOMEM;
    }
    credentials_wipe(token);
    return r;
}

static int container_send(struct credentials_chain *chain)
{
    const char *relative = chain_getenv(chain, "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI");
    const char *full = chain_getenv(chain, "AWS_CONTAINER_CREDENTIALS_FULL_URI");
    char url[CONTAINER_URL_MAX], *authorization;
    const char *headers[] = {"Accept: application/json", NULL, NULL};
    const struct http_client_request request = {
        .method = "GET",
        .url = url,
        .headers = headers,
        .timeout_us = CONTAINER_TIMEOUT_US,
        .response_limit_bytes = CHAIN_ANSWER_LIMIT,
        .no_proxy = true,
    };
    int r;

    r = snprintf(url, sizeof(url), "%s%s", relative ? CONTAINER_RELATIVE_URL : full,
                 relative ? relative : "");
    if (r >= (int) sizeof(url) || (relative && *relative != '/') ||
        !credentials_container_url_is_allowed(url)) {
        credentials_note(&chain->why,
                         "container: %s is refused: https, or http to this host or a "
                         "container service's own address",
                         relative ? "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI"
                                  : "AWS_CONTAINER_CREDENTIALS_FULL_URI");
        return -EPERM;
    }
    r = container_authorization(chain, &authorization);
    if (r < 0)
        return r;
    headers[1] = authorization;
    r = chain_send(chain, &request, "container", container_on_done);
    credentials_wipe(authorization);
    return r;
}

int container_begin(struct credentials_chain *chain)
{
    if (chain_getenv(chain, "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI") ||
        chain_getenv(chain, "AWS_CONTAINER_CREDENTIALS_FULL_URI")) {
        chain->send = container_send;
        return container_send(chain);
    }
    credentials_note(&chain->why, "container: AWS_CONTAINER_CREDENTIALS_*_URI is not set");
    return CHAIN_NEXT;
}

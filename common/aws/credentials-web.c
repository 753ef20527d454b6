/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Web identity (EKS and its like): a token from a file is changed for a role's keys at STS, by a
 * request that isn't signed.
 *
 * Source: https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRoleWithWebIdentity.html
 */
#include "common/aws/credentials-chain.h"

#include "common/aws/request.h"
#include "common/base/clock.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define STS_TIMEOUT_US (5 * USEC_PER_SEC)
#define WEB_TOKEN_MAX  (64u * 1024)

static void web_identity_failed(struct credentials_chain *chain,
                                const struct http_client_response *response)
{
    char code[AWS_ERROR_CODE_MAX], message[AWS_ERROR_MESSAGE_MAX];

    if (response->error < 0) {
        chain_note_clean(chain, "web identity: STS",
                         response->error_text ? response->error_text : strerror(-response->error));
        return;
    }
    aws_parse_error(response->body, response->body_length, NULL, code, message);
    if (code[0])
        credentials_note(&chain->why, "web identity: STS says %s: %s", code, message);
    else if (response->status / 100 == 2)
        credentials_note(&chain->why, "web identity: STS's answer has no credentials");
    else
        credentials_note(&chain->why, "web identity: STS answers %u", response->status);
}

static void web_identity_on_done(const struct http_client_response *response, void *userdata)
{
    struct credentials_chain *chain = userdata;
    char code[AWS_ERROR_CODE_MAX], message[AWS_ERROR_MESSAGE_MAX];
    bool again = chain_is_worth_another(response);

    chain->http_call = NULL;
    if (response->error == 0 && response->status / 100 == 2 &&
        credentials_parse_sts(response->body, response->body_length, &chain->found) == 0) {
        chain->found.source = "web identity";
        chain_go_on(chain, 0);
        return;
    }
    /* STS could not reach the identity provider: the one 400 that is nobody's fault. */
    aws_parse_error(response->body, response->body_length, NULL, code, message);
    if ((again || strcmp(code, "IDPCommunicationError") == 0) && chain_again(chain))
        return;
    web_identity_failed(chain, response);
    chain_go_on(chain, -ENOKEY);
}

static int web_identity_body(struct credentials_chain *chain, const char *role, const char *token,
                             struct buffer *body)
{
    const char *session = chain_getenv(chain, "AWS_ROLE_SESSION_NAME");
    char made[64];

    if (!session) {
        snprintf(made, sizeof(made), "agentd-%llu",
                 (unsigned long long) (clock_realtime_us() / USEC_PER_SEC));
        session = made;
    }
    buffer_append_string(body, "Action=AssumeRoleWithWebIdentity&Version=2011-06-15&RoleArn=");
    sigv4_encode(body, role, false);
    buffer_append_string(body, "&RoleSessionName=");
    sigv4_encode(body, session, false);
    buffer_append_string(body, "&WebIdentityToken=");
    sigv4_encode(body, token, false);
    return body->failed ? -ENOMEM : 0;
}

static int web_identity_post(struct credentials_chain *chain, const char *url,
                             const struct buffer *body)
{
    static const char *const headers[] = {
        "Content-Type: application/x-www-form-urlencoded; charset=utf-8", NULL};
    const struct http_client_request request = {
        .method = "POST",
        .url = url,
        .headers = headers,
        .body = body->data,
        .body_length = body->length,
        .timeout_us = STS_TIMEOUT_US,
        .response_limit_bytes = CHAIN_ANSWER_LIMIT,
    };

    return chain_send(chain, &request, "web identity: STS", web_identity_on_done);
}

static int web_identity_send(struct credentials_chain *chain)
{
    const char *path = chain_getenv(chain, "AWS_WEB_IDENTITY_TOKEN_FILE");
    const char *role = chain_getenv(chain, "AWS_ROLE_ARN");
    struct endpoint_query query = {.service = "sts", .environment = "STS"};
    struct endpoint endpoint;
    char url[2 * ENDPOINT_URL_MAX];
    struct buffer body;
    char *token = NULL;
    int r;

    query.region = endpoint_region_from_environment(chain->environment.getenv_function,
                                                    chain->environment.userdata);
    r = endpoint_resolve(&query, chain->environment.getenv_function, chain->environment.userdata,
                         &endpoint);
    if (r < 0) {
        credentials_note(&chain->why, "web identity: %s",
                         r == -ENODATA ? "AWS_REGION is not set, so STS's address is not known"
                                       : "the Region or AWS_ENDPOINT_URL_STS is malformed");
        return r;
    }
    r = credentials_read_token(path, WEB_TOKEN_MAX, &token);
    if (r < 0) {
        credentials_note(&chain->why, "web identity: %s: %s", path,
                         r == -EBADMSG ? "no token in it" : strerror(-r));
        return r;
    }
    buffer_init(&body, 4 * WEB_TOKEN_MAX);
    r = web_identity_body(chain, role, token, &body);
    snprintf(url, sizeof(url), "%s%s/", endpoint.url, endpoint.base_path);
    if (r == 0)
        r = web_identity_post(chain, url, &body);
    else
        credentials_note(&chain->why, "web identity: the token is too long");
    if (body.data)
        explicit_bzero(body.data, body.length);
    buffer_done(&body);
    credentials_wipe(token);
    return r;
}

int web_identity_begin(struct credentials_chain *chain)
{
    if (!chain_getenv(chain, "AWS_WEB_IDENTITY_TOKEN_FILE")) {
        credentials_note(&chain->why, "web identity: AWS_WEB_IDENTITY_TOKEN_FILE is not set");
        return CHAIN_NEXT;
    }
    if (!chain_getenv(chain, "AWS_ROLE_ARN")) {
        credentials_note(&chain->why,
                         "web identity: AWS_WEB_IDENTITY_TOKEN_FILE is set, AWS_ROLE_ARN is not");
        return -ENOKEY;
    }
    chain->send = web_identity_send;
    return web_identity_send(chain);
}

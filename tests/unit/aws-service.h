/* SPDX-License-Identifier: Apache-2.0 */
/* A client of one service, with keys from the environment, of the harness's fake. */
#pragma once

#include "common/aws/request.h"
#include "tests/unit/aws-harness.h"

#include <errno.h>

struct service {
    struct aws_harness h;
    struct credentials_provider *provider;
    struct aws_client *client;
};

/* |name| is the service's, for its signature. */
static inline void service_start(struct service *s, const char *name)
{
    struct aws_client_options options = {.service = name, .region = "eu-west-1"};
    struct endpoint_query query = {.service = name, .override = s->h.url};

    aws_harness_start(&s->h);
    aws_harness_setenv(&s->h, "AWS_ACCESS_KEY_ID", "A");
    aws_harness_setenv(&s->h, "AWS_SECRET_ACCESS_KEY", "s");
    assert_int_equal(credentials_provider_new(&s->provider, s->h.event, s->h.http, NULL,
                                              aws_harness_getenv, &s->h),
                     0);
    assert_int_equal(endpoint_resolve(&query, aws_harness_getenv, &s->h, &options.endpoint), 0);
    options.event = s->h.event;
    options.http = s->h.http;
    options.credentials = s->provider;
    options.getenv_function = aws_harness_getenv;
    options.getenv_userdata = &s->h;
    assert_int_equal(aws_client_new(&s->client, &options), 0);
}

static inline void service_stop(struct service *s)
{
    aws_client_free(s->client);
    credentials_provider_free(s->provider);
    aws_harness_stop(&s->h);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "apps/visitor-board/dynamodb-link.h"

#include "config.h"

#include "common/base/clock.h"
#include "common/base/text.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define OPERATION_MAX 40u

struct link_call {
    struct link *link;
    struct link_call *next;
    char operation[OPERATION_MAX];
    struct buffer body;
    uint64_t deadline_us;
    dynamodb_done done;
    void *userdata;
    struct aws_call *aws_call; /* NULL: it waits for the Region */
};

struct link {
    sd_event *event;
    struct http_client *http;
    struct imds *imds;
    struct credentials_provider *credentials;
    struct aws_client *client; /* NULL until the Region is known */
    char *endpoint;
    endpoint_getenv getenv_function;
    void *getenv_userdata;
    bool overridden;
    struct imds_call *imds_call;
    struct link_call *calls;
    size_t n_waiting;
};

static void call_unlink(struct link_call *call)
{
    for (struct link_call **p = &call->link->calls; *p; p = &(*p)->next)
        if (*p == call) {
            *p = call->next;
            break;
        }
    if (!call->aws_call)
        call->link->n_waiting--;
}

static void call_free(struct link_call *call)
{
    buffer_done(&call->body);
    free(call);
}

static void call_finish(struct link_call *call, const struct dynamodb_result *result)
{
    call_unlink(call);
    call->done(result, call->userdata); /* may free the link */
    call_free(call);
}

static void call_on_done(const struct dynamodb_result *result, void *userdata)
{
    call_finish(userdata, result);
}

void link_cancel(struct link_call *call)
{
    call_unlink(call);
    if (call->aws_call)
        aws_call_cancel(call->aws_call);
    call_free(call);
}

static int call_send(struct link_call *call)
{
    struct aws_call *aws_call;
    uint64_t now_us = clock_monotonic_us();
    int r = -ETIMEDOUT;

    if (now_us < call->deadline_us)
        r = dynamodb_call(call->link->client, call->operation, &call->body,
                          call->deadline_us - now_us, call_on_done, call, &aws_call);
    if (r < 0)
        return r == -EBUSY ? -ENOBUFS : r;
    call->aws_call = aws_call;
    call->link->n_waiting--;
    buffer_done(&call->body); /* it was copied */
    buffer_init(&call->body, 0);
    return 0;
}

static int make_client(struct link *link, const char *region)
{
    const struct dynamodb_options options = {
        .event = link->event,
        .http = link->http,
        .credentials = link->credentials,
        .region = region,
        .endpoint = link->endpoint,
        .getenv_function = link->getenv_function,
        .getenv_userdata = link->getenv_userdata,
    };

    return dynamodb_client_new(&link->client, &options);
}

/* All that wait go, or end with |error|. A callback may start more, which don't wait any longer or
 * ask for the Region again. */
static void end_waiting(struct link *link, int error)
{
    struct link_call *waiting[LINK_WAITING_MAX];
    size_t n = 0;

    for (struct link_call *call = link->calls; call; call = call->next)
        if (!call->aws_call && n < LINK_WAITING_MAX)
            waiting[n++] = call;
    for (size_t i = n; i-- > 0;) { /* the list has the last one first */
        int r = error < 0 ? error : call_send(waiting[i]);

        if (r < 0)
            call_finish(waiting[i], &(struct dynamodb_result){.error = r});
    }
}

static void on_region(int error, const char *value, size_t length, void *userdata)
{
    struct link *link = userdata;

    link->imds_call = NULL;
    if (error == 0)
        error = make_client(link, value);
    end_waiting(link, error == 0 || error == -ENOMEM ? error : -ENOKEY);
}

int link_call(struct link *link, const char *operation, struct buffer *take_body,
              uint64_t deadline_us, dynamodb_done done, void *userdata, struct link_call **ret)
{
    struct link_call *call = NULL;
    int r = 0;

    if (take_body->failed)
        r = -ENOBUFS;
    else if (link->n_waiting >= LINK_WAITING_MAX)
        r = -ENOBUFS;
    else if (!(call = calloc(1, sizeof(*call))))
        r = -ENOMEM;
    if (r < 0) {
        buffer_done(take_body);
        return r;
    }
    *call = (struct link_call){.link = link,
                               .next = link->calls,
                               .body = *take_body,
                               .deadline_us = deadline_us,
                               .done = done,
                               .userdata = userdata};
    buffer_init(take_body, 0);
    (void) text_copy(call->operation, sizeof(call->operation), operation);
    link->calls = call;
    link->n_waiting++;
    if (link->client)
        r = call_send(call);
    else if (!link->imds_call)
        r = imds_get(link->imds, "meta-data/placement/region", on_region, link, &link->imds_call);
    if (r < 0) {
        call_unlink(call);
        call_free(call);
        return r;
    }
    *ret = call;
    return 0;
}

bool link_is_overridden(const struct link *link)
{
    return link->overridden;
}

static const char *set(const char *text)
{
    return text && *text ? text : NULL;
}

int link_new(struct link **ret, sd_event *event, const struct link_options *options)
{
    CLEANUP(link_freep) struct link *link = calloc(1, sizeof(*link));
    const char *region = set(options->region);
    struct endpoint endpoint;
    int r;

    if (!link)
        return -ENOMEM;
    link->event = sd_event_ref(event);
    link->getenv_function =
        options->getenv_function ? options->getenv_function : endpoint_process_getenv;
    link->getenv_userdata = options->getenv_userdata;
    link->endpoint = strdup(options->endpoint ? options->endpoint : "");
    if (!link->endpoint)
        return -ENOMEM;
    if (!region)
        region = endpoint_region_from_environment(link->getenv_function, link->getenv_userdata);
    /* With any Region: what is wrong with the endpoint is said now, not at the first call. */
    r = endpoint_resolve(&(struct endpoint_query){.service = DYNAMODB_SERVICE,
                                                  .environment = DYNAMODB_ENVIRONMENT,
                                                  .region = region ? region : "us-east-1",
                                                  .override = link->endpoint},
                         link->getenv_function, link->getenv_userdata, &endpoint);
    if (r < 0)
        return r;
    link->overridden = endpoint.overridden;
    r = http_client_new(&link->http, event, "visitor-board/" PACKAGE_VERSION);
    if (r >= 0)
        r = imds_new(&link->imds, event, link->http, link->getenv_function, link->getenv_userdata);
    if (r >= 0)
        r = credentials_provider_new(&link->credentials, event, link->http, link->imds,
                                     link->getenv_function, link->getenv_userdata);
    if (r >= 0 && region)
        r = make_client(link, region);
    if (r < 0)
        return r;
    *ret = TAKE(link);
    return 0;
}

struct link *link_free(struct link *link)
{
    if (!link)
        return NULL;
    while (link->calls)
        link_cancel(link->calls);
    if (link->imds_call)
        imds_cancel(link->imds_call);
    aws_client_free(link->client);
    credentials_provider_free(link->credentials);
    imds_free(link->imds);
    http_client_free(link->http);
    free(link->endpoint);
    sd_event_unref(link->event);
    free(link);
    return NULL;
}

const char *link_reason(char ret[LINK_REASON_MAX], const struct dynamodb_result *result)
{
    const struct aws_result *aws = result->aws;
    const char *what = strerror(-result->error);

    switch (result->error) {
    case -ENOENT:
        what = "the table does not exist";
        break;
    case -ENOKEY:
        what = aws ? "no AWS credentials" : "no Region: AWS_REGION is not set, and IMDS has none";
        break;
    case -EAGAIN:
        what = "throttled";
        break;
    case -EACCES:
        what = "not permitted";
        break;
    case -ETIMEDOUT:
        what = "no answer in time";
        break;
    case -EHOSTUNREACH:
        what = "the service can't be reached";
        break;
    default:
        break;
    }
    snprintf(ret, LINK_REASON_MAX, "%s%s%s%s%.200s", what, aws && *aws->code ? ": " : "",
             aws ? aws->code : "", aws && *aws->message ? ": " : "", aws ? aws->message : "");
    return ret;
}

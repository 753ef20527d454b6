/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One token for all calls, asked for when there is none; calls wait for it together. Each call ends
 * from an event of its own, so a callback may start, cancel and free what it likes.
 */
#include "common/aws/imds.h"

#include "common/base/backoff.h"
#include "common/base/clock.h"
#include "common/base/log.h"
#include "common/base/text.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#define IMDS_TOKEN_MAX    512u
#define IMDS_PATH_MAX     512u
#define IMDS_ENDPOINT_MAX 256u

static const struct backoff IMDS_BACKOFF = {.base_us = 100000, .cap_us = 1000000};

/* What is asked for, with its attempts: the token, or a call's value. */
struct imds_fetch {
    struct imds *imds;
    struct http_client_call *http_call;
    sd_event_source *timer; /* until the next attempt */
    unsigned attempts;
    void (*on_answer)(struct imds_fetch *fetch, const struct http_client_response *response);
    int (*send)(struct imds_fetch *fetch);
};

struct imds_call {
    struct imds_fetch fetch; /* first: a fetch of a call is the call */
    struct imds_call *next;
    imds_done done;
    void *userdata;
    sd_event_source *end; /* brings |error| from the loop */
    int error;
    bool waits_for_token, renewed_token;
    unsigned token_number; /* of the token that it was sent with */
    char path[IMDS_PATH_MAX];
};

struct imds {
    sd_event *event;
    struct http_client *http;
    bool disabled, endpoint_is_bad;
    char endpoint[IMDS_ENDPOINT_MAX];
    struct imds_fetch token_fetch;
    bool token_is_asked_for;
    char token[IMDS_TOKEN_MAX]; /* "": none */
    uint64_t token_until_us;
    unsigned token_number;
    struct imds_call *calls;
    unsigned n_calls;
};

/* AWS_EC2_METADATA_SERVICE_ENDPOINT wins over its MODE, as in the SDKs. */
static void imds_read_environment(struct imds *imds, endpoint_getenv getenv_function,
                                  void *userdata)
{
    const char *disabled = getenv_function("AWS_EC2_METADATA_DISABLED", userdata);
    const char *endpoint = getenv_function("AWS_EC2_METADATA_SERVICE_ENDPOINT", userdata);
    const char *mode = getenv_function("AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE", userdata);
    size_t length;

    imds->disabled = disabled && strcasecmp(disabled, "true") == 0;
    if (!endpoint || !*endpoint)
        endpoint = mode && strcasecmp(mode, "IPv6") == 0 ? "http://[fd00:ec2::254]"
                                                         : "http://169.254.169.254";
    if ((strncmp(endpoint, "http://", 7) != 0 && strncmp(endpoint, "https://", 8) != 0) ||
        !text_copy(imds->endpoint, sizeof(imds->endpoint), endpoint))
        imds->endpoint_is_bad = true;
    for (length = strlen(imds->endpoint); length > 0 && imds->endpoint[length - 1] == '/';)
        imds->endpoint[--length] = '\0';
}

int imds_new(struct imds **ret, sd_event *event, struct http_client *http,
             endpoint_getenv getenv_function, void *userdata)
{
    struct imds *imds = calloc(1, sizeof(*imds));

    if (!imds)
        return -ENOMEM;
    imds->event = sd_event_ref(event);
    imds->http = http;
    imds->token_fetch.imds = imds;
    imds_read_environment(imds, getenv_function ? getenv_function : endpoint_process_getenv,
                          userdata);
    *ret = imds;
    return 0;
}

bool imds_is_disabled(const struct imds *imds)
{
    return imds->disabled;
}

static void fetch_stop(struct imds_fetch *fetch)
{
    if (fetch->http_call)
        http_client_cancel(TAKE(fetch->http_call));
    fetch->timer = sd_event_source_disable_unref(fetch->timer);
}

void imds_cancel(struct imds_call *call)
{
    struct imds *imds = call->fetch.imds;

    for (struct imds_call **p = &imds->calls; *p; p = &(*p)->next)
        if (*p == call) {
            *p = call->next;
            imds->n_calls--;
            break;
        }
    fetch_stop(&call->fetch);
    sd_event_source_disable_unref(call->end);
    free(call);
}

struct imds *imds_free(struct imds *imds)
{
    if (!imds)
        return NULL;
    while (imds->calls)
        imds_cancel(imds->calls);
    fetch_stop(&imds->token_fetch);
    explicit_bzero(imds->token, sizeof(imds->token));
    sd_event_unref(imds->event);
    free(imds);
    return NULL;
}

/* --- The end of a call --- */

static int imds_on_end(sd_event_source *source, void *userdata)
{
    struct imds_call *call = userdata;
    imds_done done = call->done;
    void *done_userdata = call->userdata;
    int error = call->error;

    imds_cancel(call);
    done(error, "", 0, done_userdata);
    return 0;
}

/* Later, from the loop. */
static void call_fail(struct imds_call *call, int error)
{
    call->error = error;
    call->waits_for_token = false;
    fetch_stop(&call->fetch);
    sd_event_source_set_enabled(call->end, SD_EVENT_ONESHOT);
}

/* --- Attempts --- */

static void fetch_on_done(const struct http_client_response *response, void *userdata)
{
    struct imds_fetch *fetch = userdata;

    fetch->http_call = NULL;
    fetch->on_answer(fetch, response);
}

static int fetch_start(struct imds_fetch *fetch, const char *method, const char *path,
                       const char *header)
{
    char url[IMDS_ENDPOINT_MAX + IMDS_PATH_MAX + 16];
    const char *headers[] = {header, NULL};
    const struct http_client_request request = {
        .method = method,
        .url = url,
        .headers = headers,
        .timeout_us = IMDS_TIMEOUT_US,
        .response_limit_bytes = IMDS_RESPONSE_LIMIT_BYTES,
        .no_proxy = true,
    };

    snprintf(url, sizeof(url), "%s/latest/%s", fetch->imds->endpoint, path);
    fetch->attempts++;
    return http_client_start(fetch->imds->http, &request, fetch_on_done, fetch, &fetch->http_call);
}

static int fetch_on_timer(sd_event_source *source, uint64_t time_us, void *userdata)
{
    struct imds_fetch *fetch = userdata;
    struct http_client_response none = {.body = ""};

    fetch->timer = sd_event_source_disable_unref(fetch->timer);
    none.error = fetch->send(fetch);
    if (none.error < 0)
        fetch->on_answer(fetch, &none);
    return 0;
}

/* Whether another attempt will be made. */
static bool fetch_again(struct imds_fetch *fetch)
{
    uint64_t wait_us;

    if (fetch->attempts >= IMDS_ATTEMPTS)
        return false;
    wait_us = backoff_wait_us(&IMDS_BACKOFF, fetch->attempts - 1, random_u64());
    if (sd_event_add_time_relative(fetch->imds->event, &fetch->timer, CLOCK_MONOTONIC, wait_us,
                                   10000, fetch_on_timer, fetch) < 0)
        return false;
    sd_event_source_set_description(fetch->timer, "imds-retry");
    return true;
}

/* What an answer that is no success means. */
static int answer_error(const struct http_client_response *response)
{
    if (response->error < 0)
        return response->error;
    if (response->status == 404)
        return -ENOENT;
    if (response->status == 401 || response->status == 403)
        return -EACCES;
    if (response->status == 429 || response->status >= 500)
        return -EREMOTEIO;
    return -EBADMSG;
}

/* No answer, half of one, or one that says "not now". */
static bool is_transient(const struct http_client_response *response)
{
    int error = response->error;

    if (error < 0)
        return error != -ECANCELED && error != -ELIBACC && error != -EINVAL && error != -EMSGSIZE;
    return response->status == 429 || response->status >= 500;
}

/* --- The token --- */

static void token_request(struct imds *imds);

static int value_send(struct imds_fetch *fetch)
{
    struct imds_call *call = (struct imds_call *) fetch;
    char header[IMDS_TOKEN_MAX + 64];
    int r;

    call->token_number = fetch->imds->token_number;
    snprintf(header, sizeof(header), "X-aws-ec2-metadata-token: %s", fetch->imds->token);
    r = fetch_start(fetch, "GET", call->path, header);
    explicit_bzero(header, sizeof(header));
    return r;
}

/* With the token in hand, or when one has come. */
static int call_begin(struct imds_fetch *fetch)
{
    struct imds_call *call = (struct imds_call *) fetch;
    struct imds *imds = fetch->imds;

    if (imds->token[0] && clock_monotonic_us() < imds->token_until_us)
        return value_send(fetch);
    call->waits_for_token = true;
    token_request(imds);
    return 0;
}

/* The calls that wait: on with them, or to their end. */
static void token_settled(struct imds *imds, int error)
{
    imds->token_is_asked_for = false;
    for (struct imds_call *call = imds->calls, *next; call; call = next) {
        int r = error;

        next = call->next;
        if (!call->waits_for_token)
            continue;
        call->waits_for_token = false;
        /* Also with a token that is good for no time at all: it is for those that waited. */
        if (r == 0)
            r = value_send(&call->fetch);
        if (r < 0)
            call_fail(call, r);
    }
}

static bool is_token(const char *text, size_t length)
{
    for (size_t i = 0; i < length; i++)
        if (text[i] <= ' ' || text[i] > '~')
            return false;
    return length > 0 && length < IMDS_TOKEN_MAX;
}

static void token_on_answer(struct imds_fetch *fetch, const struct http_client_response *response)
{
    struct imds *imds = fetch->imds;
    const char *ttl_text;
    uint64_t ttl_s;
    int error;

    if (response->error == 0 && response->status == 200) {
        if (!is_token(response->body, response->body_length)) {
            token_settled(imds, -EBADMSG);
            return;
        }
        memcpy(imds->token, response->body, response->body_length + 1);
        imds->token_number++;
        ttl_text = http_client_header(response, "X-Aws-Ec2-Metadata-Token-Ttl-Seconds");
        if (!ttl_text || text_parse_u64(ttl_text, 0, IMDS_TOKEN_TTL_S, &ttl_s) < 0)
            ttl_s = IMDS_TOKEN_TTL_S;
        /* Renewed a little early: a token must not end on its way. */
        imds->token_until_us =
            clock_monotonic_us() + (ttl_s - MIN(ttl_s / 10, UINT64_C(60))) * USEC_PER_SEC;
        token_settled(imds, 0);
        return;
    }
    error = answer_error(response);
    /* 404 and 405: something answers that has no IMDSv2. */
    if (error == -ENOENT)
        error = -EBADMSG;
    if (is_transient(response) && fetch_again(fetch))
        return;
    log_debug("IMDS gave no token: %s", strerror(-error));
    token_settled(imds, error);
}

static int token_send(struct imds_fetch *fetch)
{
    char header[64];

    snprintf(header, sizeof(header), "X-aws-ec2-metadata-token-ttl-seconds: %u", IMDS_TOKEN_TTL_S);
    return fetch_start(fetch, "PUT", "api/token", header);
}

static void token_request(struct imds *imds)
{
    int r;

    if (imds->token_is_asked_for)
        return;
    imds->token_is_asked_for = true;
    imds->token[0] = '\0';
    imds->token_fetch.attempts = 0;
    imds->token_fetch.on_answer = token_on_answer;
    imds->token_fetch.send = token_send;
    r = token_send(&imds->token_fetch);
    if (r < 0)
        token_settled(imds, r);
}

/* --- A value --- */

static void value_on_answer(struct imds_fetch *fetch, const struct http_client_response *response)
{
    struct imds_call *call = (struct imds_call *) fetch;
    struct imds *imds = fetch->imds;
    int error = 0;

    if (response->error == 0 && response->status == 200 &&
        strlen(response->body) == response->body_length) {
        imds_done done = call->done;
        void *userdata = call->userdata;

        imds_cancel(call);
        done(0, response->body, response->body_length, userdata);
        return;
    }
    if (response->error == 0 && response->status == 401 && !call->renewed_token) {
        call->renewed_token = true;
        /* Of several calls with the same old token only the first throws it away. */
        if (call->token_number == imds->token_number)
            imds->token_until_us = 0;
        error = call_begin(fetch);
        if (error < 0)
            call_fail(call, error);
        return;
    }
    error = answer_error(response);
    if (is_transient(response) && fetch_again(fetch))
        return;
    call_fail(call, error);
}

static bool is_path(const char *path)
{
    size_t length = strlen(path);

    for (size_t i = 0; i < length; i++)
        if (path[i] <= ' ' || path[i] > '~')
            return false;
    return length > 0 && length < IMDS_PATH_MAX && path[0] != '/';
}

int imds_get(struct imds *imds, const char *path, imds_done done, void *userdata,
             struct imds_call **ret_call)
{
    struct imds_call *call;
    int r;

    if (!is_path(path))
        return -EINVAL;
    if (imds->n_calls >= IMDS_CALLS_MAX)
        return -EBUSY;
    call = calloc(1, sizeof(*call));
    if (!call)
        return -ENOMEM;
    r = sd_event_add_defer(imds->event, &call->end, imds_on_end, call);
    if (r < 0) {
        free(call);
        return r;
    }
    sd_event_source_set_description(call->end, "imds-call-end");
    sd_event_source_set_enabled(call->end, SD_EVENT_OFF);
    call->fetch.imds = imds;
    call->fetch.on_answer = value_on_answer;
    call->fetch.send = call_begin;
    call->done = done;
    call->userdata = userdata;
    text_copy(call->path, sizeof(call->path), path);
    call->next = imds->calls;
    imds->calls = call;
    imds->n_calls++;
    if (ret_call)
        *ret_call = call;
    if (imds->disabled)
        r = -EOPNOTSUPP;
    else if (imds->endpoint_is_bad)
        r = -EINVAL;
    else
        r = call_begin(&call->fetch);
    if (r < 0)
        call_fail(call, r);
    return 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A call goes round: credentials, signature, attempt, verdict, wait. It has one timer: the wait
 * between attempts, or, while credentials are on their way, its deadline; an attempt's own deadline
 * is the HTTP client's.
 */
#include "common/aws/request.h"

#include "common/aws/credentials-internal.h"
#include "common/aws/request-internal.h"
#include "common/aws/sigv4.h"
#include "common/base/clock.h"
#include "common/base/log.h"
#include "common/base/text.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <zlib.h>

#define AWS_HEADERS_LIMIT_BYTES (CREDENTIALS_TOKEN_MAX + 16384u) /* of those that are signed */
#define AWS_URL_MAX             4096u
#define AWS_ATTEMPTS_MOST       100u

struct aws_client {
    sd_event *event;
    struct http_client *http;
    struct credentials_provider *credentials;
    char *service, *region;
    struct endpoint endpoint;
    unsigned attempts_max;
    struct retry_bucket bucket;
    int64_t skew_us;
    uint64_t (*clock)(void *userdata);
    void *clock_userdata;
    struct aws_call *calls;
    unsigned n_calls;
};

struct aws_call {
    struct aws_client *client;
    struct aws_call *next;
    aws_done done;
    void *userdata;

    char *method, *path; /* the latter with the endpoint's own and the query */
    char **headers;      /* all but those of the signature; NULL at the end */
    size_t n_headers;
    char *body;
    size_t body_length;
    uint64_t attempt_timeout_us, deadline_us; /* the latter on the monotonic clock */
    size_t response_limit_bytes;

    struct retry retry;
    struct credentials_call *credentials_call;
    struct http_client_call *http_call;
    sd_event_source *timer;
    uint64_t signed_us;  /* the time in the signature */
    uint64_t generation; /* of the credentials that it was made with */
    void *owned;         /* see aws_call_own() */
    struct aws_result result;
};

static void call_begin(struct aws_call *call);

/* --- Life cycle of a call --- */

static void call_stop(struct aws_call *call)
{
    if (call->credentials_call)
        credentials_cancel(TAKE(call->credentials_call));
    if (call->http_call)
        http_client_cancel(TAKE(call->http_call));
    call->timer = sd_event_source_disable_unref(call->timer);
}

static void call_unlink(struct aws_call *call)
{
    for (struct aws_call **p = &call->client->calls; *p; p = &(*p)->next)
        if (*p == call) {
            *p = call->next;
            call->client->n_calls--;
            return;
        }
}

static void call_destroy(struct aws_call *call)
{
    for (size_t i = 0; i < call->n_headers; i++)
        free(call->headers[i]);
    free(call->headers);
    free(call->method);
    free(call->path);
    free(call->body);
    free(call->owned);
    free(call);
}

void aws_call_cancel(struct aws_call *call)
{
    call_stop(call);
    call_unlink(call);
    call_destroy(call);
}

static void call_finish(struct aws_call *call, int error,
                        const struct http_client_response *response)
{
    call_stop(call);
    call_unlink(call); /* so the callback may free the client */
    call->result.error = error;
    call->result.attempts = call->retry.attempts;
    call->result.response = response;
    call->done(&call->result, call->userdata);
    call_destroy(call);
}

/* --- The verdict on an attempt --- */

static uint64_t call_left_us(const struct aws_call *call)
{
    uint64_t now_us = clock_monotonic_us();

    return call->deadline_us > now_us ? call->deadline_us - now_us : 0;
}

static int call_on_wait_over(sd_event_source *source, uint64_t time_us, void *userdata)
{
    struct aws_call *call = userdata;

    call->timer = sd_event_source_disable_unref(call->timer);
    call_begin(call);
    return 0;
}

/* Keeps what the answer says. */
static void result_read(struct aws_result *result, const struct http_client_response *response)
{
    const char *query_error = http_client_header(response, "x-amzn-query-error");
    const char *id = http_client_header(response, "x-amzn-RequestId");

    result->status = response->status;
    result->code[0] = result->message[0] = '\0';
    if (response->status / 100 != 2)
        aws_parse_error(response->body, response->body_length,
                        query_error ? query_error
                                    : http_client_header(response, "x-amzn-ErrorType"),
                        result->code, result->message);
    if (response->error < 0 && !result->message[0] && response->error_text) {
        text_copy(result->message, sizeof(result->message), response->error_text);
        text_replace_controls(result->message, ' ');
    }
    if (!id)
        id = http_client_header(response, "x-amz-request-id");
    text_copy(result->request_id, sizeof(result->request_id), id ? id : "");
    text_replace_controls(result->request_id, ' ');
    result->retry_after_us =
        aws_parse_retry_after(http_client_header(response, "x-amz-retry-after"),
                              http_client_header(response, "Retry-After"));
}

/* The class of a failure; for a clock that is off it corrects the client's. */
static enum retry_class call_classify(struct aws_call *call,
                                      const struct http_client_response *response)
{
    struct aws_client *client = call->client;
    const char *date = http_client_header(response, "Date");
    enum retry_class class;
    uint64_t date_us = 0;

    /* Nothing that another attempt would better. */
    if (response->error == -EMSGSIZE || response->error == -ELIBACC ||
        response->error == -ECANCELED)
        return RETRY_NEVER;
    if (response->error < 0)
        return RETRY_TRANSIENT;
    if (date && aws_parse_date(date, &date_us) < 0)
        date_us = 0;
    class = retry_classify(response->status, call->result.code);
    if (!aws_is_skewed(call->result.code, call->result.message, call->signed_us, date_us))
        return class == RETRY_SKEWED ? RETRY_NEVER : class; /* another key is what it wants */
    if (date_us == 0)                                       /* corrected by what? */
        return RETRY_NEVER;
    client->skew_us = (int64_t) (date_us - client->clock(client->clock_userdata));
    log_debug("%s says that our clock is %lld s off", client->service,
              (long long) (client->skew_us / (int64_t) USEC_PER_SEC));
    return RETRY_SKEWED;
}

static void call_attempt_failed(struct aws_call *call, const struct http_client_response *response)
{
    struct aws_client *client = call->client;
    int error = response->error < 0 ? response->error : -EREMOTEIO;
    uint64_t wait_us;

    if (aws_is_ambiguous(response))
        call->result.ambiguous++;
    call->result.retry_class = call_classify(call, response);
    /* Others may have had them renewed meanwhile. */
    if (call->result.retry_class == RETRY_EXPIRED &&
        call->generation == credentials_generation(client->credentials))
        credentials_expire(client->credentials);
    if (!retry_next(&call->retry, call->result.retry_class, call->result.retry_after_us,
                    random_u64(), &wait_us)) {
        call_finish(call, error, response);
        return;
    }
    if (wait_us >= call_left_us(call)) { /* no use in waiting for that */
        call_finish(call, -ETIMEDOUT, response);
        return;
    }
    if (sd_event_add_time_relative(client->event, &call->timer, CLOCK_MONOTONIC, wait_us,
                                   USEC_PER_MSEC, call_on_wait_over, call) < 0) {
        call_finish(call, error, response);
        return;
    }
    sd_event_source_set_description(call->timer, "aws-retry");
}

/* Whether the body is not what the service sent: DynamoDB says its sum. */
static bool is_damaged(const struct http_client_response *response)
{
    const char *text = http_client_header(response, "x-amz-crc32");
    uint64_t sum;

    return response->error == 0 && text && text_parse_u64(text, 0, UINT32_MAX, &sum) == 0 &&
           crc32_z(0, (const unsigned char *) response->body, response->body_length) != sum;
}

static void call_on_response(const struct http_client_response *response, void *userdata)
{
    struct aws_call *call = userdata;
    struct http_client_response damaged;

    call->http_call = NULL;
    if (is_damaged(response)) {
        damaged = *response;
        damaged.error = -EBADMSG;
        damaged.error_text = "the answer does not have the sum that x-amz-crc32 says";
        response = &damaged;
    }
    result_read(&call->result, response);
    if (response->error == 0 && response->status / 100 == 2) {
        retry_succeeded(&call->retry);
        call->result.retry_class = RETRY_NEVER;
        call_finish(call, 0, response);
        return;
    }
    call_attempt_failed(call, response);
}

/* --- An attempt --- */

/* Its own headers, then the signature's, as a list into |signature|. */
static int call_collect_headers(const struct aws_call *call, const struct buffer *signature,
                                const char *headers[HTTP_CLIENT_HEADERS_MAX + 1])
{
    size_t n = 0;

    for (; n < call->n_headers; n++)
        headers[n] = call->headers[n];
    for (size_t at = 0; at < signature->length; at += strlen(signature->data + at) + 1) {
        if (n == HTTP_CLIENT_HEADERS_MAX)
            return -EINVAL;
        headers[n++] = signature->data + at;
    }
    headers[n] = NULL;
    return 0;
}

static int call_sign(struct aws_call *call, const struct credentials *credentials,
                     struct buffer *signature)
{
    struct aws_client *client = call->client;
    const char *query = strchr(call->path, '?');
    CLEANUP_FREE char *path = strndup(call->path, strcspn(call->path, "?"));
    const struct sigv4_keys keys = {
        .access_key_id = credentials->access_key_id,
        .secret_access_key = credentials->secret_access_key,
        .session_token = credentials->session_token,
    };
    struct sigv4_request request = {
        .method = call->method,
        .host = client->endpoint.host,
        .path = path,
        .query = query ? query + 1 : NULL,
        .headers = (const char *const *) call->headers,
        .body = call->body,
        .body_length = call->body_length,
        .region = client->region,
        .service = client->service,
    };

    if (!path)
        return -ENOMEM;
    call->signed_us = client->clock(client->clock_userdata) + (uint64_t) client->skew_us;
    call->generation = credentials_generation(client->credentials);
    request.time_s = call->signed_us / USEC_PER_SEC;
    return sigv4_sign(&request, &keys, signature);
}

static int call_send(struct aws_call *call, const struct buffer *signature)
{
    const char *headers[HTTP_CLIENT_HEADERS_MAX + 1];
    char url[AWS_URL_MAX];
    struct http_client_request request = {
        .method = call->method,
        .url = url,
        .headers = headers,
        .body = call->body,
        .body_length = call->body_length,
        .timeout_us = MIN(call->attempt_timeout_us, call_left_us(call)),
        .response_limit_bytes = call->response_limit_bytes,
    };
    int r;

    if (request.timeout_us == 0)
        return -ETIMEDOUT;
    if (snprintf(url, sizeof(url), "%s%s", call->client->endpoint.url, call->path) >=
        (int) sizeof(url))
        return -EINVAL;
    r = call_collect_headers(call, signature, headers);
    if (r < 0)
        return r;
    return http_client_start(call->client->http, &request, call_on_response, call,
                             &call->http_call);
}

static void call_on_credentials(int error, const struct credentials *credentials, const char *why,
                                void *userdata)
{
    struct aws_call *call = userdata;
    struct buffer signature;
    int r = error;

    call->credentials_call = NULL;
    call->timer = sd_event_source_disable_unref(call->timer);
    if (error < 0) {
        text_copy(call->result.message, sizeof(call->result.message), why);
        call_finish(call, error, NULL);
        return;
    }
    buffer_init(&signature, AWS_HEADERS_LIMIT_BYTES);
    r = call_sign(call, credentials, &signature);
    if (r == 0)
        r = call_send(call, &signature);
    if (signature.data)
        explicit_bzero(signature.data, signature.length);
    buffer_done(&signature);
    if (r < 0)
        call_finish(call, r, NULL);
}

static int call_on_deadline(sd_event_source *source, uint64_t time_us, void *userdata)
{
    struct aws_call *call = userdata;

    text_copy(call->result.message, sizeof(call->result.message),
              "the deadline passed while credentials were asked for");
    call_finish(call, -ETIMEDOUT, NULL);
    return 0;
}

static int call_ask_credentials(struct aws_call *call)
{
    int r = sd_event_add_time_relative(call->client->event, &call->timer, CLOCK_MONOTONIC,
                                       call_left_us(call), USEC_PER_MSEC, call_on_deadline, call);

    if (r < 0)
        return r;
    sd_event_source_set_description(call->timer, "aws-deadline");
    return credentials_get(call->client->credentials, call_on_credentials, call,
                           &call->credentials_call);
}

/* Another round. Called from the loop. */
static void call_begin(struct aws_call *call)
{
    int r = call_ask_credentials(call);

    if (r < 0)
        call_finish(call, r, NULL);
}

/* --- Start --- */

static int call_add_header(struct aws_call *call, const char *name, const char *value)
{
    char *header;

    if (call->n_headers == HTTP_CLIENT_HEADERS_MAX)
        return -EINVAL;
    if (asprintf(&header, "%s%s", name, value) < 0)
        return -ENOMEM;
    if (strpbrk(header, "\r\n")) {
        free(header);
        return -EINVAL;
    }
    call->headers[call->n_headers++] = header;
    return 0;
}

static int call_copy_headers(struct aws_call *call, const struct aws_request *request)
{
    int r = 0;

    call->headers = calloc(HTTP_CLIENT_HEADERS_MAX + 1, sizeof(*call->headers));
    if (!call->headers)
        return -ENOMEM;
    if (request->content_type)
        r = call_add_header(call, "Content-Type: ", request->content_type);
    if (r == 0 && request->target)
        r = call_add_header(call, "X-Amz-Target: ", request->target);
    for (size_t i = 0; r == 0 && request->headers && request->headers[i]; i++)
        r = call_add_header(call, "", request->headers[i]);
    return r;
}

static int call_copy(struct aws_call *call, const struct aws_request *request)
{
    call->method = strdup(request->method ? request->method : "POST");
    if (asprintf(&call->path, "%s%s", call->client->endpoint.base_path,
                 request->path ? request->path : "/") < 0)
        call->path = NULL;
    call->body = malloc(request->body_length + 1);
    if (!call->method || !call->path || !call->body)
        return -ENOMEM;
    if (request->body_length > 0)
        memcpy(call->body, request->body, request->body_length);
    call->body_length = request->body_length;
    call->attempt_timeout_us = request->attempt_timeout_us;
    call->deadline_us = clock_monotonic_us() + request->timeout_us;
    call->response_limit_bytes = request->response_limit_bytes;
    return call_copy_headers(call, request);
}

int aws_call_start(struct aws_client *client, const struct aws_request *request, aws_done done,
                   void *userdata, struct aws_call **ret_call)
{
    struct aws_call *call;
    int r;

    if (request->attempt_timeout_us == 0 || request->timeout_us == 0 ||
        (request->path && request->path[0] != '/'))
        return -EINVAL;
    if (client->n_calls >= AWS_CALLS_MAX)
        return -EBUSY;
    call = calloc(1, sizeof(*call));
    if (!call)
        return -ENOMEM;
    call->client = client;
    call->done = done;
    call->userdata = userdata;
    retry_begin(&call->retry, &client->bucket, client->attempts_max);
    r = call_copy(call, request);
    if (r == 0)
        r = call_ask_credentials(call);
    if (r < 0) {
        call_stop(call);
        call_destroy(call);
        return r;
    }
    call->next = client->calls;
    client->calls = call;
    client->n_calls++;
    if (ret_call)
        *ret_call = call;
    return 0;
}

void aws_call_own(struct aws_call *call, void *take_memory)
{
    free(call->owned);
    call->owned = take_memory;
}

/* --- Client --- */

static uint64_t client_clock(void *userdata)
{
    return clock_realtime_us();
}

static unsigned attempts_from_environment(const struct aws_client_options *options)
{
    endpoint_getenv get =
        options->getenv_function ? options->getenv_function : endpoint_process_getenv;
    const char *text = get("AWS_MAX_ATTEMPTS", options->getenv_userdata);
    uint64_t number;

    if (text && text_parse_u64(text, 1, AWS_ATTEMPTS_MOST, &number) == 0)
        return (unsigned) number;
    return RETRY_ATTEMPTS_DEFAULT;
}

int aws_client_new(struct aws_client **ret, const struct aws_client_options *options)
{
    CLEANUP(aws_client_freep) struct aws_client *client = NULL;

    if (!options->region || !*options->region) /* an endpoint of its own needs none, a signature
                                                  does */
        return -ENODATA;
    client = calloc(1, sizeof(*client));
    if (!client)
        return -ENOMEM;
    client->event = sd_event_ref(options->event);
    client->http = options->http;
    client->credentials = options->credentials;
    client->service = strdup(options->service);
    client->region = strdup(options->region);
    if (!client->service || !client->region)
        return -ENOMEM;
    client->endpoint = options->endpoint;
    client->attempts_max =
        options->attempts_max > 0 ? options->attempts_max : attempts_from_environment(options);
    client->clock = client_clock;
    retry_bucket_init(&client->bucket);
    *ret = TAKE(client);
    return 0;
}

struct aws_client *aws_client_free(struct aws_client *client)
{
    if (!client)
        return NULL;
    while (client->calls)
        aws_call_cancel(client->calls);
    free(client->service);
    free(client->region);
    sd_event_unref(client->event);
    free(client);
    return NULL;
}

void aws_client_set_clock(struct aws_client *client, uint64_t (*clock)(void *userdata),
                          void *userdata)
{
    client->clock = clock;
    client->clock_userdata = userdata;
}

int64_t aws_client_skew_us(const struct aws_client *client)
{
    return client->skew_us;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The control API over libcurl: its easy interface for who waits, its multi interface for who
 * can't.
 *
 * The only file of agentctl that knows libcurl. Each request has a connection of its own, so that a
 * core that was replaced in between costs nothing.
 */
#include "ctl/client.h"

#include "common/base/clock.h"

#include <curl/curl.h>
#include <errno.h>
#include <string.h>
#include <sys/un.h>

#define CLIENT_REQUEST_LIMIT (64u * 1024)

struct exchange {
    struct client *client;
    CURL *curl;
    struct curl_slist *headers;
    struct buffer request, received;
    bool added; /* to the client's multi handle */
    bool ended;
    CURLcode code;
};

struct client {
    CURLM *multi; /* NULL until something is asked without waiting */
    struct exchange *exchanges[CLIENT_EXCHANGES_MAX];
    const char *socket_path;
};

int client_new(struct client **ret, const char *socket_path)
{
    struct client *client;

    if (strlen(socket_path) >= sizeof(((struct sockaddr_un *) NULL)->sun_path))
        return -ENAMETOOLONG;
    client = calloc(1, sizeof(*client));
    if (!client)
        return -ENOMEM;
    client->socket_path = socket_path;
    *ret = client;
    return 0;
}

struct client *client_free(struct client *client)
{
    if (!client)
        return NULL;
    for (size_t i = 0; i < CLIENT_EXCHANGES_MAX; i++)
        exchange_free(client->exchanges[i]);
    curl_multi_cleanup(client->multi);
    free(client);
    return NULL;
}

void answer_done(struct answer *answer)
{
    json_object_put(answer->body);
    *answer = (struct answer){.body = NULL};
}

/* A short count makes curl stop with CURLE_WRITE_ERROR: the body is past its limit. */
static size_t client_on_body(char *data, size_t size, size_t count, void *userdata)
{
    return buffer_append(userdata, data, size * count) < 0 ? 0 : size * count;
}

/*
 * curl's errors as errnos: the caller decides by them between "not running", "not permitted" and
 * "not agentd".
 */
static int error_from_curl(CURL *curl, CURLcode code)
{
    long os_errno = 0;

    switch (code) {
    case CURLE_OK:
        return 0;
    case CURLE_COULDNT_CONNECT:
        curl_easy_getinfo(curl, CURLINFO_OS_ERRNO, &os_errno);
        return os_errno > 0 ? -(int) os_errno : -ECONNREFUSED;
    case CURLE_OPERATION_TIMEDOUT:
        return -ETIMEDOUT;
    case CURLE_GOT_NOTHING:
    case CURLE_PARTIAL_FILE:
    case CURLE_RECV_ERROR:
    case CURLE_SEND_ERROR:
        return -ECONNRESET;
    case CURLE_WRITE_ERROR: /* ours: past the limit */
        return -EFBIG;
    case CURLE_OUT_OF_MEMORY:
        return -ENOMEM;
    default:
        return -EPROTO;
    }
}

/* --- One exchange ---------------------------------------------------------------------------- */

static int prepare(struct exchange *exchange, const char *path, uint64_t timeout_ms)
{
    CURL *curl = exchange->curl;
    char url[512];

    if (snprintf(url, sizeof(url), "http://localhost%s", path) >= (int) sizeof(url))
        return -ENAMETOOLONG;
    CURLcode code = curl_easy_setopt(curl, CURLOPT_URL, url);
    if (code == CURLE_OK)
        code = curl_easy_setopt(curl, CURLOPT_UNIX_SOCKET_PATH, exchange->client->socket_path);
    if (code != CURLE_OK)
        return -ENOMEM;
    curl_easy_setopt(curl, CURLOPT_PROXY, ""); /* $http_proxy has no say here */
    curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
    /* On a kept connection that died meanwhile curl would send a POST a second time. */
    curl_easy_setopt(curl, CURLOPT_FORBID_REUSE, 1L);
    curl_easy_setopt(curl, CURLOPT_HTTPHEADER, exchange->headers);
    curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, (long) timeout_ms);
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, client_on_body);
    curl_easy_setopt(curl, CURLOPT_WRITEDATA, &exchange->received);
    curl_easy_setopt(curl, CURLOPT_PRIVATE, exchange);
    if (exchange->request.data) {
        curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE, (long) exchange->request.length);
        curl_easy_setopt(curl, CURLOPT_POSTFIELDS, exchange->request.data); /* borrowed */
    }
    return 0;
}

static int exchange_new(struct exchange **ret, struct client *client, const char *path,
                        const struct json_object *body, uint64_t timeout_ms)
{
    CLEANUP(exchange_freep) struct exchange *exchange = calloc(1, sizeof(*exchange));
    int r = 0;

    if (!exchange)
        return -ENOMEM;
    exchange->client = client;
    buffer_init(&exchange->request, CLIENT_REQUEST_LIMIT);
    buffer_init(&exchange->received, CLIENT_ANSWER_LIMIT);
    exchange->curl = curl_easy_init();
    if (!exchange->curl)
        return -ENOMEM;
    if (body) {
        exchange->headers = curl_slist_append(NULL, "Content-Type: application/json");
        if (!exchange->headers)
            return -ENOMEM;
        r = json_print(body, false, &exchange->request);
    }
    if (r == 0)
        r = prepare(exchange, path, timeout_ms);
    if (r < 0)
        return r;
    *ret = TAKE(exchange);
    return 0;
}

struct exchange *exchange_free(struct exchange *exchange)
{
    if (!exchange)
        return NULL;
    for (size_t i = 0; i < CLIENT_EXCHANGES_MAX; i++)
        if (exchange->client->exchanges[i] == exchange)
            exchange->client->exchanges[i] = NULL;
    if (exchange->added)
        curl_multi_remove_handle(exchange->client->multi, exchange->curl);
    curl_easy_cleanup(exchange->curl);
    curl_slist_free_all(exchange->headers);
    buffer_done(&exchange->request);
    buffer_done(&exchange->received);
    free(exchange);
    return NULL;
}

/* One JSON object, or it was not agentd that answered. */
static int parse_body(const struct buffer *body, struct json_object **ret)
{
    CLEANUP_JSON struct json_object *object = NULL;
    int r = body->data ? json_parse(body->data, body->length, &object) : -EBADMSG;

    if (r == -ENOMEM)
        return r;
    if (r < 0 || !json_object_is_type(object, json_type_object))
        return -EBADMSG;
    *ret = TAKE(object);
    return 0;
}

static int read_answer(struct exchange *exchange, CURLcode code, struct answer *ret)
{
    struct answer answer = {.body = NULL};
    long status = 0;
    int r = error_from_curl(exchange->curl, code);

    if (r == 0)
        r = parse_body(&exchange->received, &answer.body);
    if (r < 0)
        return r;
    curl_easy_getinfo(exchange->curl, CURLINFO_RESPONSE_CODE, &status);
    answer.status = (unsigned) status;
    *ret = answer;
    return 0;
}

int client_request(struct client *client, const char *path, const struct json_object *body,
                   uint64_t timeout_ms, struct answer *ret)
{
    CLEANUP(exchange_freep) struct exchange *exchange = NULL;
    int r = exchange_new(&exchange, client, path, body, timeout_ms);

    return r < 0 ? r : read_answer(exchange, curl_easy_perform(exchange->curl), ret);
}

/* --- Several --------------------------------------------------------------------------------- */

int client_start(struct client *client, const char *path, const struct json_object *body,
                 uint64_t timeout_ms, struct exchange **ret)
{
    CLEANUP(exchange_freep) struct exchange *exchange = NULL;
    size_t free_place = 0;
    int r;

    while (free_place < CLIENT_EXCHANGES_MAX && client->exchanges[free_place])
        free_place++;
    if (free_place == CLIENT_EXCHANGES_MAX)
        return -EBUSY;
    if (!client->multi)
        client->multi = curl_multi_init();
    if (!client->multi)
        return -ENOMEM;
    r = exchange_new(&exchange, client, path, body, timeout_ms);
    if (r < 0)
        return r;
    if (curl_multi_add_handle(client->multi, exchange->curl) != CURLM_OK)
        return -ENOMEM;
    exchange->added = true;
    client->exchanges[free_place] = exchange;
    *ret = TAKE(exchange);
    return 0;
}

int exchange_take(struct exchange *exchange, struct answer *ret)
{
    return exchange->ended ? read_answer(exchange, exchange->code, ret) : -EAGAIN;
}

/* Lets curl do what can be done now. Returns whether an exchange has ended. */
static bool perform(struct client *client)
{
    struct CURLMsg *message;
    bool ended = false;
    int left;

    (void) curl_multi_perform(client->multi, &left);
    while ((message = curl_multi_info_read(client->multi, &left))) {
        struct exchange *exchange = NULL;

        if (message->msg != CURLMSG_DONE)
            continue;
        curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &exchange);
        exchange->code = message->data.result;
        exchange->ended = ended = true;
    }
    return ended;
}

int client_wait(struct client *client, const int fds[], size_t n_fds, uint64_t timeout_us)
{
    struct curl_waitfd extra[CLIENT_FDS_MAX];
    uint64_t deadline_us = clock_monotonic_us() + timeout_us;

    if (!client->multi)
        client->multi = curl_multi_init();
    if (!client->multi)
        return -ENOMEM;
    n_fds = MIN(n_fds, (size_t) CLIENT_FDS_MAX);
    while (!perform(client)) {
        uint64_t now_us = clock_monotonic_us();
        int left_ms = now_us < deadline_us ? (int) ((deadline_us - now_us + 999) / 1000) : 0;

        for (size_t i = 0; i < n_fds; i++)
            extra[i] = (struct curl_waitfd){.fd = fds[i], .events = CURL_WAIT_POLLIN};
        if (curl_multi_poll(client->multi, extra, (unsigned) n_fds, left_ms, NULL) != CURLM_OK)
            return -EIO;
        for (size_t i = 0; i < n_fds; i++)
            if (extra[i].revents)
                return 0;
        if (left_ms == 0)
            return 0;
    }
    return 0;
}

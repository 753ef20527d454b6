/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The control API over libcurl's easy interface, one request at a time.
 *
 * The only file of agentctl that knows libcurl. It has no loop because a run of agentctl does one
 * thing, and nothing waits behind it. Each request has a connection of its own, so that a core that
 * was replaced in between costs nothing.
 */
#include "ctl/client.h"

#include <curl/curl.h>
#include <errno.h>
#include <string.h>
#include <sys/un.h>

#define CLIENT_REQUEST_LIMIT (64u * 1024)

DEFINE_CLEANUP(struct curl_slist *, curl_slist_free_all)

struct client {
    CURL *curl;
    const char *socket_path;
};

int client_new(struct client **ret, const char *socket_path)
{
    CLEANUP(client_freep) struct client *client = NULL;

    if (strlen(socket_path) >= sizeof(((struct sockaddr_un *) NULL)->sun_path))
        return -ENAMETOOLONG;
    client = calloc(1, sizeof(*client));
    if (!client)
        return -ENOMEM;
    client->socket_path = socket_path;
    client->curl = curl_easy_init();
    if (!client->curl)
        return -ENOMEM;
    *ret = TAKE(client);
    return 0;
}

struct client *client_free(struct client *client)
{
    if (!client)
        return NULL;
    curl_easy_cleanup(client->curl);
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

/* Sets up a fresh request; what is set here lives in curl until the next reset. */
static int prepare(struct client *client, const char *path, const struct buffer *request,
                   struct curl_slist *headers, uint64_t timeout_ms, struct buffer *body)
{
    CURL *curl = client->curl;
    char url[512];

    if (snprintf(url, sizeof(url), "http://localhost%s", path) >= (int) sizeof(url))
        return -ENAMETOOLONG;
    curl_easy_reset(curl);
    CURLcode code = curl_easy_setopt(curl, CURLOPT_URL, url);
    if (code == CURLE_OK)
        code = curl_easy_setopt(curl, CURLOPT_UNIX_SOCKET_PATH, client->socket_path);
    if (code != CURLE_OK)
        return -ENOMEM;
    curl_easy_setopt(curl, CURLOPT_PROXY, ""); /* $http_proxy has no say here */
    curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
    /* On a kept connection that died meanwhile curl would send a POST a second time. */
    curl_easy_setopt(curl, CURLOPT_FORBID_REUSE, 1L);
    curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers);
    curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, (long) timeout_ms);
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, client_on_body);
    curl_easy_setopt(curl, CURLOPT_WRITEDATA, body);
    if (request->data) {
        curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE, (long) request->length);
        curl_easy_setopt(curl, CURLOPT_POSTFIELDS, request->data); /* borrowed */
    }
    return 0;
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

int client_request(struct client *client, const char *path, const struct json_object *body,
                   uint64_t timeout_ms, struct answer *ret)
{
    CLEANUP(curl_slist_free_allp) struct curl_slist *headers = NULL;
    CLEANUP(buffer_done) struct buffer request = {.data = NULL}, received = {.data = NULL};
    struct answer answer = {.body = NULL};
    long status = 0;
    int r = 0;

    buffer_init(&request, CLIENT_REQUEST_LIMIT);
    buffer_init(&received, CLIENT_ANSWER_LIMIT);
    if (body) {
        headers = curl_slist_append(NULL, "Content-Type: application/json");
        if (!headers)
            return -ENOMEM;
        r = json_print(body, false, &request);
    }
    if (r == 0)
        r = prepare(client, path, &request, headers, timeout_ms, &received);
    if (r == 0)
        r = error_from_curl(client->curl, curl_easy_perform(client->curl));
    if (r == 0)
        r = parse_body(&received, &answer.body);
    if (r < 0)
        return r;
    curl_easy_getinfo(client->curl, CURLINFO_RESPONSE_CODE, &status);
    answer.status = (unsigned) status;
    *ret = answer;
    return 0;
}

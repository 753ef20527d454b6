/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A libcurl easy handle for one request.
 *
 * HTTP/1.1 only: a call or two a minute gain nothing by HTTP/2, which costs nghttp2's memory, makes
 * calls share connections and so their faults, and lets a server refuse a stream that curl then
 * sends again.
 */
#include "common/net/http-transfer.h"

#include "common/net/http-check.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

/* A kept connection that was idle for longer isn't used again: many servers close theirs after 20 s
 * to a minute, and a request that crosses the close is lost, perhaps after it was carried out. */
#define IDLE_MAX_S 15L

#define TIMEOUT_MAX_MS INT32_MAX
/* The least that libcurl takes; its 64 KiB are for bulk. */
#define UPLOAD_BUFFER_BYTES (16L * 1024)
/* CURLE_TOO_LARGE, which the header of 7.88 has not yet. */
#define CODE_TOO_LARGE 100

/* --- the request ------------------------------------------------------------------------------ */

static bool url_is_sound(const char *url)
{
    size_t scheme = strncasecmp(url, "https://", 8) == 0  ? 8
                    : strncasecmp(url, "http://", 7) == 0 ? 7
                                                          : 0;

    if (scheme == 0 || url[scheme] == '\0' || url[scheme] == '/')
        return false;
    for (const char *c = url; *c; c++)
        if ((unsigned char) *c <= ' ' || *c == '\x7f')
            return false;
    return true;
}

/* "Name: value" on one line; whoever may put a line break into a value could add headers. */
static bool header_is_sound(const char *header)
{
    size_t length = strcspn(header, ":");
    char name[128];

    if (header[length] != ':' || length >= sizeof(name))
        return false;
    memcpy(name, header, length);
    name[length] = '\0';
    if (!http_is_token(name))
        return false;
    for (const char *c = header + length + 1; *c; c++)
        if (((unsigned char) *c < ' ' && *c != '\t') || *c == '\x7f')
            return false;
    return true;
}

static bool request_is_sound(const struct http_client_request *request)
{
    size_t n = 0;

    if (!request->method || !http_is_token(request->method) || !request->url ||
        !url_is_sound(request->url) || request->timeout_us == 0 ||
        (!request->body && request->body_length > 0))
        return false;
    for (const char *const *header = request->headers; header && *header; header++)
        if (++n > HTTP_CLIENT_HEADERS_MAX || !header_is_sound(*header))
            return false;
    return true;
}

static int add_header(struct http_transfer *t, const char *line)
{
    struct curl_slist *longer = t->curl->slist_append(t->headers, line);

    if (!longer)
        return -ENOMEM;
    t->headers = longer;
    return 0;
}

/* libcurl takes "Name:" as a wish to leave it out, and "Name;" for an empty value. */
static int add_request_header(struct http_transfer *t, const char *header)
{
    size_t name_length = strcspn(header, ":");
    const char *value = header + name_length + 1;
    CLEANUP_FREE char *line = NULL;

    if (value[strspn(value, " \t")] != '\0')
        return add_header(t, header);
    line = strndup(header, name_length + 1);
    if (!line)
        return -ENOMEM;
    line[name_length] = ';';
    return add_header(t, line);
}

static bool has_header(const struct http_client_request *request, const char *name)
{
    size_t length = strlen(name);

    for (const char *const *header = request->headers; header && *header; header++)
        if (strncasecmp(*header, name, length) == 0 && (*header)[length] == ':')
            return true;
    return false;
}

static int add_headers(struct http_transfer *t, const struct http_client_request *request)
{
    /* What libcurl adds unasked. Expect makes it wait for a second whether a body is wanted. */
    static const char *const UNASKED[] = {"Accept", "Content-Type", "Expect"};

    for (const char *const *header = request->headers; header && *header; header++) {
        int r = add_request_header(t, *header);

        if (r < 0)
            return r;
    }
    /* So the server closes first, and the port that waits for stray packets (TIME_WAIT) is its. */
    if (request->own_connection && !has_header(request, "Connection")) {
        int r = add_header(t, "Connection: close");

        if (r < 0)
            return r;
    }
    for (size_t i = 0; i < ARRAY_SIZE(UNASKED); i++) {
        char none[32];
        int r;

        if (has_header(request, UNASKED[i]))
            continue;
        snprintf(none, sizeof(none), "%s:", UNASKED[i]);
        r = add_header(t, none);
        if (r < 0)
            return r;
    }
    return 0;
}

/* --- curl's callbacks ------------------------------------------------------------------------- */

/*
 * Comes right before a request is sent, on a new or a kept connection. When a kept one turns out to
 * be closed, libcurl sends the request once more, whatever its method (Curl_retry_request), though
 * the first may have been carried out: it is not let. Whether to try again is the caller's to say.
 *
 * So that this happens seldom, a kept connection is looked at once more. libcurl does so too,
 * but 7.88 takes TLS's farewell, which comes before the end of the connection, for a sign of life.
 */
static int on_before_request(void *userdata, char *remote_ip, char *local_ip, int remote_port,
                             int local_port)
{
    struct http_transfer *t = userdata;

    if (t->began)
        t->resend = true;
    else if (!t->opened && http_sockets_has_input(t->sockets, local_port, remote_port))
        t->stale = true;
    else
        t->began = true;
    return t->resend || t->stale ? CURL_PREREQFUNC_ABORT : CURL_PREREQFUNC_OK;
}

/* None is opened to send a request again. */
static curl_socket_t on_open_socket(void *userdata, curlsocktype purpose,
                                    struct curl_sockaddr *address)
{
    struct http_transfer *t = userdata;
    int fd;

    if (t->began) {
        t->resend = true;
        return CURL_SOCKET_BAD;
    }
    t->opened = true;
    fd = http_sockets_open(t->sockets, address->family, address->socktype, address->protocol);
    return fd < 0 ? CURL_SOCKET_BAD : fd;
}

/* The connection may outlive the transfer that opened it. */
static int on_close_socket(void *userdata, curl_socket_t fd)
{
    struct http_sockets *sockets = userdata;

    return http_sockets_close(sockets, fd);
}

/* Keeps the reason; a count other than that of the bytes makes libcurl end the transfer. */
static size_t break_off(struct http_transfer *t, int error)
{
    t->refused = error == -ENOBUFS ? -EMSGSIZE : error;
    return 0;
}

static size_t on_body(char *data, size_t size, size_t n, void *userdata)
{
    struct http_transfer *t = userdata;
    size_t length = size * n;
    int r;

    t->body_received += length;
    if (t->cut_body)
        length = MIN(length, t->body.limit - t->body.length);
    r = buffer_append(&t->body, data, length);
    return r < 0 ? break_off(t, r) : size * n;
}

/* One line a call, whole, with its end. */
static size_t on_head_line(char *line, size_t size, size_t n, void *userdata)
{
    struct http_transfer *t = userdata;
    int r = http_answer_add_line(&t->answer, line, size * n);

    return r < 0 ? break_off(t, r) : size * n;
}

/* --- options ---------------------------------------------------------------------------------- */

/* Sets an option unless one before it failed. */
#define SET(option, value)                                                                         \
    do {                                                                                           \
        if (code == CURLE_OK)                                                                      \
            code = t->curl->easy_setopt(t->easy, (option), (value));                               \
    } while (0)

/* Up, so that no deadline becomes none (0), and one more: where a second begins in between, libcurl
 * finds up to a millisecond too much to have passed (Curl_timediff). */
static long milliseconds(uint64_t us)
{
    uint64_t ms = us / 1000 + (us % 1000 > 0) + 1;

    return (long) MIN(ms, (uint64_t) TIMEOUT_MAX_MS);
}

static CURLcode set_method(struct http_transfer *t, const struct http_client_request *request)
{
    static const char *const WITH_BODY[] = {"POST", "PUT", "PATCH"};
    bool body = request->body_length > 0;
    CURLcode code = CURLE_OK;

    for (size_t i = 0; i < ARRAY_SIZE(WITH_BODY); i++)
        body = body || strcmp(request->method, WITH_BODY[i]) == 0;
    if (body) { /* also an empty one: Content-Length: 0 */
        SET(CURLOPT_POSTFIELDS, t->request_body);
        SET(CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t) request->body_length);
    }
    if (strcmp(request->method, "HEAD") == 0)
        SET(CURLOPT_NOBODY, 1L); /* else it would wait for the body that the answer announces */
    else
        SET(CURLOPT_CUSTOMREQUEST, request->method);
    return code;
}

static CURLcode set_connection(struct http_transfer *t, const struct http_transfer_options *options,
                               const struct http_client_request *request)
{
    uint64_t connect_us = request->connect_timeout_us;
    CURLcode code = CURLE_OK;

    SET(CURLOPT_NOSIGNAL, 1L);
    SET(CURLOPT_TIMEOUT_MS, milliseconds(request->timeout_us));
    SET(CURLOPT_CONNECTTIMEOUT_MS, milliseconds(connect_us > 0 ? connect_us : request->timeout_us));
    SET(CURLOPT_MAXAGE_CONN, IDLE_MAX_S);
    SET(CURLOPT_FRESH_CONNECT, request->own_connection ? 1L : 0L);
    SET(CURLOPT_FORBID_REUSE, request->own_connection ? 1L : 0L);
    /* Else ending a call waits for the thread that looks its name up, for as long as that takes. */
    SET(CURLOPT_QUICK_EXIT, 1L);
    SET(CURLOPT_OPENSOCKETFUNCTION, on_open_socket);
    SET(CURLOPT_OPENSOCKETDATA, t);
    SET(CURLOPT_CLOSESOCKETFUNCTION, on_close_socket);
    SET(CURLOPT_CLOSESOCKETDATA, t->sockets);
    SET(CURLOPT_PROXY, request->no_proxy ? "" : http_environment_proxy(request->url));
    SET(CURLOPT_NOPROXY, request->no_proxy ? "*" : http_environment_no_proxy());
    SET(CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
    SET(CURLOPT_SSLVERSION, (long) CURL_SSLVERSION_TLSv1_2);
    SET(CURLOPT_SSL_SESSIONID_CACHE, 0L); /* it would last as long as the handle: one request */
    if (options->trust->file || options->trust->directory) {
        SET(CURLOPT_CAINFO, options->trust->file);
        SET(CURLOPT_CAPATH, options->trust->directory);
    }
    return code;
}

static CURLcode set_options(struct http_transfer *t, const struct http_transfer_options *options,
                            const struct http_client_request *request)
{
    CURLcode code = CURLE_OK;

    SET(CURLOPT_ERRORBUFFER, t->error_text);
    SET(CURLOPT_PRIVATE, t);
    SET(CURLOPT_PROTOCOLS_STR, "http,https");
    SET(CURLOPT_HTTP_VERSION, (long) CURL_HTTP_VERSION_1_1);
    SET(CURLOPT_URL, request->url);
    SET(CURLOPT_PATH_AS_IS, 1L);
    SET(CURLOPT_USERAGENT, options->user_agent);
    SET(CURLOPT_HTTPHEADER, t->headers);
    SET(CURLOPT_UPLOAD_BUFFERSIZE, UPLOAD_BUFFER_BYTES);
    SET(CURLOPT_PREREQFUNCTION, on_before_request);
    SET(CURLOPT_PREREQDATA, t);
    SET(CURLOPT_WRITEFUNCTION, on_body);
    SET(CURLOPT_WRITEDATA, t);
    SET(CURLOPT_HEADERFUNCTION, on_head_line);
    SET(CURLOPT_HEADERDATA, t);
    if (code == CURLE_OK)
        code = set_method(t, request);
    return code == CURLE_OK ? set_connection(t, options, request) : code;
}

int http_transfer_init(struct http_transfer *ret, const struct http_transfer_options *options,
                       const struct http_client_request *request)
{
    struct http_transfer *t = ret;
    CURLcode code;
    int r;

    *t = (struct http_transfer){
        .curl = options->curl,
        .sockets = options->sockets,
        .cut_body = request->cut_body,
    };
    http_answer_init(&t->answer, HTTP_CLIENT_HEAD_LIMIT_BYTES);
    buffer_init(&t->body, request->response_limit_bytes);
    if (!request_is_sound(request))
        return -EINVAL;
    t->easy = t->curl->easy_init();
    t->request_body = malloc(request->body_length + 1);
    if (!t->easy || !t->request_body)
        return -ENOMEM;
    if (request->body_length > 0)
        memcpy(t->request_body, request->body, request->body_length);
    t->request_body[request->body_length] = '\0';
    r = add_headers(t, request);
    if (r < 0)
        return r;
    code = set_options(t, options, request);
    return code == CURLE_OK ? 0 : code == CURLE_OUT_OF_MEMORY ? -ENOMEM : -EINVAL;
}

void http_transfer_done(struct http_transfer *t)
{
    if (t->easy)
        t->curl->easy_cleanup(t->easy);
    t->easy = NULL;
    if (t->headers)
        t->curl->slist_free_all(t->headers);
    t->headers = NULL;
    free(TAKE(t->request_body));
    http_answer_done(&t->answer);
    buffer_done(&t->body);
}

/* --- the outcome ------------------------------------------------------------------------------ */

bool http_transfer_again(struct http_transfer *t)
{
    if (!t->stale || t->curl->easy_setopt(t->easy, CURLOPT_FRESH_CONNECT, 1L) != CURLE_OK)
        return false;
    t->stale = false;
    t->error_text[0] = '\0';
    return true;
}

/* A connection that broke, by how far the exchange had come. */
static int broken(const struct http_transfer *t)
{
    if (t->answer.status >= 200)
        return -EBADMSG;
    return t->began ? -ECONNRESET : -ECONNREFUSED;
}

static int error_of(const struct http_transfer *t, CURLcode code)
{
    if (t->refused < 0)
        return t->refused == -ENOMEM ? -EIO : t->refused;
    if (t->resend)
        return -ECONNRESET;
    switch ((int) code) {
    case CURLE_OK: /* also where the server closes within the head */
        return t->answer.ended ? 0 : broken(t);
    case CURLE_COULDNT_RESOLVE_HOST:
    case CURLE_COULDNT_RESOLVE_PROXY:
        return -ENOENT;
    case CURLE_COULDNT_CONNECT:
        return -ECONNREFUSED;
    case CURLE_OPERATION_TIMEDOUT:
        return -ETIMEDOUT;
    case CURLE_GOT_NOTHING:
    case CURLE_PARTIAL_FILE:
    case CURLE_RECV_ERROR:
    case CURLE_SEND_ERROR:
        return broken(t);
    case CURLE_OUT_OF_MEMORY:
        /* What 7.88 says of a line over its own limit of 100 kB. */
        return t->began && !t->answer.ended ? -EMSGSIZE : -EIO;
    case CODE_TOO_LARGE:
        return -EMSGSIZE;
    case CURLE_UNSUPPORTED_PROTOCOL: /* "HTTP/0.9": no status line; the URL's scheme was checked */
    case CURLE_WEIRD_SERVER_REPLY:
    case CURLE_BAD_CONTENT_ENCODING:
    case CURLE_PROXY:
    case CURLE_SSL_CONNECT_ERROR:
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_ENGINE_NOTFOUND:
    case CURLE_SSL_ENGINE_SETFAILED:
    case CURLE_SSL_CERTPROBLEM:
    case CURLE_SSL_CIPHER:
    case CURLE_USE_SSL_FAILED:
    case CURLE_SSL_CACERT_BADFILE:
    case CURLE_SSL_SHUTDOWN_FAILED:
    case CURLE_SSL_CRL_BADFILE:
    case CURLE_SSL_ISSUER_ERROR:
    case CURLE_SSL_PINNEDPUBKEYNOTMATCH:
    case CURLE_SSL_INVALIDCERTSTATUS:
        return -EPROTO;
    default:
        return -EIO;
    }
}

/* Our own words where curl's would mislead or there are none. */
static const char *text_of(struct http_transfer *t, CURLcode code, int error)
{
    if (error == 0)
        return "";
    if (error == -EMSGSIZE && !t->answer.ended)
        snprintf(t->error_text, sizeof(t->error_text), "the answer's head is over %u bytes",
                 HTTP_CLIENT_HEAD_LIMIT_BYTES);
    else if (error == -EMSGSIZE)
        snprintf(t->error_text, sizeof(t->error_text), "the answer's body is over %zu bytes",
                 t->body.limit);
    else if (t->resend)
        return "the kept connection was closed, and the request isn't sent twice";
    else if (code == CURLE_OK)
        return "the connection was closed within the answer's head";
    return t->error_text[0] ? t->error_text : t->curl->easy_strerror(code);
}

bool http_transfer_is_sent(const struct http_transfer *t)
{
    return t->began;
}

void http_transfer_result(struct http_transfer *t, CURLcode code, struct http_client_response *ret)
{
    ret->error = error_of(t, code);
    ret->error_text = text_of(t, code, ret->error);
    ret->sent = t->began;
    ret->status = t->answer.status >= 200 ? t->answer.status : 0;
    ret->body = t->body.data ? t->body.data : "";
    ret->body_length = t->body.length;
    ret->body_received = t->body_received;
}

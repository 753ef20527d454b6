/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One request: its head is checked, its body gathered, its route's handler called, its answer
 * queued, its end counted. The state machine runs over libmicrohttpd's three kinds of calls: the
 * head, a piece of the body, all of it.
 */
#include "common/net/http-internal.h"

#include "common/base/clock.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

/* What libmicrohttpd needs of a connection's memory beside the head: a list node for each header,
 * and room for the answer's head. */
#define POOL_BYTES_A_HEADER 80
#define POOL_BYTES_ANSWER   1024

static void request_set_end(struct http_request *request, enum request_state state, unsigned status,
                            size_t bytes)
{
    const struct http_server_options *options = &request->server->options;

    request->state = state;
    if (options->on_end)
        options->on_end(request, status, bytes, clock_monotonic_us() - request->begin_at_us,
                        options->observer);
}

static bool request_is_open(const struct http_request *request)
{
    return request->state == REQUEST_RECEIVING || request->state == REQUEST_HANDLED ||
           request->state == REQUEST_WAITING;
}

/* --- answers --------------------------------------------------------------------------------- */

static void request_queue(struct http_request *request, struct http_response *response)
{
    bool close = request->server->draining || http_server_is_crowded(request->server);
    struct MHD_Response *mhd = http_response_get(response, close);

    request->queued =
        mhd && MHD_queue_response(request->mhd, http_response_status(response), mhd) == MHD_YES;
}

void http_respond(struct http_request *request, struct http_response *response)
{
    unsigned status = http_response_status(response);
    bool has_body = !request->is_head && status != 204 && status != 304;

    if (!request_is_open(request))
        return;
    /* Counted before the first byte can leave: what a client has seen is in the scoreboard, even
     * if this process is killed in between. */
    request_set_end(request, REQUEST_ANSWERED, status,
                    has_body ? http_response_length(response) : 0);
    if (!request->suspended) {
        request_queue(request, response);
        return;
    }
    request->answer = http_response_ref(response);
    request->suspended = false;
    MHD_resume_connection(request->mhd);
    http_server_schedule(request->server);
}

/* Out of memory: the connection is closed without an answer. */
static void request_give_up(struct http_request *request)
{
    request_set_end(request, REQUEST_LOST, 0, 0);
    if (!request->suspended)
        return;
    request->suspended = false;
    MHD_resume_connection(request->mhd);
    http_server_schedule(request->server);
}

void http_respond_bytes(struct http_request *request, unsigned status, const char *content_type,
                        const void *body, size_t length)
{
    CLEANUP(http_response_freep) struct http_response *response = NULL;

    if (!request_is_open(request))
        return;
    if (http_response_new(&response, status, content_type, body, length) < 0)
        request_give_up(request);
    else
        http_respond(request, response);
}

void http_respond_text(struct http_request *request, unsigned status, const char *text)
{
    struct buffer buffer;

    buffer_init(&buffer, SIZE_MAX);
    buffer_append_string(&buffer, text);
    buffer_append_string(&buffer, "\n");
    if (buffer.failed)
        request_give_up(request);
    else
        http_respond_bytes(request, status, "text/plain; charset=utf-8", buffer.data,
                           buffer.length);
    buffer_done(&buffer);
}

static int request_new_page(struct http_response **ret, struct http_request *request,
                            unsigned status)
{
    const struct http_server_options *options = &request->server->options;
    CLEANUP(http_response_freep) struct http_response *page = NULL;
    char allow[HTTP_ALLOW_MAX];
    int r = 0;

    if (options->error_page)
        page = options->error_page(request, status, options->userdata);
    if (!page)
        r = http_response_new_page(&page, status);
    if (r == 0 && status == 405)
        r = http_response_add_header(page, "Allow", http_format_allow(allow, request->allowed));
    if (r == 0)
        *ret = TAKE(page);
    return r;
}

static void request_respond_page(struct http_request *request, unsigned status)
{
    CLEANUP(http_response_freep) struct http_response *page = NULL;

    if (request_new_page(&page, request, status) < 0)
        request_give_up(request);
    else
        http_respond(request, page);
}

/* --- the head -------------------------------------------------------------------------------- */

static enum MHD_Result add_header(void *head, enum MHD_ValueKind kind, const char *name,
                                  const char *value)
{
    http_head_add(head, name, value);
    return MHD_YES;
}

static void request_route(struct http_request *request)
{
    for (const struct http_route *route = request->server->options.routes; route->path; route++) {
        if (!http_path_matches(route->path, request->path))
            continue;
        request->allowed |= route->methods;
        if (route->methods & request->method) {
            request->route = route;
            return;
        }
    }
    request->refusal = request->allowed ? 405 : 404;
}

/* Whether libmicrohttpd could still write an answer beside this head. */
static bool head_fits(const struct http_request *request, const struct http_head *head)
{
    size_t length = head->has_gap ? 0 : http_head_length(head, request->method_name);

    return length + head->n_headers * POOL_BYTES_A_HEADER + POOL_BYTES_ANSWER <= HTTP_POOL_BYTES;
}

static void request_read_head(struct http_request *request, const char *version,
                              struct http_head *head)
{
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(request->mhd, MHD_CONNECTION_INFO_REQUEST_HEADER_SIZE);

    http_head_begin(head, version);
    MHD_get_connection_values(request->mhd, MHD_HEADER_KIND, add_header, head);
    http_head_end(head, request->method_name, info ? info->header_size : 0);
    /* The target between method and version: one blank before it, and no NUL in it. */
    if (request->target != request->method_name + strlen(request->method_name) + 1 ||
        request->target_end + 1 != version)
        head->has_gap = true;
}

/* Sets refusal, and returns whether the connection has to be closed with it: where the next request
 * would begin is unknown, or a body that nobody wants. */
static bool request_check_head(struct http_request *request, const char *version)
{
    struct http_head head;

    request_read_head(request, version, &head);
    if (request->server->probing) {
        request->server->sees_layout = !head.has_gap;
        request->refusal = 400;
    } else if (!http_head_is_sound(&head, version) || request->bad_escape ||
               (head.has_gap && request->server->sees_layout) || !http_path_is_sound(request->path))
        request->refusal = 400;
    else if (strlen(request->path) > HTTP_PATH_MAX)
        request->refusal = 414;
    else if (!head_fits(request, &head))
        request->refusal = 431;
    if (request->refusal)
        return true;
    request_route(request);
    if (!http_head_has_body(&head))
        return false;
    if (request->refusal)
        return true;
    if (request->route->body_limit == 0 || head.content_length > request->route->body_limit) {
        request->refusal = 413;
        return true;
    }
    buffer_init(&request->body, request->route->body_limit);
    return false;
}

static void request_begin(struct http_request *request, struct http_server *server,
                          struct MHD_Connection *mhd, const char *url, const char *method)
{
    /* Found before the head was complete. */
    bool bad_escape = request->bad_escape;
    const char *target = request->target, *target_end = request->target_end;

    *request = (struct http_request){
        .state = REQUEST_RECEIVING,
        .server = server,
        .mhd = mhd,
        .path = url,
        .method_name = method,
        .method = (enum http_method) http_method_from_string(method),
        .is_head = strcmp(method, "HEAD") == 0,
        .bad_escape = bad_escape,
        .target = target,
        .target_end = target_end,
        .begin_at_us = clock_monotonic_us(),
    };
    server->in_flight++;
    server->begun++;
    /* Still quiet until the body is there: that has its time-out from now on. */
    http_connection_set_quiet(server, http_connection_of(request), true);
    if (server->options.on_begin)
        server->options.on_begin(server->options.observer);
}

/* An answer written past libmicrohttpd, where it can't take one: in the middle of a body, and when
 * the head has used up its memory. The connection is closed after it. */
static enum MHD_Result request_refuse_raw(struct http_request *request, unsigned status)
{
    struct http_connection *connection = http_connection_of(request);
    char answer[128];
    int n = snprintf(answer, sizeof(answer),
                     "HTTP/1.1 %u %s\r\nConnection: close\r\nContent-Length: 0\r\n\r\n", status,
                     MHD_get_reason_phrase_for(status));

    request_set_end(request, REQUEST_ANSWERED, status, 0);
    connection->linger = true;
    /* Nothing but a "100 Continue" can be before it in the socket; if it doesn't fit, the close
     * has to tell. */
    (void) !send(connection->fd, answer, (size_t) n, MSG_DONTWAIT | MSG_NOSIGNAL);
    return MHD_NO;
}

static enum MHD_Result request_on_head(struct http_server *server, struct MHD_Connection *mhd,
                                       const char *url, const char *method, const char *version,
                                       void **context)
{
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
    struct http_connection *connection = info ? info->socket_context : NULL;

    if (!connection)
        return MHD_NO;
    *context = &connection->request;
    request_begin(&connection->request, server, mhd, url, method);
    if (!request_check_head(&connection->request, version))
        return MHD_YES;
    if (server->probing)
        return MHD_NO;
    if (connection->request.refusal == 431)
        return request_refuse_raw(&connection->request, 431);
    /* An answer at this moment makes libmicrohttpd close the connection after it. */
    connection->linger = true;
    request_respond_page(&connection->request, connection->request.refusal);
    return connection->request.queued ? MHD_YES : MHD_NO;
}

/* --- the body -------------------------------------------------------------------------------- */

static enum MHD_Result request_on_body(struct http_request *request, const char *data,
                                       size_t *length)
{
    int r = buffer_append(&request->body, data, *length);

    if (r == 0) {
        *length = 0;
        return MHD_YES;
    }
    return r == -ENOBUFS ? request_refuse_raw(request, 413) : MHD_NO;
}

/* --- the handler ----------------------------------------------------------------------------- */

static enum MHD_Result request_on_complete(struct http_request *request)
{
    struct http_connection *connection = http_connection_of(request);

    if (request->answer) { /* resumed */
        request_queue(request, request->answer);
        request->answer = http_response_free(request->answer);
        return request->queued ? MHD_YES : MHD_NO;
    }
    if (request->state != REQUEST_RECEIVING)
        return MHD_NO;
    http_connection_set_quiet(request->server, connection, false);
    request->state = REQUEST_HANDLED;
    if (request->refusal)
        request_respond_page(request, request->refusal);
    else
        request->route->handler(request, request->server->options.userdata);
    if (request->state == REQUEST_HANDLED)
        request_respond_page(request, 500);
    if (request->state != REQUEST_WAITING)
        return request->queued ? MHD_YES : MHD_NO;
    if (http_connection_watch(request->server, connection) < 0 || connection->peer_gone) {
        http_request_abort(request);
        return MHD_NO;
    }
    request->suspended = true;
    MHD_suspend_connection(request->mhd);
    return MHD_YES;
}

void http_request_suspend(struct http_request *request,
                          void (*on_abort)(struct http_request *request, void *context),
                          void *context)
{
    if (request->state != REQUEST_HANDLED && request->state != REQUEST_WAITING)
        return;
    request->state = REQUEST_WAITING;
    request->on_abort = on_abort;
    request->abort_context = context;
}

void http_request_abort(struct http_request *request)
{
    void (*on_abort)(struct http_request * request, void *context) = request->on_abort;

    if (request->state != REQUEST_WAITING)
        return;
    request_set_end(request, REQUEST_LOST, 0, 0);
    if (on_abort)
        on_abort(request, request->abort_context);
    if (!request->suspended)
        return;
    request->suspended = false;
    MHD_resume_connection(request->mhd);
    http_server_schedule(request->server);
}

enum MHD_Result http_request_on_access(void *cls, struct MHD_Connection *mhd, const char *url,
                                       const char *method, const char *version,
                                       const char *upload_data, size_t *upload_data_size,
                                       void **context)
{
    ((struct http_server *) cls)->progress = true;
    if (!*context)
        return request_on_head(cls, mhd, url, method, version, context);
    if (*upload_data_size > 0)
        return request_on_body(*context, upload_data, upload_data_size);
    return request_on_complete(*context);
}

void http_request_on_completed(void *cls, struct MHD_Connection *mhd, void **context,
                               enum MHD_RequestTerminationCode code)
{
    struct http_request *request = *context;
    struct http_server *server = cls;

    server->progress = true;
    if (!request)
        return;
    *context = NULL;
    if (request->state == REQUEST_WAITING)
        http_request_abort(request);
    else if (request_is_open(request))
        request_set_end(request, REQUEST_LOST, 0, 0);
    buffer_done(&request->body);
    request->answer = http_response_free(request->answer);
    request->state = REQUEST_NONE;
    request->bad_escape = false;
    server->in_flight--;
    http_connection_set_quiet(server, http_connection_of(request), true);
}

/* --- what handlers ask ----------------------------------------------------------------------- */

enum http_method http_request_method(const struct http_request *request)
{
    return request->method;
}

const char *http_request_method_name(const struct http_request *request)
{
    return request->method_name;
}

const char *http_request_path(const struct http_request *request)
{
    return request->path;
}

const char *http_request_query(const struct http_request *request, const char *name)
{
    const char *value = NULL;

    if (MHD_lookup_connection_value_n(request->mhd, MHD_GET_ARGUMENT_KIND, name, strlen(name),
                                      &value, NULL) != MHD_YES)
        return NULL;
    return value ? value : "";
}

const char *http_request_header(const struct http_request *request, const char *name)
{
    return MHD_lookup_connection_value(request->mhd, MHD_HEADER_KIND, name);
}

struct header_lines {
    const char *name;
    const char **values;
    size_t max, n;
};

static enum MHD_Result add_line(void *userdata, enum MHD_ValueKind kind, const char *name,
                                const char *value)
{
    struct header_lines *lines = userdata;

    if (strcasecmp(name, lines->name) != 0)
        return MHD_YES;
    if (lines->n == lines->max)
        memmove(lines->values, lines->values + 1, --lines->n * sizeof(*lines->values));
    lines->values[lines->n++] = value ? value : "";
    return MHD_YES;
}

size_t http_request_header_lines(const struct http_request *request, const char *name,
                                 const char *ret[], size_t max)
{
    struct header_lines lines = {.name = name, .values = ret, .max = max};

    if (max > 0)
        MHD_get_connection_values(request->mhd, MHD_HEADER_KIND, add_line, &lines);
    return lines.n;
}

const char *http_request_body(const struct http_request *request, size_t *ret_length)
{
    *ret_length = request->body.length;
    return request->body.data ? request->body.data : "";
}

void *http_request_userdata(const struct http_request *request)
{
    return request->server->options.userdata;
}

int http_request_fd(const struct http_request *request)
{
    return ((const struct http_connection *) ((const char *) request -
                                              offsetof(struct http_connection, request)))
        ->fd;
}

static const char *format_address(const struct sockaddr *address, char *text, size_t size)
{
    const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *) address;
    const void *bytes = &in6->sin6_addr;
    int family = address->sa_family;

    if (family == AF_UNIX)
        return "unix";
    if (family == AF_INET)
        bytes = &((const struct sockaddr_in *) address)->sin_addr;
    else if (family != AF_INET6)
        return "";
    else if (IN6_IS_ADDR_V4MAPPED(&in6->sin6_addr)) {
        /* A client of a dual-stack listener; people know it by its IPv4 address. */
        family = AF_INET;
        bytes = &in6->sin6_addr.s6_addr[12];
    }
    return inet_ntop(family, bytes, text, (socklen_t) size) ? text : "";
}

const char *http_request_client(const struct http_request *request)
{
    /* Made on demand: most requests are never asked. The text is a cache, not the request's state.
     */
    struct http_request *cache = (struct http_request *) request;
    const union MHD_ConnectionInfo *info;

    if (request->client[0])
        return request->client;
    info = MHD_get_connection_info(request->mhd, MHD_CONNECTION_INFO_CLIENT_ADDRESS);
    if (!info || !info->client_addr)
        return "";
    return format_address(info->client_addr, cache->client, sizeof(cache->client));
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * HTTP/1.1 server: libmicrohttpd on an sd-event loop, with a table of routes and the strictness
 * that libmicrohttpd lacks.
 *
 * One thread, one loop; nothing here blocks. Handlers answer at once or keep the request and answer
 * from a later event. Refused with 400 and closed: more than one Content-Length or
 * Transfer-Encoding, both together, an encoding other than chunked, Host count other than 1, header
 * names that are no tokens, Transfer-Encoding on HTTP/1.0 (request smuggling, RFC 9112
 * section 11.2), and what libmicrohttpd hides: folded lines, bare CR or LF, NUL. The last need its
 * memory to lie as in 0.9.72 to 0.9.75, which http_server_new() tries out; elsewhere they pass.
 */
#pragma once

#include "common/base/macro.h"

#include <stdbool.h>
#include <sys/socket.h>
#include <systemd/sd-event.h>

#define HTTP_PATH_MAX 1024 /* longer: 414 */
#define HTTP_POOL_BYTES                                                                            \
    8192 /* libmicrohttpd's memory a connection: head and headers; more: 431                       \
          */

enum http_method {               /* a mask */
                   HTTP_GET = 1, /* answers HEAD too, without the body */
                   HTTP_POST = 2,
                   HTTP_PUT = 4,
                   HTTP_DELETE = 8,
};

struct http_server;
struct http_request;
struct http_response;

/*
 * Called once the whole body is there (up to the route's limit; more: 413). The handler calls
 * http_respond() now, or http_request_suspend() and http_respond() later. A request that it does
 * neither for is answered with 500.
 */
typedef void (*http_handler)(struct http_request *request, void *userdata);

struct http_route {
    unsigned methods;
    const char *path;  /* exact; or a prefix if it ends in '*' */
    size_t body_limit; /* bytes; 0 = no body */
    http_handler handler;
};

struct http_server_options {
    const struct http_route *routes; /* borrowed for the server's life; NULL path at the end.
                                        Unknown: 404, 405 with Allow */
    void *userdata;                  /* for handlers; and for observers, unless |observer| is set */
    void *observer;                  /* optional */
    unsigned connections_max;        /* more wait in the backlog */
    /* From so many on (0: connections_max) answers carry `Connection: close`, and for each that
     * comes, the one that was idle for longest is closed if that was over a second: idle clients
     * must not keep the others out. */
    unsigned connections_crowded;
    unsigned connections_per_client; /* from one address; 0 = no limit (behind a load balancer all
                                        come from few) */
    unsigned
        idle_timeout_s; /* silence on a connection, also in the middle of a head; then closed */
    /* Optional: the answer to what the server itself refuses (400, 404, 405, 413, 414, 415) or a
     * handler left without one (500), instead of a line of text; the server adds Allow to a 405.
     * Takes the response: one of its own for each request. NULL: the server's line after all. The
     * method is 0 where no route could have it; the path of a 400 may hold any bytes. */
    struct http_response *(*error_page)(const struct http_request *request, unsigned status,
                                        void *userdata);
    /* Optional. Each answered or lost request, for counters and access log; status 0 = connection
     * lost before the answer. */
    void (*on_begin)(void *observer);
    void (*on_end)(const struct http_request *request, unsigned status, size_t bytes,
                   uint64_t latency_us, void *observer);
    void (*on_connection)(int change, void *observer);
};

/*
 * For how many of |wanted| connections this process has descriptors, beside all else that it opens.
 * Its soft limit is raised towards the hard one, up to HTTP_DESCRIPTORS: 1024, which most start
 * with, is a number that any client can use up, and what the process then can't open is not only
 * its connections.
 */
#define HTTP_DESCRIPTORS 65536u
unsigned http_connections_possible(unsigned wanted);

/* It borrows |event| for its life. Nothing is served before http_server_listen() or
 * http_server_add_connection(). */
int http_server_new(struct http_server **ret, sd_event *event,
                    const struct http_server_options *options);
/* Closes every connection. Requests kept by handlers become invalid: their on_abort runs first. */
struct http_server *http_server_free(struct http_server *server);
DEFINE_CLEANUP(struct http_server *, http_server_free)

/* Serves a listening socket (TCP or unix, IPv4 or IPv6), which stays the caller's and must outlive
 * the server. May be called for several. */
int http_server_listen(struct http_server *server, int listen_fd);
/* Serves one accepted connection; takes |take_fd|. */
int http_server_add_connection(struct http_server *server, int take_fd,
                               const struct sockaddr *address, socklen_t length);
unsigned http_server_connections(const struct http_server *server);

/* From now on each answer carries `Connection: close`; listening sockets are no longer accepted
 * from; open connections go on. */
void http_server_drain(struct http_server *server);
/* How many requests are being received or answered. */
unsigned http_server_in_flight(const struct http_server *server);

/* --- a request; all strings are borrowed until it is answered
 * -------------------------------------------------------- */

enum http_method http_request_method(const struct http_request *request);
const char *http_request_method_name(const struct http_request *request);
const char *
http_request_path(const struct http_request *request); /* percent-decoded; no query; no NUL */
const char *http_request_query(const struct http_request *request,
                               const char *name); /* NULL if absent, "" without value */
const char *http_request_header(const struct http_request *request, const char *name);
/* Of a header that came several times: its values in their order, the last |max| of them. Returns
 * how many. http_request_header() knows only one of them, and proxies append lines. */
size_t http_request_header_lines(const struct http_request *request, const char *name,
                                 const char *ret[], size_t max);
const char *http_request_body(const struct http_request *request, size_t *ret_length);
void *http_request_userdata(const struct http_request *request); /* the server's */
/* The peer's address as text ("192.0.2.1", "2001:db8::1", "unix"); a static "" when unknown. */
const char *http_request_client(const struct http_request *request);
/* Descriptor of the connection, for SO_PEERCRED; not to be read or closed. */
int http_request_fd(const struct http_request *request);

/* --- answers
 * --------------------------------------------------------------------------------------------------------
 */

/* A response that can be sent any number of times, also to several requests at once. Copies |body|.
 */
int http_response_new(struct http_response **ret, unsigned status, const char *content_type,
                      const void *body, size_t length);
/* 304 for who has |of|: without headers yet; the length that it tells must be that of |of|, whose
 * body it shares (RFC 9110, section 8.6). */
int http_response_new_unchanged(struct http_response **ret, const struct http_response *of);
int http_response_add_header(struct http_response *response, const char *name, const char *value);
/* Drops one reference; those in flight keep theirs. */
struct http_response *http_response_free(struct http_response *response);
DEFINE_CLEANUP(struct http_response *, http_response_free)

/* "Not Found" for 404: never NULL. */
const char *http_status_phrase(unsigned status);

void http_respond(struct http_request *request, struct http_response *response);
/* One-off answers. http_respond_text adds a newline to |text|. */
void http_respond_bytes(struct http_request *request, unsigned status, const char *content_type,
                        const void *body, size_t length);
void http_respond_text(struct http_request *request, unsigned status, const char *text);

/*
 * Keeps the request for a later http_respond(). If its connection goes away first, |on_abort| is
 * called and the request is gone. When what it waited for leads to the next thing to wait for, it
 * may be called again, with another |on_abort|.
 */
void http_request_suspend(struct http_request *request,
                          void (*on_abort)(struct http_request *request, void *context),
                          void *context);

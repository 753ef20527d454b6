/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the parts of http-server share among each other, and nobody else sees: http-server.c (the
 * daemon, the loop, connections), http-request.c (one request from its head to its end),
 * http-response.c (answers).
 */
#pragma once

#include "common/base/buffer.h"
#include "common/net/acceptor.h"
#include "common/net/http-check.h"
#include "common/net/http-server.h"

#include <microhttpd.h>
#include <netinet/in.h>

/* --- a request: one a connection at a time, so it lives in the connection's struct --------------
 */

enum request_state {
    REQUEST_NONE,
    REQUEST_RECEIVING, /* head seen, body comes */
    REQUEST_HANDLED,   /* inside the route's handler */
    REQUEST_WAITING,   /* suspended: the handler answers later */
    REQUEST_ANSWERED,  /* the answer is libmicrohttpd's, or will be once it is resumed */
    REQUEST_LOST,      /* will never be answered */
};

struct http_request {
    enum request_state state;
    struct http_server *server;
    struct MHD_Connection *mhd;
    const struct http_route *route; /* NULL: none fits, see refusal */
    const char *path;               /* libmicrohttpd's, as are method and headers */
    const char *method_name;
    enum http_method method;
    bool is_head;   /* the answer has no body */
    bool queued;    /* the answer was handed to libmicrohttpd */
    bool suspended; /* libmicrohttpd leaves the connection alone until it is resumed */
    bool bad_escape;
    const char *target;     /* as it came; only its place counts */
    const char *target_end; /* its first NUL */
    unsigned refusal;       /* status to answer with instead of the handler; 0: none */
    unsigned allowed;       /* methods, for 405 */
    uint64_t begin_at_us;
    struct buffer body;
    struct http_response *answer; /* of a suspended request, until it is resumed */
    void (*on_abort)(struct http_request *request, void *context);
    void *abort_context;
    char client[INET6_ADDRSTRLEN];
};

struct http_connection {
    struct http_connection *previous, *next; /* in one of the server's two lists */
    struct http_request request;
    int fd;
    bool is_quiet;   /* no request on it, or only a part of one */
    bool is_watched; /* in the watch epoll */
    bool peer_gone;
    bool linger; /* refused with unread input: read it away before the last close */
    uint64_t quiet_since_tick;
};

struct connection_list {
    struct http_connection *first, *last;
};

struct http_server {
    sd_event *event;
    struct http_server_options options;
    struct MHD_Daemon *daemon;
    sd_event_source *io;    /* libmicrohttpd's epoll */
    sd_event_source *rerun; /* an answer came from elsewhere */
    sd_event_source *again; /* more to do than one wake-up may take */
    sd_event_source *timer; /* each second while there are connections */
    sd_event_source *watch; /* the peers of suspended requests: libmicrohttpd doesn't look */
    int watch_fd;
    struct acceptor *acceptor;
    struct http_linger *linger;
    struct connection_list quiet; /* the longest quiet first */
    struct connection_list busy;
    uint64_t tick; /* seconds, while the timer runs */
    unsigned connections;
    unsigned opening; /* added, and not announced by libmicrohttpd: from 1.0 on that comes later */
    unsigned connections_peak; /* since memory was last given back */
    unsigned in_flight;
    unsigned begun;   /* requests, in this round of MHD_run() */
    unsigned stalled; /* wake-ups in a row in which nothing happened, though there was to do */
    bool progress;    /* in this wake-up something happened */
    bool running;     /* inside MHD_run() */
    bool run_again;
    bool draining;
    bool probing;     /* the request is our own, see http-server.c */
    bool sees_layout; /* a head's strings lie as struct http_head wants them */
};

/* --- http-server.c ---------------------------------------------------------------------------- */

/* libmicrohttpd has something to do that its epoll does not tell. */
void http_server_schedule(struct http_server *server);
/* There is hardly a place left: connections don't stay open behind their answer. */
bool http_server_is_crowded(const struct http_server *server);
/* A connection has no request any more, or has one again. */
void http_connection_set_quiet(struct http_server *server, struct http_connection *connection,
                               bool quiet);
/* Tells http_request_abort() when the peer goes away. */
int http_connection_watch(struct http_server *server, struct http_connection *connection);

static inline struct http_connection *http_connection_of(struct http_request *request)
{
    return (struct http_connection *) ((char *) request -
                                       offsetof(struct http_connection, request));
}

/* --- http-request.c --------------------------------------------------------------------------- */

/* libmicrohttpd's access handler and completion callback; |cls| is the server. */
enum MHD_Result http_request_on_access(void *cls, struct MHD_Connection *mhd, const char *url,
                                       const char *method, const char *version,
                                       const char *upload_data, size_t *upload_data_size,
                                       void **context);
void http_request_on_completed(void *cls, struct MHD_Connection *mhd, void **context,
                               enum MHD_RequestTerminationCode code);
/* The peer of a suspended request is gone. */
void http_request_abort(struct http_request *request);

/* --- http-response.c -------------------------------------------------------------------------- */

unsigned http_response_status(const struct http_response *response);
size_t http_response_length(const struct http_response *response);
struct http_response *http_response_ref(struct http_response *response);
/* libmicrohttpd's object, with or without `Connection: close`. NULL: out of memory. */
struct MHD_Response *http_response_get(struct http_response *response, bool close);
/* "Not Found\n" for a status. */
int http_response_new_page(struct http_response **ret, unsigned status);

/* --- http-linger.c ---------------------------------------------------------------------------- */

/*
 * Closing a socket that has unread input resets the connection, and the peer may never see the
 * refusal that was sent before. So the input is read away first, for a bounded time and size.
 */
struct http_linger;
int http_linger_new(struct http_linger **ret, sd_event *event);
struct http_linger *http_linger_free(struct http_linger *linger);
/* Works on a copy of |fd|, which the caller closes. Nothing happens when there are too many. */
void http_linger_add(struct http_linger *linger, int fd);

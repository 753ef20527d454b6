/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The server: libmicrohttpd's epoll inside our loop, its connections, their time-outs.
 *
 * libmicrohttpd accepts nothing itself (MHD_USE_NO_LISTEN_SOCKET), so that one way of accepting
 * serves the agent and, with its gate, the workers.
 */
#include "common/net/http-server.h"

#include "common/net/http-internal.h"

#include "common/base/clock.h"

#include <errno.h>
#include <malloc.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/resource.h>

#define ACCEPT_BATCH 8
/* We count for ourselves; libmicrohttpd's own limit, which some versions reach early, is above. */
#define CONNECTIONS_SPARE 16
/* Rounds of MHD_run() in one wake-up. A further round finds the requests that came meanwhile
 * without a turn of the outer loop; bounded, so that other sources get theirs. */
#define RUNS_MAX     8
#define RERUN_FROM   2 /* requests in a round that make a further one worth its epoll_wait() */
#define WATCH_EVENTS 32
/* Rounds without any progress after which libmicrohttpd is given time, and how much. */
#define STALLED_RUNS  16u
#define STALL_WAIT_US (20 * USEC_PER_MSEC)
/* From so many connections on, their memory is given back when three quarters of them are gone. */
#define TRIM_FROM     512
#define TICK_US       USEC_PER_SEC
#define TICK_SLACK_US (USEC_PER_SEC / 4)

/* --- connections ----------------------------------------------------------------------------- */

static void list_remove(struct connection_list *list, struct http_connection *c)
{
    if (c->previous)
        c->previous->next = c->next;
    else
        list->first = c->next;
    if (c->next)
        c->next->previous = c->previous;
    else
        list->last = c->previous;
    c->previous = c->next = NULL;
}

static void list_append(struct connection_list *list, struct http_connection *c)
{
    c->previous = list->last;
    c->next = NULL;
    if (list->last)
        list->last->next = c;
    else
        list->first = c;
    list->last = c;
}

static struct connection_list *list_of(struct http_server *server, const struct http_connection *c)
{
    return c->is_quiet ? &server->quiet : &server->busy;
}

void http_connection_set_quiet(struct http_server *server, struct http_connection *c, bool quiet)
{
    list_remove(list_of(server, c), c);
    c->is_quiet = quiet;
    c->quiet_since_tick = server->tick;
    list_append(list_of(server, c), c);
}

int http_connection_watch(struct http_server *server, struct http_connection *c)
{
    /* Edge-triggered and for the connection's life: one system call, however many requests wait. */
    struct epoll_event event = {.events = EPOLLRDHUP | EPOLLET, .data.ptr = c};

    if (c->is_watched)
        return 0;
    if (epoll_ctl(server->watch_fd, EPOLL_CTL_ADD, c->fd, &event) < 0)
        return -errno;
    c->is_watched = true;
    return 0;
}

static bool is_full(const struct http_server *server)
{
    return server->connections + server->opening >= server->options.connections_max;
}

static void update_pause(struct http_server *server)
{
    acceptor_set_paused(server->acceptor, is_full(server));
}

bool http_server_is_crowded(const struct http_server *server)
{
    unsigned crowded = server->options.connections_crowded;

    return server->connections >= (crowded ? crowded : server->options.connections_max);
}

/* libmicrohttpd sees it in its next round, and closes. */
static void close_quiet_connection(struct http_server *server, struct http_connection *c)
{
    shutdown(c->fd, SHUT_RDWR);
    http_connection_set_quiet(server, c, false);
}

/* Not one of this second: its request may be on its way. */
static void make_room(struct http_server *server)
{
    struct http_connection *c = server->quiet.first;

    if (c && c->quiet_since_tick < server->tick && http_server_is_crowded(server))
        close_quiet_connection(server, c);
}

static void connection_opened(struct http_server *server, struct MHD_Connection *mhd,
                              void **socket_context)
{
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_CONNECTION_FD);
    struct http_connection *c = calloc(1, sizeof(*c));

    server->progress = true;
    server->opening -= server->opening > 0;
    *socket_context = c;
    if (!c) /* its first request will be refused by a close */
        return;
    c->fd = info ? info->connect_fd : -1;
    c->is_quiet = true;
    c->quiet_since_tick = server->tick;
    list_append(&server->quiet, c);
    server->connections++;
    if (sd_event_source_get_enabled(server->timer, NULL) == 0) {
        sd_event_source_set_time_relative(server->timer, TICK_US);
        sd_event_source_set_enabled(server->timer, SD_EVENT_ON);
    }
    make_room(server);
    if (server->options.on_connection)
        server->options.on_connection(1, server->options.observer);
}

static void connection_closed(struct http_server *server, void **socket_context)
{
    struct http_connection *c = TAKE(*socket_context);

    server->progress = true;
    if (!c)
        return;
    if (c->linger)
        http_linger_add(server->linger, c->fd);
    if (c->is_watched)
        epoll_ctl(server->watch_fd, EPOLL_CTL_DEL, c->fd, NULL);
    list_remove(list_of(server, c), c);
    free(c);
    server->connections--;
    update_pause(server);
    if (server->options.on_connection)
        server->options.on_connection(-1, server->options.observer);
}

static void on_connection(void *cls, struct MHD_Connection *mhd, void **socket_context,
                          enum MHD_ConnectionNotificationCode code)
{
    if (code == MHD_CONNECTION_NOTIFY_STARTED)
        connection_opened(cls, mhd, socket_context);
    else
        connection_closed(cls, socket_context);
}

static struct http_connection *connection_of(struct MHD_Connection *mhd)
{
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_SOCKET_CONTEXT);

    return info ? info->socket_context : NULL;
}

/* The request line was read. What is returned becomes the request's context: it has none yet. */
static void *on_target(void *cls, const char *target, struct MHD_Connection *mhd)
{
    struct http_connection *c = connection_of(mhd);

    if (c) {
        c->request.target = target;
        c->request.target_end = target ? target + strlen(target) : NULL;
    }
    return NULL;
}

/* libmicrohttpd asks for each name and value of the query and for the path, in that order, before
 * it reads the headers. */
static size_t on_unescape(void *cls, struct MHD_Connection *mhd, char *text)
{
    struct http_connection *c;
    long length = http_percent_decode(text);

    if (length >= 0)
        return (size_t) length;
    c = connection_of(mhd);
    if (c)
        c->request.bad_escape = true;
    return strlen(text);
}

/* --- the loop -------------------------------------------------------------------------------- */

void http_server_schedule(struct http_server *server)
{
    if (server->running)
        server->run_again = true;
    else
        sd_event_source_set_enabled(server->rerun, SD_EVENT_ONESHOT);
}

/* Not by the deferred source: one that enables itself again leaves the others no turn. */
static void run_later(struct http_server *server)
{
    server->stalled = server->progress ? 0 : MIN(server->stalled + 1, STALLED_RUNS);
    sd_event_source_set_time_relative(server->again,
                                      server->stalled < STALLED_RUNS ? 0 : STALL_WAIT_US);
    sd_event_source_set_enabled(server->again, SD_EVENT_ONESHOT);
}

static bool is_pending(struct http_server *server)
{
    MHD_UNSIGNED_LONG_LONG wait_ms;

    return server->run_again ||
           (MHD_get_timeout(server->daemon, &wait_ms) == MHD_YES && wait_ms == 0);
}

static void server_run(struct http_server *server)
{
    bool pending = true;

    server->running = true;
    server->progress = false;
    for (unsigned i = 0; i < RUNS_MAX && (pending || server->begun >= RERUN_FROM); i++) {
        server->begun = 0;
        server->run_again = false;
        MHD_run(server->daemon);
        server->opening = 0;
        pending = is_pending(server);
    }
    server->running = false;
    server->begun = 0;
    if (pending)
        run_later(server);
    else
        server->stalled = 0;
}

static int on_io(sd_event_source *source, int fd, uint32_t revents, void *userdata)
{
    server_run(userdata);
    return 0;
}

static int on_rerun(sd_event_source *source, void *userdata)
{
    server_run(userdata);
    return 0;
}

static int on_again(sd_event_source *source, uint64_t usec, void *userdata)
{
    server_run(userdata);
    return 0;
}

static int on_watch(sd_event_source *source, int fd, uint32_t revents, void *userdata)
{
    struct epoll_event events[WATCH_EVENTS];
    int n = epoll_wait(fd, events, WATCH_EVENTS, 0);

    /* No connection is freed here: that happens in MHD_run(). So all of the pointers hold. */
    for (int i = 0; i < n; i++) {
        struct http_connection *c = events[i].data.ptr;

        c->peer_gone = true;
        http_request_abort(&c->request);
    }
    return 0;
}

/* The whole head, and then the whole body, has to arrive within the idle time-out, so that a slow
 * one doesn't stay for ever by sending a byte now and then; libmicrohttpd's own time-out only sees
 * silence. */
static void close_quiet_connections(struct http_server *server)
{
    struct http_connection *c;

    while ((c = server->quiet.first) &&
           server->tick - c->quiet_since_tick > server->options.idle_timeout_s)
        close_quiet_connection(server, c);
}

/*
 * libmicrohttpd watches edges and stops reading after a short read, so an end of input that came
 * together with a request is never seen. Who fell quiet in the last second is asked once.
 */
static void close_half_closed_connections(struct http_server *server)
{
    struct http_connection *c, *previous;

    for (c = server->quiet.last; c && c->quiet_since_tick + 1 >= server->tick; c = previous) {
        char byte;

        previous = c->previous;
        if (c->quiet_since_tick + 1 == server->tick &&
            recv(c->fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) == 0)
            shutdown(c->fd, SHUT_RDWR);
    }
}

/*
 * libmicrohttpd runs in circles over a body whose next line (a chunk's extension, a trailer)
 * doesn't fit into the connection's memory: it neither reads on nor gives up.
 */
static void close_stuck_connections(struct http_server *server)
{
    struct http_connection *c, *next;

    for (c = server->quiet.first; c && c->quiet_since_tick < server->tick; c = next) {
        int n_unread;

        next = c->next;
        if (c->request.state == REQUEST_RECEIVING && ioctl(c->fd, FIONREAD, &n_unread) == 0 &&
            n_unread > 0)
            close_quiet_connection(server, c);
    }
}

/* A crowd leaves free blocks all over the heap, which malloc would keep: 9 kB a connection. */
static void give_memory_back(struct http_server *server)
{
    server->connections_peak = MAX(server->connections_peak, server->connections);
    if (server->connections_peak < TRIM_FROM || server->connections > server->connections_peak / 4)
        return;
    malloc_trim(0);
    server->connections_peak = server->connections;
}

static int on_timer(sd_event_source *source, uint64_t usec, void *userdata)
{
    struct http_server *server = userdata;

    server->tick++;
    close_half_closed_connections(server);
    if (server->stalled >= STALLED_RUNS)
        close_stuck_connections(server);
    make_room(server);
    if (server->options.idle_timeout_s > 0)
        close_quiet_connections(server);
    server_run(server);
    give_memory_back(server);
    if (server->connections == 0)
        sd_event_source_set_enabled(source, SD_EVENT_OFF);
    else
        sd_event_source_set_time(source, usec + TICK_US);
    return 0;
}

static void on_accept(int take_fd, const struct sockaddr *address, socklen_t length, void *userdata)
{
    http_server_add_connection(userdata, take_fd, address, length);
}

/* --- life ------------------------------------------------------------------------------------ */

static int start_daemon(struct http_server *server)
{
    const struct http_server_options *options = &server->options;

    server->daemon = MHD_start_daemon(
        MHD_USE_EPOLL | MHD_USE_NO_LISTEN_SOCKET | MHD_ALLOW_SUSPEND_RESUME, 0, NULL, NULL,
        http_request_on_access, server, /* options: */
        MHD_OPTION_NOTIFY_COMPLETED, http_request_on_completed, server,
        MHD_OPTION_NOTIFY_CONNECTION, on_connection, server,                       /**/
        MHD_OPTION_URI_LOG_CALLBACK, on_target, server,                            /**/
        MHD_OPTION_UNESCAPE_CALLBACK, on_unescape, server,                         /**/
        MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t) HTTP_POOL_BYTES,              /**/
        MHD_OPTION_STRICT_FOR_CLIENT, 1,                                           /**/
        MHD_OPTION_CONNECTION_LIMIT, options->connections_max + CONNECTIONS_SPARE, /**/
        MHD_OPTION_PER_IP_CONNECTION_LIMIT, options->connections_per_client,
        MHD_OPTION_CONNECTION_TIMEOUT, options->idle_timeout_s, MHD_OPTION_END);
    return server->daemon ? 0 : -ENOMEM;
}

static int add_sources(struct http_server *server)
{
    const union MHD_DaemonInfo *info =
        MHD_get_daemon_info(server->daemon, MHD_DAEMON_INFO_EPOLL_FD);
    sd_event *event = server->event;
    int r;

    if (!info)
        return -EOPNOTSUPP;
    if ((r = sd_event_add_io(event, &server->io, info->epoll_fd, EPOLLIN, on_io, server)) < 0 ||
        (r = sd_event_add_io(event, &server->watch, server->watch_fd, EPOLLIN, on_watch, server)) <
            0 ||
        (r = sd_event_add_defer(event, &server->rerun, on_rerun, server)) < 0 ||
        (r = sd_event_source_set_enabled(server->rerun, SD_EVENT_OFF)) < 0 ||
        (r = sd_event_add_time(event, &server->again, CLOCK_MONOTONIC, 0, 1, on_again, server)) <
            0 ||
        (r = sd_event_source_set_enabled(server->again, SD_EVENT_OFF)) < 0 ||
        (r = sd_event_add_time(event, &server->timer, CLOCK_MONOTONIC, 0, TICK_SLACK_US, on_timer,
                               server)) < 0 ||
        (r = sd_event_source_set_enabled(server->timer, SD_EVENT_OFF)) < 0)
        return r;
    sd_event_source_set_description(server->io, "http-io");
    sd_event_source_set_description(server->watch, "http-watch");
    sd_event_source_set_description(server->rerun, "http-rerun");
    sd_event_source_set_description(server->again, "http-again");
    sd_event_source_set_description(server->timer, "http-timer");
    return 0;
}

/*
 * How a head's strings lie in memory is not in libmicrohttpd's contract (0.9.72 to 0.9.75 do as
 * struct http_head describes). So we look once, at a request of our own; where it is otherwise,
 * only the checks remain that need no layout.
 */
static int probe_layout(struct http_server *server)
{
    static const char request[] = "GET /x?y HTTP/1.1\r\nHost: x\r\nA:b\r\n\r\n";
    int pair[2], r = 0;

    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair) < 0)
        return -errno;
    server->probing = true;
    if (send(pair[1], request, sizeof(request) - 1, MSG_NOSIGNAL) < 0)
        r = -errno;
    if (http_server_add_connection(server, pair[0], NULL, 0) < 0)
        r = -EBUSY;
    for (unsigned i = 0; i < RUNS_MAX && server->connections > 0; i++)
        MHD_run(server->daemon);
    close(pair[1]);
    server->probing = false;
    return r;
}

unsigned http_connections_possible(unsigned wanted)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
        return wanted;
    if (limit.rlim_cur < HTTP_DESCRIPTORS && limit.rlim_cur < limit.rlim_max) {
        limit.rlim_cur = MIN(limit.rlim_max, (rlim_t) HTTP_DESCRIPTORS);
        (void) setrlimit(RLIMIT_NOFILE, &limit); /* it stays as it was, and is counted with */
        (void) getrlimit(RLIMIT_NOFILE, &limit);
    }
    return limit.rlim_cur / 8 * 3 < wanted ? (unsigned) (limit.rlim_cur / 8 * 3) : wanted;
}

int http_server_new(struct http_server **ret, sd_event *event,
                    const struct http_server_options *options)
{
    CLEANUP(http_server_freep) struct http_server *server = calloc(1, sizeof(*server));
    struct acceptor_options accept_options = {
        .on_accept = on_accept,
        .batch = ACCEPT_BATCH,
        .userdata = server,
    };
    int r;

    if (!server)
        return -ENOMEM;
    server->event = sd_event_ref(event);
    server->options = *options;
    /* Nobody watches the probe. */
    server->options.on_begin = NULL;
    server->options.on_end = NULL;
    server->options.on_connection = NULL;
    server->watch_fd = epoll_create1(EPOLL_CLOEXEC);
    if (server->watch_fd < 0)
        return -errno;
    if ((r = acceptor_new(&server->acceptor, event, &accept_options)) < 0 ||
        (r = http_linger_new(&server->linger, event)) < 0 || (r = start_daemon(server)) < 0 ||
        (r = add_sources(server)) < 0 || (r = probe_layout(server)) < 0)
        return r;
    server->options = *options;
    if (!options->observer)
        server->options.observer = options->userdata;
    *ret = TAKE(server);
    return 0;
}

struct http_server *http_server_free(struct http_server *server)
{
    if (!server)
        return NULL;
    if (server->acceptor)
        acceptor_stop(server->acceptor);
    /* libmicrohttpd can't stop while connections are suspended. */
    for (struct http_connection *c = server->busy.first; c; c = c->next)
        http_request_abort(&c->request);
    if (server->daemon)
        MHD_stop_daemon(server->daemon);
    sd_event_source_disable_unref(server->io);
    sd_event_source_disable_unref(server->watch);
    sd_event_source_disable_unref(server->rerun);
    sd_event_source_disable_unref(server->again);
    sd_event_source_disable_unref(server->timer);
    http_linger_free(server->linger);
    acceptor_free(server->acceptor);
    if (server->watch_fd >= 0)
        close(server->watch_fd);
    sd_event_unref(server->event);
    free(server);
    return NULL;
}

int http_server_listen(struct http_server *server, int listen_fd)
{
    return acceptor_add(server->acceptor, listen_fd);
}

int http_server_add_connection(struct http_server *server, int take_fd,
                               const struct sockaddr *address, socklen_t length)
{
    static const struct sockaddr unknown = {.sa_family = AF_UNSPEC};

    if (!address || length < sizeof(sa_family_t)) {
        address = &unknown;
        length = sizeof(unknown);
    }
    if (is_full(server)) {
        close(take_fd);
        return -EBUSY;
    }
    server->opening++;
    if (MHD_add_connection(server->daemon, take_fd, address, length) != MHD_YES) {
        /* It has been closed. */
        server->opening -= server->opening > 0;
        return -EBUSY;
    }
    update_pause(server);
    return 0;
}

unsigned http_server_connections(const struct http_server *server)
{
    return server->connections;
}

void http_server_drain(struct http_server *server)
{
    server->draining = true;
    acceptor_stop(server->acceptor);
}

unsigned http_server_in_flight(const struct http_server *server)
{
    return server->in_flight;
}

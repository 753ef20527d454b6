/* SPDX-License-Identifier: Apache-2.0 */
/*
 * libcurl's multi interface on sd-event: calls, sockets and the timer. What goes over the wire is
 * http-transfer.c's.
 *
 * libcurl is entered from three places: client_act() by its sockets and its timer, start, and the
 * end of a call. The users' callbacks run only after client_act()'s entry has returned, so they may
 * enter it again.
 */
#include "common/net/http-client.h"

#include "common/base/clock.h"
#include "common/base/log.h"
#include "common/net/http-transfer.h"

#include <errno.h>
#include <string.h>

/* Connections that wait for the next call; the oldest goes. Each costs tens of kilobytes with TLS;
 * a node talks to a service or two and to IMDS. */
#define KEPT_CONNECTIONS_MAX 4L

/* The finest: each call begins with a timer for "at once", which may not wait for company. */
#define TIMER_ACCURACY_US 1u

/* CURLMOPT_QUICK_EXIT of 8.20, whose threads that look names up are the multi handle's: its end is
 * not to wait for them. Older ones don't know it and refuse it. */
#define OPTION_QUICK_EXIT ((CURLMoption) 21)

struct http_client_call {
    struct http_transfer transfer; /* first: curl's private pointer is its address */
    struct http_client *client;
    struct http_client_call *next, *previous; /* under way */
    bool ended;                               /* its callback runs */
    http_client_done done;
    void *userdata;
};

struct http_client {
    sd_event *event;
    char *user_agent;
    struct http_sockets sockets;
    struct http_client_call *calls;
    unsigned n_calls, calls_max;
    long kept_max; /* connections */
    bool acting;   /* client_act() is on the stack */
    bool freeing;  /* http_client_free() was called */

    /* From here on: since the first request. */
    int load_error; /* remembered, so that it is tried and logged once */
    struct curl_library curl;
    struct http_trust trust;
    CURLM *multi;
    sd_event_source *timer;
};

static bool client_act(struct http_client *client, curl_socket_t fd, int events);

/* --- sockets and the timer -------------------------------------------------------------------- */

static bool client_on_socket(int fd, uint32_t revents, void *userdata)
{
    int events = 0;

    if (revents & EPOLLIN)
        events |= CURL_CSELECT_IN;
    if (revents & EPOLLOUT)
        events |= CURL_CSELECT_OUT;
    if (revents & (EPOLLERR | EPOLLHUP))
        events |= CURL_CSELECT_ERR;
    return client_act(userdata, fd, events);
}

/* CURLMOPT_SOCKETFUNCTION. A failure told to libcurl would end every call; the one that isn't
 * watched meets its own deadline. */
static int on_curl_socket(CURL *easy, curl_socket_t fd, int what, void *userdata, void *unused)
{
    struct http_client *client = userdata;
    uint32_t events = 0;
    int r;

    if (what == CURL_POLL_IN || what == CURL_POLL_INOUT)
        events |= EPOLLIN;
    if (what == CURL_POLL_OUT || what == CURL_POLL_INOUT)
        events |= EPOLLOUT;
    r = http_sockets_watch(&client->sockets, fd, events);
    if (r < 0)
        log_debug_errno(-r, "can't watch a socket: %m, leaving its call to the deadline");
    return 0;
}

static int client_on_timer(sd_event_source *source, uint64_t at_us, void *userdata)
{
    client_act(userdata, CURL_SOCKET_TIMEOUT, 0);
    return 0;
}

/* CURLMOPT_TIMERFUNCTION: from now on, -1 for never. libcurl must not be entered from in here, also
 * not for 0. */
static int on_curl_timer(CURLM *multi, long timeout_ms, void *userdata)
{
    struct http_client *client = userdata;
    uint64_t after_us = (uint64_t) MAX(timeout_ms, 0L) * USEC_PER_MSEC;
    int r = 0;

    if (timeout_ms >= 0)
        r = sd_event_source_set_time(client->timer, clock_monotonic_us() + after_us);
    if (r >= 0)
        r = sd_event_source_set_enabled(client->timer,
                                        timeout_ms < 0 ? SD_EVENT_OFF : SD_EVENT_ONESHOT);
    if (r < 0)
        log_debug_errno(-r, "can't set the HTTP client's timer: %m, ignoring");
    return 0;
}

/* --- calls ------------------------------------------------------------------------------------ */

static void link_call(struct http_client *client, struct http_client_call *call)
{
    call->next = client->calls;
    if (call->next)
        call->next->previous = call;
    client->calls = call;
    client->n_calls++;
}

/* Takes it from libcurl and from the list. Its connection is kept or closed by that. */
static void unlink_call(struct http_client_call *call)
{
    struct http_client *client = call->client;

    client->curl.multi_remove_handle(client->multi, call->transfer.easy);
    if (call->next)
        call->next->previous = call->previous;
    if (call->previous)
        call->previous->next = call->next;
    else
        client->calls = call->next;
    client->n_calls--;
}

static void destroy_call(struct http_client_call *call)
{
    http_transfer_done(&call->transfer);
    free(call);
}

/* Tells the user; the client may be gone afterwards, but for what client_act() holds. */
static void deliver(struct http_client_call *call, struct http_client_response *response)
{
    response->call = call;
    call->ended = true;
    call->done(response, call->userdata);
    destroy_call(call);
}

/* Whether the call goes on, its kept connection having been closed before anything was sent. */
static bool start_again(struct http_client_call *call)
{
    struct http_client *client = call->client;
    CURL *easy = call->transfer.easy;

    if (!http_transfer_again(&call->transfer))
        return false;
    client->curl.multi_remove_handle(client->multi, easy);
    return client->curl.multi_add_handle(client->multi, easy) == CURLM_OK;
}

static void deliver_ended(struct http_client *client)
{
    const CURLMsg *message;
    int left;

    while (!client->freeing &&
           (message = client->curl.multi_info_read(client->multi, &left)) != NULL) {
        struct http_client_response response = {0};
        CURLcode code = message->data.result; /* the message goes with its handle */
        struct http_client_call *call = NULL;

        if (message->msg != CURLMSG_DONE)
            continue;
        client->curl.easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, (char **) &call);
        if (start_again(call))
            continue;
        unlink_call(call);
        http_transfer_result(&call->transfer, code, &response);
        deliver(call, &response);
    }
}

static void destroy_client(struct http_client *client)
{
    http_trust_done(&client->trust);
    sd_event_unref(client->event);
    free(client->user_agent);
    free(client);
}

/* Whether the client is still there afterwards. */
static bool client_act(struct http_client *client, curl_socket_t fd, int events)
{
    int running;

    client->acting = true;
    client->curl.multi_socket_action(client->multi, fd, events, &running);
    deliver_ended(client);
    client->acting = false;
    if (!client->freeing)
        return true;
    destroy_client(client);
    return false;
}

/* --- the client ------------------------------------------------------------------------------- */

int http_client_new(struct http_client **ret, sd_event *event, const char *user_agent)
{
    struct http_client *client = calloc(1, sizeof(*client));

    if (!client)
        return -ENOMEM;
    client->event = sd_event_ref(event);
    client->calls_max = HTTP_CLIENT_CALLS_MAX;
    client->kept_max = KEPT_CONNECTIONS_MAX;
    http_sockets_init(&client->sockets, event, client_on_socket, client);
    client->user_agent = strdup(user_agent);
    if (!client->user_agent) {
        destroy_client(client);
        return -ENOMEM;
    }
    *ret = client;
    return 0;
}

void http_client_set_calls(struct http_client *client, unsigned calls_max)
{
    client->calls_max = MIN(calls_max, HTTP_CLIENT_CALLS_LIMIT);
    client->kept_max = (long) client->calls_max;
}

static int make_multi(struct http_client *client)
{
    const struct curl_library *curl = &client->curl;

    client->multi = curl->multi_init();
    if (!client->multi)
        return -ENOMEM;
    curl->multi_setopt(client->multi, CURLMOPT_SOCKETFUNCTION, on_curl_socket);
    curl->multi_setopt(client->multi, CURLMOPT_SOCKETDATA, client);
    curl->multi_setopt(client->multi, CURLMOPT_TIMERFUNCTION, on_curl_timer);
    curl->multi_setopt(client->multi, CURLMOPT_TIMERDATA, client);
    curl->multi_setopt(client->multi, CURLMOPT_MAXCONNECTS, client->kept_max);
    curl->multi_setopt(client->multi, CURLMOPT_PIPELINING, (long) CURLPIPE_NOTHING);
    curl->multi_setopt(client->multi, OPTION_QUICK_EXIT, 1L);
    return 0;
}

/* What the first request needs; 0 at once afterwards. */
static int make_ready(struct http_client *client)
{
    const curl_version_info_data *version;
    int r;

    if (client->multi)
        return 0;
    if (client->load_error < 0)
        return client->load_error;
    if (!client->curl.easy_init) {
        r = curl_library_load(&client->curl);
        if (r < 0) {
            client->load_error = r == -ELIBACC ? r : 0;
            return r;
        }
        version = client->curl.version_info(CURLVERSION_NOW);
        r = http_environment_trust(version->capath, version->cainfo, &client->trust);
        if (r < 0)
            return r;
    }
    if (!client->timer) {
        r = sd_event_add_time(client->event, &client->timer, CLOCK_MONOTONIC, 0, TIMER_ACCURACY_US,
                              client_on_timer, client);
        if (r < 0)
            return -ENOMEM;
        sd_event_source_set_description(client->timer, "http-client-timer");
        sd_event_source_set_enabled(client->timer, SD_EVENT_OFF);
    }
    return make_multi(client);
}

int http_client_start(struct http_client *client, const struct http_client_request *request,
                      http_client_done done, void *userdata, struct http_client_call **ret_call)
{
    const struct http_transfer_options options = {
        .curl = &client->curl,
        .trust = &client->trust,
        .sockets = &client->sockets,
        .user_agent = client->user_agent,
    };
    struct http_client_call *call;
    int r;

    if (client->freeing)
        return -ECANCELED;
    if (client->n_calls >= client->calls_max)
        return -EBUSY;
    r = make_ready(client);
    if (r < 0)
        return r;
    call = calloc(1, sizeof(*call));
    if (!call)
        return -ENOMEM;
    call->client = client;
    call->done = done;
    call->userdata = userdata;
    r = http_transfer_init(&call->transfer, &options, request);
    if (r == 0 && client->curl.multi_add_handle(client->multi, call->transfer.easy) != CURLM_OK)
        r = -ENOMEM;
    if (r < 0) {
        destroy_call(call);
        return r;
    }
    link_call(client, call);
    if (ret_call)
        *ret_call = call;
    return 0;
}

void http_client_cancel(struct http_client_call *call)
{
    if (call->ended)
        return;
    unlink_call(call);
    destroy_call(call);
}

struct http_client *http_client_free(struct http_client *client)
{
    if (!client || client->freeing)
        return NULL;
    client->freeing = true;
    while (client->calls) {
        struct http_client_call *call = client->calls;
        struct http_client_response response = {
            .error = -ECANCELED,
            .error_text = "the HTTP client ends",
            .sent = http_transfer_is_sent(&call->transfer),
            .body = "",
        };

        unlink_call(call);
        deliver(call, &response);
    }
    if (client->multi)
        client->curl.multi_cleanup(client->multi);
    http_sockets_done(&client->sockets);
    sd_event_source_disable_unref(client->timer);
    if (!client->acting)
        destroy_client(client);
    return NULL;
}

const char *http_client_header(const struct http_client_response *response, const char *name)
{
    return http_answer_header(&response->call->transfer.answer, name);
}

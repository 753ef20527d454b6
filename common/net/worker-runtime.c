/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The worker's side of the contract: what the environment hands over, readiness, the gate, the
 * scoreboard, the drain. What the requests are about is the app's.
 */
#include "common/net/worker-runtime.h"

#include "common/base/accept-gate.h"
#include "common/base/clock.h"
#include "common/base/files.h"
#include "common/base/listen.h"
#include "common/base/log.h"
#include "common/base/scoreboard.h"
#include "common/base/text.h"
#include "common/net/access-log.h"
#include "common/net/acceptor.h"
#include "common/net/drain.h"
#include "common/net/notify.h"
#include "common/net/trial.h"
#include "common/schema/contract.h"

#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <systemd/sd-daemon.h>

#define LISTENERS_MAX      (APP_LISTENERS_MAX + 1) /* and the probe's */
#define CONNECTIONS_SPARE  4u                      /* beside connections_max */
#define CONNECTIONS_PROBE  4u                      /* of the probe's own server */
#define PROBE_IDLE_S       10u
#define DRAIN_DEFAULT_S    30u
#define DRAIN_CHECK_US     (100 * USEC_PER_MSEC)
#define NOTIFY_RETRY_US    (50 * USEC_PER_MSEC)
#define FALLBACK_UNIX_MODE 0666u
#define INSTANCE_MAX       64

/* Messages that must arrive: sent again until the notify socket takes them. */
enum notice {
    NOTICE_READY = 1,
    NOTICE_STOPPING = 2,
    NOTICE_WATCHDOG = 4,
};

struct listener {
    int fd;
    bool is_probe;
};

struct worker_runtime {
    sd_event *event;
    struct worker_runtime_options options;
    struct http_server *server;
    struct acceptor *acceptor; /* the app's listeners */
    struct http_server *probe; /* the same routes for the agent alone: nothing is counted */
    struct trial *trial;       /* there is such a probe, and it was not answered well yet */
    struct scoreboard *scoreboard;
    struct accept_gate *gate;
    struct listener listeners[LISTENERS_MAX];
    size_t n_listeners;
    sd_event_source *sigterm, *sigint, *drain_timer, *notice_timer, *watchdog_timer;
    uint64_t watchdog_us;
    unsigned notices; /* not sent yet */
    bool draining;
    struct drain drain;
    char app[APP_NAME_MAX + 1];
    unsigned slot;
    char instance[INSTANCE_MAX];
};

/* --- notices --------------------------------------------------------------------------------- */

static void runtime_send_notices(struct worker_runtime *rt)
{
    static const struct {
        enum notice notice;
        const char *text;
    } NOTICES[] = {{NOTICE_READY, "READY=1"},
                   {NOTICE_STOPPING, "STOPPING=1"},
                   {NOTICE_WATCHDOG, "WATCHDOG=1"}};

    for (size_t i = 0; i < ARRAY_SIZE(NOTICES); i++) {
        int r;

        if (!(rt->notices & NOTICES[i].notice))
            continue;
        r = notify_send(NOTICES[i].text);
        if (r == -EAGAIN) { /* the agent is slow or stopped; it will want to know */
            sd_event_source_set_time_relative(rt->notice_timer, NOTIFY_RETRY_US);
            sd_event_source_set_enabled(rt->notice_timer, SD_EVENT_ONESHOT);
            return;
        }
        if (r < 0)
            log_warning_errno(-r, "cannot send %s: %m, ignoring", NOTICES[i].text);
        rt->notices &= ~(unsigned) NOTICES[i].notice;
    }
}

static int runtime_on_notice_timer(sd_event_source *source, uint64_t usec, void *userdata)
{
    runtime_send_notices(userdata);
    return 0;
}

static void runtime_notify(struct worker_runtime *rt, enum notice notice)
{
    rt->notices |= notice;
    runtime_send_notices(rt);
}

static int runtime_on_watchdog(sd_event_source *source, uint64_t usec, void *userdata)
{
    struct worker_runtime *rt = userdata;

    runtime_notify(rt, NOTICE_WATCHDOG);
    sd_event_source_set_time_relative(source, rt->watchdog_us / 2);
    return 0;
}

/* --- accepting ------------------------------------------------------------------------------- */

static int runtime_add_listeners(struct worker_runtime *rt)
{
    for (size_t i = 0; i < rt->n_listeners; i++) {
        int r = rt->listeners[i].is_probe ? 0 : acceptor_add(rt->acceptor, rt->listeners[i].fd);

        if (r < 0)
            return r;
    }
    return 0;
}

static int runtime_accept(struct worker_runtime *rt)
{
    int r = runtime_add_listeners(rt);

    if (r >= 0 && rt->gate)
        accept_gate_set_ready(rt->gate, true);
    return r;
}

static void runtime_on_trial_over(bool passed, void *userdata)
{
    struct worker_runtime *rt = userdata;
    int r;

    if (rt->draining)
        return;
    if (!passed)
        log_notice("no probe within %u s, accepting connections without one",
                   (unsigned) (TRIAL_SILENCE_US / USEC_PER_SEC));
    r = runtime_accept(rt);
    if (r >= 0)
        return;
    log_error_errno(-r, "cannot accept connections: %m, leaving");
    sd_event_exit(rt->event, EXIT_FAILURE);
}

static void runtime_on_probe_begin(void *observer)
{
    trial_note_question(((struct worker_runtime *) observer)->trial);
}

static void runtime_on_probe_end(const struct http_request *request, unsigned status, size_t bytes,
                                 uint64_t latency_us, void *observer)
{
    trial_note_answer(((struct worker_runtime *) observer)->trial, status);
}

/* --- drain ----------------------------------------------------------------------------------- */

static void runtime_check_drained(struct worker_runtime *rt)
{
    unsigned connections, in_flight;

    if (!rt->draining)
        return;
    connections = http_server_connections(rt->server);
    in_flight = http_server_in_flight(rt->server);
    if (!drain_is_over(&rt->drain, clock_monotonic_us(), connections, in_flight))
        return;
    if (in_flight > 0)
        log_warning("drain time is over, abandoning %u requests", in_flight);
    sd_event_exit(rt->event, in_flight > 0 ? EXIT_FAILURE : EXIT_SUCCESS);
}

static int runtime_on_drain_timer(sd_event_source *source, uint64_t usec, void *userdata)
{
    runtime_check_drained(userdata);
    sd_event_source_set_time_relative(source, DRAIN_CHECK_US);
    return 0;
}

/* The holder keeps the sockets: closing our copies leaves what is queued there for the others. */
static void runtime_close_listeners(struct worker_runtime *rt)
{
    for (size_t i = 0; i < rt->n_listeners; i++)
        rt->listeners[i].fd = fd_close(rt->listeners[i].fd);
    rt->n_listeners = 0;
}

static void runtime_drain(struct worker_runtime *rt)
{
    rt->draining = true;
    rt->drain.begin_at_us = clock_monotonic_us();
    if (rt->gate)
        accept_gate_set_ready(rt->gate, false);
    /* A sibling accepts what waits; without one our copies may be the last. */
    if (!rt->gate || !accept_gate_has_sibling(rt->gate)) {
        if (rt->trial && !trial_is_over(rt->trial))
            (void) runtime_add_listeners(rt);
        acceptor_take_queued(rt->acceptor);
    }
    acceptor_stop(rt->acceptor);
    http_server_drain(rt->server);
    if (rt->probe)
        http_server_drain(rt->probe);
    runtime_close_listeners(rt);
    runtime_notify(rt, NOTICE_STOPPING);
    sd_event_source_set_time_relative(rt->drain_timer, DRAIN_CHECK_US);
    sd_event_source_set_enabled(rt->drain_timer, SD_EVENT_ON);
    runtime_check_drained(rt);
}

static int runtime_on_signal(sd_event_source *source, const struct signalfd_siginfo *info,
                             void *userdata)
{
    struct worker_runtime *rt = userdata;

    if (!rt->draining) {
        runtime_drain(rt);
        return 0;
    }
    log_notice("second signal, leaving at once");
    sd_event_exit(rt->event, http_server_in_flight(rt->server) > 0 ? EXIT_FAILURE : EXIT_SUCCESS);
    return 0;
}

/* --- what the server tells ------------------------------------------------------------------- */

static void runtime_on_begin(void *observer)
{
    struct worker_runtime *rt = observer;

    scoreboard_begin(rt->scoreboard);
}

static void runtime_on_end(const struct http_request *request, unsigned status, size_t bytes,
                           uint64_t latency_us, void *observer)
{
    struct worker_runtime *rt = observer;

    if (status == 0)
        scoreboard_abort(rt->scoreboard);
    else
        scoreboard_end(rt->scoreboard, status, bytes, latency_us);
    if (rt->options.access_log)
        access_log(request, status, bytes, latency_us);
}

static void runtime_on_connection(int change, void *observer)
{
    struct worker_runtime *rt = observer;
    unsigned connections = http_server_connections(rt->server);

    scoreboard_connection(rt->scoreboard, change);
    if (rt->gate)
        accept_gate_set_connections(rt->gate, connections);
    acceptor_set_paused(rt->acceptor, connections >= rt->options.connections_max);
    if (change < 0)
        runtime_check_drained(rt);
}

static unsigned runtime_turn(uint64_t *ret_yield_us, void *userdata)
{
    struct worker_runtime *rt = userdata;

    return accept_gate_turn(rt->gate, http_server_connections(rt->server), ret_yield_us);
}

static void runtime_on_accept(int take_fd, const struct sockaddr *address, socklen_t length,
                              void *userdata)
{
    struct worker_runtime *rt = userdata;

    if (rt->gate)
        accept_gate_count_accept(rt->gate);
    http_server_add_connection(rt->server, take_fd, address, length);
}

/* --- what the environment hands over --------------------------------------------------------- */

static uint64_t environment_number(const char *name, uint64_t otherwise, uint64_t max)
{
    const char *text = getenv(name);
    uint64_t value;
    int r;

    if (!text)
        return otherwise;
    r = text_parse_u64(text, 0, max, &value);
    if (r == 0)
        return value;
    log_warning_errno(-r, "%s=%s: %m, using %llu", name, text, (unsigned long long) otherwise);
    return otherwise;
}

/* A descriptor's number; -1 if there is none. */
static int environment_fd(const char *name)
{
    uint64_t fd = environment_number(name, UINT64_MAX, INT_MAX);

    if (fd == UINT64_MAX || fd_set_cloexec((int) fd, true) < 0)
        return -1;
    return (int) fd;
}

/* Both are optional: an app also runs without counters and alone. */
static void runtime_map_shared(struct worker_runtime *rt)
{
    CLEANUP_CLOSE int scoreboard_fd = environment_fd(ENV_SCOREBOARD);
    CLEANUP_CLOSE int gate_fd = environment_fd(ENV_GATE);
    int r;

    if (scoreboard_fd >= 0) {
        r = scoreboard_map(scoreboard_fd, &rt->scoreboard);
        if (r < 0)
            log_warning_errno(-r, "cannot use the scoreboard: %m; requests are not counted");
    }
    if (gate_fd >= 0) {
        r = accept_gate_open(&rt->gate, gate_fd, rt->slot);
        if (r < 0)
            log_warning_errno(-r, "cannot use the accept gate: %m; load may be uneven");
    }
}

static void runtime_read_identity(struct worker_runtime *rt)
{
    const char *app = getenv(ENV_APP);
    const char *instance = getenv(ENV_INSTANCE);
    char host[HOST_NAME_MAX + 1] = "unknown";

    if (!instance || !*instance)
        instance = getenv("INSTANCE_ID");
    if (!instance || !*instance) {
        gethostname(host, sizeof(host));
        host[sizeof(host) - 1] = '\0';
        instance = host;
    }
    text_copy(rt->app, sizeof(rt->app), app && *app ? app : program_invocation_short_name);
    text_copy(rt->instance, sizeof(rt->instance), instance);
    rt->slot = (unsigned) environment_number(ENV_SLOT, 0, APP_SLOTS_MAX);
    rt->drain.requests_us =
        environment_number(ENV_DRAIN_S, DRAIN_DEFAULT_S, UINT32_MAX) * USEC_PER_SEC;
    /* Run by hand, nobody minds that idle connections are closed. */
    rt->drain.idle_us = environment_number(ENV_IDLE_S, 0, UINT32_MAX) * USEC_PER_SEC;
}

static int runtime_add_listener(struct worker_runtime *rt, int take_fd, bool is_probe)
{
    if (rt->n_listeners == LISTENERS_MAX) {
        fd_close(take_fd);
        return -ENOSPC;
    }
    rt->listeners[rt->n_listeners++] = (struct listener){.fd = take_fd, .is_probe = is_probe};
    /* Shared with siblings: who comes late must not block in accept(). */
    return fd_set_nonblock(take_fd, true);
}

static int runtime_take_listeners(struct worker_runtime *rt)
{
    char **names = NULL;
    int n = sd_listen_fds_with_names(1, &names), r = 0;

    if (n < 0)
        return n;
    for (int i = 0; i < n; i++) {
        int fd = SD_LISTEN_FDS_START + i;

        if (r == 0 && sd_is_socket(fd, AF_UNSPEC, SOCK_STREAM, 1) > 0)
            r = runtime_add_listener(rt, fd, strcmp(names[i], FDNAME_PROBE) == 0);
        else {
            log_warning("inherited descriptor %d (%s) is no listening socket, ignoring", fd,
                        names[i]);
            fd_close(fd);
        }
        free(names[i]);
    }
    free(names);
    return r < 0 ? r : n;
}

static bool runtime_has_app_listener(const struct worker_runtime *rt)
{
    for (size_t i = 0; i < rt->n_listeners; i++)
        if (!rt->listeners[i].is_probe)
            return true;
    return false;
}

static int runtime_open_listeners(struct worker_runtime *rt)
{
    int r = runtime_take_listeners(rt);

    if (r < 0)
        return log_error_errno(-r, "cannot take the inherited sockets: %m");
    if (runtime_has_app_listener(rt))
        return 0;
    if (!rt->options.fallback_listen) {
        log_error("no listening socket was handed over");
        return -ENOENT;
    }
    r = listen_open(rt->options.fallback_listen, FALLBACK_UNIX_MODE);
    if (r < 0)
        return log_error_errno(-r, "cannot listen on %s: %m", rt->options.fallback_listen);
    log_info("no listening socket was handed over, listening on %s", rt->options.fallback_listen);
    return runtime_add_listener(rt, r, false);
}

/* --- life ------------------------------------------------------------------------------------ */

static int runtime_add_timer(struct worker_runtime *rt, sd_event_source **ret, const char *name,
                             sd_event_time_handler_t handler)
{
    int r = sd_event_add_time(rt->event, ret, CLOCK_MONOTONIC, 0, USEC_PER_MSEC, handler, rt);

    if (r < 0)
        return r;
    sd_event_source_set_description(*ret, name);
    return sd_event_source_set_enabled(*ret, SD_EVENT_OFF);
}

static int runtime_add_signal(struct worker_runtime *rt, sd_event_source **ret, int signal_number)
{
    int r = sd_event_add_signal(rt->event, ret, signal_number, runtime_on_signal, rt);

    if (r < 0)
        return r;
    sd_event_source_set_description(*ret, "worker-signal");
    return sd_event_source_set_exit_on_failure(*ret, true);
}

static int runtime_add_sources(struct worker_runtime *rt)
{
    sigset_t signals;
    int r;

    signal(SIGPIPE, SIG_IGN);
    sigemptyset(&signals);
    sigaddset(&signals, SIGTERM);
    sigaddset(&signals, SIGINT);
    if (sigprocmask(SIG_BLOCK, &signals, NULL) < 0)
        return -errno;
    if ((r = runtime_add_signal(rt, &rt->sigterm, SIGTERM)) < 0 ||
        (r = runtime_add_signal(rt, &rt->sigint, SIGINT)) < 0 ||
        (r = runtime_add_timer(rt, &rt->drain_timer, "worker-drain", runtime_on_drain_timer)) < 0 ||
        (r = runtime_add_timer(rt, &rt->notice_timer, "worker-notice", runtime_on_notice_timer)) <
            0 ||
        (r = runtime_add_timer(rt, &rt->watchdog_timer, "worker-watchdog", runtime_on_watchdog)) <
            0)
        return r;
    if (sd_watchdog_enabled(0, &rt->watchdog_us) <= 0)
        return 0;
    return sd_event_source_set_enabled(rt->watchdog_timer, SD_EVENT_ON);
}

static int runtime_make_server(struct worker_runtime *rt)
{
    struct http_server_options server_options = {
        .routes = rt->options.routes,
        .userdata = rt->options.userdata,
        .observer = rt,
        .connections_max = rt->options.connections_max + CONNECTIONS_SPARE,
        .connections_crowded = rt->options.connections_max,
        .idle_timeout_s = rt->options.idle_timeout_s,
        .error_page = rt->options.error_page,
        .on_begin = runtime_on_begin,
        .on_end = runtime_on_end,
        .on_connection = runtime_on_connection,
    };
    struct acceptor_options accept_options = {
        .on_accept = runtime_on_accept,
        .turn = rt->gate ? runtime_turn : NULL,
        .batch = ACCEPT_GATE_BATCH,
        .userdata = rt,
    };
    int r = http_server_new(&rt->server, rt->event, &server_options);

    return r < 0 ? r : acceptor_new(&rt->acceptor, rt->event, &accept_options);
}

/* A server of its own, so that it answers also while the app's is full. */
static int runtime_listen_probe(struct worker_runtime *rt, int fd)
{
    struct http_server_options options = {
        .routes = rt->options.routes,
        .userdata = rt->options.userdata,
        .observer = rt,
        .connections_max = CONNECTIONS_PROBE,
        .idle_timeout_s = PROBE_IDLE_S,
        .on_begin = runtime_on_probe_begin,
        .on_end = runtime_on_probe_end,
        .error_page = rt->options.error_page,
    };
    int r = rt->trial ? 0 : trial_new(&rt->trial, rt->event, runtime_on_trial_over, rt);

    if (r >= 0 && !rt->probe)
        r = http_server_new(&rt->probe, rt->event, &options);
    return r < 0 ? r : http_server_listen(rt->probe, fd);
}

int worker_runtime_new(struct worker_runtime **ret, sd_event *event,
                       const struct worker_runtime_options *options)
{
    CLEANUP(worker_runtime_freep) struct worker_runtime *rt = calloc(1, sizeof(*rt));
    int r;

    if (!rt)
        return -ENOMEM;
    rt->event = sd_event_ref(event);
    rt->options = *options;
    rt->options.connections_max = http_connections_possible(options->connections_max);
    runtime_read_identity(rt);
    runtime_map_shared(rt);
    if ((r = runtime_add_sources(rt)) < 0 || (r = runtime_make_server(rt)) < 0 ||
        (r = runtime_open_listeners(rt)) < 0)
        return r;
    *ret = TAKE(rt);
    return 0;
}

struct worker_runtime *worker_runtime_free(struct worker_runtime *rt)
{
    if (!rt)
        return NULL;
    rt->draining = false; /* connections that are closed now end no drain */
    if (rt->acceptor)
        acceptor_stop(rt->acceptor);
    http_server_free(rt->server);
    http_server_free(rt->probe);
    trial_free(rt->trial);
    acceptor_free(rt->acceptor);
    runtime_close_listeners(rt);
    accept_gate_free(rt->gate);
    scoreboard_unmap(rt->scoreboard);
    sd_event_source_disable_unref(rt->sigterm);
    sd_event_source_disable_unref(rt->sigint);
    sd_event_source_disable_unref(rt->drain_timer);
    sd_event_source_disable_unref(rt->notice_timer);
    sd_event_source_disable_unref(rt->watchdog_timer);
    sd_event_unref(rt->event);
    free(rt);
    return NULL;
}

int worker_runtime_ready(struct worker_runtime *rt)
{
    int r = 0;

    for (size_t i = 0; i < rt->n_listeners && r >= 0; i++)
        if (rt->listeners[i].is_probe)
            r = runtime_listen_probe(rt, rt->listeners[i].fd);
    if (r >= 0 && !rt->trial)
        r = runtime_accept(rt);
    if (r < 0)
        return r;
    runtime_notify(rt, NOTICE_READY);
    return 0;
}

int worker_runtime_run(struct worker_runtime *rt)
{
    int r = sd_event_loop(rt->event);

    if (r >= 0)
        return r;
    log_error_errno(-r, "event loop failed: %m");
    return EXIT_FAILURE;
}

const char *worker_runtime_app(const struct worker_runtime *rt)
{
    return rt->app;
}

unsigned worker_runtime_slot(const struct worker_runtime *rt)
{
    return rt->slot;
}

const char *worker_runtime_instance(const struct worker_runtime *rt)
{
    return rt->instance;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * GET /ready: what the board depends on, asked now. For people and dashboards; a load balancer
 * should ask /health, because an outage of the store is every node's and no reason to replace any.
 *
 * The answer is kept for a second and one check is under way at a time, so that asking is no way to
 * burden the store.
 */
#include "apps/visitor-board/board-internal.h"

#include "common/base/json.h"
#include "common/base/log.h"

#include <errno.h>

#define KEPT_US        USEC_PER_SEC
#define READY_BYTES    4096u
#define LATENCY_DIGITS 1u

/* The kind of error alone: this route is public, and the reason, which may name files and hosts, is
 * in the log. */
static void add_dependency(struct json_object *dependencies, const struct board *board, int error,
                           uint64_t latency_us)
{
    struct json_object *dependency = json_object_new_object();

    json_add_string(dependency, "name", store_name(board->store));
    json_add_bool(dependency, "ok", error >= 0);
    json_add_double(dependency, "latencyMs", (double) latency_us / (double) USEC_PER_MSEC,
                    LATENCY_DIGITS);
    if (error < 0)
        json_add_string(dependency, "error", counter_name(counter_of_error(error)));
    json_object_array_add(dependencies, dependency);
}

static int render(struct buffer *buffer, const struct board *board, int error, uint64_t latency_us)
{
    CLEANUP_JSON struct json_object *object = json_object_new_object();
    struct json_object *dependencies = json_object_new_array();

    json_add_bool(object, "ok", error >= 0);
    json_add_string(object, "instanceId", board->instance);
    add_dependency(dependencies, board, error, latency_us);
    json_add(object, "dependencies", dependencies);
    (void) json_print(object, false, buffer);
    return buffer_append_string(buffer, "\n");
}

static int make_answer(struct board *board, struct http_response **ret, int error,
                       uint64_t latency_us)
{
    struct buffer buffer;
    int r;

    buffer_init(&buffer, READY_BYTES);
    (void) render(&buffer, board, error, latency_us);
    r = board_new_response(ret, error < 0 ? 503 : 200, "application/json", &buffer, CACHE_NEVER);
    buffer_done(&buffer);
    return r;
}

static void respond(struct pending *pending, struct http_request *request, int error)
{
    struct board *board = pending->board;
    CLEANUP(http_response_freep) struct http_response *late = NULL;

    if (error == -ETIMEDOUT && board->ready.checking) /* ours, not the store's */
        (void) make_answer(board, &late, error, clock_monotonic_us() - board->ready.begun_at_us);
    if (late)
        http_respond(request, late);
    else
        http_respond(request, board->ready.answer ? board->ready.answer : board->unreadable);
}

static void note_result(struct board *board, int error, const char *what)
{
    struct ready *ready = &board->ready;
    bool ok = error >= 0;

    if (!ok)
        counters_add(board->counters, counter_of_error(error));
    if (!ok && !ready->failing)
        log_warning_errno(-error, "Not ready: %s: %m%s%s", store_name(board->store),
                          *what ? ": " : "", what);
    else if (ok && ready->failing)
        log_notice("Ready again: %s answers", store_name(board->store));
    ready->failing = !ok;
}

static void on_checked(int error, const char *what, void *userdata)
{
    struct board *board = userdata;
    struct ready *ready = &board->ready;
    struct http_response *answer = NULL;
    struct pending *pending, *next;

    ready->checking = false;
    if (error == -ECANCELED)
        return;
    note_result(board, error, what);
    ready->checked_at_us = board_now_us(board);
    (void) make_answer(board, &answer, error, clock_monotonic_us() - ready->begun_at_us);
    http_response_free(ready->answer);
    ready->answer = answer;
    for (pending = board->pending.first; pending; pending = next) {
        next = pending->next;
        if (pending->respond == respond)
            pending_end(pending, error);
    }
}

static void start_check(struct board *board)
{
    struct ready *ready = &board->ready;
    int r;

    if (ready->checking)
        return;
    ready->checking = true;
    ready->begun_at_us = clock_monotonic_us();
    r = store_check(board->store, on_checked, board);
    if (r < 0)
        on_checked(r, "", board);
}

void board_handle_ready(struct http_request *request, void *userdata)
{
    struct board *board = userdata;
    struct ready *ready = &board->ready;
    struct pending *pending;

    if (ready->answer && board_now_us(board) - ready->checked_at_us < KEPT_US) {
        http_respond(request, ready->answer);
        return;
    }
    pending = pending_new(board, sizeof(*pending), request, respond);
    if (!pending) {
        board_send_unavailable(board, request, -ENOBUFS);
        return;
    }
    pending_wait(pending);
    start_check(board);
}

void ready_done(struct ready *ready)
{
    http_response_free(ready->answer);
}

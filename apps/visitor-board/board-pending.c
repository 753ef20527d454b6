/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Requests that wait, whatever for: a bounded list with one deadline, so that none waits for ever,
 * also when a store should break its promise. All have the same time, so the first one's is over
 * first.
 */
#include "apps/visitor-board/board-internal.h"

#include <errno.h>

#define TIMER_SLACK_US (50 * USEC_PER_MSEC)

static void list_append(struct pending_list *list, struct pending *pending)
{
    pending->previous = list->last;
    if (list->last)
        list->last->next = pending;
    else
        list->first = pending;
    list->last = pending;
    list->n++;
}

static void list_remove(struct pending_list *list, struct pending *pending)
{
    if (pending->previous)
        pending->previous->next = pending->next;
    else
        list->first = pending->next;
    if (pending->next)
        pending->next->previous = pending->previous;
    else
        list->last = pending->previous;
    pending->previous = pending->next = NULL;
    list->n--;
}

void *pending_new(struct board *board, size_t size, struct http_request *request,
                  void (*respond)(struct pending *pending, struct http_request *request, int error))
{
    struct pending *pending = board->pending.n < PENDING_MAX ? calloc(1, size) : NULL;

    if (!pending) {
        counters_add(board->counters, COUNT_OVERLOAD);
        return NULL;
    }
    pending->board = board;
    pending->request = request;
    pending->respond = respond;
    return pending;
}

static bool is_waiting(const struct pending *pending)
{
    return pending->deadline_at_us != 0;
}

/* Takes it off the list, and its request away. */
static struct http_request *leave(struct pending *pending)
{
    if (is_waiting(pending))
        list_remove(&pending->board->pending, pending);
    pending->deadline_at_us = 0;
    return TAKE(pending->request);
}

static void on_abort(struct http_request *request, void *context)
{
    struct pending *pending = context;

    (void) leave(pending);
    if (!pending->in_store)
        free(pending);
}

void pending_wait(struct pending *pending)
{
    struct pending_list *list = &pending->board->pending;

    pending->deadline_at_us = board_now_us(pending->board) + list->deadline_us;
    list_append(list, pending);
    http_request_suspend(pending->request, on_abort, pending);
    if (sd_event_source_get_enabled(list->timer, NULL) == 0) {
        sd_event_source_set_time(list->timer, pending->deadline_at_us);
        sd_event_source_set_enabled(list->timer, SD_EVENT_ON);
    }
}

void pending_end(struct pending *pending, int error)
{
    struct http_request *request = leave(pending);

    pending->in_store = false;
    if (request)
        pending->respond(pending, request, error);
    free(pending);
}

/* What the store has stays until the store gives it back. */
static void expire(struct pending *pending)
{
    struct http_request *request = leave(pending);

    counters_add(pending->board->counters, COUNT_DEADLINE);
    pending->respond(pending, request, -ETIMEDOUT);
    if (!pending->in_store)
        free(pending);
}

static int on_timer(sd_event_source *source, uint64_t usec, void *userdata)
{
    struct board *board = userdata;
    struct pending_list *list = &board->pending;
    uint64_t now_us = board_now_us(board);

    while (list->first && list->first->deadline_at_us <= now_us)
        expire(list->first);
    if (list->first)
        sd_event_source_set_time(source, list->first->deadline_at_us);
    else
        sd_event_source_set_enabled(source, SD_EVENT_OFF);
    return 0;
}

int pending_start(struct board *board, uint64_t deadline_us)
{
    struct pending_list *list = &board->pending;
    int r;

    list->deadline_us = deadline_us > 0 ? deadline_us : BOARD_DEADLINE_S * USEC_PER_SEC;
    r = sd_event_add_time(board->event, &list->timer, CLOCK_MONOTONIC, 0, TIMER_SLACK_US, on_timer,
                          board);

    if (r < 0)
        return r;
    sd_event_source_set_description(list->timer, "board-deadline");
    return sd_event_source_set_enabled(list->timer, SD_EVENT_OFF);
}

void pending_stop(struct board *board)
{
    sd_event_source_disable_unref(board->pending.timer);
    board->pending.timer = NULL;
}

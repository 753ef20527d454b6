/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The newest messages, kept for everybody. One read is under way at a time and answers all that it
 * is fresh enough for. A read is up to three questions: the secret (once), the list, and the
 * statistics, when the list has changed or an hour has moved on.
 */
#include "apps/visitor-board/board-internal.h"

#include "common/base/log.h"
#include "common/base/text.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define RECHECK_US     USEC_PER_SEC          /* how old a page may be without asking the store */
#define READ_RETRY_US  (250 * USEC_PER_MSEC) /* after a failed read */
#define STATS_LEAST_US USEC_PER_SEC          /* between two, where they cost money */
#define STATS_MOST_US  (60 * USEC_PER_SEC)   /* the last hour goes on without messages, too */
#define RENDER_MOST_US (20 * USEC_PER_SEC)   /* "2 minutes ago" as well */

struct waiter { /* a request that waits for a read */
    struct pending pending;
    latest_respond respond;
    uint64_t version;  /* the store's when it came in: what it must see */
    uint64_t sequence; /* of the last read begun before it; any later one will do */
};

static void start_read(struct board *board);

/* --- rendering ------------------------------------------------------------------------------- */

const char *reads_address(const struct board *board, char address[ADDRESS_SIZE],
                          const char *position)
{
    char cursor[CURSOR_SIZE];

    if (!*position || !board->has_secret)
        address[0] = '\0';
    else
        snprintf(address, ADDRESS_SIZE, "/?before=%s", cursor_make(cursor, &board->seal, position));
    return address;
}

struct page reads_page(const struct board *board)
{
    const struct reads *reads = &board->reads;

    return (struct page){
        .instance = board->instance,
        .zone = board->zone,
        .messages = reads->messages,
        .stats = reads->has_stats ? &reads->stats : NULL,
        .older = reads->older[0] ? reads->older : NULL,
        .now_realtime_us = clock_realtime_us(),
    };
}

/* 0 or a negative errno; then the last page stays. */
static int render(struct board *board)
{
    struct reads *reads = &board->reads;
    const struct page page = reads_page(board);
    struct buffer buffer;
    int r;

    buffer_init(&buffer, PAGE_BYTES_MAX);
    r = page_render(&buffer, &page);
    if (r >= 0)
        r = answer_make(&reads->page, &board->tag_key, PAGE_CONTENT_TYPE, &buffer,
                        CACHE_REVALIDATE);
    buffer_done(&buffer);
    if (r < 0)
        return r;
    reads->rendered_at_us = board_now_us(board);
    reads->changed = false;
    answer_clear(&reads->stale);
    return 0;
}

void reads_forget_rendered(struct board *board)
{
    board->reads.checked_at_us = 0;
    board->reads.rendered_at_us = 0;
}

/* --- the end of a read ----------------------------------------------------------------------- */

static void note_result(struct board *board, int error)
{
    struct reads *reads = &board->reads;

    if (error < 0) {
        enum counter kind = counter_of_error(error);

        counters_add(board->counters, kind);
        if (reads->failed_at_us == 0)
            log_warning_errno(-error,
                              "Can't read the messages (%s): %m; showing the last good page",
                              counter_name(kind));
        reads->failed_at_us = board_now_us(board);
    } else {
        if (reads->failed_at_us != 0)
            log_notice("The messages can be read again");
        reads->failed_at_us = 0;
        reads->checked_at_us = board_now_us(board);
    }
    reads->error = error;
}

/* In time for this one: the read began after it came, or found all that it must show. */
static bool is_answered(const struct waiter *waiter, uint64_t this_read, uint64_t version)
{
    return waiter->sequence < this_read || version >= waiter->version;
}

static void on_waited(struct pending *pending, struct http_request *request, int error)
{
    struct waiter *waiter = (struct waiter *) pending;

    waiter->respond(pending->board, request, error);
}

static void answer_waiters(struct board *board, int error)
{
    struct pending *pending, *next;
    bool left = false;

    for (pending = board->pending.first; pending; pending = next) {
        next = pending->next;
        if (pending->respond != on_waited)
            continue;
        if (error < 0 ||
            is_answered((struct waiter *) pending, board->reads.begun, board->reads.version))
            pending_end(pending, error);
        else
            left = true;
    }
    if (left)
        start_read(board);
}

static void end_read(struct board *board, int error)
{
    struct reads *reads = &board->reads;

    reads->reading = false;
    if (error == -ECANCELED) /* the store closes; nobody waits any more */
        return;
    if (error >= 0 &&
        (reads->changed || board_now_us(board) - reads->rendered_at_us >= RENDER_MOST_US))
        error = render(board);
    if (error >= 0) {
        reads->shown_version = reads->version;
        reads->shown_realtime_us = reads->begins_realtime_us;
    }
    note_result(board, error);
    answer_waiters(board, error);
}

/* --- a read ---------------------------------------------------------------------------------- */

/* The board does without them: the page says that they are unknown. */
static void on_stats(int error, const struct store_stats *stats, void *userdata)
{
    struct board *board = userdata;
    struct reads *reads = &board->reads;

    if (error == -ECANCELED) {
        end_read(board, error);
        return;
    }
    if (error < 0) {
        counters_add(board->counters, counter_of_error(error));
        log_debug_errno(-error, "Can't read the statistics: %m");
        reads->has_stats = false;
    } else {
        reads->stats = *stats;
        reads->has_stats = true;
        reads->stats_behind = false;
    }
    reads->changed = true;
    end_read(board, 0);
}

/* With each new list; where each question is paid for, only for who has just posted, so that his
 * message counts. */
static bool stats_are_due(const struct board *board, uint64_t now_us)
{
    const struct reads *reads = &board->reads;
    uint64_t age_us = now_us - reads->stats_read_at_us;
    bool at_once = !store_is_shared(board->store) || reads->for_poster;

    if (reads->stats_read_at_us == 0 || age_us >= STATS_MOST_US)
        return true;
    return (reads->stats_behind && at_once) ||
           ((reads->stats_behind || !reads->has_stats) && age_us >= STATS_LEAST_US);
}

static void read_stats(struct board *board)
{
    int r;

    board->reads.stats_read_at_us = board_now_us(board);
    r = store_stats(board->store, on_stats, board);
    if (r < 0)
        on_stats(r, NULL, board);
}

static void take_list(struct board *board, struct message_list *take_messages, uint64_t version,
                      const char *next)
{
    struct reads *reads = &board->reads;

    message_list_free(reads->messages);
    reads->messages = take_messages;
    reads->version = version;
    text_copy(reads->next, sizeof(reads->next), next);
    reads_address(board, reads->older, next);
    reads->changed = reads->stats_behind = true;
    answer_clear(&reads->json);
}

static void on_list(int error, struct message_list *take_messages, uint64_t version,
                    const char *next, void *userdata)
{
    struct board *board = userdata;

    if (error < 0) {
        end_read(board, error);
        return;
    }
    if (take_messages)
        take_list(board, take_messages, version, next);
    if (stats_are_due(board, board_now_us(board)))
        read_stats(board);
    else
        end_read(board, 0);
}

static void read_list(struct board *board)
{
    struct reads *reads = &board->reads;
    int r = store_latest(board->store, MESSAGE_LIST_MAX,
                         reads->messages ? reads->version : STORE_VERSION_NONE, on_list, board);

    if (r < 0)
        on_list(r, NULL, STORE_VERSION_NONE, "", board);
}

static void on_secret(int error, const uint8_t secret[STORE_SECRET_BYTES], void *userdata)
{
    struct board *board = userdata;

    board->reads.asking_secret = false;
    if (error >= 0) {
        memcpy(board->seal.secret, secret, STORE_SECRET_BYTES);
        board->has_secret = true;
        /* So the tags of all workers and nodes are alike. */
        seal_sign(&board->seal, "tag", "", 0, (uint8_t *) &board->tag_key);
    }
    if (!TAKE(board->reads.wants_secret))
        return;
    if (error < 0)
        end_read(board, error);
    else
        read_list(board);
}

void reads_ask_secret(struct board *board)
{
    int r;

    if (board->has_secret || board->reads.asking_secret)
        return;
    board->reads.asking_secret = true;
    r = store_secret(board->store, on_secret, board);
    if (r < 0)
        on_secret(r, NULL, board);
}

static void start_read(struct board *board)
{
    struct reads *reads = &board->reads;

    if (reads->reading)
        return;
    reads->reading = true;
    reads->for_poster = TAKE(reads->poster_waits);
    reads->begun++;
    reads->begins_realtime_us = clock_realtime_us();
    if (board->has_secret) {
        read_list(board);
        return;
    }
    reads->wants_secret = true;
    reads_ask_secret(board);
}

/* --- who wants to see it --------------------------------------------------------------------- */

static bool is_current(const struct board *board, uint64_t now_us)
{
    const struct reads *reads = &board->reads;

    if (reads->failed_at_us != 0) /* as current as can be had: don't ask at each request */
        return now_us - reads->failed_at_us < READ_RETRY_US;
    return reads->page.whole && store_version(board->store) == reads->shown_version &&
           now_us - reads->checked_at_us < RECHECK_US;
}

void board_with_latest(struct board *board, struct http_request *request, latest_respond respond)
{
    struct reads *reads = &board->reads;
    struct waiter *waiter;

    bool needs_newer = store_is_shared(board->store) &&
                       board_needs_newer(request, reads->shown_realtime_us, clock_realtime_us());

    if (is_current(board, board_now_us(board)) && (!needs_newer || reads->failed_at_us != 0)) {
        respond(board, request, reads->error);
        return;
    }
    waiter = pending_new(board, sizeof(*waiter), request, on_waited);
    if (!waiter) {
        respond(board, request, -ENOBUFS);
        return;
    }
    waiter->respond = respond;
    if (needs_newer) {
        reads->poster_waits = true;
        store_expect(board->store);
    }
    /* Who has posted, elsewhere maybe, is content with a read begun from now on alone. */
    waiter->version = needs_newer ? UINT64_MAX : store_version(board->store);
    waiter->sequence = reads->begun;
    pending_wait(&waiter->pending);
    start_read(board);
}

void reads_done(struct reads *reads)
{
    message_list_free(reads->messages);
    answer_clear(&reads->page);
    answer_clear(&reads->stale);
    answer_clear(&reads->json);
}

/* --- past what is kept ----------------------------------------------------------------------- */

static void on_direct(struct pending *pending, struct http_request *request, int error)
{
    struct direct_read *read = (struct direct_read *) pending;

    read->respond(read, request, error);
}

static void on_direct_list(int error, struct message_list *take_messages, uint64_t version,
                           const char *next, void *userdata)
{
    CLEANUP(message_list_freep) struct message_list *messages = take_messages;
    struct direct_read *read = userdata;
    struct board *board = read->pending.board;

    board->direct_reads--;
    if (error < 0 && error != -ECANCELED && error != -EINVAL)
        counters_add(board->counters, counter_of_error(error));
    read->messages = messages;
    read->next = next;
    pending_end(&read->pending, error);
}

void board_read_direct(struct board *board, struct http_request *request, const char *position,
                       size_t limit,
                       void (*respond)(struct direct_read *read, struct http_request *request,
                                       int error))
{
    struct direct_read none = {.pending.board = board}, *read = NULL;
    int r = -ENOBUFS;

    if (board->direct_reads < DIRECT_READS_MAX)
        read = pending_new(board, sizeof(*read), request, on_direct);
    else
        counters_add(board->counters, COUNT_OVERLOAD);
    if (!read) {
        respond(&none, request, r);
        return;
    }
    read->respond = respond;
    if (position)
        r = store_older(board->store, position, limit, on_direct_list, read);
    else
        r = store_latest(board->store, limit, STORE_VERSION_NONE, on_direct_list, read);
    if (r < 0) {
        counters_add(board->counters, counter_of_error(r));
        pending_end(&read->pending, r);
        return;
    }
    board->direct_reads++;
    read->pending.in_store = true;
    pending_wait(&read->pending);
}

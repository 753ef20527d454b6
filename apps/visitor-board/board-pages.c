/* SPDX-License-Identifier: Apache-2.0 */
/* GET /: the newest messages, older ones behind a cursor, and an error of the address's; and the
 * files that the page wants. */
#include "apps/visitor-board/board-internal.h"

#include <errno.h>
#include <string.h>

#define NOTICE_STALE                                                                               \
    "New messages can't be read at the moment. These are the last ones that this server knows."
#define NOTICE_UNREADABLE "The messages can't be read at the moment. Please reload in a while."
#define NOTICE_CURSOR                                                                              \
    "That link to older messages is not one of this board's. These are the newest messages."

/* --- the newest ------------------------------------------------------------------------------ */

static void send_unreadable(struct board *board, struct http_request *request)
{
    board_send_page(board, request, 503,
                    &(struct page){.instance = board->instance,
                                   .zone = board->zone,
                                   .notice = NOTICE_UNREADABLE,
                                   .now_realtime_us = clock_realtime_us()},
                    RETRY_AFTER_S);
}

/* The last good page with a notice, rendered once for all who ask meanwhile. */
static void send_stale(struct board *board, struct http_request *request)
{
    struct reads *reads = &board->reads;
    struct page page = reads_page(board);
    struct buffer buffer;

    page.notice = NOTICE_STALE;
    if (!reads->stale.whole) {
        buffer_init(&buffer, PAGE_BYTES_MAX);
        (void) page_render(&buffer, &page);
        (void) answer_make(&reads->stale, &board->tag_key, PAGE_CONTENT_TYPE, &buffer,
                           CACHE_REVALIDATE);
        buffer_done(&buffer);
    }
    answer_send(reads->stale.whole ? &reads->stale : &reads->page, request);
}

static void respond_with_page(struct board *board, struct http_request *request, int error)
{
    const char *code = http_request_query(request, "error");
    struct page page;

    if (!board->reads.page.whole) {
        send_unreadable(board, request);
    } else if (code) {
        page = reads_page(board);
        page.error = page_error_text(code);
        page.notice = error < 0 ? NOTICE_STALE : NULL;
        board_send_page(board, request, 200, &page, 0);
    } else if (error < 0) {
        send_stale(board, request);
    } else {
        answer_send(&board->reads.page, request);
    }
}

/* --- older ones ------------------------------------------------------------------------------ */

/* The page's status tells programs; people see the newest messages and why. */
static void respond_to_bad_cursor(struct board *board, struct http_request *request, int error)
{
    struct page page = reads_page(board);

    page.notice = NOTICE_CURSOR;
    counters_add(board->counters, COUNT_BAD_CURSOR);
    if (page.messages)
        board_send_page(board, request, 400, &page, 0);
    else
        send_unreadable(board, request);
}

static void respond_with_older(struct direct_read *read, struct http_request *request, int error)
{
    struct board *board = read->pending.board;
    struct page page = reads_page(board);
    char older[ADDRESS_SIZE];

    if (error == -EINVAL) {
        respond_to_bad_cursor(board, request, error);
        return;
    }
    page.newer = "/";
    page.messages = read->messages;
    page.older = error < 0 || !*reads_address(board, older, read->next) ? NULL : older;
    page.notice = error < 0 ? NOTICE_UNREADABLE : NULL;
    board_send_page(board, request, error < 0 ? 503 : 200, &page, error < 0 ? RETRY_AFTER_S : 0);
}

/* What is kept is known to be current now; or, with an error, at least the secret may be there. */
static void respond_to_before(struct board *board, struct http_request *request, int error)
{
    char position[STORE_POSITION_MAX];

    if (!board->has_secret)
        send_unreadable(board, request);
    else if (cursor_read(http_request_query(request, "before"), &board->seal, position) < 0)
        respond_to_bad_cursor(board, request, error);
    else
        board_read_direct(board, request, position, MESSAGE_LIST_MAX, respond_with_older);
}

void board_handle_page(struct http_request *request, void *userdata)
{
    const char *before = http_request_query(request, "before");

    board_with_latest(userdata, request, before ? respond_to_before : respond_with_page);
}

/* --- files ----------------------------------------------------------------------------------- */

/* Whether |path| differs from the asset's in nothing but the hash. */
static bool is_of_other_version(const char *path, const char *of_asset)
{
    size_t length = strlen(of_asset), stem = strcspn(of_asset, ".") + 1;
    size_t hash = strcspn(of_asset + stem, ".");

    return strlen(path) == length && strncmp(path, of_asset, stem) == 0 &&
           strspn(path + stem, "0123456789abcdef") == hash &&
           strcmp(path + stem + hash, of_asset + stem + hash) == 0;
}

/* While a fleet changes its version, the page may be another node's: then ours is better than none,
 * but for this time only. */
static struct http_response *asset_of_other_version(const char *path)
{
    struct http_response *response = NULL;

    for (size_t i = 0; i < n_assets; i++) {
        const struct buffer body = {.data = (char *) assets[i].bytes, .length = assets[i].length};

        if (is_of_other_version(path, assets[i].path)) {
            (void) board_new_response(&response, 200, assets[i].content_type, &body, CACHE_NEVER);
            break;
        }
    }
    return response;
}

void board_handle_asset(struct http_request *request, void *userdata)
{
    const struct board *board = userdata;
    CLEANUP(http_response_freep) struct http_response *other = NULL;

    for (size_t i = 0; i < n_assets; i++)
        if (strcmp(assets[i].path, http_request_path(request)) == 0) {
            answer_send(&board->assets[i], request);
            return;
        }
    other = asset_of_other_version(http_request_path(request));
    if (!other)
        other = board_error_page(request, 404, userdata);
    http_respond(request, other ? other : board->unreadable);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* POST /: the form. Whatever is refused, the page comes back with the reason beside the field and
 * what was typed in it. */
#include "apps/visitor-board/board-internal.h"

#include "apps/visitor-board/form.h"

#include <errno.h>
#include <string.h>

#define FORM_TYPE "application/x-www-form-urlencoded"

#define ERROR_NOT_STORED                                                                           \
    "Your message was not stored: the board can't take new ones at the moment. It is still in "    \
    "the field: please post it again in a while."
#define ERROR_UNKNOWN                                                                              \
    "Your message may not have been stored: the board got no clear answer. Please look whether "   \
    "it "                                                                                          \
    "is there before you post it again."
#define ERROR_MALFORMED "Your message was not posted: the form's data is damaged or not UTF-8."
#define ERROR_FORM_TYPE "Your message was not posted: please send it as " FORM_TYPE "."
#define ERROR_CHARACTERS                                                                           \
    "Your message was not posted: it had control characters in it. They are taken out now: "       \
    "please look at it and post it again."
#define ERROR_TOO_FAST                                                                             \
    "Your message was not posted: there were many from your address just now. It is still in the " \
    "field: please post it again in a minute."
#define ERROR_CROSS_ORIGIN                                                                         \
    "Your message was not posted: it was sent by another site's page. Please write it here."

static void refuse(struct board *board, struct http_request *request, unsigned status,
                   const char *error, const char *draft, unsigned retry_after_s)
{
    struct page page = reads_page(board);

    page.error = error;
    page.draft = draft;
    board_send_page(board, request, status, &page, retry_after_s);
}

static void respond_posted(struct board *board, struct http_request *request)
{
    CLEANUP(http_response_freep) struct http_response *response = NULL;

    if (!store_is_shared(board->store)) {
        http_respond(request, board->posted);
        return;
    }
    if (board_new_redirect(&response) < 0 || board_add_posted_cookie(board, response) < 0)
        http_respond(request, board->posted); /* it is stored, after all */
    else
        http_respond(request, response);
}

static void respond(struct posting *posting, struct http_request *request, int error)
{
    struct board *board = posting->pending.board;

    if (error >= 0)
        respond_posted(board, request);
    else
        refuse(board, request, 503,
               error == -ETIMEDOUT || error == -EIO ? ERROR_UNKNOWN : ERROR_NOT_STORED,
               posting->text, RETRY_AFTER_S);
}

static void post_text(struct board *board, struct http_request *request, const char *text)
{
    unsigned wait_s = board_rate_limit(board, request);

    if (wait_s > 0)
        refuse(board, request, 429, ERROR_TOO_FAST, text, wait_s);
    else if (board_store(board, request, text, NULL, respond) < 0)
        refuse(board, request, 503, ERROR_NOT_STORED, text, RETRY_AFTER_S);
}

static void post_body(struct board *board, struct http_request *request, const char *body,
                      size_t length)
{
    char text[FORM_TEXT_SIZE];
    enum form_result result = form_parse(body, length, text);

    if (result != FORM_OK)
        counters_add(board->counters, COUNT_INVALID);
    switch (result) {
    case FORM_OK:
        post_text(board, request, text);
        break;
    case FORM_TOO_LONG:
        refuse(board, request, 400, page_error_text("too-long"), text, 0);
        break;
    case FORM_CHARACTERS:
        refuse(board, request, 400, ERROR_CHARACTERS, text, 0);
        break;
    case FORM_MALFORMED:
        refuse(board, request, 400, ERROR_MALFORMED, NULL, 0);
        break;
    }
}

void board_handle_form(struct http_request *request, void *userdata)
{
    struct board *board = userdata;
    size_t length;
    const char *body = http_request_body(request, &length);

    if (board_is_cross_origin(board, request)) {
        refuse(board, request, 403, ERROR_CROSS_ORIGIN, NULL, 0);
    } else if (!board_has_type(request, FORM_TYPE) &&
               (length > 0 || http_request_header(request, "Content-Type"))) {
        counters_add(board->counters, COUNT_INVALID);
        refuse(board, request, 415, ERROR_FORM_TYPE, NULL, 0);
    } else {
        post_body(board, request, body, length);
    }
}

/* SPDX-License-Identifier: Apache-2.0 */
/* /api: the same board as JSON. openapi.json is its contract; errors are problem+json. */
#include "apps/visitor-board/board-internal.h"

#include "apps/visitor-board/board-json.h"
#include "common/base/text.h"

#include <errno.h>
#include <string.h>

#define KEY_HEADER    "Idempotency-Key"
#define KEY_BYTES_MAX 255u
/* Says that the answer is that of an earlier request with the same key. */
#define REPEATED_HEADER "Idempotent-Replayed"

static void refuse(struct board *board, struct http_request *request, unsigned status,
                   const char *type, const char *title, const char *detail, const char *field)
{
    const struct problem problem = {
        .status = status, .type = type, .title = title, .detail = detail, .field = field};

    board_send_problem(board, request, &problem, 0);
}

/* --- reading --------------------------------------------------------------------------------- */

static void refuse_cursor(struct board *board, struct http_request *request)
{
    counters_add(board->counters, COUNT_BAD_CURSOR);
    refuse(board, request, 400, PROBLEM_TYPE("bad-cursor"), "Not a cursor of this board",
           "A cursor is what an earlier answer gave as \"next\", unchanged.", "cursor");
}

static const char *cursor_of(const struct board *board, char cursor[CURSOR_SIZE],
                             const char *position)
{
    return *position ? cursor_make(cursor, &board->seal, position) : "";
}

/* The kept list, rendered once for all who ask. */
static void respond_with_kept(struct board *board, struct http_request *request)
{
    struct reads *reads = &board->reads;
    char cursor[CURSOR_SIZE];
    struct buffer buffer;
    int r = 0;

    if (!reads->json.whole) {
        buffer_init(&buffer, BOARD_JSON_BYTES_MAX);
        board_json_messages(&buffer, reads->messages, MESSAGE_LIST_MAX,
                            cursor_of(board, cursor, reads->next));
        r = answer_make(&reads->json, &board->tag_key, "application/json", &buffer,
                        CACHE_REVALIDATE);
        buffer_done(&buffer);
    }
    if (r < 0)
        board_send_unavailable(board, request, r);
    else
        answer_send(&reads->json, request);
}

static void respond_with_direct(struct direct_read *read, struct http_request *request, int error)
{
    struct board *board = read->pending.board;
    struct answer answer = {0};
    char cursor[CURSOR_SIZE];
    struct buffer buffer;

    if (error == -EINVAL) {
        refuse_cursor(board, request);
        return;
    }
    if (error < 0) {
        board_send_unavailable(board, request, error);
        return;
    }
    buffer_init(&buffer, BOARD_JSON_BYTES_MAX);
    board_json_messages(&buffer, read->messages, MESSAGE_LIST_MAX,
                        cursor_of(board, cursor, read->next));
    error = answer_make(&answer, &board->tag_key, "application/json", &buffer, CACHE_REVALIDATE);
    buffer_done(&buffer);
    if (error < 0)
        board_send_unavailable(board, request, error);
    else
        answer_send(&answer, request);
    answer_clear(&answer);
}

static void respond_with_latest(struct board *board, struct http_request *request, int error)
{
    if (error < 0)
        board_send_unavailable(board, request, error);
    else
        respond_with_kept(board, request);
}

/* Not what is kept: for that, only the secret has to be known, which the first read brings. */
static void respond_with_part(struct board *board, struct http_request *request, int error)
{
    const char *limit_text = http_request_query(request, "limit");
    const char *cursor = http_request_query(request, "cursor");
    char position[STORE_POSITION_MAX];
    uint64_t limit = MESSAGE_LIST_MAX;

    if (limit_text)
        (void) text_parse_u64(limit_text, 1, MESSAGE_LIST_MAX, &limit);
    if (!board->has_secret)
        board_send_unavailable(board, request, error);
    else if (!cursor)
        board_read_direct(board, request, NULL, limit, respond_with_direct);
    else if (cursor_read(cursor, &board->seal, position) < 0)
        refuse_cursor(board, request);
    else
        board_read_direct(board, request, position, limit, respond_with_direct);
}

void board_handle_api_messages(struct http_request *request, void *userdata)
{
    struct board *board = userdata;
    const char *limit_text = http_request_query(request, "limit");
    uint64_t limit = MESSAGE_LIST_MAX;

    if (limit_text && text_parse_u64(limit_text, 1, MESSAGE_LIST_MAX, &limit) < 0)
        refuse(board, request, 400, PROBLEM_TYPE("bad-limit"), "Not a limit",
               "The limit is a number from 1 to 50.", "limit");
    else if (limit == MESSAGE_LIST_MAX && !http_request_query(request, "cursor"))
        board_with_latest(board, request, respond_with_latest);
    else if (board->has_secret)
        respond_with_part(board, request, 0);
    else
        board_with_latest(board, request, respond_with_part);
}

static void respond_with_stats(struct board *board, struct http_request *request, int error)
{
    struct buffer buffer;

    if (error < 0 || !board->reads.has_stats) {
        board_send_unavailable(board, request, error);
        return;
    }
    buffer_init(&buffer, BOARD_JSON_BYTES_MAX);
    board_json_stats(&buffer, &board->reads.stats);
    board_send_json(board, request, 200, &buffer);
    buffer_done(&buffer);
}

void board_handle_api_stats(struct http_request *request, void *userdata)
{
    board_with_latest(userdata, request, respond_with_stats);
}

void board_handle_openapi(struct http_request *request, void *userdata)
{
    const struct board *board = userdata;

    answer_send(&board->openapi, request);
}

/* --- posting --------------------------------------------------------------------------------- */

static void refuse_text(struct board *board, struct http_request *request,
                        enum board_json_result result)
{
    static const struct {
        unsigned status;
        const char *type, *title, *detail, *field;
    } refusals[] = {
        [BOARD_JSON_MALFORMED] = {400, PROBLEM_TYPE("malformed"), "Not JSON",
                                  "The body must be one JSON value in UTF-8.", NULL},
        [BOARD_JSON_NO_MESSAGE] = {422, PROBLEM_TYPE("invalid-message"), "No message",
                                   "The body must be an object with a string \"message\".",
                                   "message"},
        [BOARD_JSON_EMPTY] = {422, PROBLEM_TYPE("invalid-message"), "The message is empty",
                              "It has nothing but white space.", "message"},
        [BOARD_JSON_TOO_LONG] = {422, PROBLEM_TYPE("invalid-message"), "The message is too long",
                                 "It may have 500 characters.", "message"},
        [BOARD_JSON_CHARACTERS] = {422, PROBLEM_TYPE("invalid-message"),
                                   "The message has control characters",
                                   "Of these, only tab and new line are allowed.", "message"},
    };

    counters_add(board->counters, COUNT_INVALID);
    refuse(board, request, refusals[result].status, refusals[result].type, refusals[result].title,
           refusals[result].detail, refusals[result].field);
}

static int new_stored(struct http_response **ret, const struct posting *posting)
{
    CLEANUP(http_response_freep) struct http_response *response = NULL;
    struct buffer buffer;
    int r;

    buffer_init(&buffer, BOARD_JSON_BYTES_MAX);
    board_json_message(&buffer, posting->stored);
    r = board_new_response(&response, 201, "application/json", &buffer, CACHE_NEVER);
    buffer_done(&buffer);
    if (r >= 0 && posting->repeated)
        r = http_response_add_header(response, REPEATED_HEADER, "true");
    if (r >= 0)
        r = board_add_posted_cookie(posting->pending.board, response);
    if (r < 0)
        return r;
    *ret = TAKE(response);
    return 0;
}

static void respond_stored(struct posting *posting, struct http_request *request, int error)
{
    struct board *board = posting->pending.board;
    CLEANUP(http_response_freep) struct http_response *response = NULL;

    if (error >= 0 && posting->repeated && strcmp(posting->stored->text, posting->text) != 0) {
        refuse(board, request, 422, PROBLEM_TYPE("key-reused"),
               "The key belongs to another message",
               "An idempotency key is for one message and its repetitions.", KEY_HEADER);
        return;
    }
    if (error >= 0)
        error = new_stored(&response, posting);
    if (error < 0)
        board_send_unavailable(board, request, error);
    else
        http_respond(request, response);
}

/* The key as it is stored: "" if there is none. False: it is none. A key is a string in quotation
 * marks (draft-ietf-httpapi-idempotency-key-header), and most clients leave them away. */
static bool read_key(const struct board *board, const char *value, char key[SEAL_HEX_SIZE])
{
    size_t length;

    key[0] = '\0';
    if (!value)
        return true;
    length = strlen(value);
    if (length >= 2 && value[0] == '"' && value[length - 1] == '"') {
        value++;
        length -= 2;
    }
    if (length == 0 || length > KEY_BYTES_MAX)
        return false;
    for (size_t i = 0; i < length; i++)
        if (value[i] <= ' ' || value[i] > '~' || value[i] == '"' || value[i] == '\\')
            return false;
    if (board->has_secret)
        seal_sign_hex(&board->seal, "idempotency-key", value, length, key);
    return true;
}

/* After a read, which brings the secret. */
static void post_again(struct board *board, struct http_request *request, int error)
{
    if (board->has_secret)
        board_handle_api_post(request, board);
    else
        board_send_unavailable(board, request, error);
}

static void post_text(struct board *board, struct http_request *request, const char *text)
{
    const char *value = http_request_header(request, KEY_HEADER);
    char key[SEAL_HEX_SIZE];
    unsigned wait_s;

    if (!read_key(board, value, key)) {
        counters_add(board->counters, COUNT_INVALID);
        refuse(board, request, 400, PROBLEM_TYPE("bad-key"), "Not an idempotency key",
               "A key has 1 to 255 printable ASCII characters without blanks, quotation marks and "
               "backslashes.",
               KEY_HEADER);
        return;
    }
    if (value && !board->has_secret) { /* for a moment, in a worker that has just begun */
        board_with_latest(board, request, post_again);
        return;
    }
    wait_s = board_rate_limit(board, request);
    if (wait_s > 0)
        board_send_problem(board, request,
                           &(struct problem){.status = 429,
                                             .type = PROBLEM_TYPE("too-fast"),
                                             .title = "Too many messages from this address",
                                             .detail = "Please try again after Retry-After."},
                           wait_s);
    else if (board_store(board, request, text, value ? key : NULL, respond_stored) < 0)
        board_send_unavailable(board, request, -ENOBUFS);
}

void board_handle_api_post(struct http_request *request, void *userdata)
{
    struct board *board = userdata;
    CLEANUP_FREE char *text = NULL;
    enum board_json_result result;
    size_t length;
    const char *body = http_request_body(request, &length);

    if (board_is_cross_origin(board, request)) {
        refuse(board, request, 403, PROBLEM_TYPE("cross-origin"), "Sent by another site's page",
               "Browsers may post from the board's own page alone.", NULL);
        return;
    }
    if (!board_has_type(request, "application/json")) {
        counters_add(board->counters, COUNT_INVALID);
        refuse(board, request, 415, NULL, NULL, "The body must be application/json.",
               "Content-Type");
        return;
    }
    result = board_json_read_post(body, length, &text);
    if (result == BOARD_JSON_OK)
        post_text(board, request, text);
    else
        refuse_text(board, request, result);
}

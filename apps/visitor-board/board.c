/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Requests that can't be answered at once wait: a GET for the next list from the store, a POST for
 * its transaction. One read is under way at a time and answers all that it is fresh enough for.
 */
#include "apps/visitor-board/board.h"

#include "apps/visitor-board/form.h"
#include "apps/visitor-board/page.h"
#include "apps/visitor-board/uuid.h"
#include "common/base/clock.h"
#include "common/base/json.h"
#include "common/base/log.h"

#include <errno.h>
#include <string.h>
#include <strings.h>

#define WAITERS_MAX   4096u                 /* GETs that wait for a read; more: 503 */
#define RECHECK_US    USEC_PER_SEC          /* how old a page may be without asking the store */
#define READ_RETRY_US (250 * USEC_PER_MSEC) /* after a failed read */
#define RETRY_AFTER_S "2"

#define FORM_TYPE "application/x-www-form-urlencoded"

#define NOTICE_STALE                                                                               \
    "New messages can't be read at the moment. These are the last ones that this server knows."
#define NOTICE_UNREADABLE "The messages can't be read at the moment. Please reload in a while."
#define ERROR_NOT_STORED                                                                           \
    "Your message was not stored: the board can't take new ones at the moment. Please go back "    \
    "and "                                                                                         \
    "try again in a while."
#define ERROR_MALFORMED "Your message was not posted: the form's data is damaged or not UTF-8."
#define ERROR_FORM_TYPE "Your message was not posted: please send it as " FORM_TYPE "."

struct waiter { /* a GET that waits for a read */
    struct waiter *previous;
    struct waiter *next;
    struct board *board;
    struct http_request *request;
    uint64_t version;  /* the store's when it came in: what it must see */
    uint64_t sequence; /* of the last read begun before it; any later one will do */
};

struct posting { /* a POST that waits for its transaction */
    struct board *board;
    struct http_request *request; /* NULL: its connection is gone */
};

struct board {
    sd_event *event;
    struct store *store;
    char *instance;

    struct http_response *health;
    struct http_response *posted;     /* 302 to the page */
    struct http_response *too_long;   /* 302 to the page with the error */
    struct http_response *characters; /* the same */
    struct http_response *malformed;
    struct http_response *form_type;
    struct http_response *not_stored; /* 503 */
    struct http_response *unreadable; /* 503 */

    struct message_list *messages; /* the last good read; NULL before it */
    uint64_t version;              /* of |messages| */
    uint64_t checked_at_us;        /* when the store last said that they are current */
    struct http_response *page;    /* rendered from |messages| */
    struct http_response *stale;   /* the same with a notice; made when it is needed */
    uint64_t read_failed_at_us;    /* 0: the last read was good */

    struct waiter *waiters;
    size_t waiting;
    uint64_t reads; /* begun so far */
    bool reading;

    uint64_t posts_refused; /* since the store stopped taking them */
    bool storing_fails;
};

/* --- answers --------------------------------------------------------------------------------- */

static int add_headers(struct http_response *response)
{
    static const char *const headers[][2] = {
        {"Content-Security-Policy", PAGE_SECURITY_POLICY},
        {"X-Content-Type-Options", "nosniff"},
        {"Referrer-Policy", "no-referrer"},
        {"Cache-Control", "no-store"},
    };
    int r = 0;

    for (size_t i = 0; i < ARRAY_SIZE(headers) && r >= 0; i++)
        r = http_response_add_header(response, headers[i][0], headers[i][1]);
    return r;
}

static int new_page(struct http_response **ret, unsigned status, const struct page *page)
{
    CLEANUP(http_response_freep) struct http_response *response = NULL;
    struct buffer buffer;
    int r;

    buffer_init(&buffer, PAGE_BYTES_MAX);
    r = page_render(&buffer, page);
    if (r >= 0)
        r = http_response_new(&response, status, PAGE_CONTENT_TYPE, buffer.data, buffer.length);
    buffer_done(&buffer);
    if (r >= 0)
        r = add_headers(response);
    if (r >= 0 && status == 503)
        r = http_response_add_header(response, "Retry-After", RETRY_AFTER_S);
    if (r < 0)
        return r;
    *ret = TAKE(response);
    return 0;
}

static int new_error_page(const struct board *board, struct http_response **ret, unsigned status,
                          const char *error)
{
    return new_page(ret, status, &(struct page){.instance = board->instance, .error = error});
}

static int new_redirect(struct http_response **ret, const char *location)
{
    CLEANUP(http_response_freep) struct http_response *response = NULL;
    int r = http_response_new(&response, 302, "text/plain; charset=utf-8", "", 0);

    if (r >= 0)
        r = http_response_add_header(response, "Location", location);
    if (r >= 0)
        r = http_response_add_header(response, "Cache-Control", "no-store");
    if (r < 0)
        return r;
    *ret = TAKE(response);
    return 0;
}

static int new_health(struct http_response **ret, const char *instance)
{
    CLEANUP(http_response_freep) struct http_response *response = NULL;
    CLEANUP_JSON struct json_object *object = json_object_new_object();
    struct buffer buffer;
    int r;

    if (!object)
        return -ENOMEM;
    json_add_bool(object, "ok", true);
    json_add_string(object, "instanceId", instance);
    buffer_init(&buffer, PAGE_BYTES_MAX);
    r = json_print(object, false, &buffer);
    if (r >= 0)
        r = buffer_append_string(&buffer, "\n");
    if (r >= 0)
        r = http_response_new(&response, 200, "application/json", buffer.data, buffer.length);
    buffer_done(&buffer);
    if (r >= 0)
        r = http_response_add_header(response, "Cache-Control", "no-store");
    if (r < 0)
        return r;
    *ret = TAKE(response);
    return 0;
}

static int prepare_answers(struct board *board)
{
    int r = new_health(&board->health, board->instance);

    if (r >= 0)
        r = new_redirect(&board->posted, "/");
    if (r >= 0)
        r = new_redirect(&board->too_long, "/?error=too-long");
    if (r >= 0)
        r = new_redirect(&board->characters, "/?error=characters");
    if (r >= 0)
        r = new_error_page(board, &board->malformed, 400, ERROR_MALFORMED);
    if (r >= 0)
        r = new_error_page(board, &board->form_type, 415, ERROR_FORM_TYPE);
    if (r >= 0)
        r = new_error_page(board, &board->not_stored, 503, ERROR_NOT_STORED);
    if (r >= 0)
        r = new_page(&board->unreadable, 503,
                     &(struct page){.instance = board->instance, .notice = NOTICE_UNREADABLE});
    return r;
}

/* --- the page -------------------------------------------------------------------------------- */

static uint64_t loop_now_us(const struct board *board)
{
    uint64_t now_us;

    return sd_event_now(board->event, CLOCK_MONOTONIC, &now_us) >= 0 ? now_us
                                                                     : clock_monotonic_us();
}

/* The page with a box of its own for this request. */
static void respond_with_error(struct board *board, struct http_request *request, const char *code,
                               const char *notice)
{
    CLEANUP(http_response_freep) struct http_response *response = NULL;
    const struct page page = {
        .instance = board->instance,
        .messages = board->messages,
        .notice = notice,
        .error = page_error_text(code),
    };

    http_respond(request, new_page(&response, 200, &page) >= 0 ? response : board->unreadable);
}

/* Sends the messages that there are. */
static void respond_with_page(struct board *board, struct http_request *request)
{
    const char *code = http_request_query(request, "error");
    bool stale = board->read_failed_at_us != 0;

    if (!board->page)
        http_respond(request, board->unreadable);
    else if (code)
        respond_with_error(board, request, code, stale ? NOTICE_STALE : NULL);
    else
        http_respond(request, stale && board->stale ? board->stale : board->page);
}

static struct waiter *waiter_free(struct waiter *waiter)
{
    struct board *board = waiter->board;

    if (waiter->previous)
        waiter->previous->next = waiter->next;
    else
        board->waiters = waiter->next;
    if (waiter->next)
        waiter->next->previous = waiter->previous;
    board->waiting--;
    free(waiter);
    return NULL;
}

static void on_waiter_abort(struct http_request *request, void *context)
{
    waiter_free(context);
}

/* Takes a new list and renders it. 0 or a negative errno; then nothing has changed. */
static int take_messages(struct board *board, struct message_list *take_list, uint64_t version)
{
    CLEANUP(message_list_freep) struct message_list *list = take_list;
    struct http_response *response;
    int r = new_page(&response, 200, &(struct page){.instance = board->instance, .messages = list});

    if (r < 0)
        return r;
    http_response_free(board->page);
    board->page = response;
    message_list_free(board->messages);
    board->messages = TAKE(list);
    board->version = version;
    return 0;
}

static void note_read_failed(struct board *board, int error)
{
    if (board->read_failed_at_us == 0) {
        log_warning_errno(-error, "Can't read the messages: %m; showing the last good page");
        if (board->messages)
            (void) new_page(&board->stale, 200,
                            &(struct page){.instance = board->instance,
                                           .messages = board->messages,
                                           .notice = NOTICE_STALE});
    }
    board->read_failed_at_us = loop_now_us(board);
}

static void note_read(struct board *board)
{
    if (board->read_failed_at_us != 0)
        log_notice("The messages can be read again");
    board->read_failed_at_us = 0;
    board->stale = board->stale ? http_response_free(board->stale) : NULL;
    board->checked_at_us = loop_now_us(board);
}

static void start_read(struct board *board);

static void on_messages(int error, struct message_list *take_list, uint64_t version,
                        const char *next_position, void *userdata)
{
    struct board *board = userdata;
    struct waiter *waiter, *next;
    uint64_t this_read = board->reads;

    board->reading = false;
    if (error == -ECANCELED) /* the store closes; nobody waits any more */
        return;
    if (error >= 0 && take_list)
        error = take_messages(board, take_list, version);
    if (error < 0)
        note_read_failed(board, error);
    else
        note_read(board);
    for (waiter = board->waiters; waiter; waiter = next) {
        struct http_request *request = waiter->request;

        next = waiter->next;
        /* In time for this one: the read began after it came, or found all that it must show. */
        if (error < 0 || waiter->sequence < this_read || version >= waiter->version) {
            waiter_free(waiter);
            respond_with_page(board, request);
        }
    }
    if (board->waiters)
        start_read(board);
}

static void start_read(struct board *board)
{
    int r;

    if (board->reading)
        return;
    board->reading = true;
    board->reads++;
    r = store_latest(board->store, MESSAGE_LIST_MAX,
                     board->page ? board->version : STORE_VERSION_NONE, on_messages, board);
    if (r < 0)
        on_messages(r, NULL, STORE_VERSION_NONE, "", board);
}

static bool page_is_current(const struct board *board, uint64_t now_us)
{
    if (board->read_failed_at_us != 0) /* as current as can be had: don't ask at each request */
        return now_us - board->read_failed_at_us < READ_RETRY_US;
    return board->page && store_version(board->store) == board->version &&
           now_us - board->checked_at_us < RECHECK_US;
}

static void handle_page(struct http_request *request, void *userdata)
{
    struct board *board = userdata;
    struct waiter *waiter;

    if (page_is_current(board, loop_now_us(board))) {
        respond_with_page(board, request);
        return;
    }
    waiter = board->waiting < WAITERS_MAX ? malloc(sizeof(*waiter)) : NULL;
    if (!waiter) {
        http_respond(request, board->unreadable);
        return;
    }
    *waiter = (struct waiter){
        .next = board->waiters,
        .board = board,
        .request = request,
        .version = store_version(board->store),
        .sequence = board->reads,
    };
    if (board->waiters)
        board->waiters->previous = waiter;
    board->waiters = waiter;
    board->waiting++;
    http_request_suspend(request, on_waiter_abort, waiter);
    start_read(board);
}

/* --- posts ----------------------------------------------------------------------------------- */

/* Logs when storing begins to fail and when it works again, not each message. */
static void note_stored(struct board *board, int error)
{
    if (error == -ECANCELED)
        return;
    if (error < 0) {
        if (!board->storing_fails)
            log_warning_errno(-error, "Can't store messages: %m; answering posts with 503");
        board->posts_refused++;
    } else if (board->storing_fails) {
        log_notice("Messages are stored again, %llu were refused",
                   (unsigned long long) board->posts_refused);
        board->posts_refused = 0;
    }
    board->storing_fails = error < 0;
}

static void on_stored(int error, const struct message *stored, bool repeated, void *userdata)
{
    struct posting *posting = userdata;
    struct board *board = posting->board;

    note_stored(board, error);
    if (posting->request)
        http_respond(posting->request, error < 0 ? board->not_stored : board->posted);
    free(posting);
}

static void on_posting_abort(struct http_request *request, void *context)
{
    struct posting *posting = context;

    posting->request = NULL; /* the message is stored all the same */
}

static void store_text(struct board *board, struct http_request *request, const char *text)
{
    struct posting *posting = malloc(sizeof(*posting));
    char id[UUID_TEXT_SIZE], timestamp[CLOCK_TEXT_MAX];
    int r = -ENOMEM;

    uuid_new(id);
    if (posting) {
        *posting = (struct posting){.board = board, .request = request};
        r = store_post(board->store,
                       &(struct message){
                           .id = id,
                           .text = text,
                           .timestamp = clock_format_iso8601(timestamp, clock_realtime_us()),
                           .instance = board->instance,
                       },
                       NULL, on_stored, posting);
    }
    if (r < 0) {
        note_stored(board, r);
        free(posting);
        http_respond(request, board->not_stored);
        return;
    }
    http_request_suspend(request, on_posting_abort, posting);
}

/* The media type alone, without its parameters (RFC 9110, 8.3.1). */
static bool is_form(const struct http_request *request, size_t length)
{
    const char *type = http_request_header(request, "Content-Type");
    size_t size = strlen(FORM_TYPE);

    if (!type)
        return length == 0;
    return strncasecmp(type, FORM_TYPE, size) == 0 && strchr("; \t", type[size]);
}

static void handle_post(struct http_request *request, void *userdata)
{
    struct board *board = userdata;
    char text[FORM_TEXT_SIZE];
    size_t length;
    const char *body = http_request_body(request, &length);

    if (!is_form(request, length)) {
        http_respond(request, board->form_type);
        return;
    }
    switch (form_parse(body, length, text)) {
    case FORM_OK:
        store_text(board, request, text);
        break;
    case FORM_TOO_LONG:
        http_respond(request, board->too_long);
        break;
    case FORM_CHARACTERS:
        http_respond(request, board->characters);
        break;
    case FORM_MALFORMED:
        http_respond(request, board->malformed);
        break;
    }
}

static void handle_health(struct http_request *request, void *userdata)
{
    const struct board *board = userdata;

    http_respond(request, board->health);
}

const struct http_route board_routes[] = {
    {HTTP_GET, "/", 0, handle_page},
    {HTTP_POST, "/", FORM_BODY_MAX, handle_post},
    {HTTP_GET, "/health", 0, handle_health},
    {0},
};

/* --- life cycle ------------------------------------------------------------------------------ */

int board_new(struct board **ret, sd_event *event)
{
    struct board *board = calloc(1, sizeof(*board));

    if (!board)
        return -ENOMEM;
    board->event = sd_event_ref(event);
    *ret = board;
    return 0;
}

int board_start(struct board *board, struct store *take_store, const char *instance)
{
    board->store = take_store;
    board->instance = strdup(instance);
    return board->instance ? prepare_answers(board) : -ENOMEM;
}

struct board *board_free(struct board *board)
{
    struct http_response **responses[] = {
        &board->health,    &board->posted,    &board->too_long,   &board->characters,
        &board->malformed, &board->form_type, &board->not_stored, &board->unreadable,
        &board->page,      &board->stale,
    };

    store_free(board->store); /* its callbacks still need the rest */
    for (size_t i = 0; i < ARRAY_SIZE(responses); i++)
        if (*responses[i])
            http_response_free(*responses[i]);
    message_list_free(board->messages);
    free(board->instance);
    sd_event_unref(board->event);
    free(board);
    return NULL;
}

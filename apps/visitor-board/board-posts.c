/* SPDX-License-Identifier: Apache-2.0 */
/* Who may post, and storing what was posted; the form's and the API's ways meet here. */
#include "apps/visitor-board/board-internal.h"

#include "apps/visitor-board/cross-origin.h"
#include "apps/visitor-board/uuid.h"
#include "common/base/log.h"
#include "common/base/text.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define TELL_AGAIN_US                                                                              \
    (60 * USEC_PER_SEC) /* between two log lines on clients that post too fast                     \
                         */

#define COOKIE            "board_posted"
#define COOKIE_LIFETIME_S 10u
/* By how much the nodes' clocks may differ. */
#define CLOCKS_APART_US (2 * USEC_PER_SEC)

/* --- who may --------------------------------------------------------------------------------- */

bool board_is_cross_origin(struct board *board, const struct http_request *request)
{
    if (!cross_origin_is_refused(http_request_header(request, "Sec-Fetch-Site"),
                                 http_request_header(request, "Origin"),
                                 http_request_header(request, "Host")))
        return false;
    counters_add(board->counters, COUNT_CROSS_ORIGIN);
    return true;
}

/* Behind a load balancer that is not trusted, all visitors are one client. */
static void tell_of_proxy(struct board *board, const char *peer, size_t n_lines)
{
    if (board->proxy_told || n_lines == 0 || client_proxies_contain(&board->proxies, peer))
        return;
    board->proxy_told = true;
    log_notice("%s sends X-Forwarded-For and is not in BOARD_TRUSTED_PROXIES: posts through it "
               "count as its own",
               peer);
}

static void tell_of_limit(struct board *board, uint64_t now_us)
{
    if (board->limit_told_at_us != 0 && now_us - board->limit_told_at_us < TELL_AGAIN_US)
        return;
    board->limit_told_at_us = now_us;
    log_notice("Clients post faster than BOARD_POSTS_PER_MINUTE allows, %llu posts refused so far",
               (unsigned long long) counters_get(board->counters, COUNT_RATE_LIMITED));
}

unsigned board_rate_limit(struct board *board, const struct http_request *request)
{
    const char *lines[CLIENT_LINES_MAX], *peer;
    struct client_address client;
    uint64_t now_us = board_now_us(board), wait_us;
    size_t n;

    if (!board->rate_limit)
        return 0;
    peer = http_request_client(request);
    n = http_request_header_lines(request, "X-Forwarded-For", lines, ARRAY_SIZE(lines));
    tell_of_proxy(board, peer, n);
    client_address_find(&client, peer, lines, n, &board->proxies);
    client_address_cut(&client);
    wait_us = rate_limit_take(board->rate_limit, &client, sizeof(client), now_us);
    if (wait_us == 0)
        return 0;
    counters_add(board->counters, COUNT_RATE_LIMITED);
    tell_of_limit(board, now_us);
    return (unsigned) (wait_us / USEC_PER_SEC) + 1;
}

/* --- storing --------------------------------------------------------------------------------- */

/* Logs when storing begins to fail and when it works again, not each message. */
static void note_stored(struct board *board, int error)
{
    if (error == -ECANCELED)
        return;
    if (error < 0) {
        enum counter kind = counter_of_error(error);

        counters_add(board->counters, kind);
        if (!board->storing_fails)
            log_warning_errno(-error, "Can't store messages (%s): %m; answering posts with 503",
                              counter_name(kind));
        board->posts_refused++;
    } else if (board->storing_fails) {
        log_notice("Messages are stored again, %llu were refused",
                   (unsigned long long) board->posts_refused);
        board->posts_refused = 0;
    }
    board->storing_fails = error < 0;
}

static void on_respond(struct pending *pending, struct http_request *request, int error)
{
    struct posting *posting = (struct posting *) pending;

    posting->respond(posting, request, error);
}

static void on_stored(int error, const struct message *stored, bool repeated, void *userdata)
{
    struct posting *posting = userdata;

    note_stored(posting->pending.board, error);
    posting->stored = stored;
    posting->repeated = repeated;
    pending_end(&posting->pending, error);
}

static int begin_storing(struct posting *posting, const char *key)
{
    struct board *board = posting->pending.board;
    char id[UUID_TEXT_SIZE], timestamp[CLOCK_TEXT_MAX];

    uuid_new(id);
    return store_post(board->store,
                      &(struct message){
                          .id = id,
                          .text = posting->text,
                          .timestamp = clock_format_iso8601(timestamp, clock_realtime_us()),
                          .instance = board->instance,
                      },
                      key, on_stored, posting);
}

int board_store(struct board *board, struct http_request *request, const char *text,
                const char *key,
                void (*respond)(struct posting *posting, struct http_request *request, int error))
{
    size_t size = strlen(text) + 1;
    struct posting *posting = pending_new(board, sizeof(*posting) + size, request, on_respond);
    int r;

    if (!posting)
        return -ENOBUFS;
    posting->respond = respond;
    memcpy(posting->text, text, size);
    r = begin_storing(posting, key);
    if (r < 0) {
        note_stored(board, r);
        pending_end(&posting->pending, r);
        return 0;
    }
    posting->pending.in_store = true; /* the message is stored also if its sender goes */
    pending_wait(&posting->pending);
    return 0;
}

/* --- the poster's next GET ------------------------------------------------------------------- */

int board_add_posted_cookie(const struct board *board, struct http_response *response)
{
    char cookie[128];

    if (!store_is_shared(board->store))
        return 0;
    snprintf(cookie, sizeof(cookie), COOKIE "=%llu; Max-Age=%u; Path=/; HttpOnly; SameSite=Lax",
             (unsigned long long) (clock_realtime_us() / USEC_PER_MSEC), COOKIE_LIFETIME_S);
    return http_response_add_header(response, "Set-Cookie", cookie);
}

/* The moment in the cookie; 0 if there is none, or no number. */
static uint64_t posted_at_us(const struct http_request *request)
{
    const char *cookies = http_request_header(request, "Cookie");
    char number[24];
    uint64_t ms;
    size_t length;

    while (cookies && *cookies) {
        cookies += strspn(cookies, "; ");
        if (strncmp(cookies, COOKIE "=", strlen(COOKIE "=")) == 0) {
            cookies += strlen(COOKIE "=");
            length = strcspn(cookies, "; ");
            if (length >= sizeof(number))
                return 0;
            memcpy(number, cookies, length);
            number[length] = '\0';
            return text_parse_u64(number, 0, UINT64_MAX / USEC_PER_MSEC, &ms) < 0
                       ? 0
                       : ms * USEC_PER_MSEC;
        }
        cookies += strcspn(cookies, ";");
    }
    return 0;
}

/* Another node's clock wrote it, so a list is only new enough with that much to spare; and what
 * nobody can just have been given says nothing. */
bool board_needs_newer(const struct http_request *request, uint64_t began_realtime_us,
                       uint64_t now_realtime_us)
{
    uint64_t posted_us = posted_at_us(request);

    return posted_us != 0 && posted_us < now_realtime_us + CLOCKS_APART_US &&
           posted_us + COOKIE_LIFETIME_S * USEC_PER_SEC + CLOCKS_APART_US > now_realtime_us &&
           began_realtime_us < posted_us + CLOCKS_APART_US;
}

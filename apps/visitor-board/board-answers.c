/* SPDX-License-Identifier: Apache-2.0 */
/* Responses: the headers that each one has, those that are kept, and those for one request. */
#include "apps/visitor-board/board-internal.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#define CONTENT_TYPE_JSON "application/json"
/* For what is no page: nothing that a browser makes of it may do anything. */
#define PLAIN_SECURITY_POLICY "default-src 'none'; base-uri 'none'; frame-ancestors 'none'"

static int add_headers(struct http_response *response, const char *content_type, const char *cache)
{
    bool is_page = content_type && strcmp(content_type, PAGE_CONTENT_TYPE) == 0;
    const char *const headers[][2] = {
        {"Content-Security-Policy", is_page ? PAGE_SECURITY_POLICY : PLAIN_SECURITY_POLICY},
        {"X-Content-Type-Options", "nosniff"},
        /* Not "no-referrer": with that, browsers send "Origin: null" with the form, and over plain
         * HTTP the origin is all that tells us from other sites (cross-origin.h). */
        {"Referrer-Policy", "same-origin"},
        {"Cross-Origin-Resource-Policy", "same-origin"},
        {"Cache-Control", cache},
    };
    int r = 0;

    for (size_t i = 0; i < ARRAY_SIZE(headers) && r >= 0; i++)
        r = http_response_add_header(response, headers[i][0], headers[i][1]);
    return r;
}

int board_new_response(struct http_response **ret, unsigned status, const char *content_type,
                       const struct buffer *body, const char *cache)
{
    CLEANUP(http_response_freep) struct http_response *response = NULL;
    int r = body->failed ? -ENOBUFS : 0;

    if (r >= 0)
        r = http_response_new(&response, status, content_type, body->data, body->length);
    if (r >= 0)
        r = add_headers(response, content_type, cache);
    if (r < 0)
        return r;
    *ret = TAKE(response);
    return 0;
}

static int add_retry_after(struct http_response *response, unsigned seconds)
{
    char text[16];

    if (seconds == 0)
        return 0;
    snprintf(text, sizeof(text), "%u", seconds);
    return http_response_add_header(response, "Retry-After", text);
}

/* --- kept ones ------------------------------------------------------------------------------- */

void answer_clear(struct answer *answer)
{
    http_response_free(answer->whole);
    http_response_free(answer->unchanged);
    *answer = (struct answer){0};
}

int answer_make(struct answer *answer, const struct siphash_key *key, const char *content_type,
                const struct buffer *body, const char *cache)
{
    struct answer new = {0};
    int r = board_new_response(&new.whole, 200, content_type, body, cache);

    if (r >= 0)
        r = http_response_new_unchanged(&new.unchanged, new.whole);
    if (r >= 0)
        r = add_headers(new.unchanged, content_type, cache);
    if (r >= 0) {
        entity_tag_make(new.tag, key, body->data, body->length);
        r = http_response_add_header(new.whole, "ETag", new.tag);
    }
    if (r >= 0)
        r = http_response_add_header(new.unchanged, "ETag", new.tag);
    if (r < 0) {
        answer_clear(&new);
        return r;
    }
    answer_clear(answer);
    *answer = new;
    return 0;
}

void answer_send(const struct answer *answer, struct http_request *request)
{
    const char *known = http_request_header(request, "If-None-Match");

    http_respond(request,
                 entity_tag_is_listed(known, answer->tag) ? answer->unchanged : answer->whole);
}

/* --- for one request ------------------------------------------------------------------------- */

static void send_or_give_up(struct board *board, struct http_request *request, int r,
                            struct http_response *response)
{
    http_respond(request, r >= 0 ? response : board->unreadable);
}

/* A page that is as good for the next request has a tag, and others are not to be kept. */
void board_send_page(struct board *board, struct http_request *request, unsigned status,
                     const struct page *page, unsigned retry_after_s)
{
    CLEANUP(http_response_freep) struct http_response *response = NULL;
    struct answer answer = {0};
    struct buffer buffer;
    int r;

    buffer_init(&buffer, PAGE_BYTES_MAX);
    r = page_render(&buffer, page);
    if (r >= 0 && status == 200)
        r = answer_make(&answer, &board->tag_key, PAGE_CONTENT_TYPE, &buffer, CACHE_REVALIDATE);
    else if (r >= 0)
        r = board_new_response(&response, status, PAGE_CONTENT_TYPE, &buffer, CACHE_NEVER);
    buffer_done(&buffer);
    if (r >= 0 && response)
        r = add_retry_after(response, retry_after_s);
    if (r >= 0 && answer.whole)
        answer_send(&answer, request);
    else
        send_or_give_up(board, request, r, response);
    answer_clear(&answer);
}

void board_send_problem(struct board *board, struct http_request *request,
                        const struct problem *problem, unsigned retry_after_s)
{
    CLEANUP(http_response_freep) struct http_response *response = NULL;
    struct buffer buffer;
    int r;

    buffer_init(&buffer, PROBLEM_BYTES_MAX);
    r = problem_render(&buffer, problem);
    if (r >= 0)
        r = board_new_response(&response, problem->status, PROBLEM_CONTENT_TYPE, &buffer,
                               CACHE_NEVER);
    buffer_done(&buffer);
    if (r >= 0)
        r = add_retry_after(response, retry_after_s);
    send_or_give_up(board, request, r, response);
}

void board_send_json(struct board *board, struct http_request *request, unsigned status,
                     const struct buffer *body)
{
    CLEANUP(http_response_freep) struct http_response *response = NULL;
    int r = board_new_response(&response, status, CONTENT_TYPE_JSON, body, CACHE_NEVER);

    send_or_give_up(board, request, r, response);
}

void board_send_unavailable(struct board *board, struct http_request *request, int error)
{
    const char *detail = "The store does not answer as it should.";

    if (error == -ETIMEDOUT)
        detail = "The store did not answer in time.";
    else if (error == -ENOBUFS)
        detail = "Too many requests wait at the moment.";
    board_send_problem(board, request,
                       &(struct problem){.status = 503,
                                         .type = PROBLEM_TYPE("unavailable"),
                                         .title = "The board is not available",
                                         .detail = detail},
                       RETRY_AFTER_S);
}

bool board_has_type(const struct http_request *request, const char *type)
{
    const char *value = http_request_header(request, "Content-Type");
    size_t size = strlen(type);

    return value && strncasecmp(value, type, size) == 0 && strchr("; \t", value[size]);
}

/* --- what the server refuses itself ---------------------------------------------------------- */

static bool is_api(const char *path)
{
    return strncmp(path, "/api/", strlen("/api/")) == 0;
}

struct http_response *board_error_page(const struct http_request *request, unsigned status,
                                       void *userdata)
{
    struct http_response *response = NULL;
    bool api = is_api(http_request_path(request));
    struct buffer buffer;

    buffer_init(&buffer, PROBLEM_BYTES_MAX);
    if (api)
        (void) problem_render(&buffer, &(struct problem){.status = status});
    else
        (void) buffer_printf(&buffer, "%s\n", http_status_phrase(status));
    (void) board_new_response(&response, status,
                              api ? PROBLEM_CONTENT_TYPE : "text/plain; charset=utf-8", &buffer,
                              CACHE_NEVER);
    buffer_done(&buffer);
    return response;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* The board's life and its routes; board-internal.h says where the rest is. */
#include "apps/visitor-board/board.h"

#include "apps/visitor-board/board-internal.h"
#include "common/base/json.h"
#include "common/base/log.h"
#include "common/base/text.h"

#include <errno.h>
#include <string.h>

#define UNREADABLE "The board can't be shown at the moment. Please try again in a while.\n"

/* --- answers that never change --------------------------------------------------------------- */

static int new_health(struct http_response **ret, const char *instance)
{
    CLEANUP_JSON struct json_object *object = json_object_new_object();
    struct buffer buffer;
    int r;

    if (!object)
        return -ENOMEM;
    json_add_bool(object, "ok", true);
    json_add_string(object, "instanceId", instance);
    buffer_init(&buffer, PAGE_BYTES_MAX);
    (void) json_print(object, false, &buffer);
    (void) buffer_append_string(&buffer, "\n");
    r = board_new_response(ret, 200, "application/json", &buffer, CACHE_NEVER);
    buffer_done(&buffer);
    return r;
}

int board_new_redirect(struct http_response **ret)
{
    CLEANUP(http_response_freep) struct http_response *response = NULL;
    const struct buffer nothing = {0};
    int r = board_new_response(&response, 302, "text/plain; charset=utf-8", &nothing, CACHE_NEVER);

    if (r >= 0)
        r = http_response_add_header(response, "Location", "/");
    if (r < 0)
        return r;
    *ret = TAKE(response);
    return 0;
}

static int new_unreadable(struct http_response **ret)
{
    CLEANUP(http_response_freep) struct http_response *response = NULL;
    const struct buffer body = {.data = (char *) UNREADABLE, .length = strlen(UNREADABLE)};
    int r = board_new_response(&response, 503, "text/plain; charset=utf-8", &body, CACHE_NEVER);

    if (r >= 0)
        r = http_response_add_header(response, "Retry-After", "2");
    if (r < 0)
        return r;
    *ret = TAKE(response);
    return 0;
}

/* Their tags are the same in each process: nobody can choose their content. */
static int make_static(struct answer *answer, const char *content_type, const void *bytes,
                       size_t length, const char *cache)
{
    const struct siphash_key key = {0};
    const struct buffer body = {.data = (char *) bytes, .length = length};

    return answer_make(answer, &key, content_type, &body, cache);
}

static int prepare_answers(struct board *board)
{
    int r = new_health(&board->health, board->instance);

    if (r >= 0)
        r = board_new_redirect(&board->posted);
    if (r >= 0)
        r = new_unreadable(&board->unreadable);
    if (r >= 0)
        r = make_static(&board->openapi, "application/json", board_openapi, strlen(board_openapi),
                        CACHE_REVALIDATE);
    board->assets = calloc(n_assets + 1, sizeof(*board->assets));
    if (!board->assets)
        r = -ENOMEM;
    for (size_t i = 0; i < n_assets && r >= 0; i++)
        r = make_static(&board->assets[i], assets[i].content_type, assets[i].bytes,
                        assets[i].length, CACHE_FOR_EVER);
    return r;
}

static void handle_health(struct http_request *request, void *userdata)
{
    const struct board *board = userdata;

    http_respond(request, board->health);
}

const struct http_route board_routes[] = {
    {HTTP_GET, "/", 0, board_handle_page},
    {HTTP_POST, "/", POST_BODY_MAX, board_handle_form},
    {HTTP_GET, "/health", 0, handle_health},
    {HTTP_GET, "/ready", 0, board_handle_ready},
    {HTTP_GET, "/assets/*", 0, board_handle_asset},
    {HTTP_GET, "/api/messages", 0, board_handle_api_messages},
    {HTTP_POST, "/api/messages", POST_BODY_MAX, board_handle_api_post},
    {HTTP_GET, "/api/stats", 0, board_handle_api_stats},
    {HTTP_GET, "/api/openapi.json", 0, board_handle_openapi},
    {0},
};

/* --- life cycle ------------------------------------------------------------------------------ */

uint64_t board_now_us(const struct board *board)
{
    uint64_t now_us;

    return sd_event_now(board->event, CLOCK_MONOTONIC, &now_us) >= 0 ? now_us
                                                                     : clock_monotonic_us();
}

int board_new(struct board **ret, sd_event *event)
{
    struct board *board = calloc(1, sizeof(*board));

    if (!board)
        return -ENOMEM;
    board->event = sd_event_ref(event);
    *ret = board;
    return 0;
}

/* The board does without StatsD, not without its counters. */
static int start_counting(struct board *board, const struct board_options *options)
{
    int r =
        counters_new(&board->counters, board->event, options->statsd_host, options->statsd_port);

    if (r >= 0 || !options->statsd_host)
        return r;
    log_warning_errno(-r, "Can't send to StatsD at %s, port %u: %m", options->statsd_host,
                      options->statsd_port);
    return counters_new(&board->counters, board->event, NULL, 0);
}

int board_start(struct board *board, struct store *take_store, const struct board_options *options)
{
    int r;

    board->store = take_store;
    board->proxies = options->proxies;
    board->tag_key = siphash_key_random(); /* until the store's secret is known */
    board->instance = strdup(options->instance);
    board->zone = strdup(options->zone);
    if (!board->instance || !board->zone)
        return -ENOMEM;
    if (!text_copy(board->seal.board, sizeof(board->seal.board), options->name))
        return -ENAMETOOLONG;
    r = start_counting(board, options);
    if (r >= 0 && options->posts_per_minute > 0)
        r = rate_limit_new(&board->rate_limit, options->posts_per_minute);
    if (r >= 0)
        r = pending_start(board, options->deadline_us);
    if (r >= 0)
        r = prepare_answers(board);
    if (r >= 0)
        reads_ask_secret(board);
    return r;
}

void board_set_zone(struct board *board, const char *zone)
{
    char *copy = strdup(zone);

    if (!copy)
        return; /* the page does without */
    free(board->zone);
    board->zone = copy;
    reads_forget_rendered(board);
}

struct board *board_free(struct board *board)
{
    struct http_response *responses[] = {board->health, board->posted, board->unreadable};

    store_free(board->store); /* its callbacks still need the rest */
    pending_stop(board);
    reads_done(&board->reads);
    ready_done(&board->ready);
    for (size_t i = 0; i < ARRAY_SIZE(responses); i++)
        http_response_free(responses[i]);
    for (size_t i = 0; board->assets && i < n_assets; i++)
        answer_clear(&board->assets[i]);
    free(board->assets);
    answer_clear(&board->openapi);
    counters_free(board->counters);
    rate_limit_free(board->rate_limit);
    free(board->instance);
    free(board->zone);
    sd_event_unref(board->event);
    free(board);
    return NULL;
}

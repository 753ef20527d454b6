/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the parts of the board share among each other, and nobody else sees: board.c (life, routes),
 * board-answers.c (responses and their headers), board-pending.c (requests that wait),
 * board-reads.c (the newest messages, kept), board-pages.c (the page), board-posts.c (storing),
 * board-form.c (the form), board-api.c and board-json.c (the API), board-ready.c (/ready).
 */
#pragma once

#include "apps/visitor-board/assets.h"
#include "apps/visitor-board/board.h"
#include "apps/visitor-board/counters.h"
#include "apps/visitor-board/cursor.h"
#include "apps/visitor-board/entity-tag.h"
#include "apps/visitor-board/page.h"
#include "apps/visitor-board/problem.h"
#include "apps/visitor-board/rate-limit.h"
#include "common/base/clock.h"

#define PENDING_MAX      4096u /* requests that wait, of all kinds; more: 503 */
#define DIRECT_READS_MAX 32u   /* reads under way that the kept list can't answer; more: 503 */
#define RETRY_AFTER_S    2u
#define ADDRESS_SIZE     (CURSOR_SIZE + 16u) /* "/?before=" and a cursor */
#define POST_BODY_MAX    16384u /* bytes: 500 characters are at most 6,000 when encoded */

/* --- board-answers.c ------------------------------------------------------------------------- */

#define CACHE_NEVER      "no-store"
#define CACHE_REVALIDATE "no-cache" /* kept, and asked for again each time: 304 */
#define CACHE_FOR_EVER   "public, max-age=31536000, immutable"

struct answer {                      /* what is sent as it is, to whoever has not got it already */
    struct http_response *whole;     /* NULL: none */
    struct http_response *unchanged; /* 304 */
    char tag[ENTITY_TAG_SIZE];
};

/* A response with the headers that each one has. |body| may have failed. */
int board_new_response(struct http_response **ret, unsigned status, const char *content_type,
                       const struct buffer *body, const char *cache);
/* With status 200, for as long as its content is. Replaces what was in |answer|. */
int answer_make(struct answer *answer, const struct siphash_key *key, const char *content_type,
                const struct buffer *body, const char *cache);
void answer_clear(struct answer *answer);
void answer_send(const struct answer *answer, struct http_request *request);

/* One page for one request. |retry_after_s|: 0 for none. */
void board_send_page(struct board *board, struct http_request *request, unsigned status,
                     const struct page *page, unsigned retry_after_s);
void board_send_problem(struct board *board, struct http_request *request,
                        const struct problem *problem, unsigned retry_after_s);
/* Takes nothing; |body| may have failed. */
void board_send_json(struct board *board, struct http_request *request, unsigned status,
                     const struct buffer *body);
/* 503 for a store's |error|, or -ENOBUFS: too many wait. */
void board_send_unavailable(struct board *board, struct http_request *request, int error);

/* --- board-pending.c ------------------------------------------------------------------------- */

struct pending {
    struct pending *previous, *next;
    struct board *board;
    struct http_request *request; /* NULL: answered, or its connection is gone */
    uint64_t deadline_at_us;
    bool in_store; /* some callback of the store has it, and ends it */
    /* Answers |request|: what was waited for is there (0), or will not be (a negative errno). */
    void (*respond)(struct pending *pending, struct http_request *request, int error);
};

struct pending_list {
    struct pending *first, *last; /* in the order of their deadlines */
    size_t n;
    uint64_t deadline_us;
    sd_event_source *timer;
};

int pending_start(struct board *board, uint64_t deadline_us);
void pending_stop(struct board *board);

/* |size| bytes that begin with a struct pending; NULL if too many wait or memory ran out. */
void *pending_new(struct board *board, size_t size, struct http_request *request,
                  void (*respond)(struct pending *pending, struct http_request *request,
                                  int error));
/* Lets its request wait. */
void pending_wait(struct pending *pending);
/* Answers it, if there is still somebody, and frees it. */
void pending_end(struct pending *pending, int error);

/* --- board-reads.c --------------------------------------------------------------------------- */

/* |error|: 0, or why what is kept is not current. */
typedef void (*latest_respond)(struct board *board, struct http_request *request, int error);

struct reads {
    struct message_list *messages; /* the last good read; NULL before it */
    uint64_t version;              /* of |messages| */
    char next[STORE_POSITION_MAX]; /* behind them */
    char older[ADDRESS_SIZE];      /* the same as an address of the page, or "" */
    struct store_stats stats;
    bool has_stats;
    bool stats_behind;         /* the list is newer */
    uint64_t stats_read_at_us; /* tried */
    uint64_t checked_at_us;    /* when it last said that they are current */
    uint64_t failed_at_us;     /* 0: the last read was good */
    int error;                 /* of the last read */

    struct answer page; /* rendered from the above, at a read's end; between, it is older */
    uint64_t rendered_at_us;
    uint64_t shown_version;     /* of |page| */
    uint64_t shown_realtime_us; /* when the store was asked for it */
    struct answer stale;        /* the same with a notice; made when it is needed */
    struct answer json;         /* as the API has it; made when it is needed */

    uint64_t begun; /* reads, so far */
    uint64_t begins_realtime_us;
    bool reading;
    bool changed;      /* not rendered yet */
    bool poster_waits; /* somebody who has just posted wants the next one */
    bool for_poster;   /* the read under way is for such a one */
    bool asking_secret;
    bool wants_secret; /* the read under way waits for it */
};

/* Calls |respond| once the newest messages are there as |request| must see them. */
void board_with_latest(struct board *board, struct http_request *request, latest_respond respond);
/* Asks for the secret that the store has, unless it is known or asked for. */
void reads_ask_secret(struct board *board);
void reads_forget_rendered(struct board *board);
void reads_done(struct reads *reads);
/* The page as it is known now. */
struct page reads_page(const struct board *board);
/* "?before=" and so on for |position|; "" for none. Returns |address|. */
const char *reads_address(const struct board *board, char address[ADDRESS_SIZE],
                          const char *position);

/* A read past what is kept: the newest |limit|, or those behind |position|. |done| is as
 * store_list_done but once per request; the request is |operation|'s. */
struct direct_read {
    struct pending pending; /* first */
    void (*respond)(struct direct_read *read, struct http_request *request, int error);
    struct message_list *messages; /* while it responds */
    const char *next;
};
void board_read_direct(struct board *board, struct http_request *request, const char *position,
                       size_t limit,
                       void (*respond)(struct direct_read *read, struct http_request *request,
                                       int error));

/* --- board-posts.c --------------------------------------------------------------------------- */

struct posting {
    struct pending pending; /* first */
    void (*respond)(struct posting *posting, struct http_request *request, int error);
    const struct message *stored; /* while it responds */
    bool repeated;
    char text[]; /* as it was to be stored */
};

/* Whether another site's page has sent it (cross-origin.h); is counted. */
bool board_is_cross_origin(struct board *board, const struct http_request *request);
/* Takes a token of the client's. 0, or in how many seconds it may try again; is counted. */
unsigned board_rate_limit(struct board *board, const struct http_request *request);
/* Stores |text|; |key|: NULL or a hashed one. 0, then |respond| is called once, maybe at once; or
 * -ENOBUFS: too many wait. */
int board_store(struct board *board, struct http_request *request, const char *text,
                const char *key,
                void (*respond)(struct posting *posting, struct http_request *request, int error));
/* Where other nodes show the board too: tells the client's next GET how new its page must be. */
int board_add_posted_cookie(const struct board *board, struct http_response *response);
/* What of it |request| has: whether a list that was begun at |began_realtime_us| won't do. */
bool board_needs_newer(const struct http_request *request, uint64_t began_realtime_us,
                       uint64_t now_realtime_us);

/* --- board-ready.c --------------------------------------------------------------------------- */

struct ready {
    struct http_response *answer; /* NULL: none yet */
    uint64_t checked_at_us;
    uint64_t begun_at_us;
    bool checking;
    bool failing;
};
void ready_done(struct ready *ready);

/* --- handlers -------------------------------------------------------------------------------- */

void board_handle_page(struct http_request *request, void *userdata);
void board_handle_asset(struct http_request *request, void *userdata);
void board_handle_form(struct http_request *request, void *userdata);
void board_handle_api_messages(struct http_request *request, void *userdata);
void board_handle_api_post(struct http_request *request, void *userdata);
void board_handle_api_stats(struct http_request *request, void *userdata);
void board_handle_openapi(struct http_request *request, void *userdata);
void board_handle_ready(struct http_request *request, void *userdata);

/* 302 to the page. */
int board_new_redirect(struct http_response **ret);
/* The media type alone, without its parameters (RFC 9110, section 8.3.1). */
bool board_has_type(const struct http_request *request, const char *type);

extern const char board_openapi[]; /* made from openapi.json */

/* --- board.c --------------------------------------------------------------------------------- */

struct board {
    sd_event *event;
    struct store *store;
    char *instance;
    char *zone;
    struct client_proxies proxies;
    struct seal seal; /* its secret, once has_secret */
    bool has_secret;
    struct siphash_key tag_key;
    struct counters *counters;
    struct rate_limit *rate_limit; /* NULL: no limit */
    uint64_t limit_told_at_us;
    bool proxy_told;

    struct http_response *health;
    struct http_response *posted;     /* 302 to the page */
    struct http_response *unreadable; /* 503, when not even a page can be made */
    struct answer openapi;
    struct answer *assets; /* n_assets */

    struct pending_list pending;
    size_t direct_reads;
    struct reads reads;
    struct ready ready;

    uint64_t posts_refused; /* since the store stopped taking them */
    bool storing_fails;
};

uint64_t board_now_us(const struct board *board);

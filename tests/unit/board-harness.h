/* SPDX-License-Identifier: Apache-2.0 */
/* The board behind a real HTTP server, on a store that answers when the test says so. */
#pragma once

#include "tests/unit/http-harness.h"

#include "apps/visitor-board/board.h"

#define HOST                    "Host: test\r\n"
#define GET_PATH(path)          "GET " path " HTTP/1.1\r\n" HOST "\r\n"
#define GET_WITH(path, headers) "GET " path " HTTP/1.1\r\n" HOST headers "\r\n"
#define GET                     GET_PATH("/")
#define POST_WITH(headers)                                                                         \
    "POST / HTTP/1.1\r\n" HOST headers "Content-Type: application/x-www-form-urlencoded\r\n"       \
    "Content-Length: 9\r\n\r\nmessage=x"
#define POST POST_WITH("")
#define API_POST_WITH(headers)                                                                     \
    "POST /api/messages HTTP/1.1\r\n" HOST headers "Content-Type: application/json\r\n"            \
    "Content-Length: 15\r\n\r\n{\"message\":\"x\"}"
#define API_POST API_POST_WITH("")

#define POSTS_MAX 8

struct fake_store {
    struct store store; /* first: the operations cast */
    struct store_operations operations;
    uint64_t version;
    unsigned expected; /* calls of store_expect() */
    int refuse;        /* what all say at once */
    bool holds_stats;  /* the test answers them */

    store_list_done read_done; /* of the newest */
    void *read_userdata;
    uint64_t read_known;
    size_t read_limit;
    unsigned reads; /* begun */

    store_list_done older_done;
    void *older_userdata;
    char older_position[STORE_POSITION_MAX];
    size_t older_limit;

    store_post_done post_done[POSTS_MAX];
    void *post_userdata[POSTS_MAX];
    char post_key[STORE_KEY_MAX]; /* of the last one; "": none */
    unsigned posts;               /* pending */

    store_stats_done stats_done;
    void *stats_userdata;
    unsigned stats; /* asked for */

    store_secret_done secret_done;
    void *secret_userdata;
    unsigned secrets;

    store_check_done check_done;
    void *check_userdata;
    unsigned checks;
};

struct bench {
    struct harness http; /* its event, server and port; nothing else of it is used */
    struct fake_store fake;
    struct board *board;
};

/* A setup with the secret known; what |options| leaves out has a default. */
int bench_start(void **state, const struct board_options *options, bool is_shared, bool has_secret);
int bench_setup(void **state);
int bench_setup_shared(void **state);
int bench_teardown(void **state);

/* --- the store's answers --------------------------------------------------------------------- */

/* The oldest pending post. */
void answer_post(struct fake_store *fake, int error, const char *text, bool repeated);
/* The read: a list of one message |text| (NULL: no list) as of |version|; or an error. */
void answer_read(struct fake_store *fake, int error, const char *text, uint64_t version);
void answer_read_next(struct fake_store *fake, const char *text, uint64_t version,
                      const char *next);
void answer_older(struct fake_store *fake, int error, const char *text, const char *next);
void answer_stats(struct fake_store *fake, int error, uint64_t total);
void answer_secret(struct fake_store *fake, int error);
void answer_check(struct fake_store *fake, int error, const char *what);

/* --- clients --------------------------------------------------------------------------------- */

/* Sends |request| on a connection of its own and lets the board see it. */
int begin(struct bench *bench, const char *request);
void assert_waits(struct bench *bench, int fd);
/* The whole answer, which the caller frees. Closes. */
char *answer_of(struct bench *bench, int fd);
/* The answer has that status and |words| in it. Closes. */
void expect(struct bench *bench, int fd, unsigned status, const char *words);
/* The same, and it has a notice, or none. */
void expect_page(struct bench *bench, int fd, unsigned status, const char *words, bool notice);
/* The value of a header, up to the line's end; the caller frees it. NULL: there is none. */
char *header_of(const char *answer, const char *name);

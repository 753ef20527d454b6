/* SPDX-License-Identifier: Apache-2.0 */
/* A fake HTTP service on the test's own loop, which can also misbehave; and an environment and a
 * clock that the test sets. For the tests of common/aws. */
#pragma once

#include "tests/unit/unit.h"

#include "common/base/buffer.h"
#include "common/net/http-client.h"

#define FAKE_REQUESTS_MAX  128u
#define FAKE_VARIABLES_MAX 16u

enum fake_mode {
    FAKE_ANSWER,
    FAKE_DROP, /* closes without an answer, once the request is read */
    FAKE_HALF, /* a head that promises more body than comes, then closes */
    FAKE_HANG, /* never answers */
};

struct fake_answer {
    unsigned status;
    const char *headers; /* "Name: value\r\n", any number; NULL: none */
    const char *body;    /* NULL: "" */
    enum fake_mode mode;
    size_t body_length; /* 0: of the string */
};

struct fake_request {
    char method[16];
    char path[512];
    char *head; /* with the request line, NUL-terminated */
    char *body;
    size_t body_length;
};

struct aws_harness;
/* What to answer; the answer lives until the next request. */
typedef struct fake_answer (*fake_handler)(struct aws_harness *h,
                                           const struct fake_request *request);

struct aws_harness {
    sd_event *event;
    struct http_client *http;
    char url[64]; /* "http://127.0.0.1:PORT" */
    fake_handler handler;
    const struct fake_answer *script; /* answers in order, the last again and again */
    size_t n_script;
    struct fake_request requests[FAKE_REQUESTS_MAX];
    size_t n_requests;
    void *state; /* the handler's */
    const char *variables[FAKE_VARIABLES_MAX][2];
    uint64_t now_us; /* aws_harness_clock() */

    int listen_fd;
    sd_event_source *listener;
    struct fake_connection *connections;
};

void aws_harness_start(struct aws_harness *h);
void aws_harness_stop(struct aws_harness *h);

/* Answers in order from now on. */
void aws_harness_script(struct aws_harness *h, const struct fake_answer *script, size_t n);
#define SCRIPT(h, answers) aws_harness_script((h), (answers), ARRAY_SIZE(answers))

/* A variable of the environment; NULL unsets it. |value| is borrowed. */
void aws_harness_setenv(struct aws_harness *h, const char *name, const char *value);
const char *aws_harness_getenv(const char *name, void *userdata);
uint64_t aws_harness_clock(void *userdata);

/* Runs the loop until |*counter| is |wanted| or more; a test that waits over 20 s fails. */
void aws_harness_run(struct aws_harness *h, const unsigned *counter, unsigned wanted);
/* Runs it until |n| requests have come. */
void aws_harness_run_requests(struct aws_harness *h, size_t n);
/* Lets everything happen that can happen without waiting. */
void aws_harness_settle(struct aws_harness *h);

/* The header's value in a request, up to the line's end; NULL if absent. The caller frees it. */
char *fake_header(const struct fake_request *request, const char *name);

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The head of an HTTP/1 answer, line by line as libcurl hands it over: status, and headers to be
 * looked up. Pure. Interim answers (1xx) are passed over, trailers are no headers (RFC 9110 6.5).
 */
#pragma once

#include "common/base/buffer.h"

struct http_answer {
    struct buffer lines; /* of the newest answer's head, each with a NUL instead of its end */
    size_t limit_bytes;
    size_t bytes;    /* of all lines: of interim answers and trailers too */
    unsigned status; /* of the newest status line; 0: none came */
    bool ended;      /* the head of the final answer */
};

/* |limit_bytes|: of all lines together. */
void http_answer_init(struct http_answer *answer, size_t limit_bytes);
void http_answer_done(struct http_answer *answer);

/* |line| with its end or without, no NUL needed behind it. 0, -EMSGSIZE over the limit, -EPROTO for
 * one with a NUL inside, -ENOMEM. */
int http_answer_add_line(struct http_answer *answer, const char *line, size_t length);

/* The value of the last header of that name, compared without case; NULL if there is none. */
const char *http_answer_header(const struct http_answer *answer, const char *name);

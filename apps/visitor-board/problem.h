/* SPDX-License-Identifier: Apache-2.0 */
/* Errors as application/problem+json (RFC 9457). Pure. */
#pragma once

#include "common/base/buffer.h"

#define PROBLEM_CONTENT_TYPE "application/problem+json"
#define PROBLEM_BYTES_MAX    4096u
/* The types, as in docs/visitor-board-api.md and the OpenAPI document. */
#define PROBLEM_TYPE(name) "urn:visitor-board:problem:" name

struct problem {
    unsigned status;
    const char *type;   /* NULL: "about:blank", the status says all */
    const char *title;  /* NULL: the status's phrase */
    const char *detail; /* what happened to this request; NULL: nothing to add */
    const char *field;  /* the member, header or parameter that is wrong; NULL: none */
};

/* Appends it. 0, or -ENOBUFS. */
int problem_render(struct buffer *buffer, const struct problem *problem);

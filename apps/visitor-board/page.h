/* SPDX-License-Identifier: Apache-2.0 */
/* The board's page as HTML5, rendered into a buffer. Pure: everything from outside is escaped, what
 * is not UTF-8 becomes U+FFFD. */
#pragma once

#include "apps/visitor-board/store.h"
#include "common/base/buffer.h"

#define PAGE_BYTES_MAX    (1024u * 1024u) /* above 50 messages of nothing but quotation marks */
#define PAGE_CONTENT_TYPE "text/html; charset=utf-8"

/* Nothing from elsewhere, nothing inline, and no frame around it. */
#define PAGE_SECURITY_POLICY                                                                       \
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "                    \
    "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"

struct page {
    const char *instance;                /* this node */
    const char *zone;                    /* its availability zone; "": unknown */
    const struct message_list *messages; /* NULL: none could be read, so no table is shown */
    const struct store_stats *stats;     /* NULL: unknown */
    const char *newer, *older;           /* addresses of the neighbours ("/?before=..."), or NULL */
    const char *notice;                  /* fixed text above the form: how things are; or NULL */
    const char *error;                   /* fixed text beside the field: what is wrong; or NULL */
    const char *draft;                   /* what the visitor had typed, for the field; or NULL */
    uint64_t now_realtime_us;
};

/* Appends the page. 0, or -ENOBUFS (also when memory ran out). */
int page_render(struct buffer *buffer, const struct page *page);

/* The text for `?error=|code|`: always one of a fixed few, so that nothing from an address is
 * shown.
 */
const char *page_error_text(const char *code);

/* Escapes for HTML text and quoted attributes. 0 or buffer_append()'s errors. */
int page_escape(struct buffer *buffer, const char *text);

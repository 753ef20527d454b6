/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The strictness that libmicrohttpd lacks, as pure functions: what a request's head may look like,
 * percent-decoding, methods. No state, no library: fuzzed and tested alone.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* --- the head -------------------------------------------------------------------------------- */

/* What decides about a head, gathered header by header. */
struct http_head {
    unsigned n_headers;
    unsigned n_hosts;
    unsigned n_content_lengths;
    unsigned n_transfer_encodings;
    bool bad_field; /* a name that is no token, or a bare CR in a value */
    bool bad_length;
    bool bad_encoding; /* other than "chunked" */
    uint64_t content_length;
    const char *next; /* where the next header's name begins, if nothing is hidden before it */
    bool has_gap;
};

/*
 * The strings must be those in libmicrohttpd's buffer, where each CR, LF and colon was replaced by
 * a NUL. So a head is one chain of them, and what libmicrohttpd hides shows as a gap in it: a
 * folded line, a bare LF or CR as line end, a NUL in a value, a head that ended at a line beginning
 * with a colon. |value| may be NULL. |head_bytes| counts from |method|; before 0.9.74 it was minus
 * the last line's length: HTTP_HEAD_BYTES_OLD if that was just CR and LF.
 */
#define HTTP_HEAD_BYTES_OLD ((size_t) -2)

void http_head_begin(struct http_head *head, const char *version);
void http_head_add(struct http_head *head, const char *name, const char *value);
void http_head_end(struct http_head *head, const char *method, size_t head_bytes);

/* The length that the chain gives; only without a gap. */
size_t http_head_length(const struct http_head *head, const char *method);

/*
 * Whether the head may be served: |version| is "HTTP/1.1" or so. Refuses what two servers in a
 * row could read differently (RFC 9112 sections 3.2, 5.1, 6.1, 6.3 and 11.2), but does not look at
 * has_gap.
 */
bool http_head_is_sound(const struct http_head *head, const char *version);

/* Whether a body follows. */
bool http_head_has_body(const struct http_head *head);

/* A token of RFC 9110 section 5.6.2: the characters that a header's name may have. */
bool http_is_token(const char *text);

/* --- the target ------------------------------------------------------------------------------ */

/*
 * Decodes %XX in place. Returns the new length, or -EINVAL (then what |text| holds means nothing):
 * an escape that is not two hex digits, %00, or a result that is no UTF-8.
 */
long http_percent_decode(char *text);

/* A decoded path that routes may see: begins with '/', no control characters. */
bool http_path_is_sound(const char *path);

/* Exact, or by prefix if |pattern| ends in '*'. */
bool http_path_matches(const char *pattern, const char *path);

/* --- methods --------------------------------------------------------------------------------- */

/* A bit of enum http_method; HEAD is HTTP_GET; 0 for what no route can have. */
unsigned http_method_from_string(const char *name);

#define HTTP_ALLOW_MAX 32 /* the longest list, with its NUL */

/* "GET, HEAD, POST" for the Allow header. Returns |buffer|. */
const char *http_format_allow(char buffer[HTTP_ALLOW_MAX], unsigned methods);

/* --- for logs -------------------------------------------------------------------------------- */

/* Copies the printable ASCII of |source| (NULL is "") up to size - 1 bytes; the rest is left out.
 */
void http_copy_printable(char *target, size_t size, const char *source);

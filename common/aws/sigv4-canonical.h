/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The canonical forms of a path, a query and headers: what signer and service must make alike, byte
 * by byte, out of a request. Internal to sigv4.c; apart so that it is tested and fuzzed by itself.
 */
#pragma once

#include "common/base/buffer.h"

#define SIGV4_PARAMETERS_MAX 256u

/*
 * Appends the path. Unless |s3|: empty and "." segments go, ".." takes the one before it, and all
 * is encoded (a second time, as a path comes encoded). 0, -EINVAL (not from the root, or with a '?'
 * or '#' in it) or buffer_append()'s errors.
 */
int sigv4_canonical_path(struct buffer *out, const char *path, bool s3);

/*
 * Appends a query's parameters as "name=value", encoded but for what is encoded already, joined by
 * '&'; |sorted|: by name, then value, else as they come. Empty ones ("a&&b") go. NULL is "". 0,
 * -EINVAL (more than SIGV4_PARAMETERS_MAX) or buffer_append()'s errors.
 */
int sigv4_canonical_query(struct buffer *out, const char *query, bool sorted);

struct sigv4_header { /* borrowed */
    const char *name;
    size_t name_length;
    const char *value;
};

/* Splits "Name: value". 0, or -EINVAL if the name is empty or no token of RFC 9110. */
int sigv4_header_parse(const char *line, struct sigv4_header *ret);

/*
 * Sorts the headers by lower-case name, those of one name as they come, and appends "name:value\n"
 * for each name to |out|: the value's outer blanks go, inner ones become one, values of one name
 * are joined by ','. The names, joined by ';', go to |out_names|. 0 or buffer_append()'s errors.
 */
int sigv4_canonical_headers(struct buffer *out, struct buffer *out_names,
                            struct sigv4_header headers[], size_t n);

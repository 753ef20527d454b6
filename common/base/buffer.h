/* SPDX-License-Identifier: Apache-2.0 */
/* A byte buffer that grows up to a limit. What it holds is always followed by a NUL, not counted.
 */
#pragma once

#include "common/base/macro.h"

#include <stdarg.h>
#include <stdbool.h>

struct buffer {
    char *data; /* NULL until something was appended */
    size_t length;
    size_t allocated;
    size_t limit; /* bytes that it may hold */
    bool failed;  /* an append was refused since init or the last clear; sticky */
};

void buffer_init(struct buffer *buffer, size_t limit);
void buffer_done(struct buffer *buffer);

/*
 * Each append is whole or not at all. Returns 0, -ENOBUFS past the limit or -ENOMEM; then |failed|
 * is set, so that a chain of appends can be checked once at its end.
 */
int buffer_append(struct buffer *buffer, const void *data, size_t length);
int buffer_append_string(struct buffer *buffer, const char *string);
int buffer_printf(struct buffer *buffer, const char *format, ...) PRINTF_LIKE(2, 3);
int buffer_vprintf(struct buffer *buffer, const char *format, va_list args) PRINTF_LIKE(2, 0);

/* Empties it and keeps the memory. */
void buffer_clear(struct buffer *buffer);

/* Hands the bytes to the caller, who frees them; the buffer is empty afterwards. NULL if nothing
 * was appended. */
char *buffer_take(struct buffer *buffer, size_t *ret_length);

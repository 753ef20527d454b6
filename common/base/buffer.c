/* SPDX-License-Identifier: Apache-2.0 */
/* A growing buffer with a limit. It doubles, so that a chain of appends costs linear time. */
#include "common/base/buffer.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BUFFER_FIRST_BYTES 256

void buffer_init(struct buffer *buffer, size_t limit)
{
    *buffer = (struct buffer){.limit = limit};
}

void buffer_done(struct buffer *buffer)
{
    free(buffer->data);
    buffer_init(buffer, buffer->limit);
}

/* Makes room for |length| more bytes and the NUL. */
static int buffer_reserve(struct buffer *buffer, size_t length)
{
    size_t wanted, allocated;
    char *data;

    if (length > buffer->limit - buffer->length ||
        __builtin_add_overflow(buffer->length + length, 1, &wanted)) {
        buffer->failed = true;
        return -ENOBUFS;
    }
    if (wanted <= buffer->allocated)
        return 0;
    allocated = buffer->allocated > 0 ? buffer->allocated : BUFFER_FIRST_BYTES;
    while (allocated < wanted)
        if (__builtin_mul_overflow(allocated, 2, &allocated))
            allocated = wanted;
    if (allocated > buffer->limit)
        allocated = wanted > buffer->limit ? wanted : buffer->limit;
    data = realloc(buffer->data, allocated);
    if (!data) {
        buffer->failed = true;
        return -ENOMEM;
    }
    buffer->data = data;
    buffer->allocated = allocated;
    return 0;
}

int buffer_append(struct buffer *buffer, const void *data, size_t length)
{
    int r = buffer_reserve(buffer, length);

    if (r < 0)
        return r;
    if (length > 0)
        memcpy(buffer->data + buffer->length, data, length);
    buffer->length += length;
    buffer->data[buffer->length] = '\0';
    return 0;
}

int buffer_append_string(struct buffer *buffer, const char *string)
{
    return buffer_append(buffer, string, strlen(string));
}

int buffer_vprintf(struct buffer *buffer, const char *format, va_list args)
{
    va_list again;
    size_t room = buffer->allocated - buffer->length;
    int length, r;

    va_copy(again, args);
    /* Most texts fit into what is there: then they are made once. */
    length = vsnprintf(room > 0 ? buffer->data + buffer->length : NULL, room, format, args);
    r = length < 0 ? -EINVAL : buffer_reserve(buffer, (size_t) length);
    if (r == 0 && (size_t) length >= room)
        vsnprintf(buffer->data + buffer->length, (size_t) length + 1, format, again);
    va_end(again);
    if (r < 0) {
        buffer->failed = true;
        if (room > 0)
            buffer->data[buffer->length] = '\0'; /* what the attempt left behind */
        return r;
    }
    buffer->length += (size_t) length;
    return 0;
}

int buffer_printf(struct buffer *buffer, const char *format, ...)
{
    va_list args;
    int r;

    va_start(args, format);
    r = buffer_vprintf(buffer, format, args);
    va_end(args);
    return r;
}

void buffer_clear(struct buffer *buffer)
{
    buffer->length = 0;
    buffer->failed = false;
    if (buffer->data)
        buffer->data[0] = '\0';
}

char *buffer_take(struct buffer *buffer, size_t *ret_length)
{
    char *data = buffer->data;

    if (ret_length)
        *ret_length = buffer->length;
    buffer_init(buffer, buffer->limit);
    return data;
}

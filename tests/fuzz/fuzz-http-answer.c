/* SPDX-License-Identifier: Apache-2.0 */
/* An answer's head of any bytes, line by line: what is found in it lies within it. */
#include "common/base/macro.h"
#include "common/net/http-answer.h"

#include <string.h>

#define LIMIT_BYTES 512

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A found value is one of the kept lines' ends. */
static void check_header(const struct http_answer *answer, const char *name)
{
    const char *value = http_answer_header(answer, name);

    if (value && (value < answer->lines.data + strlen(name) ||
                  value + strlen(value) >= answer->lines.data + answer->lines.length))
        abort();
    if (value && strpbrk(value, "\n"))
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *line = (const char *) data, *end = line + size;
    struct http_answer answer;

    http_answer_init(&answer, LIMIT_BYTES);
    while (line < end) {
        const char *newline = memchr(line, '\n', (size_t) (end - line));
        size_t length = (size_t) ((newline ? newline + 1 : end) - line);
        /* Exactly, so that the sanitizer sees a read past it. */
        CLEANUP_FREE char *copy = malloc(length);

        if (!copy)
            break;
        memcpy(copy, line, length);
        if (http_answer_add_line(&answer, copy, length) < 0)
            break;
        line += length;
    }
    if (answer.bytes > LIMIT_BYTES || (answer.ended && answer.status < 200))
        abort();
    check_header(&answer, "Date");
    check_header(&answer, "x-amzn-requestid");
    check_header(&answer, "");
    http_answer_done(&answer);
    return 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Percent-decoding, path and header checks on any bytes. What is accepted must keep its promises.
 */
#include "common/base/macro.h"
#include "common/base/text.h"
#include "common/net/http-check.h"

#include <string.h>

#define INPUT_MAX 4096

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_decode(const char *input)
{
    CLEANUP_FREE char *text = strdup(input);
    long length;

    if (!text)
        return;
    length = http_percent_decode(text);
    if (length < 0)
        return;
    if ((size_t) length != strlen(text) || (size_t) length > strlen(input) ||
        !text_is_utf8(text, (size_t) length))
        abort();
    if (!strchr(input, '%') && strcmp(input, text) != 0)
        abort();
    if (http_path_is_sound(text) && (text[0] != '/' || strchr(text, '\n')))
        abort();
}

/* The input as header lines "name:value\n", in the layout of libmicrohttpd's buffer. */
static void check_head(const char *input)
{
    CLEANUP_FREE char *text = strdup(input);
    struct http_head head;
    unsigned n = 0;

    if (!text)
        return;
    http_head_begin(&head, "HTTP/1.1");
    for (char *line = text, *next; line; line = next, n++) {
        char *colon;

        next = strchr(line, '\n');
        if (next)
            *next++ = '\0';
        colon = strchr(line, ':');
        if (colon)
            *colon++ = '\0';
        http_head_add(&head, line, colon);
    }
    if (head.n_headers != n)
        abort();
    if (http_head_is_sound(&head, "HTTP/1.1") &&
        (head.n_hosts != 1 || (head.n_transfer_encodings > 0 && head.content_length > 0)))
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    CLEANUP_FREE char *input = NULL;
    char printable[32];

    if (size > INPUT_MAX)
        return 0;
    input = strndup((const char *) data, size);
    if (!input)
        return 0;
    check_decode(input);
    check_head(input);
    http_copy_printable(printable, sizeof(printable), input);
    if (*printable && !text_is_utf8(printable, strlen(printable)))
        abort();
    return 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Status line and headers of an answer. See the header. */
#include "common/net/http-answer.h"

#include <ctype.h>
#include <errno.h>
#include <string.h>
#include <strings.h>

#define STATUS_LINE "HTTP/"

void http_answer_init(struct http_answer *answer, size_t limit_bytes)
{
    *answer = (struct http_answer){.limit_bytes = limit_bytes};
    /* A line without an end of its own gets a NUL that wasn't counted. */
    buffer_init(&answer->lines, 2 * limit_bytes);
}

void http_answer_done(struct http_answer *answer)
{
    buffer_done(&answer->lines);
}

/* "HTTP/1.1 200 OK": its three digits; 0 for what has none. */
static unsigned parse_status(const char *line, size_t length)
{
    size_t at = strlen(STATUS_LINE);
    unsigned status = 0;

    while (at < length && line[at] != ' ')
        at++;
    while (at < length && line[at] == ' ')
        at++;
    if (length - at < 3 || (length - at > 3 && line[at + 3] != ' '))
        return 0;
    for (size_t i = at; i < at + 3; i++) {
        if (!isdigit((unsigned char) line[i]))
            return 0;
        status = status * 10 + (unsigned) (line[i] - '0');
    }
    return status;
}

int http_answer_add_line(struct http_answer *answer, const char *line, size_t length)
{
    int r;

    if (length > answer->limit_bytes - answer->bytes)
        return -EMSGSIZE;
    answer->bytes += length;
    if (memchr(line, '\0', length))
        return -EPROTO; /* what follows it would pass for a line of its own */
    if (answer->ended)
        return 0;
    while (length > 0 && isspace((unsigned char) line[length - 1]))
        length--;
    if (length >= strlen(STATUS_LINE) && memcmp(line, STATUS_LINE, strlen(STATUS_LINE)) == 0) {
        answer->status = parse_status(line, length);
        buffer_clear(&answer->lines);
        return 0;
    }
    if (length == 0) {
        answer->ended = answer->status >= 200;
        return 0;
    }
    r = buffer_append(&answer->lines, line, length);
    if (r == 0)
        r = buffer_append(&answer->lines, "", 1);
    return r == -ENOBUFS ? -EMSGSIZE : r;
}

const char *http_answer_header(const struct http_answer *answer, const char *name)
{
    const struct buffer *lines = &answer->lines;
    size_t length = strlen(name);
    const char *found = NULL;

    for (size_t at = 0; at < lines->length; at += strlen(lines->data + at) + 1) {
        const char *line = lines->data + at;

        if (strncasecmp(line, name, length) == 0 && line[length] == ':')
            found = line + length + 1 + strspn(line + length + 1, " \t");
    }
    return found;
}

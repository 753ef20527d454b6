/* SPDX-License-Identifier: Apache-2.0 */
/* See the header. */
#include "agent/supervise/last-words.h"

#include "common/base/macro.h"
#include "common/base/text.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#define TAIL_BYTES (16u * 1024)

_Static_assert(LAST_WORDS_LINES *(LAST_WORDS_WIDTH + 1) < EVENT_DETAIL_BYTES, "all lines fit");

/* In place; a byte that is no UTF-8 makes the line ASCII. */
static void clean(char *line)
{
    if (!text_is_utf8(line, strlen(line)))
        for (char *c = line; *c; c++)
            *c = (*c & 0x80) ? '?' : *c;
    text_replace_controls(line, '?');
}

/* Not in the middle of a character, where that is seen. */
static size_t fitting(const char *line, size_t length)
{
    size_t n = MIN(length, (size_t) LAST_WORDS_WIDTH);

    while (n > LAST_WORDS_WIDTH - 4 && n < length && ((unsigned char) line[n] & 0xc0) == 0x80)
        n--;
    return n;
}

/* Where the last lines begin, with their number. */
static size_t find_lines(const char *data, size_t length, size_t from, unsigned *ret_lines)
{
    size_t at = length;
    unsigned lines = 0;

    while (at > from) {
        size_t end = at; /* of a line, without its newline */

        while (at > from && data[at - 1] != '\n')
            at--;
        lines += end > at || end < length;
        if (lines == LAST_WORDS_LINES || at == from)
            break;
        at--;
    }
    *ret_lines = lines;
    return at;
}

unsigned last_words_take(const char *data, size_t length, bool cut, char text[EVENT_DETAIL_BYTES])
{
    const char *first = cut ? memchr(data, '\n', length) : NULL;
    size_t from = cut ? (first ? (size_t) (first - data) + 1 : length) : 0, used = 0;
    unsigned lines;

    length -= length > from && data[length - 1] == '\n';
    for (size_t at = find_lines(data, length, from, &lines); at < length;) {
        const char *end = memchr(data + at, '\n', length - at);
        size_t line = end ? (size_t) (end - data) - at : length - at, n = fitting(data + at, line);

        for (size_t i = 0; i < n; i++) /* a NUL would end the text */
            text[used + i] = data[at + i] ? data[at + i] : '?';
        text[used + n] = '\0';
        clean(text + used);
        used += strlen(text + used);
        text[used++] = '\n';
        at += line + 1;
    }
    text[used] = '\0';
    return used > 0 ? lines : 0;
}

unsigned last_words_read(const char *path, uint64_t *from_bytes, char text[EVENT_DETAIL_BYTES])
{
    CLEANUP_CLOSE int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    char data[TAIL_BYTES];
    struct stat st;

    if (fd < 0 || fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
        return 0;
    uint64_t size = (uint64_t) st.st_size;
    uint64_t from = *from_bytes <= size ? *from_bytes : 0; /* it was cut meanwhile */
    uint64_t start = size - from > sizeof(data) ? size - sizeof(data) : from;
    ssize_t n = pread(fd, data, sizeof(data), (off_t) start);

    *from_bytes = size;
    return n > 0 ? last_words_take(data, (size_t) n, start > from, text) : 0;
}

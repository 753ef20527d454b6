/* SPDX-License-Identifier: Apache-2.0 */
#include "apps/visitor-board/post-text.h"

#include "apps/visitor-board/message.h"

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

/* Browsers send CR LF for a new line in a text area (HTML standard, 4.10.22); alone, CR is one too.
 */
static size_t fold_line_ends(char *text, size_t length)
{
    size_t used = 0;

    for (size_t i = 0; i < length; i++) {
        if (text[i] == '\r') {
            text[used++] = '\n';
            if (i + 1 < length && text[i + 1] == '\n')
                i++;
        } else {
            text[used++] = text[i];
        }
    }
    return used;
}

/* One code point of well-formed UTF-8; returns its bytes. */
static size_t next_code_point(const char *text, uint32_t *ret)
{
    const unsigned char *bytes = (const unsigned char *) text;
    size_t size = bytes[0] < 0x80 ? 1 : bytes[0] < 0xe0 ? 2 : bytes[0] < 0xf0 ? 3 : 4;
    static const unsigned char masks[] = {0, 0x7f, 0x1f, 0x0f, 0x07};
    uint32_t code = bytes[0] & masks[size];

    for (size_t i = 1; i < size; i++)
        code = code << 6 | (bytes[i] & 0x3fu);
    *ret = code;
    return size;
}

/* Unicode's White_Space, the same as str.strip() of the board's first version took away. */
static bool is_space(uint32_t code)
{
    return (code >= 0x09 && code <= 0x0d) || code == 0x20 || code == 0x85 || code == 0xa0 ||
           code == 0x1680 || (code >= 0x2000 && code <= 0x200a) || code == 0x2028 ||
           code == 0x2029 || code == 0x202f || code == 0x205f || code == 0x3000;
}

static bool is_refused(uint32_t code)
{
    return (code < 0x20 && code != '\n' && code != '\t') || (code >= 0x7f && code <= 0x9f);
}

/* Takes away what is before the first and after the last character that is no space. */
static size_t trim(char *text, size_t length)
{
    size_t start = 0, end = 0;
    bool any = false;

    for (size_t i = 0; i < length;) {
        uint32_t code;
        size_t size = next_code_point(text + i, &code);

        if (!is_space(code)) {
            if (!any)
                start = i;
            any = true;
            end = i + size;
        }
        i += size;
    }
    memmove(text, text + start, end - start);
    return end - start;
}

/* Takes refused characters out, and counts the others. */
static size_t remove_refused(char *text, size_t length, size_t *ret_characters)
{
    size_t used = 0;

    *ret_characters = 0;
    for (size_t i = 0; i < length;) {
        uint32_t code;
        size_t size = next_code_point(text + i, &code);

        if (!is_refused(code)) {
            memmove(text + used, text + i, size);
            used += size;
            ++*ret_characters;
        }
        i += size;
    }
    return used;
}

enum post_text_result post_text_clean(char *text, size_t *length)
{
    size_t trimmed = trim(text, fold_line_ends(text, *length)), characters;

    *length = remove_refused(text, trimmed, &characters);
    text[*length] = '\0';
    if (*length < trimmed)
        return POST_TEXT_CHARACTERS;
    if (characters > MESSAGE_TEXT_CHARACTERS)
        return POST_TEXT_TOO_LONG;
    return characters > 0 ? POST_TEXT_OK : POST_TEXT_EMPTY;
}

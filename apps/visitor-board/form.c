/* SPDX-License-Identifier: Apache-2.0 */
#include "apps/visitor-board/form.h"

#include "common/base/text.h"

#include <string.h>

#define FIELD_NAME "message"

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

/* Undoes '+' and %XX. |decoded| holds |length| bytes at least. False for a percent sign without two
 * digits. */
static bool decode(const char *encoded, size_t length, char *decoded, size_t *ret_length)
{
    size_t used = 0;

    for (size_t i = 0; i < length; i++) {
        int high, low;

        if (encoded[i] != '%') {
            decoded[used++] = encoded[i] == '+' ? ' ' : encoded[i];
            continue;
        }
        if (length - i < 3)
            return false;
        high = hex_digit(encoded[i + 1]);
        low = hex_digit(encoded[i + 2]);
        if (high < 0 || low < 0)
            return false;
        decoded[used++] = (char) (high << 4 | low);
        i += 2;
    }
    *ret_length = used;
    return true;
}

/* Finds the first field `message` and decodes it; 0 bytes if there is none. All fields are checked,
 * also those that are not used. */
static bool find_message(const char *body, size_t length, char *value, size_t *ret_length)
{
    char name[FORM_BODY_MAX];
    const char *end = body + length;
    unsigned fields = 0;
    bool found = false;

    *ret_length = 0;
    while (body < end) {
        const char *ampersand = memchr(body, '&', (size_t) (end - body));
        const char *field_end = ampersand ? ampersand : end;
        const char *equals = memchr(body, '=', (size_t) (field_end - body));
        const char *name_end = equals ? equals : field_end;
        const char *value_start = equals ? equals + 1 : field_end;
        size_t name_length, other_length;

        if (++fields > FORM_FIELDS_MAX)
            return false;
        if (!decode(body, (size_t) (name_end - body), name, &name_length))
            return false;
        if (!found && name_length == strlen(FIELD_NAME) &&
            memcmp(name, FIELD_NAME, name_length) == 0) {
            if (!decode(value_start, (size_t) (field_end - value_start), value, ret_length))
                return false;
            found = true;
        } else if (!decode(value_start, (size_t) (field_end - value_start), name, &other_length)) {
            return false;
        }
        body = ampersand ? ampersand + 1 : end;
    }
    return true;
}

/* Browsers send CR LF for a new line in a text area (HTML standard, 4.10.22); alone, CR is one too.
 */
static size_t normalize_line_ends(char *text, size_t length)
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

/* Narrows to the first and last character that is no space. */
static void trim(const char **text, size_t *length)
{
    size_t start = 0, end = 0;
    bool any = false;

    for (size_t i = 0; i < *length;) {
        uint32_t code;
        size_t size = next_code_point(*text + i, &code);

        if (!is_space(code)) {
            if (!any)
                start = i;
            any = true;
            end = i + size;
        }
        i += size;
    }
    *text += start;
    *length = any ? end - start : 0;
}

enum form_result form_parse(const char *body, size_t length, char text[FORM_TEXT_SIZE])
{
    char value[FORM_BODY_MAX] = "";
    const char *trimmed = value;
    size_t value_length, characters = 0;

    if (length > FORM_BODY_MAX || !find_message(body, length, value, &value_length) ||
        !text_is_utf8(value, value_length))
        return FORM_MALFORMED;
    value_length = normalize_line_ends(value, value_length);
    trim(&trimmed, &value_length);
    if (value_length == 0) {
        memcpy(text, FORM_EMPTY_TEXT, sizeof(FORM_EMPTY_TEXT));
        return FORM_OK;
    }
    for (size_t i = 0; i < value_length; characters++) {
        uint32_t code;

        i += next_code_point(trimmed + i, &code);
        if (is_refused(code))
            return FORM_CHARACTERS;
    }
    if (characters > MESSAGE_TEXT_CHARACTERS)
        return FORM_TOO_LONG;
    memcpy(text, trimmed, value_length);
    text[value_length] = '\0';
    return FORM_OK;
}

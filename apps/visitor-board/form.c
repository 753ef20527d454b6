/* SPDX-License-Identifier: Apache-2.0 */
#include "apps/visitor-board/form.h"

#include "apps/visitor-board/post-text.h"
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

enum form_result form_parse(const char *body, size_t length, char text[FORM_TEXT_SIZE])
{
    char value[FORM_BODY_MAX + 1] = "";
    size_t value_length;
    enum form_result result = FORM_OK;

    if (length > FORM_BODY_MAX || !find_message(body, length, value, &value_length) ||
        !text_is_utf8(value, value_length))
        return FORM_MALFORMED;
    switch (post_text_clean(value, &value_length)) {
    case POST_TEXT_OK:
        break;
    case POST_TEXT_EMPTY:
        memcpy(text, FORM_EMPTY_TEXT, sizeof(FORM_EMPTY_TEXT));
        return FORM_OK;
    case POST_TEXT_TOO_LONG:
        result = FORM_TOO_LONG;
        break;
    case POST_TEXT_CHARACTERS:
        result = FORM_CHARACTERS;
        break;
    }
    memcpy(text, value, value_length + 1);
    return result;
}

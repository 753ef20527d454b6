/* SPDX-License-Identifier: Apache-2.0 */
/* Strict parsers: what is not exactly right is refused, nothing is guessed or skipped. */
#include "common/base/text.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

/*
 * Reads the digits at the start of |text|. Returns where they end, NULL if there are none.
 * |ret_fits| says whether the number fits 64 bits.
 */
static const char *text_scan_digits(const char *text, uint64_t *ret, bool *ret_fits)
{
    const char *start = text;
    uint64_t number = 0;

    *ret_fits = true;
    for (; *text >= '0' && *text <= '9'; text++)
        if (__builtin_mul_overflow(number, 10, &number) ||
            __builtin_add_overflow(number, (unsigned) (*text - '0'), &number)) {
            *ret_fits = false;
            number = 0;
        }
    *ret = number;
    return text == start ? NULL : text;
}

int text_parse_u64(const char *text, uint64_t min, uint64_t max, uint64_t *ret)
{
    uint64_t number;
    bool fits;
    const char *end = text_scan_digits(text, &number, &fits);

    if (!end || *end != '\0')
        return -EINVAL;
    if (!fits || number < min || number > max)
        return -ERANGE;
    *ret = number;
    return 0;
}

int text_parse_size(const char *text, uint64_t *ret_bytes)
{
    uint64_t number, factor = 1;
    bool fits;
    const char *end = text_scan_digits(text, &number, &fits);

    if (!end)
        return -EINVAL;
    if (*end == 'K')
        factor = UINT64_C(1) << 10;
    else if (*end == 'M')
        factor = UINT64_C(1) << 20;
    else if (*end == 'G')
        factor = UINT64_C(1) << 30;
    else if (*end != '\0')
        return -EINVAL;
    if (*end != '\0' && end[1] != '\0')
        return -EINVAL;
    if (!fits || __builtin_mul_overflow(number, factor, &number))
        return -ERANGE;
    *ret_bytes = number;
    return 0;
}

/* The ranges of the second byte are those of table 3-7 in the Unicode standard, chapter 3.9. */
size_t text_utf8_sequence(const char *data, size_t length)
{
    const unsigned char *s = (const unsigned char *) data;
    unsigned char low = 0x80, high = 0xbf;
    size_t wanted;

    if (length == 0)
        return 0;
    if (s[0] < 0x80)
        return 1;
    if (s[0] >= 0xc2 && s[0] <= 0xdf) {
        wanted = 2;
    } else if (s[0] >= 0xe0 && s[0] <= 0xef) {
        wanted = 3;
        if (s[0] == 0xe0)
            low = 0xa0; /* below it would be overlong */
        else if (s[0] == 0xed)
            high = 0x9f; /* above it are the surrogates */
    } else if (s[0] >= 0xf0 && s[0] <= 0xf4) {
        wanted = 4;
        if (s[0] == 0xf0)
            low = 0x90;
        else if (s[0] == 0xf4)
            high = 0x8f; /* U+10FFFF is the last */
    } else {
        return 0;
    }
    if (wanted > length || s[1] < low || s[1] > high)
        return 0;
    for (size_t i = 2; i < wanted; i++)
        if ((s[i] & 0xc0) != 0x80)
            return 0;
    return wanted;
}

bool text_is_utf8(const char *data, size_t length)
{
    for (size_t i = 0; i < length;) {
        size_t n = text_utf8_sequence(data + i, length - i);

        if (n == 0)
            return false;
        i += n;
    }
    return true;
}

bool text_copy(char *target, size_t size, const char *source)
{
    size_t length = strnlen(source, size);
    bool fits = length < size;

    if (size == 0)
        return false;
    if (!fits)
        length = size - 1;
    memcpy(target, source, length);
    target[length] = '\0';
    return fits;
}

void text_replace_controls(char *text, char with)
{
    for (unsigned char *c = (unsigned char *) text; *c; c++) {
        if (*c < ' ' || *c == 0x7f)
            *c = (unsigned char) with;
        else if (c[0] == 0xc2 && c[1] >= 0x80 && c[1] <= 0x9f) /* U+0080 to U+009F */
            c[0] = c[1] = (unsigned char) with;
    }
}

uint64_t random_u64(void)
{
    uint64_t value;

    /* Up to 256 bytes are never cut short; EINTR is possible only before the pool is ready. */
    while (getrandom(&value, sizeof(value), 0) != (ssize_t) sizeof(value))
        if (errno != EINTR)
            abort();
    return value;
}

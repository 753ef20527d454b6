/* SPDX-License-Identifier: Apache-2.0 */
/* The parsers of numbers, sizes, durations, listen addresses and UTF-8, against oracles that do the
 * same in another, slower way. */
#include "common/base/clock.h"
#include "common/base/listen.h"
#include "common/base/text.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

typedef unsigned __int128 wide;

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool condition)
{
    if (!condition)
        abort();
}

/* Sums up to here are told apart; past it all is the same: too much. */
static const wide WIDE_MAX = (wide) 1 << 80;

static wide digits_value(const char *text, size_t length)
{
    wide value = 0;

    for (size_t i = 0; i < length; i++)
        value = value > WIDE_MAX ? value : value * 10 + (unsigned) (text[i] - '0');
    return value;
}

static void check_number(const char *text)
{
    size_t digits = strspn(text, "0123456789");
    wide value = digits_value(text, digits);
    uint64_t number = 0;
    int r = text_parse_u64(text, 10, 1000000, &number);

    if (digits == 0 || text[digits] != '\0')
        require(r == -EINVAL);
    else if (value < 10 || value > 1000000)
        require(r == -ERANGE);
    else
        require(r == 0 && number == (uint64_t) value);
    r = text_parse_u64(text, 0, UINT64_MAX, &number);
    if (r == 0)
        require(number == value);
    else if (r == -ERANGE)
        require(value > UINT64_MAX);
}

static void check_size(const char *text)
{
    size_t digits = strspn(text, "0123456789");
    const char *suffix = text + digits;
    wide value = digits_value(text, digits);
    uint64_t bytes = 0;
    int r = text_parse_size(text, &bytes);
    bool good = digits > 0;

    if (strcmp(suffix, "K") == 0)
        value *= 1024;
    else if (strcmp(suffix, "M") == 0)
        value *= 1024 * 1024;
    else if (strcmp(suffix, "G") == 0)
        value *= 1024 * 1024 * 1024;
    else if (*suffix != '\0')
        good = false;
    if (!good)
        require(r == -EINVAL);
    else if (value > UINT64_MAX)
        require(r == -ERANGE);
    else
        require(r == 0 && bytes == (uint64_t) value);
}

/* -EINVAL, or the value, which may be too large. */
static int duration_oracle(const char *text, wide *ret)
{
    static const struct {
        const char *letters;
        uint64_t us;
    } units[] = {
        {"us", 1},
        {"ms", 1000},
        {"s", 1000000},
        {"m", 60000000},
        {"min", 60000000},
        {"h", UINT64_C(3600000000)},
        {"d", UINT64_C(86400000000)},
    };
    size_t digits = strspn(text, "0123456789");

    *ret = 0;
    if (digits > 0 && text[digits] == '\0') {
        *ret = digits_value(text, digits) * 1000000;
        return 0;
    }
    do {
        size_t letters, i;
        wide value;

        digits = strspn(text, "0123456789");
        value = digits_value(text, digits);
        text += digits;
        letters = strcspn(text, "0123456789");
        if (digits == 0 || letters == 0)
            return -EINVAL;
        for (i = 0; i < 7; i++)
            if (strlen(units[i].letters) == letters && !strncmp(units[i].letters, text, letters))
                break;
        if (i == 7)
            return -EINVAL;
        text += letters;
        if (*ret <= WIDE_MAX)
            *ret += value > WIDE_MAX / units[i].us ? WIDE_MAX : value * units[i].us;
    } while (*text != '\0');
    return 0;
}

static void check_duration(const char *text)
{
    char buffer[CLOCK_TEXT_MAX];
    uint64_t duration_us = 0;
    wide value;
    int r = clock_parse_duration(text, &duration_us), wanted = duration_oracle(text, &value);

    if (wanted < 0) {
        require(r == -EINVAL);
    } else if (value > (wide) 365 * 86400 * 1000000) {
        require(r == -ERANGE);
    } else {
        require(r == 0 && duration_us == (uint64_t) value);
        require(strlen(clock_format_duration(buffer, duration_us)) > 0);
    }
}

/* Decodes each code point and encodes it again: only the shortest right form comes back. */
static bool utf8_oracle(const unsigned char *s, size_t length)
{
    for (size_t i = 0; i < length;) {
        unsigned c = s[i], n = c < 0x80 ? 0 : c >= 0xf0 ? 3 : c >= 0xe0 ? 2 : 1;
        unsigned point = n == 0 ? c : c & (0x3fu >> n);
        static const unsigned least[] = {0, 0x80, 0x800, 0x10000};

        if ((c >= 0x80 && c < 0xc0) || c >= 0xf8 || n >= length - i)
            return false;
        for (unsigned j = 1; j <= n; j++) {
            if (s[i + j] >> 6 != 2)
                return false;
            point = point << 6 | (s[i + j] & 0x3fu);
        }
        if (point < least[n] || point > 0x10ffff || (point >= 0xd800 && point < 0xe000))
            return false;
        i += n + 1;
    }
    return true;
}

static void check_copy(const char *text)
{
    char small[8], *cut;

    cut = strndup(text, sizeof(small) - 1);
    require(text_copy(small, sizeof(small), text) == (strlen(text) < sizeof(small)));
    require(strcmp(small, cut) == 0);
    free(cut);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    union listen_address address;
    socklen_t length = 0;
    char *text = malloc(size + 1);

    require(text_is_utf8((const char *) data, size) == utf8_oracle(data, size));
    memcpy(text, data, size);
    text[size] = '\0';
    check_number(text);
    check_size(text);
    check_duration(text);
    check_copy(text);
    if (listen_parse(text, &address, &length) == 0)
        require(length > 0 && length <= sizeof(address));
    free(text);
    return 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "apps/visitor-board/cursor.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

#define PURPOSE     "cursor"
#define PLAIN_BYTES (SEAL_BYTES + STORE_POSITION_MAX - 1)

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

static_assert((PLAIN_BYTES * 4 + 2) / 3 < CURSOR_SIZE, "a cursor has room for every position");

/* No padding. */
static void encode(char *text, const uint8_t *bytes, size_t length)
{
    unsigned bits = 0;
    uint32_t word = 0;

    for (size_t i = 0; i < length; i++) {
        word = word << 8 | bytes[i];
        for (bits += 8; bits >= 6; bits -= 6)
            *text++ = alphabet[word >> (bits - 6) & 0x3f];
    }
    if (bits > 0)
        *text++ = alphabet[word << (6 - bits) & 0x3f];
    *text = '\0';
}

/* Each value has one text only: bits that mean nothing must be zero. False for any other. */
static bool decode(uint8_t bytes[PLAIN_BYTES], size_t *ret_length, const char *text)
{
    size_t used = 0;
    unsigned bits = 0;
    uint32_t word = 0;

    for (; *text; text++) {
        const char *digit = strchr(alphabet, *text);

        if (!digit)
            return false;
        word = word << 6 | (uint32_t) (digit - alphabet);
        bits += 6;
        if (bits < 8)
            continue;
        bits -= 8;
        if (used == PLAIN_BYTES)
            return false;
        bytes[used++] = (uint8_t) (word >> bits);
    }
    *ret_length = used;
    return bits < 6 && (word & ((1u << bits) - 1)) == 0;
}

const char *cursor_make(char cursor[CURSOR_SIZE], const struct seal *seal, const char *position)
{
    uint8_t bytes[PLAIN_BYTES];
    size_t length = strlen(position);

    assert(length > 0 && length < STORE_POSITION_MAX);
    seal_sign(seal, PURPOSE, position, length, bytes);
    memcpy(bytes + SEAL_BYTES, position, length);
    encode(cursor, bytes, SEAL_BYTES + length);
    return cursor;
}

int cursor_read(const char *cursor, const struct seal *seal, char ret_position[STORE_POSITION_MAX])
{
    uint8_t bytes[PLAIN_BYTES], tag[SEAL_BYTES];
    char position[STORE_POSITION_MAX];
    size_t length;

    if (strlen(cursor) >= CURSOR_SIZE || !decode(bytes, &length, cursor) || length <= SEAL_BYTES)
        return -EBADMSG;
    length -= SEAL_BYTES;
    if (memchr(bytes + SEAL_BYTES, '\0', length))
        return -EBADMSG;
    memcpy(position, bytes + SEAL_BYTES, length);
    position[length] = '\0';
    seal_sign(seal, PURPOSE, position, length, tag);
    if (!seal_is_same(tag, bytes))
        return -EBADMSG;
    memcpy(ret_position, position, length + 1);
    return 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "apps/visitor-board/cursor.h"

#include "common/base/siphash.h"
#include "common/base/text.h"

#include <assert.h>
#include <endian.h>
#include <errno.h>
#include <string.h>

#define TAG_BYTES   16u
#define PLAIN_BYTES (TAG_BYTES + STORE_POSITION_MAX - 1)

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

static_assert((PLAIN_BYTES * 4 + 2) / 3 < CURSOR_SIZE, "a cursor has room for every position");
static_assert(sizeof(struct siphash_key) * 2 == STORE_SECRET_BYTES, "two keys in one secret");

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

/* Of the board's name with its NUL, and the position. */
static void sign(uint8_t tag[TAG_BYTES], const struct cursor_key *key, const char *position)
{
    char text[sizeof(key->board) + STORE_POSITION_MAX];
    size_t length = strlen(key->board) + 1;

    memcpy(text, key->board, length);
    text_copy(text + length, sizeof(text) - length, position);
    length += strlen(position);
    for (size_t i = 0; i < 2; i++) {
        struct siphash_key half;
        uint64_t word;

        memcpy(&half, key->secret + i * sizeof(half), sizeof(half));
        half = (struct siphash_key){.low = le64toh(half.low), .high = le64toh(half.high)};
        word = siphash(&half, text, length);
        for (size_t j = 0; j < sizeof(word); j++) /* the same on every node */
            tag[i * sizeof(word) + j] = (uint8_t) (word >> (8 * j));
    }
}

const char *cursor_make(char cursor[CURSOR_SIZE], const struct cursor_key *key,
                        const char *position)
{
    uint8_t bytes[PLAIN_BYTES];
    size_t length = strlen(position);

    assert(length > 0 && length < STORE_POSITION_MAX);
    sign(bytes, key, position);
    memcpy(bytes + TAG_BYTES, position, length);
    encode(cursor, bytes, TAG_BYTES + length);
    return cursor;
}

/* Takes the same time wherever they differ. */
static bool is_same_tag(const uint8_t *a, const uint8_t *b)
{
    uint8_t difference = 0;

    for (size_t i = 0; i < TAG_BYTES; i++)
        difference |= a[i] ^ b[i];
    return difference == 0;
}

int cursor_read(const char *cursor, const struct cursor_key *key,
                char ret_position[STORE_POSITION_MAX])
{
    uint8_t bytes[PLAIN_BYTES], tag[TAG_BYTES];
    char position[STORE_POSITION_MAX];
    size_t length;

    if (strlen(cursor) >= CURSOR_SIZE || !decode(bytes, &length, cursor) || length <= TAG_BYTES)
        return -EBADMSG;
    length -= TAG_BYTES;
    if (memchr(bytes + TAG_BYTES, '\0', length))
        return -EBADMSG;
    memcpy(position, bytes + TAG_BYTES, length);
    position[length] = '\0';
    sign(tag, key, position);
    if (!is_same_tag(tag, bytes))
        return -EBADMSG;
    memcpy(ret_position, position, length + 1);
    return 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "apps/visitor-board/seal.h"

#include "common/base/siphash.h"

#include <assert.h>
#include <endian.h>
#include <stdio.h>
#include <string.h>

static_assert(sizeof(struct siphash_key) * 2 == STORE_SECRET_BYTES, "two keys in one secret");

static struct siphash_key half(const struct seal *seal, size_t i)
{
    struct siphash_key key;

    memcpy(&key, seal->secret + i * sizeof(key), sizeof(key));
    return (struct siphash_key){.low = le64toh(key.low), .high = le64toh(key.high)};
}

static struct siphash_key as_key(const uint8_t signature[SEAL_BYTES])
{
    struct siphash_key key;

    memcpy(&key, signature, sizeof(key));
    return (struct siphash_key){.low = le64toh(key.low), .high = le64toh(key.high)};
}

static void sign(const struct siphash_key keys[2], const void *text, size_t length,
                 uint8_t ret[SEAL_BYTES])
{
    for (size_t i = 0; i < 2; i++) {
        uint64_t word = htole64(siphash(&keys[i], text, length));

        memcpy(ret + i * sizeof(word), &word, sizeof(word));
    }
}

/* Keys of the board and the purpose first, made from their names; so the text is signed where it
 * lies, whatever its length. */
void seal_sign(const struct seal *seal, const char *purpose, const void *text, size_t length,
               uint8_t ret[SEAL_BYTES])
{
    const struct siphash_key halves[2] = {half(seal, 0), half(seal, 1)};
    struct siphash_key keys[2];
    char context[SEAL_BOARD_MAX + 32];
    int n = snprintf(context, sizeof(context), "%s%c%s0", seal->board, '\0', purpose);
    uint8_t derived[SEAL_BYTES];

    assert(n > 0 && (size_t) n < sizeof(context));
    for (size_t i = 0; i < 2; i++) {
        context[n - 1] = (char) ('0' + i);
        sign(halves, context, (size_t) n, derived);
        keys[i] = as_key(derived);
    }
    sign(keys, text, length, ret);
}

const char *seal_sign_hex(const struct seal *seal, const char *purpose, const void *text,
                          size_t length, char ret[SEAL_HEX_SIZE])
{
    uint8_t signature[SEAL_BYTES];

    seal_sign(seal, purpose, text, length, signature);
    for (size_t i = 0; i < SEAL_BYTES; i++)
        snprintf(ret + 2 * i, SEAL_HEX_SIZE - 2 * i, "%02x", signature[i]);
    return ret;
}

bool seal_is_same(const uint8_t a[SEAL_BYTES], const uint8_t b[SEAL_BYTES])
{
    uint8_t difference = 0;

    for (size_t i = 0; i < SEAL_BYTES; i++)
        difference |= a[i] ^ b[i];
    return difference == 0;
}

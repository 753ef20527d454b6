/* SPDX-License-Identifier: Apache-2.0 */
/* As Aumasson and Bernstein describe it: two rounds a word, four at the end. */
#include "common/base/siphash.h"

#include "common/base/text.h"

#include <endian.h>
#include <string.h>

#define WORD_BYTES 8u

struct state {
    uint64_t a, b, c, d;
};

static uint64_t rotate(uint64_t value, unsigned bits)
{
    return value << bits | value >> (64 - bits);
}

static void mix(struct state *state, unsigned rounds)
{
    for (; rounds > 0; rounds--) {
        state->a += state->b;
        state->c += state->d;
        state->b = rotate(state->b, 13) ^ state->a;
        state->d = rotate(state->d, 16) ^ state->c;
        state->a = rotate(state->a, 32);
        state->c += state->b;
        state->a += state->d;
        state->b = rotate(state->b, 17) ^ state->c;
        state->d = rotate(state->d, 21) ^ state->a;
        state->c = rotate(state->c, 32);
    }
}

static void absorb(struct state *state, uint64_t word)
{
    state->d ^= word;
    mix(state, 2);
    state->a ^= word;
}

struct siphash_key siphash_key_random(void)
{
    return (struct siphash_key){.low = random_u64(), .high = random_u64()};
}

uint64_t siphash(const struct siphash_key *key, const void *data, size_t length)
{
    /* "somepseudorandomlygeneratedbytes" */
    struct state state = {
        .a = key->low ^ UINT64_C(0x736f6d6570736575),
        .b = key->high ^ UINT64_C(0x646f72616e646f6d),
        .c = key->low ^ UINT64_C(0x6c7967656e657261),
        .d = key->high ^ UINT64_C(0x7465646279746573),
    };
    const uint8_t *byte = data;
    size_t left = length;
    uint64_t word;

    for (; left >= WORD_BYTES; left -= WORD_BYTES, byte += WORD_BYTES) {
        memcpy(&word, byte, WORD_BYTES);
        absorb(&state, le64toh(word));
    }
    word = (uint64_t) length << 56; /* the last word's top byte */
    for (size_t i = 0; i < left; i++)
        word |= (uint64_t) byte[i] << (8 * i);
    absorb(&state, word);
    state.c ^= 0xff;
    mix(&state, 4);
    return state.a ^ state.b ^ state.c ^ state.d;
}

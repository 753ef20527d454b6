/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Signatures that all nodes of one board make alike, with the secret that is in its store. Pure.
 *
 * It is SipHash-2-4 under both halves of the secret, 128 bits in all: a code that authenticates
 * short texts, and is in the tree already. HMAC-SHA-256 of libcrypto would add 1.1 MiB to each
 * worker.
 */
#pragma once

#include "apps/visitor-board/store.h"

#define SEAL_BYTES     16u
#define SEAL_HEX_SIZE  33u
#define SEAL_BOARD_MAX 65u /* bytes of a board's name, with its NUL */

struct seal {
    uint8_t secret[STORE_SECRET_BYTES];
    char board[SEAL_BOARD_MAX];
};

/* Signs |text| for |purpose|: neither another board's signature nor one for another purpose is the
 * same. */
void seal_sign(const struct seal *seal, const char *purpose, const void *text, size_t length,
               uint8_t ret[SEAL_BYTES]);
/* The same in hexadecimal. Returns |ret|. */
const char *seal_sign_hex(const struct seal *seal, const char *purpose, const void *text,
                          size_t length, char ret[SEAL_HEX_SIZE]);
/* Takes the same time wherever they differ. */
bool seal_is_same(const uint8_t a[SEAL_BYTES], const uint8_t b[SEAL_BYTES]);

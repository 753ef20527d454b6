/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The opaque cursor behind "older messages": a store's position with a signature, as base64url
 * (RFC 4648, section 5). Pure.
 *
 * The signature is what lets a store trust a position: nobody can make one up and ask for what the
 * board would not show. It is SipHash-2-4 with both halves of the board's secret, 128 bits in all:
 * a code that authenticates short texts, in the tree already; libcrypto would be 2 MiB a worker for
 * it. The board's name is signed too, so that the cursor of another board with the same secret is
 * none of this one's. A cursor doesn't age: the secret is for the board's life.
 */
#pragma once

#include "apps/visitor-board/store.h"

/* Characters with the NUL: 16 bytes of signature and up to 127 of position in base64. */
#define CURSOR_SIZE 192u

struct cursor_key {
    uint8_t secret[STORE_SECRET_BYTES];
    char board[64];
};

/* Returns |cursor|. |position| is a store's: "" has no cursor. */
const char *cursor_make(char cursor[CURSOR_SIZE], const struct cursor_key *key,
                        const char *position);

/* 0, or -EBADMSG: damaged, made up, or of another board. */
int cursor_read(const char *cursor, const struct cursor_key *key,
                char ret_position[STORE_POSITION_MAX]);

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The opaque cursor behind "older messages": a store's position with a signature, as base64url
 * (RFC 4648, section 5). Pure.
 *
 * The signature is what lets a store trust a position: nobody can make one up and ask for what the
 * board would not show. A cursor doesn't age: the secret is for the board's life.
 */
#pragma once

#include "apps/visitor-board/seal.h"

/* Characters with the NUL: 16 bytes of signature and up to 127 of position in base64. */
#define CURSOR_SIZE 192u

/* Returns |cursor|. |position| is a store's: "" has no cursor. */
const char *cursor_make(char cursor[CURSOR_SIZE], const struct seal *seal, const char *position);

/* 0, or -EBADMSG: damaged, made up, or of another board. */
int cursor_read(const char *cursor, const struct seal *seal, char ret_position[STORE_POSITION_MAX]);

/* SPDX-License-Identifier: Apache-2.0 */
/* SHA-256 and HMAC-SHA-256 of libcrypto, which is loaded at the first use: a node that signs
 * nothing doesn't pay for it. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#define HASH_SHA256_BYTES     32u
#define HASH_SHA256_HEX_BYTES 65u /* with its NUL */

/* 0, or -ELIBACC where libcrypto can't be loaded. */
int hash_sha256(const void *data, size_t length, uint8_t ret[HASH_SHA256_BYTES]);
int hash_hmac_sha256(const void *key, size_t key_length, const void *data, size_t length,
                     uint8_t ret[HASH_SHA256_BYTES]);

/* Lower case. Returns |buffer|. */
const char *hash_hex(char buffer[HASH_SHA256_HEX_BYTES], const uint8_t hash[HASH_SHA256_BYTES]);

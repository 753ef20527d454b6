/* SPDX-License-Identifier: Apache-2.0 */
/*
 * SipHash-2-4: a hash with a secret key, for tables whose keys come from outside. Who doesn't know
 * the key can't choose texts that all fall into one place of a table.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

struct siphash_key {
    uint64_t low, high;
};

/* A key that nobody knows. */
struct siphash_key siphash_key_random(void);

uint64_t siphash(const struct siphash_key *key, const void *data, size_t length);

/* SPDX-License-Identifier: Apache-2.0 */
/* libcrypto by dlopen; its headers give the types alone. See the header. */
#include "common/aws/hash.h"

#include "common/base/library.h"
#include "common/base/macro.h"

#include <errno.h>
#include <limits.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <pthread.h>
#include <stdbool.h>

#define LIBCRYPTO "libcrypto.so.3"

struct functions {
    __typeof__(&EVP_sha256) sha256;
    __typeof__(&EVP_Digest) digest;
    __typeof__(&HMAC) hmac;
};

/*
 * The one thing here that outlives a call: addresses, the same for all who ask. Offload threads may
 * sign too, so a lock. A failure is not kept: what lacked memory then may have it now.
 */
static int functions_get(struct functions *ret)
{
    static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
    static struct functions functions;
    static bool loaded;
    const struct library_symbol SYMBOLS[] = {
        {"EVP_sha256", (void **) &functions.sha256},
        {"EVP_Digest", (void **) &functions.digest},
        {"HMAC", (void **) &functions.hmac},
    };
    int r = 0;

    pthread_mutex_lock(&lock);
    if (!loaded)
        r = library_load(LIBCRYPTO, SYMBOLS, ARRAY_SIZE(SYMBOLS));
    if (r == 0) {
        loaded = true;
        *ret = functions;
    }
    pthread_mutex_unlock(&lock);
    return r;
}

int hash_sha256(const void *data, size_t length, uint8_t ret[HASH_SHA256_BYTES])
{
    struct functions functions;
    int r = functions_get(&functions);

    if (r < 0)
        return r;
    if (functions.digest(length > 0 ? data : "", length, ret, NULL, functions.sha256(), NULL) != 1)
        return -ELIBACC;
    return 0;
}

int hash_hmac_sha256(const void *key, size_t key_length, const void *data, size_t length,
                     uint8_t ret[HASH_SHA256_BYTES])
{
    struct functions functions;
    int r;

    if (key_length > INT_MAX) /* the type that HMAC() has for it */
        return -EINVAL;
    r = functions_get(&functions);
    if (r < 0)
        return r;
    /* A key of NULL would mean "the last one". */
    if (!functions.hmac(functions.sha256(), key_length > 0 ? key : "", (int) key_length,
                        length > 0 ? data : (const void *) "", length, ret, NULL))
        return -ELIBACC;
    return 0;
}

const char *hash_hex(char buffer[HASH_SHA256_HEX_BYTES], const uint8_t hash[HASH_SHA256_BYTES])
{
    static const char DIGITS[] = "0123456789abcdef";

    for (size_t i = 0; i < HASH_SHA256_BYTES; i++) {
        buffer[2 * i] = DIGITS[hash[i] >> 4];
        buffer[2 * i + 1] = DIGITS[hash[i] & 0xf];
    }
    buffer[2 * HASH_SHA256_BYTES] = '\0';
    return buffer;
}

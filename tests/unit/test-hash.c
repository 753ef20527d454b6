/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/unit.h"

#include "common/aws/hash.h"
#include "common/base/macro.h"

#include <errno.h>
#include <limits.h>

/* FIPS 180-4's examples. */
static void test_sha256(void **state)
{
    static const struct {
        const char *data, *hex;
    } CASES[] = {
        {"", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"},
        {"abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"},
        {"abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
         "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1"},
    };

    for (size_t i = 0; i < ARRAY_SIZE(CASES); i++) {
        uint8_t hash[HASH_SHA256_BYTES];
        char hex[HASH_SHA256_HEX_BYTES];

        assert_int_equal(hash_sha256(CASES[i].data, strlen(CASES[i].data), hash), 0);
        assert_string_equal(hash_hex(hex, hash), CASES[i].hex);
    }
}

static void test_nothing(void **state)
{
    uint8_t hash[HASH_SHA256_BYTES];
    char hex[HASH_SHA256_HEX_BYTES];

    assert_int_equal(hash_sha256(NULL, 0, hash), 0);
    assert_string_equal(hash_hex(hex, hash),
                        "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    /* An empty key is a key, not "the last one". */
    assert_int_equal(hash_hmac_sha256("key", 3, "x", 1, hash), 0);
    assert_int_equal(hash_hmac_sha256(NULL, 0, NULL, 0, hash), 0);
    assert_string_equal(hash_hex(hex, hash),
                        "b613679a0814d9ec772f95d778c35fc5ff1697c493715653c6c712144292c5ad");
    assert_int_equal(hash_hmac_sha256("", (size_t) INT_MAX + 1, "", 0, hash), -EINVAL);
}

/* RFC 4231, cases 1, 2 and 6. */
static void test_hmac(void **state)
{
    char long_key[131];
    const struct {
        const char *key;
        size_t key_length;
        const char *data, *hex;
    } CASES[] = {
        {"\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b", 20,
         "Hi There", "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7"},
        {"Jefe", 4, "what do ya want for nothing?",
         "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"},
        {long_key, sizeof(long_key), "Test Using Larger Than Block-Size Key - Hash Key First",
         "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54"},
    };

    memset(long_key, 0xaa, sizeof(long_key));
    for (size_t i = 0; i < ARRAY_SIZE(CASES); i++) {
        uint8_t hash[HASH_SHA256_BYTES];
        char hex[HASH_SHA256_HEX_BYTES];

        assert_int_equal(hash_hmac_sha256(CASES[i].key, CASES[i].key_length, CASES[i].data,
                                          strlen(CASES[i].data), hash),
                         0);
        assert_string_equal(hash_hex(hex, hash), CASES[i].hex);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sha256),
        cmocka_unit_test(test_nothing),
        cmocka_unit_test(test_hmac),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

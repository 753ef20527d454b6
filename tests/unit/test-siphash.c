/* SPDX-License-Identifier: Apache-2.0 */
#include "common/base/siphash.h"

#include "common/base/macro.h"
#include "tests/unit/unit.h"

/* Of the paper's appendix and the reference code: key 00..0f, text 00, 01, 02, ... */
static void test_published_vectors(void **state)
{
    static const struct {
        size_t length;
        uint64_t hash;
    } cases[] = {
        {0, UINT64_C(0x726fdb47dd0e0e31)},  {1, UINT64_C(0x74f839c593dc67fd)},
        {7, UINT64_C(0xab0200f58b01d137)},  {8, UINT64_C(0x93f5f5799a932462)},
        {15, UINT64_C(0xa129ca6149be45e5)}, {63, UINT64_C(0x958a324ceb064572)},
    };
    const struct siphash_key key = {UINT64_C(0x0706050403020100), UINT64_C(0x0f0e0d0c0b0a0908)};
    uint8_t text[64];

    for (size_t i = 0; i < sizeof(text); i++)
        text[i] = (uint8_t) i;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
        if (siphash(&key, text, cases[i].length) != cases[i].hash)
            fail_msg("%zu bytes: %016jx", cases[i].length,
                     (uintmax_t) siphash(&key, text, cases[i].length));
}

static void test_depends_on_key(void **state)
{
    const struct siphash_key one = siphash_key_random(), other = siphash_key_random();

    assert_true(siphash(&one, "route", 5) != siphash(&other, "route", 5));
    assert_true(siphash(&one, "route", 5) == siphash(&one, "route", 5));
    assert_true(siphash(&one, "a\0", 2) != siphash(&one, "a", 1));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_published_vectors),
        cmocka_unit_test(test_depends_on_key),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

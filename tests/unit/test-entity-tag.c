/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/unit.h"

#include "apps/visitor-board/entity-tag.h"
#include "common/base/macro.h"

static const struct {
    const char *list;
    bool listed; /* "tag" */
} cases[] = {
    {NULL, false},
    {"", false},
    {"\"tag\"", true},
    {" \"tag\"\t", true},
    {"W/\"tag\"", true},
    {"\"a\", \"tag\"", true},
    {"\"a\",\"b\",W/\"tag\",\"c\"", true},
    {",, \"a\" , ,\"tag\"", true},
    {"\"a,b\", \"tag\"", true},
    {"*", true},
    {" * ", true},
    {"*, \"tag\"", false},
    {"tag", false},
    {"\"TAG\"", false},
    {"\"tag", false},
    {"\"tags\"", false},
    {"\"ta\"", false},
    {"\"\"", false},
    {"w/\"tag\"", false},
    {"W/ \"tag\"", false},
    {"\"a\" \"tag\"", false},
    {"\"a, \"tag\"", false},
    {",", false},
};

static void test_lists(void **state)
{
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
        if (entity_tag_is_listed(cases[i].list, "\"tag\"") != cases[i].listed)
            fail_msg("%s", cases[i].list);
}

static void test_make(void **state)
{
    const struct siphash_key key = {1, 2}, other = {1, 3};
    char a[ENTITY_TAG_SIZE], b[ENTITY_TAG_SIZE];

    entity_tag_make(a, &key, "page", 4);
    assert_int_equal(strlen(a), ENTITY_TAG_SIZE - 1);
    assert_true(entity_tag_is_listed(a, a));
    entity_tag_make(b, &key, "page", 4);
    assert_string_equal(a, b);
    entity_tag_make(b, &key, "pagE", 4);
    assert_string_not_equal(a, b);
    entity_tag_make(b, &other, "page", 4);
    assert_string_not_equal(a, b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_lists),
        cmocka_unit_test(test_make),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

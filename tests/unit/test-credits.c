/* SPDX-License-Identifier: Apache-2.0 */
/* What CPU credits cost: AWS's own figures for each type, and the sentences. */
#include "agent/stress/credits.h"

#include "common/base/macro.h"
#include "tests/unit/unit.h"

/* "CPU credits earned per hour", of the user guide's table. */
static void test_earned(void **state)
{
    static const struct {
        const char *type, *earns;
    } cases[] = {
        {"t2.nano", "3"},    {"t2.micro", "6"},     {"t2.small", "12"},     {"t2.medium", "24"},
        {"t2.large", "36"},  {"t2.xlarge", "54"},   {"t2.2xlarge", "81.6"}, {"t3.nano", "6"},
        {"t3.micro", "12"},  {"t3.small", "24"},    {"t3.medium", "24"},    {"t3.large", "36"},
        {"t3.xlarge", "96"}, {"t3.2xlarge", "192"}, {"t3a.nano", "6"},      {"t3a.2xlarge", "192"},
        {"t4g.micro", "12"}, {"t4g.xlarge", "96"},
    };
    char text[CREDITS_TEXT_MAX], start[64];

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        credits_print(cases[i].type, 85, text);
        snprintf(start, sizeof(start), "a %s earns %s CPU credits an hour; ", cases[i].type,
                 cases[i].earns);
        if (strncmp(text, start, strlen(start)) != 0)
            fail_msg("%s is not: %s", text, start);
        assert_true(strlen(text) < CREDITS_TEXT_MAX - 1); /* not cut */
    }
}

static void test_sentences(void **state)
{
    char text[CREDITS_TEXT_MAX];

    assert_string_equal(credits_print("t3.micro", 85, text),
                        "a t3.micro earns 12 CPU credits an hour; 2 vCPUs at 85 % use 102. When "
                        "the saved ones are spent, unlimited mode (the default) costs $0.05 a "
                        "vCPU-hour (here up to $0.075 an hour), and standard mode slows the "
                        "instance down to 10 %.");
    assert_string_equal(credits_print("t2.nano", 100, text),
                        "a t2.nano earns 3 CPU credits an hour; 1 vCPU at 100 % uses 60. When the "
                        "saved ones are spent, unlimited mode costs $0.05 a vCPU-hour (here up to "
                        "$0.048 an hour), and standard mode (the default) slows the instance down "
                        "to 5 %.");
    assert_non_null(strstr(credits_print("t4g.large", 90, text), "costs $0.04 a vCPU-hour"));
    assert_string_equal(credits_print("t3.large", 30, text),
                        "a t3.large earns 36 CPU credits an hour; 2 vCPUs at 30 % use 36. That "
                        "costs nothing.");
}

static void test_others(void **state)
{
    static const char *const types[] = {"",         "t3",        "t3.",        "t3.metal",
                                        "m5.large", "t3b.micro", "t3.micro.x", ".micro"};
    char text[CREDITS_TEXT_MAX];

    for (size_t i = 0; i < ARRAY_SIZE(types); i++)
        assert_string_equal(credits_print(types[i], 85, text), "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_earned),
        cmocka_unit_test(test_sentences),
        cmocka_unit_test(test_others),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

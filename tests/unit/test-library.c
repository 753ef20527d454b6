/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/unit.h"

#include "common/base/library.h"
#include "common/base/macro.h"

#include <errno.h>

static void test_load(void **state)
{
    double (*root)(double) = NULL;
    double (*power)(double, double) = NULL;
    const struct library_symbol SYMBOLS[] = {
        {"sqrt", (void **) &root},
        {"pow", (void **) &power},
    };

    for (int again = 0; again < 2; again++) {
        assert_int_equal(library_load("libm.so.6", SYMBOLS, ARRAY_SIZE(SYMBOLS)), 0);
        assert_true(root(4) == 2);
        assert_true(power(2, 3) == 8);
    }
    assert_int_equal(library_load("libm.so.6", NULL, 0), 0);
}

static void test_missing(void **state)
{
    void *first = NULL, *second = NULL;
    const struct library_symbol SYMBOLS[] = {{"sqrt", &first}, {"agentd_no_such", &second}};

    assert_int_equal(library_load("libagentd-none.so.9", SYMBOLS, 1), -ELIBACC);
    assert_null(first);
    assert_int_equal(library_load("libm.so.6", SYMBOLS, 2), -ELIBACC);
    assert_null(first); /* all or none */
    assert_null(second);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_load),
        cmocka_unit_test(test_missing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

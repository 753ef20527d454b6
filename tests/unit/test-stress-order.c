/* SPDX-License-Identifier: Apache-2.0 */
/* The order for agentd-stress: to text and back, nothing else is taken; and its command line. */
#include "common/schema/stress.h"

#include "common/base/macro.h"
#include "tests/unit/unit.h"

#include <errno.h>
#include <string.h>

static void test_there_and_back(void **state)
{
    static const struct stress_order orders[] = {
        {STRESS_LOAD_DEFAULT, 0, STRESS_SECONDS_DEFAULT, false},
        {1, 1, 1, true},
        {STRESS_LOAD_MAX, STRESS_CORES_MAX, STRESS_SECONDS_MAX, true},
    };
    char text[STRESS_TEXT_MAX], again[STRESS_TEXT_MAX];
    struct stress_order order;

    for (size_t i = 0; i < ARRAY_SIZE(orders); i++) {
        assert_int_equal(stress_parse(stress_print(&orders[i], text), &order), 0);
        assert_string_equal(stress_print(&order, again), text);
        assert_int_equal(order.normal_priority, orders[i].normal_priority);
    }
    assert_string_equal(stress_print(&orders[0], text),
                        "load=85 cores=0 seconds=600 priority=idle");
}

static void test_refused(void **state)
{
    static const char *const texts[] = {
        "",
        "load=85",
        "load=0 cores=0 seconds=600 priority=idle",
        "load=101 cores=0 seconds=600 priority=idle",
        "load=-1 cores=0 seconds=600 priority=idle",
        "load=+5 cores=0 seconds=600 priority=idle",
        "load=085 cores=0 seconds=600 priority=idle",
        "load= 85 cores=0 seconds=600 priority=idle",
        "load=4294967381 cores=0 seconds=600 priority=idle",
        "load=85 cores=10000 seconds=600 priority=idle",
        "load=85 cores=0 seconds=0 priority=idle",
        "load=85 cores=0 seconds=86401 priority=idle",
        "load=85 cores=0 seconds=600 priority=high",
        "load=85 cores=0 seconds=600 priority=idle ",
        "load=85 cores=0 seconds=600 priority=idle --cores 1",
        " load=85 cores=0 seconds=600 priority=idle",
        "load=85  cores=0 seconds=600 priority=idle",
        "cores=0 load=85 seconds=600 priority=idle",
    };
    struct stress_order order = {.load_percent = 77};

    for (size_t i = 0; i < ARRAY_SIZE(texts); i++)
        assert_int_equal(stress_parse(texts[i], &order), -EINVAL);
    assert_int_equal(order.load_percent, 77);
}

static void assert_command(const struct stress_order *order, const char *expected)
{
    struct stress_command command;
    char *const *argv = stress_command(order, "/program", &command);
    char line[128] = "";

    for (; *argv; argv++) {
        strcat(line, line[0] ? " " : "");
        strcat(line, *argv);
    }
    assert_string_equal(line, expected);
}

static void test_command(void **state)
{
    assert_command(&(struct stress_order){85, 0, 600, false},
                   "/program --load 85 --for 600s --priority idle");
    assert_command(
        &(struct stress_order){STRESS_LOAD_MAX, STRESS_CORES_MAX, STRESS_SECONDS_MAX, true},
        "/program --load 100 --for 86400s --priority normal --cores 9999");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_there_and_back),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_command),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

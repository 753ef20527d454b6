/* SPDX-License-Identifier: Apache-2.0 */
/* What CloudWatch asks of a metric's name and unit, and what the references ask of the table. */
#include "common/schema/metrics.h"

#include "common/base/macro.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <string.h>
#include <ctype.h>
#include <cmocka.h>

/* StandardUnit of the CloudWatch API. */
static const char *const units[] = {
    "Seconds",
    "Microseconds",
    "Milliseconds",
    "Bytes",
    "Kilobytes",
    "Megabytes",
    "Gigabytes",
    "Terabytes",
    "Bits",
    "Kilobits",
    "Megabits",
    "Gigabits",
    "Terabits",
    "Percent",
    "Count",
    "Bytes/Second",
    "Kilobytes/Second",
    "Megabytes/Second",
    "Gigabytes/Second",
    "Terabytes/Second",
    "Bits/Second",
    "Kilobits/Second",
    "Megabits/Second",
    "Gigabits/Second",
    "Terabits/Second",
    "Count/Second",
    "None",
};

static bool is_unit(const char *unit)
{
    for (size_t i = 0; i < ARRAY_SIZE(units); i++)
        if (strcmp(units[i], unit) == 0)
            return true;
    return false;
}

static void test_names(void **state)
{
    for (int i = 0; i < METRIC_COUNT_; i++) {
        const char *name = metric_info(i)->name;
        assert_true(strlen(name) > 0 && strlen(name) <= 255 && isupper((unsigned char) *name));
        for (const char *c = name; *c != '\0'; c++)
            assert_true(isalnum((unsigned char) *c));
        for (int k = 0; k < i; k++)
            assert_string_not_equal(metric_info(k)->name, name);
    }
}

static void test_units(void **state)
{
    assert_false(is_unit("percent"));
    for (int i = 0; i < METRIC_COUNT_; i++)
        if (!is_unit(metric_info(i)->unit))
            fail_msg("%s: %s", metric_info(i)->name, metric_info(i)->unit);
}

static void test_kinds_and_help(void **state)
{
    for (int i = 0; i < METRIC_COUNT_; i++) {
        const struct metric_info *info = metric_info(i);
        size_t length = strlen(info->help);
        assert_true(length > 5 && info->help[length - 1] == '.');
        assert_in_range(info->scope, METRIC_HOST, METRIC_AGENT);
        assert_in_range(info->kind, METRIC_GAUGE, METRIC_DISTRIBUTION);
        /* A sum of percentages says nothing. */
        assert_true(strcmp(info->unit, "Percent") != 0 || info->kind == METRIC_GAUGE);
    }
}

/* Dashboards and scaling policies rest on these. */
static void test_known(void **state)
{
    assert_string_equal(metric_info(METRIC_CPU_UTILIZATION)->name, "CPUUtilization");
    assert_int_equal(metric_info(METRIC_CPU_UTILIZATION)->scope, METRIC_HOST);
    assert_string_equal(metric_info(METRIC_REQUEST_LATENCY)->unit, "Milliseconds");
    assert_int_equal(metric_info(METRIC_REQUEST_LATENCY)->kind, METRIC_DISTRIBUTION);
    assert_string_equal(metric_info(METRIC_PUBLISH_ERRORS)->name, "PublishErrors");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_names),
        cmocka_unit_test(test_units),
        cmocka_unit_test(test_kinds_and_help),
        cmocka_unit_test(test_known),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

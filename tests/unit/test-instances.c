/* SPDX-License-Identifier: Apache-2.0 */
#include "ctl/instances.h"

#include "common/base/macro.h"
#include "tests/unit/unit.h"

static void test_find(void **state)
{
    static const struct {
        const char *header, *body, *name;
    } cases[] = {
        {NULL, "{\"ok\":true,\"instanceId\":\"i-0abc\"}", "i-0abc"},
        {NULL, " \r\n\t{\"instanceId\": \"a b\"} ", "a b"},
        {"i-1", "{\"instanceId\":\"i-2\"}", "i-1"},
        {" ", "{\"instanceId\":\"i-2\"}", "i-2"},
        {NULL, "{\"instanceId\":\"\"}", ""},
        {NULL, "{\"instanceId\":\"  \"}", ""},
        {NULL, "{\"instanceId\":17}", ""},
        {NULL, "{\"instanceId\":null}", ""},
        {NULL, "{\"instanceId\":\"a\\u0000b\"}", ""},
        {NULL, "{\"other\":{\"instanceId\":\"i-2\"}}", ""},
        {NULL, "{\"instanceId\":\"i-2\"", ""},
        {NULL, "{\"instanceId\":\"i-2\"}{}", ""},
        {NULL, "[\"instanceId\"]", ""},
        {NULL, "<p>\"instanceId\":\"i-2\"</p>", ""},
        {NULL, "", ""},
        {NULL, "{", ""},
    };
    char name[INSTANCE_NAME_MAX], longest[200], body[INSTANCE_JSON_LIMIT + 64];
    int length;

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        print_message("%s\n", cases[i].body);
        instance_find(cases[i].header, cases[i].body, strlen(cases[i].body), name);
        assert_string_equal(name, cases[i].name);
    }
    memset(longest, 'x', sizeof(longest));
    longest[sizeof(longest) - 1] = '\0';
    instance_find(longest, "", 0, name);
    assert_int_equal(strlen(name), INSTANCE_NAME_MAX - 1);
    /* As large as it may be, and a byte more. */
    length = snprintf(body, sizeof(body), "{\"instanceId\":\"i-3\"}%*s",
                      (int) INSTANCE_JSON_LIMIT - 20, "");
    instance_find(NULL, body, (size_t) length, name);
    assert_int_equal(length, INSTANCE_JSON_LIMIT);
    assert_string_equal(name, "i-3");
    instance_find(NULL, body, (size_t) length + 1, name);
    assert_string_equal(name, "");
}

static void test_table(void **state)
{
    struct instances instances = {.n = 0};
    char name[16];

    assert_true(instances_add(&instances, "b", 200, 10, 1000));
    assert_true(instances_add(&instances, "a", 200, 11, 1001));
    assert_true(instances_add(&instances, "", 502, 12, 1002));
    assert_false(instances_add(&instances, "a", 503, 13, 1003));
    assert_int_equal(instances.n, 3);
    assert_string_equal(instances.list[1].name, "a");
    assert_int_equal(instances.list[1].count, 2);
    assert_int_equal(instances.list[1].last_status, 503);
    assert_int_equal(instances.list[1].last_latency_us, 13);
    assert_int_equal(instances.list[1].last_at_us, 1003);
    assert_true(instances_share(&instances, 1) == 25);
    instances_sort(&instances);
    assert_string_equal(instances.list[0].name, "a");
    assert_string_equal(instances.list[1].name, "");
    assert_string_equal(instances.list[2].name, "b");
    for (unsigned i = 0; i < INSTANCES_MAX; i++) {
        snprintf(name, sizeof(name), "n%u", i);
        assert_int_equal(instances_add(&instances, name, 200, 1, 1004), i < INSTANCES_MAX - 3);
    }
    assert_int_equal(instances.n, INSTANCES_MAX);
    assert_int_equal(instances.others, 3);
    assert_int_equal(instances.total, 4 + INSTANCES_MAX);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_find),
        cmocka_unit_test(test_table),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

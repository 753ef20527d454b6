/* SPDX-License-Identifier: Apache-2.0 */
/* When /health says pass, degraded and fail. */
#include "agent/serve/verdict.h"

#include "tests/unit/unit.h"

struct app_case {
    unsigned wanted, ready;
    bool crash_loop;
    const char *probe_failure;
};

static struct snapshot *make(enum node_state node, const struct app_case *apps, size_t n_apps)
{
    struct snapshot *snapshot = calloc(1, sizeof(*snapshot));

    assert_non_null(snapshot);
    snapshot->node = node;
    snapshot->n_apps = n_apps;
    for (size_t i = 0; i < n_apps; i++) {
        snapshot->apps[i].wanted = apps[i].wanted;
        snapshot->apps[i].ready = apps[i].ready;
        snapshot->apps[i].crash_loop = apps[i].crash_loop;
        strcpy(snapshot->apps[i].probe_failure, apps[i].probe_failure ?: "");
    }
    return snapshot;
}

static void test_app(void **state)
{
    static const struct {
        enum node_state node;
        struct app_case app;
        enum verdict verdict;
    } cases[] = {
        {NODE_SERVING, {2, 2, false}, VERDICT_PASS},
        {NODE_SERVING, {2, 3, false}, VERDICT_PASS}, /* in a restart */
        {NODE_SERVING, {2, 1, false}, VERDICT_DEGRADED},
        {NODE_SERVING, {2, 2, true}, VERDICT_DEGRADED},
        {NODE_SERVING, {2, 1, true}, VERDICT_DEGRADED}, /* a loop beside ready workers */
        {NODE_SERVING, {2, 2, false, "status 503"}, VERDICT_DEGRADED}, /* ends no node */
        {NODE_SERVING, {2, 0, false}, VERDICT_FAIL},
        {NODE_SERVING, {2, 0, true}, VERDICT_FAIL},
        {NODE_SERVING, {0, 0, false}, VERDICT_FAIL},
        {NODE_STARTING, {2, 2, false}, VERDICT_PASS},
        {NODE_STARTING, {2, 0, false}, VERDICT_FAIL},
        {NODE_DRAINING, {2, 2, false}, VERDICT_FAIL}, /* still serves, and says goodbye */
    };

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct snapshot *snapshot = make(cases[i].node, &cases[i].app, 1);

        if (verdict_app(snapshot, &snapshot->apps[0]) != cases[i].verdict)
            fail_msg("case %zu: not %s", i, verdict_to_string(cases[i].verdict));
        free(snapshot);
    }
}

static void test_node(void **state)
{
    static const struct {
        enum node_state node;
        size_t n_apps;
        struct app_case apps[3];
        enum verdict verdict;
    } cases[] = {
        {NODE_SERVING, 0, {{0}}, VERDICT_PASS},
        {NODE_STARTING, 0, {{0}}, VERDICT_FAIL},
        {NODE_SERVING, 2, {{2, 2, false}, {1, 1, false}}, VERDICT_PASS},
        {NODE_SERVING, 2, {{2, 2, false}, {2, 1, false}}, VERDICT_DEGRADED},
        {NODE_SERVING, 3, {{2, 0, false}, {1, 1, false}, {2, 1, false}}, VERDICT_FAIL},
        {NODE_SERVING, 2, {{2, 2, false}, {0, 0, false}}, VERDICT_PASS}, /* wants none: left out */
        {NODE_STARTING, 1, {{2, 2, false}}, VERDICT_FAIL},
        {NODE_DRAINING, 1, {{2, 2, false}}, VERDICT_FAIL},
    };

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct snapshot *snapshot = make(cases[i].node, cases[i].apps, cases[i].n_apps);

        if (verdict_node(snapshot) != cases[i].verdict)
            fail_msg("case %zu: not %s", i, verdict_to_string(cases[i].verdict));
        free(snapshot);
    }
}

static void test_names(void **state)
{
    assert_string_equal(verdict_to_string(VERDICT_PASS), "pass");
    assert_string_equal(verdict_to_string(VERDICT_DEGRADED), "degraded");
    assert_string_equal(verdict_to_string(VERDICT_FAIL), "fail");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_app),
        cmocka_unit_test(test_node),
        cmocka_unit_test(test_names),
    };

    return cmocka_run_group_tests_name("verdict", tests, NULL, NULL);
}

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
        {NODE_DRAINED, {2, 2, false}, VERDICT_FAIL},
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
        {NODE_SERVING, 2, {{0, 0, false}, {0, 0, false}}, VERDICT_FAIL}, /* nobody serves */
        {NODE_STARTING, 1, {{2, 2, false}}, VERDICT_FAIL},
        {NODE_DRAINED, 1, {{2, 2, false}}, VERDICT_FAIL},
        {NODE_DRAINING, 1, {{2, 2, false}}, VERDICT_FAIL},
    };

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct snapshot *snapshot = make(cases[i].node, cases[i].apps, cases[i].n_apps);

        if (verdict_node(snapshot) != cases[i].verdict)
            fail_msg("case %zu: not %s", i, verdict_to_string(cases[i].verdict));
        free(snapshot);
    }
}

static void test_reason(void **state)
{
    static const struct {
        enum node_state node;
        struct app_case apps[2];
        const char *of_node, *of_first; /* a part, or NULL */
    } cases[] = {
        {NODE_SERVING, {{2, 2, false}, {1, 1, false}}, NULL, NULL},
        {NODE_SERVING, {{2, 1, false}, {1, 1, false}}, NULL, NULL},
        {NODE_SERVING, {{2, 0, false}, {1, 1, false}}, "app0 has no ready worker", "app0 has no"},
        {NODE_SERVING, {{2, 1, false}, {1, 0, false}}, "app1 has no ready worker", NULL},
        {NODE_SERVING, {{0, 0, false}, {1, 1, false}}, NULL, "app0 has no"},
        {NODE_SERVING, {{0, 0, false}, {0, 0, false}}, "scaled to 0", "app0 has no"},
        {NODE_STARTING, {{1, 1, false}, {1, 0, false}}, "app1 has no ready worker", NULL},
        {NODE_STARTING, {{1, 1, false}, {1, 1, false}}, "starting", NULL},
        {NODE_DRAINED, {{1, 1, false}, {1, 1, false}}, "drained by hand", "drained by hand"},
        {NODE_DRAINING, {{1, 1, false}, {1, 0, false}}, "stopping", "stopping"},
    };

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct snapshot *snapshot = make(cases[i].node, cases[i].apps, 2);
        const char *wanted[] = {cases[i].of_node, cases[i].of_first};

        strcpy(snapshot->apps[0].name, "app0");
        strcpy(snapshot->apps[1].name, "app1");
        for (size_t of = 0; of < 2; of++) {
            char text[APP_NAME_MAX + 64];
            const char *reason =
                verdict_reason(snapshot, of ? &snapshot->apps[0] : NULL, text, sizeof(text));

            if (wanted[of] ? !reason || !strstr(reason, wanted[of]) : reason != NULL)
                fail_msg("case %zu.%zu: %s", i, of, reason ?: "no reason");
        }
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
        cmocka_unit_test(test_reason),
        cmocka_unit_test(test_names),
    };

    return cmocka_run_group_tests_name("verdict", tests, NULL, NULL);
}

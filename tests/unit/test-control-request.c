/* SPDX-License-Identifier: Apache-2.0 */
/* Bodies and numbers of the control API. */
#include "agent/serve/control-request.h"

#include "common/base/macro.h"
#include "tests/unit/unit.h"

#include <errno.h>

static int parse(const char *body, struct control_restart *ret, char why[CONTROL_WHY_MAX])
{
    return control_parse_restart(body, strlen(body), ret, why);
}

static void test_good(void **state)
{
    static const struct {
        const char *body;
        struct control_restart restart;
    } cases[] = {
        {"", {.slot = 0}},
        {"{}", {.slot = 0}},
        {" { } ", {.slot = 0}},
        {"{\"app\": \"visitor-board\"}", {.app = "visitor-board"}},
        {"{\"app\":\"a\",\"slot\":1}", {.app = "a", .slot = 1}},
        {"{\"slot\":96,\"app\":\"a\"}", {.app = "a", .slot = APP_SLOTS_MAX}},
        {"{\"core\":true}", {.core = true}},
        {"{\"core\":false,\"app\":\"a\"}", {.app = "a"}},
        {"{\"app\":\"abcdefghijklmnopqrstuvwxyz01234\"}",
         {.app = "abcdefghijklmnopqrstuvwxyz01234"}},
    };

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct control_restart restart;
        char why[CONTROL_WHY_MAX] = "";

        memset(&restart, 0xff, sizeof(restart));
        if (parse(cases[i].body, &restart, why) < 0)
            fail_msg("%s: %s", cases[i].body, why);
        assert_int_equal(restart.core, cases[i].restart.core);
        assert_int_equal(restart.slot, cases[i].restart.slot);
        assert_string_equal(restart.app, cases[i].restart.app);
    }
}

static void test_bad(void **state)
{
    static const struct {
        const char *body, *why; /* a part of it */
    } cases[] = {
        {" ", "one JSON object"},
        {"null", "one JSON object"},
        {"[]", "one JSON object"},
        {"\"app\"", "one JSON object"},
        {"{", "one JSON object"},
        {"{}{}", "one JSON object"},
        {"{} x", "one JSON object"},
        {"{\"app\":\"a\",}", "one JSON object"},
        {"{'app':'a'}", "one JSON object"},
        {"{\"app\":\"\xff\"}", "one JSON object"},
        {"{\"app\":\"\"}", "\"app\""},
        {"{\"app\":null}", "\"app\""},
        {"{\"app\":1}", "\"app\""},
        {"{\"app\":[\"a\"]}", "\"app\""},
        {"{\"app\":\"a\\u0000b\"}", "\"app\""},
        {"{\"app\":\"abcdefghijklmnopqrstuvwxyz012345\"}", "\"app\""},
        {"{\"app\":\"a\",\"slot\":0}", "\"slot\""},
        {"{\"app\":\"a\",\"slot\":-1}", "\"slot\""},
        {"{\"app\":\"a\",\"slot\":97}", "\"slot\""},
        {"{\"app\":\"a\",\"slot\":4294967297}", "\"slot\""},
        {"{\"app\":\"a\",\"slot\":99999999999999999999}", "\"slot\""},
        {"{\"app\":\"a\",\"slot\":1.5}", "\"slot\""},
        {"{\"app\":\"a\",\"slot\":\"1\"}", "\"slot\""},
        {"{\"app\":\"a\",\"slot\":null}", "\"slot\""},
        {"{\"slot\":1}", "goes with"},
        {"{\"core\":1}", "\"core\""},
        {"{\"core\":\"true\"}", "\"core\""},
        {"{\"core\":true,\"app\":\"a\"}", "goes without"},
        /* A misspelt word must not restart everything. */
        {"{\"aap\":\"a\"}", "unknown member"},
        {"{\"App\":\"a\"}", "unknown member"},
        {"{\"app\":\"a\",\"solt\":1}", "unknown member"},
        {"{\"\":1}", "unknown member"},
    };

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct control_restart restart, untouched;
        char why[CONTROL_WHY_MAX] = "";

        memset(&restart, 0xff, sizeof(restart));
        memcpy(&untouched, &restart, sizeof(restart));
        if (parse(cases[i].body, &restart, why) != -EINVAL)
            fail_msg("%s: taken", cases[i].body);
        if (!strstr(why, cases[i].why))
            fail_msg("%s: %s", cases[i].body, why);
        assert_null(strchr(why, '\n'));
        assert_memory_equal(&restart, &untouched, sizeof(restart));
    }
}

static void test_deep(void **state)
{
    char body[CONTROL_BODY_MAX], why[CONTROL_WHY_MAX] = "";
    struct control_restart restart;

    memset(body, '[', sizeof(body));
    assert_int_equal(control_parse_restart(body, sizeof(body), &restart, why), -EINVAL);
    assert_string_not_equal(why, "");
}

static void test_number(void **state)
{
    static const struct {
        const char *text;
        unsigned long long max;
        int r;
        unsigned long long number;
    } cases[] = {
        {NULL, 256, 0, 7},
        {"0", 256, 0, 0},
        {"256", 256, 0, 256},
        {"18446744073709551615", UINT64_MAX, 0, UINT64_MAX},
        {"257", 256, -EINVAL, 99},
        {"", 256, -EINVAL, 99},
        {"-1", 256, -EINVAL, 99},
        {"1 ", 256, -EINVAL, 99},
        {"1.0", 256, -EINVAL, 99},
        {"0x10", 256, -EINVAL, 99},
        {"18446744073709551616", UINT64_MAX, -EINVAL, 99},
    };

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        unsigned long long number = 99;

        assert_int_equal(control_parse_number(cases[i].text, 7, cases[i].max, &number), cases[i].r);
        assert_int_equal(number, cases[i].number);
    }
}

static void test_reload(void **state)
{
    char app[APP_NAME_MAX + 1], why[CONTROL_WHY_MAX];
    static const char *const bad[] = {"[]", "{\"app\":\"\"}", "{\"app\":\"a\",\"slot\":1}",
                                      "{\"core\":true}", "{\"apps\":\"a\"}"};

    assert_int_equal(control_parse_reload("", 0, app, why), 0);
    assert_string_equal(app, "");
    assert_int_equal(control_parse_reload("{\"app\":\"web\"}", 13, app, why), 0);
    assert_string_equal(app, "web");
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
        assert_int_equal(control_parse_reload(bad[i], strlen(bad[i]), app, why), -EINVAL);
}

static void test_scale(void **state)
{
    static const struct {
        const char *body, *why; /* a part of it, or NULL */
        unsigned workers;
    } cases[] = {
        {"{\"app\":\"web\",\"workers\":0}", NULL, 0},
        {"{\"workers\":64,\"app\":\"web\"}", NULL, WORKERS_MAX},
        {"{\"app\":\"web\",\"workers\":65}", "from 0 to 64", 0},
        {"{\"app\":\"web\",\"workers\":-1}", "from 0 to 64", 0},
        {"{\"app\":\"web\",\"workers\":1.5}", "from 0 to 64", 0},
        {"{\"app\":\"web\",\"workers\":\"2\"}", "from 0 to 64", 0},
        {"{\"app\":\"web\"}", "both", 0},
        {"{\"workers\":2}", "both", 0},
        {"", "both", 0},
        {"{\"app\":\"web\",\"slot\":1,\"workers\":2}", "unknown member", 0},
    };

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        char why[CONTROL_WHY_MAX] = "";
        struct control_scale scale;
        int r = control_parse_scale(cases[i].body, strlen(cases[i].body), &scale, why);

        if (cases[i].why
                ? r != -EINVAL || !strstr(why, cases[i].why)
                : r < 0 || scale.workers != cases[i].workers || strcmp(scale.app, "web") != 0)
            fail_msg("%s: %d, %s", cases[i].body, r, why);
    }
}

static void test_stress(void **state)
{
    static const struct {
        const char *body, *order, *why; /* one of the two */
    } cases[] = {
        {"", "load=85 cores=0 seconds=600 priority=idle", NULL},
        {"{}", "load=85 cores=0 seconds=600 priority=idle", NULL},
        {"{\"load\":1,\"seconds\":1,\"cores\":1,\"priority\":\"normal\"}",
         "load=1 cores=1 seconds=1 priority=normal", NULL},
        {"{\"seconds\":86400,\"load\":100}", "load=100 cores=0 seconds=86400 priority=idle", NULL},
        {"{\"load\":0}", NULL, "1 to 100"},
        {"{\"load\":101}", NULL, "1 to 100"},
        {"{\"load\":\"85\"}", NULL, "1 to 100"},
        {"{\"load\":8.5}", NULL, "1 to 100"},
        {"{\"load\":4294967381}", NULL, "1 to 100"},
        {"{\"seconds\":0}", NULL, "1 to 86400"},
        {"{\"seconds\":86401}", NULL, "1 to 86400"},
        {"{\"cores\":0}", NULL, "from 1"},
        {"{\"cores\":-1}", NULL, "from 1"},
        {"{\"priority\":\"high\"}", NULL, "\"idle\" or \"normal\""},
        {"{\"priority\":1}", NULL, "\"idle\" or \"normal\""},
        {"{\"laod\":85}", NULL, "unknown member"},
        {"{\"app\":\"web\"}", NULL, "unknown member"},
        {"[]", NULL, "one JSON object"},
    };

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        char why[CONTROL_WHY_MAX] = "", text[STRESS_TEXT_MAX];
        struct stress_order order;
        int r = control_parse_stress(cases[i].body, strlen(cases[i].body), &order, why);

        if (cases[i].why ? r != -EINVAL || !strstr(why, cases[i].why)
                         : r < 0 || strcmp(stress_print(&order, text), cases[i].order) != 0)
            fail_msg("%s: %d, %s", cases[i].body, r, why);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_good),   cmocka_unit_test(test_bad),    cmocka_unit_test(test_deep),
        cmocka_unit_test(test_number), cmocka_unit_test(test_reload), cmocka_unit_test(test_scale),
        cmocka_unit_test(test_stress),
    };

    return cmocka_run_group_tests_name("control-request", tests, NULL, NULL);
}

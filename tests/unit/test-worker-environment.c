/* SPDX-License-Identifier: Apache-2.0 */
/* What a worker finds in its environment, and whose word counts where two speak. */
#include "common/schema/worker-environment.h"

#include "common/base/macro.h"
#include "tests/unit/unit.h"

#include <stdlib.h>
#include <string.h>

static struct config config;
static char *variables[CONFIG_ENV_MAX + 1];

static void add(struct config_app *app, struct spawn *spawn)
{
    const struct worker_environment environment = {&config, app, 7, "/run/agentd/notify.sock"};

    memcpy(app->environment, variables, sizeof(variables));
    spawn->output_fd = -1;
    worker_environment_add(&environment, spawn);
    spawn_add_standard(spawn);
    assert_int_equal(spawn->error, 0);
}

/* The value of |name|, which is there once, or NULL. */
static const char *value(const struct spawn *spawn, const char *name)
{
    const char *found = NULL;

    for (size_t i = 0; i < spawn->n_environment; i++)
        if (strncmp(spawn->environment[i], name, strlen(name)) == 0 &&
            spawn->environment[i][strlen(name)] == '=') {
            assert_null(found);
            found = spawn->environment[i] + strlen(name) + 1;
        }
    return found;
}

static int setup(void **state)
{
    memset(&config, 0, sizeof(config));
    memset(variables, 0, sizeof(variables));
    strcpy(config.instance_id, "i-1");
    (void) unsetenv("JOURNAL_STREAM");
    return setenv("PATH", "/bin", 1);
}

static void test_contract(void **state)
{
    static const struct {
        const char *name, *value;
    } expected[] = {
        {ENV_APP, "web"},
        {ENV_SLOT, "7"},
        {ENV_INSTANCE, "i-1"},
        {ENV_DRAIN_S, "30"},
        {ENV_IDLE_S, "65"},
        {ENV_GATE, "5"},
        {ENV_SCOREBOARD, "6"},
        {"WATCHDOG_USEC", "9000000"},
        {"NOTIFY_SOCKET", "/run/agentd/notify.sock"},
        {"LISTEN_FDS", "2"},
        {"LISTEN_FDNAMES", "web:probe"},
        {"PATH", "/bin"},
        {ENV_STATSD_HOST, NULL},
        {"JOURNAL_STREAM", NULL},
    };
    struct config_app app = {.name = "web",
                             .drain_timeout_s = 30,
                             .idle_timeout_s = 65,
                             .watchdog_s = 9,
                             .scoreboard = true};
    struct spawn spawn = {};

    spawn_give(&spawn, FDNAME_WEB, 0);
    spawn_give(&spawn, FDNAME_PROBE, 1);
    add(&app, &spawn);
    for (size_t i = 0; i < ARRAY_SIZE(expected); i++) {
        const char *found = value(&spawn, expected[i].name);

        assert_int_equal(!found, !expected[i].value);
        if (found)
            assert_string_equal(found, expected[i].value);
    }
    spawn_done(&spawn);
}

static void test_what_is_not_configured_is_absent(void **state)
{
    struct config_app app = {.name = "web"};
    struct spawn spawn = {};

    add(&app, &spawn);
    assert_null(value(&spawn, ENV_SCOREBOARD));
    assert_null(value(&spawn, "WATCHDOG_USEC"));
    assert_null(value(&spawn, "LISTEN_FDS"));
    assert_string_equal(value(&spawn, ENV_GATE), "3");
    spawn_done(&spawn);
}

static void test_whose_word_counts(void **state)
{
    struct config_app app = {.name = "web"};
    struct spawn spawn = {};

    config.statsd_listen[0] = (char *) "127.0.0.1:8125";
    variables[0] = (char *) ENV_APP "=another";
    variables[1] = (char *) ENV_STATSD_HOST "=10.0.0.1";
    variables[2] = (char *) "PATH=/opt/bin";
    variables[3] = (char *) "MINE=1";
    add(&app, &spawn);
    assert_string_equal(value(&spawn, ENV_APP), "web");
    assert_string_equal(value(&spawn, ENV_STATSD_HOST), "10.0.0.1");
    assert_string_equal(value(&spawn, ENV_STATSD_PORT), "8125");
    assert_string_equal(value(&spawn, "PATH"), "/opt/bin");
    assert_string_equal(value(&spawn, "MINE"), "1");
    spawn_done(&spawn);
}

/* As many as the configuration allows find room beside agentd's own. */
static void test_room_for_all(void **state)
{
    struct config_app app = {.name = "web", .watchdog_s = 1, .scoreboard = true};
    char text[CONFIG_ENV_MAX][16];
    struct spawn spawn = {};

    config.statsd_listen[0] = (char *) "127.0.0.1:8125";
    setenv("JOURNAL_STREAM", "1:2", 1);
    for (size_t i = 0; i < CONFIG_ENV_MAX; i++) {
        snprintf(text[i], sizeof(text[i]), "OWN%zu=1", i);
        variables[i] = text[i];
    }
    spawn_give(&spawn, FDNAME_WEB, 0);
    add(&app, &spawn);
    assert_string_equal(value(&spawn, "OWN63"), "1");
    assert_string_equal(value(&spawn, "JOURNAL_STREAM"), "1:2");
    assert_string_equal(value(&spawn, "LISTEN_FDNAMES"), "web");
    spawn_done(&spawn);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_contract, setup),
        cmocka_unit_test_setup(test_what_is_not_configured_is_absent, setup),
        cmocka_unit_test_setup(test_whose_word_counts, setup),
        cmocka_unit_test_setup(test_room_for_all, setup),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* What a reload is said to change. */
#include "agent/core/config-changes.h"

#include "common/schema/config-image.h"
#include "tests/unit/unit.h"

#define APP(name, more) name ": { command = [ \"/bin/a\", \"x\" ]; " more "};"

struct heard {
    char text[1024]; /* "key key! ": a ! where it waits for a restart */
};

static struct config *load(const char *text)
{
    CLEANUP(config_image_freep) struct config_image *image = NULL;
    char error[CONFIG_ERROR_MAX] = "";
    struct config *config = NULL;

    assert_int_equal(config_image_from_text("f", text, strlen(text), &image), 0);
    if (config_load(image, &config, error) < 0)
        fail_msg("%s: %s", text, error);
    return config;
}

static void hear(const char *key, bool needs_restart, void *userdata)
{
    struct heard *heard = userdata;
    size_t length = strlen(heard->text);

    snprintf(heard->text + length, sizeof(heard->text) - length, "%s%s ", key,
             needs_restart ? "!" : "");
}

static void test_changes(void **state)
{
    static const struct {
        const char *before, *after;
        const char *heard;
        size_t count;
    } cases[] = {
        {"", "", "", 0},
        {"", "agent: { log_level = \"info\"; };", "", 0}, /* the default, said aloud */
        {"", "health: { lame_duck = 3; };", "health.lame_duck ", 1},
        {"health: { lame_duck = 3; };", "", "health.lame_duck ", 1},
        {"", "health: { listen = \"127.0.0.1:9\"; };", "health.listen! ", 1},
        {"", "publish: { sink = \"none\"; };", "publish.sink ", 1},
        {"publish: { namespace = \"a\"; };", "publish: { namespace = \"ab\"; };",
         "publish.namespace ", 1},
        {"", "agent: { log_level = \"debug\"; instance_id = \"i\"; };",
         "agent.instance_id agent.log_level ", 2},
        /* apps */
        {"apps: { " APP("a", "") " };", "apps: { " APP("a", "") " };", "", 0},
        {"apps: { " APP("a", "") " };", "apps: { " APP("a", "workers = 7; ") " };",
         "apps.a.workers ", 1},
        {"apps: { " APP("a", "") " };", "apps: { " APP("a", "listen = [ \"80\" ]; ") " };",
         "apps.a.listen! ", 1},
        {"apps: { " APP("a", "scoreboard = false; ") " };", "apps: { " APP("a", "") " };",
         "apps.a.scoreboard ", 1},
        {"apps: { " APP("a", "") " };", "apps: { a: { command = [ \"/bin/a\", \"y\" ]; }; };",
         "apps.a.command ", 1},
        {"apps: { " APP("a", "") " };", "apps: { a: { command = [ \"/bin/a\" ]; }; };",
         "apps.a.command ", 1},
        {"apps: { a: { command = [ \"/bin/a\" ]; }; };", "apps: { " APP("a", "") " };",
         "apps.a.command ", 1},
        {"apps: { " APP("a", "environment = [ \"A=1\" ]; ") " };",
         "apps: { " APP("a", "environment = [ \"A=1\", \"B=2\" ]; ") " };", "apps.a.environment ",
         1},
        {"", "apps: { " APP("a", "workers = 7; ") " };", "apps.a ", 1},
        {"apps: { " APP("a", "workers = 7; ") " };", "", "apps.a ", 1},
        {"apps: { " APP("a", "listen = []; ") APP("b", "") " };",
         "apps: { " APP("b", "drain_timeout = 1; ") APP("c", "listen = []; ") " };",
         "apps.a apps.b.drain_timeout apps.c ", 3},
        {"observe: { window = 60; }; apps: { " APP("a", "") " };",
         "apps: { " APP("a", "user = \"me\"; ") " };", "observe.window apps.a.user ", 2},
    };

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        CLEANUP(config_freep) struct config *before = load(cases[i].before);
        CLEANUP(config_freep) struct config *after = load(cases[i].after);
        struct heard heard = {""};

        assert_int_equal(config_changes(before, after, hear, &heard), cases[i].count);
        assert_string_equal(heard.text, cases[i].heard);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_changes),
    };

    return cmocka_run_group_tests_name("config-changes", tests, NULL, NULL);
}

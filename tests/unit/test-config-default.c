/* SPDX-License-Identifier: Apache-2.0 */
/* The configuration that is installed: it changes nothing, names every key, and what it shows as
 * default is one. */
#include "common/schema/config-image.h"
#include "common/schema/config.h"
#include "tests/unit/unit.h"

#include <fcntl.h>

static char *read_installed(void)
{
    const char *source = getenv("srcdir") ? getenv("srcdir") : ".";
    char path[4096];
    size_t length;
    (void) snprintf(path, sizeof(path), "%s/systemd/agentd.conf", source);
    return unit_file_read(AT_FDCWD, path, &length);
}

static struct config *load(const char *text)
{
    CLEANUP(config_image_freep) struct config_image *image = NULL;
    struct config *config = NULL;
    char error[CONFIG_ERROR_MAX] = "";
    assert_int_equal(config_image_from_text("agentd.conf", text, strlen(text), &image), 0);
    if (config_load(image, &config, error) < 0)
        fail_msg("%s", error);
    return config;
}

/* Values only. */
static char *print(struct config *config)
{
    struct config_origins *origins = TAKE(config->origins);
    struct buffer buffer;
    size_t length;
    buffer_init(&buffer, 1u << 20);
    assert_int_equal(config_print(config, &buffer), 0);
    config->origins = origins;
    return buffer_take(&buffer, &length);
}

/* Takes the '#' away where no blank follows: prose has one, a setting has none. */
static char *uncomment(const char *text)
{
    char *result = calloc(1, strlen(text) + 1), *to = result;
    assert_non_null(result);
    for (const char *line = text; *line != '\0';) {
        size_t blanks = strspn(line, " "), length = strcspn(line, "\n");
        bool setting = line[blanks] == '#' && line[blanks + 1] != ' ' && line[blanks + 1] != '\n';
        for (size_t i = 0; i < length; i++)
            if (!setting || i != blanks)
                *to++ = line[i];
        line += length;
        if (*line == '\n')
            *to++ = *line++;
    }
    return result;
}

static void test_changes_nothing(void **state)
{
    CLEANUP_FREE char *text = read_installed();
    CLEANUP(config_freep) struct config *installed = load(text);
    CLEANUP(config_freep) struct config *empty = load("");
    CLEANUP_FREE char *got = print(installed);
    CLEANUP_FREE char *wanted = print(empty);
    assert_string_equal(got, wanted);
}

static void test_shows_defaults(void **state)
{
    CLEANUP_FREE char *text = read_installed();
    CLEANUP_FREE char *settings = uncomment(text);
    CLEANUP(config_freep) struct config *shown = load(settings);
    CLEANUP(config_freep)
    struct config *defaults = load(
        "apps: { my-app: { command = [ \"/usr/bin/my-app\", \"--quiet\" ];"
        "                  environment = [ \"MY_APP_COLOUR=green\", \"LANG=C.UTF-8\" ]; }; };");
    CLEANUP_FREE char *got = print(shown);
    CLEANUP_FREE char *wanted = print(defaults);
    assert_string_equal(got, wanted);
}

static void test_names_every_key(void **state)
{
    CLEANUP_FREE char *text = read_installed();
    size_t n;
    const struct config_key *keys = config_keys(&n);
    for (size_t i = 0; i < n; i++) {
        char section[64], next[8] = "\n};", setting[64];
        (void) snprintf(section, sizeof(section), "\n%s: {", keys[i].section);
        (void) snprintf(setting, sizeof(setting), " #%s = ", keys[i].name);
        const char *begin = strstr(text, section);
        assert_non_null(begin);
        const char *end = strstr(begin, next), *at = strstr(begin, setting);
        if (!end || !at || at > end)
            fail_msg("%s.%s is not in it", keys[i].section, keys[i].name);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_changes_nothing),
        cmocka_unit_test(test_shows_defaults),
        cmocka_unit_test(test_names_every_key),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

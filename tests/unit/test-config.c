/* SPDX-License-Identifier: Apache-2.0 */
/* Loading: defaults, every kind of error line, merging is test-config-image.c's. */
#include "common/schema/config-image.h"
#include "common/schema/config-internal.h"
#include "common/schema/config-scan.h"
#include "common/schema/config.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#define APP "command = [ \"/bin/a\" ];"

static int load(const char *text, struct config **ret, char error[CONFIG_ERROR_MAX])
{
    CLEANUP(config_image_freep) struct config_image *image = NULL;
    assert_int_equal(config_image_from_text("f", text, strlen(text), &image), 0);
    error[0] = '\0';
    return config_load(image, ret, error);
}

static struct config *load_good(const char *text)
{
    struct config *config = NULL;
    char error[CONFIG_ERROR_MAX];
    int r = load(text, &config, error);
    if (r < 0)
        fail_msg("%s\n%s", text, error);
    return config;
}

/* Values only, so that two configurations can be compared. */
static char *print_values(struct config *config)
{
    struct config_origins *origins = TAKE(config->origins);
    struct buffer buffer;
    size_t length;
    buffer_init(&buffer, 1u << 20);
    assert_int_equal(config_print(config, &buffer), 0);
    config->origins = origins;
    return buffer_take(&buffer, &length);
}

/* --- defaults --- */

static void test_defaults(void **state)
{
    static const char *const empty[] = {"", " ", "\n\n", "# nothing", "agent: {};", "apps: {};"};
    for (size_t i = 0; i < ARRAY_SIZE(empty); i++) {
        CLEANUP(config_freep) struct config *c = load_good(empty[i]);
        assert_string_equal(c->instance_id, "");
        assert_string_equal(c->runtime_dir, "/run/agentd");
        assert_string_equal(c->state_dir, "/var/lib/agentd");
        assert_int_equal(c->log_level, 6);
        assert_int_equal(c->core_silence_s, 10);
        assert_string_equal(c->health_listen, "[::]:8081");
        assert_int_equal(c->lame_duck_s, 12);
        assert_string_equal(c->control_group, "");
        assert_string_equal(c->admin_group, "");
        assert_int_equal(c->sample_ms, 1000);
        assert_int_equal(c->window_s, 10);
        assert_string_equal(c->disk_path, "/");
        assert_int_equal(c->sink, CONFIG_SINK_FILE);
        assert_string_equal(c->publish_file, "");
        assert_string_equal(c->namespace_, "agentd");
        assert_string_equal(c->asg_name, "");
        assert_false(c->per_instance);
        assert_int_equal(c->n_apps, 0);
    }
}

static void test_app_defaults(void **state)
{
    CLEANUP(config_freep) struct config *c = load_good("apps: { web: { " APP " }; };");
    const struct config_app *app = config_find_app(c, "web");
    assert_non_null(app);
    assert_null(config_find_app(c, "we"));
    assert_true(app->enabled && app->scoreboard);
    assert_string_equal(app->command[0], "/bin/a");
    assert_null(app->command[1]);
    assert_null(app->environment[0]);
    assert_string_equal(app->directory, "");
    assert_string_equal(app->user, "");
    assert_string_equal(app->group, "");
    assert_string_equal(app->listen[0], "8080");
    assert_null(app->listen[1]);
    assert_in_range(app->workers, 1, WORKERS_MAX); /* resolved: one a CPU */
    assert_int_equal(app->ready_timeout_s, 30);
    assert_int_equal(app->drain_timeout_s, 30);
    assert_int_equal(app->idle_timeout_s, 65);
}

static void test_values(void **state)
{
    CLEANUP(config_freep)
    struct config *c = load_good(
        "agent = { log_level = \"debug\"; instance_id = \"i-0123\"; core_silence = 0x10; }\n"
        "observe: { window = 60, sample_ms = 250L };\n"
        "publish: { sink = \"none\"; namespace = \"My App/web\"; per_instance = TRUE; };\n"
        "apps: { zeta: { enabled = false; listen = (\"/run/z.sock\"); };\n"
        "  web: { command = [ \"/bin/\" \"sh\", \"-c\", \"echo \\\"a\\tb\\\"\nexit\", \"\" ];\n"
        "    environment = [ \"A=1\", \"AB=\", \"_x=a=b \xc3\xa4\" ]; workers = 64; listen = [];\n"
        "  }; };");
    assert_int_equal(c->log_level, 7);
    assert_string_equal(c->instance_id, "i-0123");
    assert_int_equal(c->core_silence_s, 16);
    assert_int_equal(c->window_s, 60);
    assert_int_equal(c->sample_ms, 250);
    assert_int_equal(c->sink, CONFIG_SINK_NONE);
    assert_string_equal(c->namespace_, "My App/web");
    assert_true(c->per_instance);
    assert_int_equal(c->n_apps, 2); /* in the order of names */
    assert_string_equal(c->apps[0].name, "web");
    assert_string_equal(c->apps[0].command[0], "/bin/sh");
    assert_string_equal(c->apps[0].command[2], "echo \"a\tb\"\nexit");
    assert_string_equal(c->apps[0].command[3], "");
    assert_null(c->apps[0].command[4]);
    assert_string_equal(c->apps[0].environment[2], "_x=a=b \xc3\xa4");
    assert_null(c->apps[0].listen[0]);
    assert_int_equal(c->apps[0].workers, 64);
    assert_string_equal(c->apps[1].name, "zeta");
    assert_false(c->apps[1].enabled);
}

/* --- errors: the whole line --- */

#define BOOL_ALLOWED  "; allowed: true or false"
#define NAME_ALLOWED  "; allowed: a name: letters, digits, _ - ., up to 31 bytes; or empty"
#define PARSE_ALLOWED "; allowed: name = value; and name: { ... };"
#define SPACE_ALLOWED                                                                              \
    "; allowed: letters, digits, blanks and . - _ / # : not beginning with ':' or \"AWS/\", up "   \
    "to 255 bytes"
#define LISTEN_ALLOWED                                                                             \
    "; allowed: a list of up to 4 strings: PORT, ADDRESS:PORT, [ADDRESS]:PORT or a socket's path"
#define COMMAND_ALLOWED                                                                            \
    "; allowed: a list of up to 32 strings: program and arguments, the first an absolute path"
#define ENVIRONMENT_ALLOWED                                                                        \
    "; allowed: a list of up to 64 strings: NAME=value, each NAME once, none that agentd sets "    \
    "(LISTEN_*, NOTIFY_SOCKET, WATCHDOG_*, AGENTD_*)"
#define TARGET_ALLOWED                                                                             \
    "; allowed: a path of HTTP: '/', then printable ASCII without blanks, up to 255 bytes"
#define ID_ALLOWED "; allowed: printable ASCII, not beginning with ':', up to 255 bytes; or empty"
#define APP_NAME_ALLOWED                                                                           \
    "no name for an app; allowed: a letter, then letters, digits and '-', all lower-case, up to "  \
    "31 bytes"

static const struct {
    const char *text;
    const char *error;
} bad[] = {
    /* syntax */
    {"agent: {\n  log_level = ;\n};", "f:2: syntax error" PARSE_ALLOWED},
    {"agent: {", "f:2: syntax error" PARSE_ALLOWED},
    {"apps: { 1st: {}; };", "f:1: syntax error" PARSE_ALLOWED},
    {"apps: {\n a: { listen = [ 1, \"x\" ]; }; };",
     "f:2: mismatched element type in array" PARSE_ALLOWED},
    {"agent: {};\n/* no end\n\n", "f:2: the comment that begins here has no end; close it with */"},
    {"agent: {};\nx = \"no end\n\n",
     "f:2: the string that begins here has no end; close it with \""},
    {"\n@include \"/etc/passwd\"\n",
     "f:2: @include is not supported; put further files into conf.d instead"},
    {"agent: {};\n \t@include\t\"/etc/passwd\"\n",
     "f:2: @include is not supported; put further files into conf.d instead"},
    {"agent: {};\n# ok\nagent: {};",
     "f:3: agent: is there twice; allowed: each key, group and app once in a file"},
    {"agent: {};\napps: { a: { " APP " };\n b: { enabled = false; enabled\n= true; }; };",
     "f:3: apps.b.enabled: is there twice; allowed: each key, group and app once in a file"},
    {"apps: { a: { " APP " }; a: {}; };",
     "f:1: apps.a: is there twice; allowed: each key, group and app once in a file"},
    {"observe: {\n sample_ms = 4294968296; };", "f:2: number too large; allowed: up to 2147483647"},
    {"observe: {\n sample_ms = 0x1000003e8; };",
     "f:2: number too large; allowed: up to 2147483647"},
    {"observe: {\n sample_ms = 99999999999999999999999999L; };",
     "f:2: number too large; allowed: up to 2147483647"},
    {"a = (((((((((1)))))))));", "f:1: groups and lists are nested too deeply"},
    {"\n\n# \xff", "f:3: not valid UTF-8; allowed: text in UTF-8"},
    /* what must hold between an app's keys */
    {"apps: { a: { " APP " readiness = \"delay\";\nready_delay = 30; }; };",
     "f:2: apps.a.ready_delay: is not less than ready_timeout; no worker would be ready"},
    {"apps: { a: { " APP " listen = [];\n probe = \"http\"; }; };",
     "f:2: apps.a.probe: \"http\" needs an address in listen"},
    {"apps: { a: { probe_path = \"health\"; }; };",
     "f:1: apps.a.probe_path: \"health\" is no path of HTTP" TARGET_ALLOWED},
    {"apps: { a: { probe_path = \"/a b\"; }; };",
     "f:1: apps.a.probe_path: \"/a b\" is no path of HTTP" TARGET_ALLOWED},
    /* unknown keys */
    {"agnet: {};", "f:1: agnet: unknown key; did you mean \"agent\"?"},
    {"zzz = 1;", "f:1: zzz: unknown key; allowed: agent, health, control, observe, publish, "
                 "statsd, prometheus, stress, apps"},
    {"health: {\n\n lameduck = 3; };",
     "f:3: health.lameduck: unknown key; did you mean \"lame_duck\"?"},
    {"health: { zzz = 1; };", "f:1: health.zzz: unknown key; allowed: listen, lame_duck"},
    {"apps: { a: { wrokers = 2; }; };",
     "f:1: apps.a.wrokers: unknown key; did you mean \"workers\"?"},
    {"apps: { a: { x* = 2; }; };",
     "f:1: apps.a.x*: unknown key; allowed: enabled, command, environment, directory, user, group, "
     "listen, workers, ready_timeout, drain_timeout, idle_timeout, scoreboard, readiness, "
     "ready_delay, watchdog, probe, probe_path, probe_interval, probe_timeout, probe_failures, "
     "memory_max, cpu_weight, pids_max"},
    {"health: { aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa = 1; "
     "};",
     "f:1: health.aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa: unknown key; "
     "allowed: listen, lame_duck"},
    /* types */
    {"agent = 1;", "f:1: agent: wrong type; allowed: a group, as in agent: { ... };"},
    {"apps = [];", "f:1: apps: wrong type; allowed: a group, as in apps: { ... };"},
    {"apps: { a = 1; };", "f:1: apps.a: wrong type; allowed: a group, as in a: { ... };"},
    {"health: { lame_duck = \"12\"; };",
     "f:1: health.lame_duck: wrong type, a string; allowed: 0 to 300 (s)"},
    {"health: { lame_duck = 1.5; };",
     "f:1: health.lame_duck: wrong type, a number with a fraction; allowed: 0 to 300 (s)"},
    {"health: { lame_duck = true; };",
     "f:1: health.lame_duck: wrong type, true or false; allowed: 0 to 300 (s)"},
    {"health: { lame_duck: {}; };",
     "f:1: health.lame_duck: wrong type, a group; allowed: 0 to 300 (s)"},
    {"health: { lame_duck = (); };",
     "f:1: health.lame_duck: wrong type, a list; allowed: 0 to 300 (s)"},
    {"publish: { per_instance = 1; };",
     "f:1: publish.per_instance: wrong type, a number" BOOL_ALLOWED},
    {"agent: { instance_id = 7; };", "f:1: agent.instance_id: wrong type, a number" ID_ALLOWED},
    {"publish: { sink = 1; };",
     "f:1: publish.sink: wrong type, a number; allowed: \"none\", \"file\" or \"cloudwatch\""},
    {"apps: { a: { listen = \"8080\"; }; };",
     "f:1: apps.a.listen: wrong type, a string" LISTEN_ALLOWED},
    {"apps: { a: { listen = [\n 8080 ]; }; };",
     "f:2: apps.a.listen[1]: wrong type, a number" LISTEN_ALLOWED},
    /* numbers */
    {"health: { lame_duck = 301; };",
     "f:1: health.lame_duck: 301 is out of range; allowed: 0 to 300 (s)"},
    {"health: { lame_duck = -1; };",
     "f:1: health.lame_duck: -1 is out of range; allowed: 0 to 300 (s)"},
    {"agent: { core_silence = 2; };",
     "f:1: agent.core_silence: 2 is out of range; allowed: 3 to 300 (s)"},
    {"observe: { window = 30; };",
     "f:1: observe.window: 30 is out of range; allowed: 10 or 60 (s)"},
    {"apps: { a: { workers = 65; }; };",
     "f:1: apps.a.workers: 65 is out of range; allowed: 0 to 64"},
    /* words and strings */
    {"agent: { log_level = \"Info\"; };",
     "f:1: agent.log_level: \"Info\" is not known; allowed: \"error\", \"warning\", \"notice\", "
     "\"info\" or \"debug\""},
    {"publish: { sink = \"\"; };",
     "f:1: publish.sink: \"\" is not known; allowed: \"none\", \"file\" or \"cloudwatch\""},
    {"agent: { instance_id = \":a\"; };",
     "f:1: agent.instance_id: \":a\" can't be a dimension's value" ID_ALLOWED},
    {"agent: { instance_id = \"a\\x01\\xff\"; };",
     "f:1: agent.instance_id: \"a??\" can't be a dimension's value" ID_ALLOWED},
    {"publish: { asg_name = \"  \"; };",
     "f:1: publish.asg_name: \"  \" can't be a dimension's value" ID_ALLOWED},
    {"publish: { namespace = \"AWS/EC2\"; };",
     "f:1: publish.namespace: \"AWS/EC2\" can't be a namespace" SPACE_ALLOWED},
    {"publish: { namespace = \"\"; };", "f:1: publish.namespace: it is empty" SPACE_ALLOWED},
    {"control: { group = \"a:b\"; };",
     "f:1: control.group: \"a:b\" is no user's or group's name" NAME_ALLOWED},
    {"apps: { a: { user = \"-a\"; }; };",
     "f:1: apps.a.user: \"-a\" is no user's or group's name" NAME_ALLOWED},
    {"apps: { a: { user = \"u2345678901234567890123456789012\"; }; };",
     "f:1: apps.a.user: 32 bytes are too long" NAME_ALLOWED},
    /* paths */
    {"agent: { runtime_dir = \"run\"; };",
     "f:1: agent.runtime_dir: \"run\" is no absolute path; allowed: an absolute path, up to 64 "
     "bytes"},
    {"agent: { runtime_dir = \"\"; };",
     "f:1: agent.runtime_dir: it is empty; allowed: an absolute path, up to 64 bytes"},
    {"agent: { runtime_dir = "
     "\"/2345678901234567890123456789012345678901234567890123456789012345\"; };",
     "f:1: agent.runtime_dir: 65 bytes are too long; allowed: an absolute path, up to 64 bytes"},
    {"publish: { file = \"/a\\nb\"; };",
     "f:1: publish.file: control characters, or not UTF-8; allowed: an absolute path, up to 255 "
     "bytes; or empty"},
    /* addresses */
    {"health: { listen = \"localhost:80\"; };",
     "f:1: health.listen: \"localhost:80\" is no address to listen on; allowed: PORT, "
     "ADDRESS:PORT, "
     "[ADDRESS]:PORT or a socket's path, up to 107 bytes"},
    {"apps: { a: { listen = [ \"80\", \"0\" ]; }; };",
     "f:1: apps.a.listen[2]: \"0\" is no address to listen on" LISTEN_ALLOWED},
    {"apps: { a: { listen = [ \"1\", \"2\", \"3\", \"4\", \"5\" ]; }; };",
     "f:1: apps.a.listen: 5 items" LISTEN_ALLOWED},
    {"apps: { a: { " APP " };\n b: { " APP " }; };",
     "f:2: apps.b.listen[1]: \"8080\" is taken by apps.a.listen[1] (\"8080\"); allowed: each "
     "address once"},
    {"apps: { a: { " APP " };\n b: { " APP "\n listen = [ \"81\", \"127.0.0.1:8080\" ]; }; };",
     "f:3: apps.b.listen[2]: \"127.0.0.1:8080\" is taken by apps.a.listen[1] (\"8080\"); allowed: "
     "each address once"},
    {"apps: { a: { " APP " listen = [ \"[::1]:80\", \"0.0.0.0:81\", \"10.0.0.1:81\" ]; }; };",
     "f:1: apps.a.listen[3]: \"10.0.0.1:81\" is taken by apps.a.listen[2] (\"0.0.0.0:81\"); "
     "allowed: each address once"},
    {"apps: { a: { " APP " listen = [ \"/s\", \"/s\" ]; }; };",
     "f:1: apps.a.listen[2]: \"/s\" is taken by apps.a.listen[1] (\"/s\"); allowed: each address "
     "once"},
    {"apps: { a: { " APP " listen = [ \"8081\" ]; }; };",
     "f:1: apps.a.listen[1]: \"8081\" is taken by health.listen (\"[::]:8081\"); allowed: each "
     "address once"},
    {"health: { listen = \"/run/agentd/control.sock\"; };",
     "f:1: health.listen: \"/run/agentd/control.sock\" is taken by agent.runtime_dir "
     "(\"/run/agentd/control.sock\"); allowed: each address once"},
    /* commands and environments */
    {"apps: {\n a: { };\n};",
     "f:2: apps.a.command: missing; allowed: command = [ \"/path/of/program\", ... ]; or enabled = "
     "false;"},
    {"apps: { a: {\n command = []; }; };",
     "f:2: apps.a.command: missing; allowed: command = [ \"/path/of/program\", ... ]; or enabled = "
     "false;"},
    {"apps: { a: { command = [ \"ls\" ]; }; };",
     "f:1: apps.a.command[1]: \"ls\" is no absolute path" COMMAND_ALLOWED},
    {"apps: { a: { command = [ \"/ls\",\n \"\\x01\" ]; }; };",
     "f:2: apps.a.command[2]: control characters, or not UTF-8" COMMAND_ALLOWED},
    {"apps: { a: { environment = [ \"A\" ]; }; };",
     "f:1: apps.a.environment[1]: \"A\" is no NAME=value" ENVIRONMENT_ALLOWED},
    {"apps: { a: { environment = [ \"1A=\" ]; }; };",
     "f:1: apps.a.environment[1]: \"1A=\" is no NAME=value" ENVIRONMENT_ALLOWED},
    {"apps: { a: { environment = [ \"=x\" ]; }; };",
     "f:1: apps.a.environment[1]: \"=x\" is no NAME=value" ENVIRONMENT_ALLOWED},
    {"apps: { a: { environment = [ \"A-B=x\" ]; }; };",
     "f:1: apps.a.environment[1]: \"A-B=x\" is no NAME=value" ENVIRONMENT_ALLOWED},
    {"apps: { a: { environment = [ \"A=1\", \"AB=2\",\n\"A=3\" ]; }; };",
     "f:2: apps.a.environment[3]: A is there twice" ENVIRONMENT_ALLOWED},
    {"apps: { a: { environment = [ \"LISTEN_FDS=1\" ]; }; };",
     "f:1: apps.a.environment[1]: LISTEN_FDS is set by agentd itself" ENVIRONMENT_ALLOWED},
    {"apps: { a: { environment = [ \"NOTIFY_SOCKET=\" ]; }; };",
     "f:1: apps.a.environment[1]: NOTIFY_SOCKET is set by agentd itself" ENVIRONMENT_ALLOWED},
    {"apps: { a: { environment = [ \"WATCHDOG_USEC=1\" ]; }; };",
     "f:1: apps.a.environment[1]: WATCHDOG_USEC is set by agentd itself" ENVIRONMENT_ALLOWED},
    {"apps: { a: { environment = [ \"AGENTD_X=1\" ]; }; };",
     "f:1: apps.a.environment[1]: AGENTD_X is set by agentd itself" ENVIRONMENT_ALLOWED},
    /* apps' names */
    {"apps: { Web: {}; };", "f:1: apps.Web: " APP_NAME_ALLOWED},
    {"apps: { a_b: {}; };", "f:1: apps.a_b: " APP_NAME_ALLOWED},
    {"apps: { a2345678901234567890123456789012: {}; };",
     "f:1: apps.a2345678901234567890123456789012: " APP_NAME_ALLOWED},
};

static void test_errors(void **state)
{
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
        struct config *config = NULL;
        char error[CONFIG_ERROR_MAX];
        int r = load(bad[i].text, &config, error);
        if (r != -EINVAL || config || strcmp(error, bad[i].error) != 0)
            fail_msg("%s\n  got %d: %s\n  not:    %s", bad[i].text, r, error, bad[i].error);
        assert_null(strchr(error, '\n'));
    }
}

static void test_accepted(void **state)
{
    static const char *const good[] = {
        "agent: {}; # @include \"x\"",                /* in a comment */
        "agent: { instance_id = \"@include \"; };",   /* in a string */
        "/* @include \"x\"\n@include \"y\" */ // /*", /* in both */
        "publish: { namespace = \"99999999999\"; };", /* no number */
        "publish: { namespace = \"a#//-/b\"; };",     /* no comment */
        "control: { group = \"_g-1.x\"; };",
        "health: { listen = \"127.0.0.1:8081\"; };" /* beside another address, same port */
        "apps: { a: { " APP " listen = [ \"127.0.0.2:8081\", \"[::1]:8081\" ]; }; };",
        "apps: { a: { " APP " }; b: { " APP " enabled = false; }; c: { enabled = false; }; };",
        "apps: { a: { " APP " environment = [ \"LISTEN=1\", \"NOTIFY_SOCKETS=\" ]; }; };",
        "apps: { a2345678901234567890123456789-1: { " APP " }; };",
    };
    for (size_t i = 0; i < ARRAY_SIZE(good); i++) {
        CLEANUP(config_freep) struct config *config = load_good(good[i]);
        assert_non_null(config);
    }
}

static void test_too_many_apps(void **state)
{
    char text[2048], error[CONFIG_ERROR_MAX];
    for (unsigned n = APPS_MAX; n <= APPS_MAX + 1; n++) {
        struct config *config = NULL;
        size_t used = (size_t) snprintf(text, sizeof(text), "apps: {\n");
        for (unsigned i = 0; i < n; i++)
            used += (size_t) snprintf(text + used, sizeof(text) - used,
                                      "  a%u: { " APP " listen = [ \"%u\" ]; };\n", i * 7 % n,
                                      9000 + i);
        (void) snprintf(text + used, sizeof(text) - used, "};\n");
        int r = load(text, &config, error);
        if (n == APPS_MAX) {
            assert_int_equal(r, 0);
            assert_int_equal(config->n_apps, APPS_MAX);
            for (size_t i = 1; i < config->n_apps; i++)
                assert_true(strcmp(config->apps[i - 1].name, config->apps[i].name) < 0);
        } else {
            assert_int_equal(r, -EINVAL);
            assert_string_equal(error, "f:18: apps.a10: too many apps; allowed: up to 16");
        }
        config_free(config);
    }
}

/* Long names and values are cut, and the line stays one that ends. */
static void test_long_error(void **state)
{
    char path[401], text[1024], error[CONFIG_ERROR_MAX];
    CLEANUP(config_image_freep) struct config_image *image = NULL;
    struct config *config = NULL;
    memset(path, 'p', sizeof(path) - 1);
    path[sizeof(path) - 1] = '\0';
    (void) snprintf(text, sizeof(text), "apps: { a: { environment = [ \"%s\" ]; }; };", path);
    assert_int_equal(config_image_from_text(path, text, strlen(text), &image), 0);
    assert_int_equal(config_load(image, &config, error), -EINVAL);
    assert_int_equal(strlen(error), CONFIG_ERROR_MAX - 1);
}

/* --- printing --- */

static const char *const printed[] = {
    "",
    "health: { lame_duck = 0; };",
    "agent: { log_level = \"error\"; }; publish: { sink = \"none\"; per_instance = true; };",
    "observe: { window = 60; disk_path = \"/a \\\"b\\\" \\\\ c\\\\\"; };",
    "apps: { a: { command = [ \"/x\", \"l1\nl2\\tt\", \"\", \"\\\\n\", \"\xe2\x82\xac\" ];"
    "  environment = [ \"A=\\\\\", \"B=\\\"\" ]; listen = []; workers = 0; };"
    "  b: { enabled = false; listen = [ \"1\", \"/x y\" ]; }; };",
};

static void test_print_loads_again(void **state)
{
    for (size_t i = 0; i < ARRAY_SIZE(printed); i++) {
        CLEANUP(config_freep) struct config *first = load_good(printed[i]);
        struct buffer buffer;
        buffer_init(&buffer, 1u << 20);
        assert_int_equal(config_print(first, &buffer), 0);
        CLEANUP(config_freep) struct config *second = load_good(buffer.data);
        CLEANUP_FREE char *before = print_values(first);
        CLEANUP_FREE char *after = print_values(second);
        assert_string_equal(before, after);
        buffer_done(&buffer);
    }
}

static void test_print_origins(void **state)
{
    CLEANUP(config_freep)
    struct config *config =
        load_good("health: {\n lame_duck = 3; };\napps: { b: { " APP " };\na: {\n enabled = "
                  "false;\n}; };");
    CLEANUP(buffer_done) struct buffer buffer;
    buffer_init(&buffer, 1u << 20);
    assert_int_equal(config_print(config, &buffer), 0);
    static const char *const lines[] = {
        "\n    lame_duck = 3;                            # f:2\n",
        "\n    listen = \"[::]:8081\";                     # default\n",
        "\n    a: {\n        enabled = false;                      # f:5\n",
        "\n    b: {\n        enabled = true;                       # default\n",
        "\n        command = [ \"/bin/a\" ];               # f:3\n",
    };
    for (size_t i = 0; i < ARRAY_SIZE(lines); i++)
        if (!strstr(buffer.data, lines[i]))
            fail_msg("not found: %s\nin: %s", lines[i], buffer.data);
}

static void test_print_refused(void **state)
{
    CLEANUP(config_freep) struct config *config = load_good("");
    CLEANUP(buffer_done) struct buffer buffer;
    buffer_init(&buffer, 100);
    assert_int_equal(config_print(config, &buffer), -ENOBUFS);
}

/* --- the table --- */

static void test_table(void **state)
{
    size_t n;
    const struct config_key *keys = config_keys(&n);
    assert_int_equal(n, CONFIG_N_NODE_KEYS + CONFIG_N_APP_KEYS);
    for (size_t i = 0; i < n; i++) {
        const struct config_key *key = &keys[i];
        char allowed[CONFIG_ALLOWED_MAX];
        assert_int_equal(strcmp(key->section, "apps") == 0, i >= CONFIG_N_NODE_KEYS);
        assert_true(key->min <= key->max);
        assert_true(strlen(config_key_allowed(key, allowed)) < CONFIG_ALLOWED_MAX - 1);
        size_t help = strlen(key->help);
        assert_true(help > 10 && key->help[help - 1] == '.');
        for (size_t k = 0; k < i; k++)
            assert_false(strcmp(keys[k].section, key->section) == 0 &&
                         strcmp(keys[k].name, key->name) == 0);
        switch (key->type) {
        case CONFIG_BOOL:
            assert_int_equal(key->size, sizeof(bool));
            break;
        case CONFIG_UINT:
        case CONFIG_CHOICE:
            assert_int_equal(key->size, sizeof(unsigned));
            break;
        case CONFIG_STRING:
        case CONFIG_PATH:
        case CONFIG_LISTEN:
            assert_true(key->max < key->size);
            break;
        case CONFIG_LIST:
            assert_int_equal(key->size, (key->max + 1) * sizeof(char *));
            assert_true(key->max <= CONFIG_ENV_MAX);
            break;
        }
    }
}

static void test_nearest(void **state)
{
    static const char *const known[] = {"workers", "listen", "user", "group", "x"};
    static const struct {
        const char *word, *nearest;
    } cases[] = {
        {"worker", "workers"},
        {"wrokers", "workers"},
        {"wörkers", "workers"},
        {"Listen", "listen"},
        {"usr", "user"},
        {"gruop", "group"},
        {"y", NULL},
        {"", NULL},
        {"completely", NULL},
    };
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        const char *nearest = config_nearest(cases[i].word, known, ARRAY_SIZE(known));
        if (cases[i].nearest)
            assert_string_equal(nearest, cases[i].nearest);
        else if (nearest)
            fail_msg("%s: %s", cases[i].word, nearest);
    }
}

static void test_scan_path(void **state)
{
    static const char text[] = "a = TRUE; b: { c = [ 1, 2 ]; /* x */ d-e: { f = \"g = 1\"; }; };\n"
                               "h = ( { i = 1; } );";
    static const char *const paths[] = {"a", "b", "b.c", "b.d-e", "b.d-e.f", "h", "h.i"};
    char path[16];
    for (size_t i = 0; i < ARRAY_SIZE(paths); i++) {
        assert_true(config_scan_path(text, strlen(text), i, path, sizeof(path)));
        assert_string_equal(path, paths[i]);
    }
    assert_false(config_scan_path(text, strlen(text), ARRAY_SIZE(paths), path, sizeof(path)));
    assert_false(config_scan_path(text, strlen(text), 4, path, 7)); /* no room */
}

static void test_too_many_settings(void **state)
{
    const unsigned n = CONFIG_SETTINGS_MAX + 1;
    CLEANUP(buffer_done) struct buffer buffer;
    struct config *config = NULL;
    char error[CONFIG_ERROR_MAX];
    buffer_init(&buffer, CONFIG_FILE_LIMIT);
    for (unsigned i = 0; i < n; i++)
        assert_int_equal(buffer_printf(&buffer, "a%u = %u;\n", i, i), 0);
    assert_int_equal(load(buffer.data, &config, error), -EINVAL);
    assert_string_equal(error, "f:4097: too many settings; allowed: up to 4096 in a file");
    *strstr(buffer.data, "a4096") = '\0';
    assert_int_equal(load(buffer.data, &config, error), -EINVAL);
    assert_string_equal(error, "f:1: a0: unknown key; allowed: agent, health, control, observe, "
                               "publish, statsd, prometheus, stress, apps");
}

static void test_nul(void **state)
{
    static const char text[] = "agent: {};\n# a\0b";
    CLEANUP(config_image_freep) struct config_image *image = NULL;
    struct config *config = NULL;
    char error[CONFIG_ERROR_MAX];
    assert_int_equal(config_image_from_text("f", text, sizeof(text) - 1, &image), 0);
    assert_int_equal(config_load(image, &config, error), -EINVAL);
    assert_string_equal(error, "f:2: a NUL byte; allowed: text");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_defaults),      cmocka_unit_test(test_app_defaults),
        cmocka_unit_test(test_values),        cmocka_unit_test(test_errors),
        cmocka_unit_test(test_accepted),      cmocka_unit_test(test_too_many_apps),
        cmocka_unit_test(test_long_error),    cmocka_unit_test(test_print_loads_again),
        cmocka_unit_test(test_print_origins), cmocka_unit_test(test_print_refused),
        cmocka_unit_test(test_table),         cmocka_unit_test(test_nearest),
        cmocka_unit_test(test_scan_path),     cmocka_unit_test(test_too_many_settings),
        cmocka_unit_test(test_nul),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

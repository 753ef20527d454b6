/* SPDX-License-Identifier: Apache-2.0 */
#include "ctl/arguments.h"

#include "common/base/macro.h"
#include "tests/unit/unit.h"

#include <errno.h>

#define WORDS_MAX 10

/* Splits at blanks; two in a row make an empty word. */
static int parse(const char *line, struct arguments *ret, char error[ARGUMENTS_ERROR_MAX])
{
    static char copy[256]; /* words are borrowed until the next call */
    char *argv[WORDS_MAX + 2] = {(char *) "agentctl"};
    int argc = 1;
    char *rest = copy;

    snprintf(copy, sizeof(copy), "%s", line);
    while (*line && rest)
        argv[argc++] = strsep(&rest, " ");
    return arguments_parse(argc, argv, ret, error);
}

static void test_good(void **state)
{
    static const struct {
        const char *line;
        enum verb verb;
        unsigned n_words;
        const char *word;
        int option; /* -1 = none */
        const char *value;
    } cases[] = {
        {"status", VERB_STATUS, 0, NULL, -1, NULL},
        {"--json status", VERB_STATUS, 0, NULL, VERB_OPTION_JSON, ""},
        {"status --json", VERB_STATUS, 0, NULL, VERB_OPTION_JSON, ""},
        {"--socket /s status", VERB_STATUS, 0, NULL, VERB_OPTION_SOCKET, "/s"},
        {"--socket=/s=t status", VERB_STATUS, 0, NULL, VERB_OPTION_SOCKET, "/s=t"},
        {"config check", VERB_CONFIG_CHECK, 0, NULL, -1, NULL},
        {"config --json show", VERB_CONFIG_SHOW, 0, NULL, VERB_OPTION_JSON, ""},
        {"config check --config -odd", VERB_CONFIG_CHECK, 0, NULL, VERB_OPTION_CONFIG, "-odd"},
        {"restart", VERB_RESTART, 0, NULL, -1, NULL},
        {"restart web.2", VERB_RESTART, 1, "web.2", -1, NULL},
        {"restart -- web", VERB_RESTART, 1, "web", -1, NULL},
        {"restart web --timeout 1h30m", VERB_RESTART, 1, "web", VERB_OPTION_TIMEOUT, "1h30m"},
        {"events -n5", VERB_EVENTS, 0, NULL, VERB_OPTION_LINES, "5"},
        {"events -n 5", VERB_EVENTS, 0, NULL, VERB_OPTION_LINES, "5"},
        {"events -fn 5", VERB_EVENTS, 0, NULL, VERB_OPTION_FOLLOW, ""},
        {"logs -f web", VERB_LOGS, 1, "web", VERB_OPTION_FOLLOW, ""},
        {"help config show", VERB_HELP, 2, "config", -1, NULL},
        {"status -h", VERB_STATUS, 0, NULL, VERB_OPTION_HELP, ""},
        {"status too much --help", VERB_STATUS, 2, "too", VERB_OPTION_HELP, ""},
    };

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct arguments arguments;
        char error[ARGUMENTS_ERROR_MAX] = "";

        print_message("%s\n", cases[i].line);
        assert_int_equal(parse(cases[i].line, &arguments, error), 0);
        assert_true(arguments.has_verb);
        assert_int_equal(arguments.verb, cases[i].verb);
        assert_int_equal(arguments.n_words, cases[i].n_words);
        if (cases[i].word)
            assert_string_equal(arguments.words[0], cases[i].word);
        if (cases[i].option >= 0)
            assert_string_equal(arguments.options[cases[i].option], cases[i].value);
    }
}

static void test_bad(void **state)
{
    static const struct {
        const char *line;
        const char *says; /* part of the error */
    } cases[] = {
        {"", "no verb given; allowed: status, top, health"},
        {"--json", "no verb given"},
        {"statsu", "did you mean 'status'?"},
        {"stat", "did you mean 'status'?"},
        {"Status", "did you mean 'status'?"},
        {"relaod", "did you mean 'reload'?"},
        {"xyzzy", "allowed: status, top, health, metrics"},
        {"", "no verb given"},
        {"config", "'config' wants a second word; allowed: config check, config show"},
        {"config chekc", "no verb 'config chekc'; allowed: config check, config show"},
        {"check", "no verb 'check'"},
        {"status web", "usage: agentctl status"},
        {"restart a b", "'b' is too much; usage: agentctl restart [APP[.SLOT]]"},
        {"a b c d e", "no verb takes so many words"},
        {"restart Web", "APP or APP.SLOT is wanted"},
        {"restart web.", "APP or APP.SLOT is wanted"},
        {"restart web.0", "APP or APP.SLOT is wanted"},
        {"restart web.97", "APP or APP.SLOT is wanted"},
        {"restart ../web", "APP or APP.SLOT is wanted"},
        {"status --jsno", "no option --jsno; did you mean --json?"},
        {"status --quux", "no option --quux"},
        {"status -x", "no option -x"},
        {"status --json=1", "--json takes no value"},
        {"status --socket", "--socket wants a value: --socket PATH"},
        {"status --socket=", "--socket: a path is wanted"},
        {"status --follow", "status takes no --follow"},
        {"status --wait", "status takes no --wait"},
        {"events -n", "-n wants a value: -n N"},
        {"events -n x", "a whole number is wanted"},
        {"events -n -1", "a whole number is wanted"},
        {"events --since=1.5", "a whole number is wanted"},
        {"restart --timeout soon", "a duration is wanted"},
        {"restart --timeout 9999d", "a duration is wanted"},
        {"restart --timeout", "--timeout wants a value: --timeout DURATION"},
    };

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct arguments arguments = {.n_words = 77};
        char error[ARGUMENTS_ERROR_MAX] = "";

        assert_int_equal(parse(cases[i].line, &arguments, error), -EINVAL);
        print_message("%s: %s\n", cases[i].line, error);
        assert_non_null(strstr(error, cases[i].says));
        assert_null(strchr(error, '\n'));
        assert_int_equal(arguments.n_words, 77);
    }
}

static void test_help_alone(void **state)
{
    struct arguments arguments;
    char error[ARGUMENTS_ERROR_MAX];

    assert_int_equal(parse("--help", &arguments, error), 0);
    assert_false(arguments.has_verb);
    assert_true(arguments_has(&arguments, VERB_OPTION_HELP));
}

static void test_values(void **state)
{
    struct arguments arguments;
    char error[ARGUMENTS_ERROR_MAX];

    assert_int_equal(parse("events -n 12 --since 99", &arguments, error), 0);
    assert_int_equal(arguments_number(&arguments, VERB_OPTION_LINES, 50), 12);
    assert_int_equal(arguments_number(&arguments, VERB_OPTION_SINCE, 0), 99);
    assert_int_equal(parse("restart --timeout 1m30s", &arguments, error), 0);
    assert_int_equal(arguments_duration_us(&arguments, VERB_OPTION_TIMEOUT, 0), 90000000);
    assert_int_equal(parse("restart", &arguments, error), 0);
    assert_int_equal(arguments_duration_us(&arguments, VERB_OPTION_TIMEOUT, 7), 7);
    assert_int_equal(arguments_number(&arguments, VERB_OPTION_LINES, 50), 50);
}

static void test_target(void **state)
{
    struct target target;

    assert_int_equal(target_parse("visitor-board", &target), 0);
    assert_string_equal(target.app, "visitor-board");
    assert_int_equal(target.slot, 0);
    assert_int_equal(target_parse("a.96", &target), 0);
    assert_int_equal(target.slot, 96);
    assert_int_equal(target_parse("abcdefghijklmnopqrstuvwxyz12345", &target), 0);
    assert_int_equal(target_parse("abcdefghijklmnopqrstuvwxyz123456", &target), -EINVAL);
    assert_int_equal(target_parse("", &target), -EINVAL);
    assert_int_equal(target_parse("-a", &target), -EINVAL);
    assert_int_equal(target_parse("a.1.2", &target), -EINVAL);
    assert_int_equal(target_parse("a.+1", &target), -EINVAL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_good),       cmocka_unit_test(test_bad),
        cmocka_unit_test(test_help_alone), cmocka_unit_test(test_values),
        cmocka_unit_test(test_target),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

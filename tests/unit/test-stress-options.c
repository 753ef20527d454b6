/* SPDX-License-Identifier: Apache-2.0 */
/* The command line of agentd-stress. */
#include "agent/stress/options.h"
#include "common/base/clock.h"
#include "common/base/macro.h"
#include "tests/unit/unit.h"

#include <errno.h>

#define CPUS 4

/* |text| is what follows the program's name, with single blanks. */
static int parse(const char *text, struct stress_options *options, char error[STRESS_ERROR_MAX])
{
    char copy[256], *argv[16] = {(char *) "agentd-stress"}, *cursor = copy;
    int argc = 1;

    snprintf(copy, sizeof(copy), "%s", text);
    for (char *word; *text != '\0' && (word = strsep(&cursor, " "));)
        argv[argc++] = word;
    error[0] = '\0';
    return stress_options_parse(argc, argv, CPUS, options, error);
}

static void test_good(void **state)
{
    static const struct {
        const char *text;
        struct stress_options options;
    } cases[] = {
        {"", {STRESS_RUN, 85, 0, 600 * USEC_PER_SEC, false, 0}},
        {"--load 1", {STRESS_RUN, 1, 0, 600 * USEC_PER_SEC, false, 0}},
        {"--load=100 --cores 4", {STRESS_RUN, 100, 4, 600 * USEC_PER_SEC, false, 0}},
        {"--for 90", {STRESS_RUN, 85, 0, 90 * USEC_PER_SEC, false, 0}},
        {"--for 1h30m", {STRESS_RUN, 85, 0, 5400 * USEC_PER_SEC, false, 0}},
        {"--for 24h --for 1s", {STRESS_RUN, 85, 0, USEC_PER_SEC, false, 0}},
        {"--priority normal", {STRESS_RUN, 85, 0, 600 * USEC_PER_SEC, true, 0}},
        {"--priority idle --stats 2",
         {STRESS_RUN, 85, 0, 600 * USEC_PER_SEC, false, 2 * USEC_PER_SEC}},
        {"--help", {STRESS_HELP, 85, 0, 600 * USEC_PER_SEC, false, 0}},
        {"--load 5 --version nonsense", {STRESS_VERSION, 5, 0, 600 * USEC_PER_SEC, false, 0}},
    };

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct stress_options options = {0};
        char error[STRESS_ERROR_MAX];

        if (parse(cases[i].text, &options, error) < 0)
            fail_msg("%s: %s", cases[i].text, error);
        assert_int_equal(options.request, cases[i].options.request);
        assert_int_equal(options.load_percent, cases[i].options.load_percent);
        assert_int_equal(options.cores, cases[i].options.cores);
        assert_int_equal(options.for_us, cases[i].options.for_us);
        assert_int_equal(options.normal_priority, cases[i].options.normal_priority);
        assert_int_equal(options.stats_us, cases[i].options.stats_us);
    }
}

static void test_bad(void **state)
{
    static const struct {
        const char *text, *error;
    } cases[] = {
        {"--load 0", "--load is a percentage from 1 to 100, not '0'"},
        {"--load 101", "--load is a percentage from 1 to 100, not '101'"},
        {"--load 50%", "--load is a percentage from 1 to 100, not '50%'"},
        {"--load=", "--load is a percentage from 1 to 100, not ''"},
        {"--load 99999999999999999999",
         "--load is a percentage from 1 to 100, not '99999999999999999999'"},
        {"--cores 0", "--cores is a number from 1 to 4, not '0'"},
        {"--cores 5", "--cores is a number from 1 to 4, not '5'"},
        {"--for 0", "--for is a duration from 1s to 24h, like 90s, 10m or 1h30m, not '0'"},
        {"--for 999ms", "--for is a duration from 1s to 24h, like 90s, 10m or 1h30m, not '999ms'"},
        {"--for 25h", "--for is a duration from 1s to 24h, like 90s, 10m or 1h30m, not '25h'"},
        {"--for soon", "--for is a duration from 1s to 24h, like 90s, 10m or 1h30m, not 'soon'"},
        {"--priority high", "--priority is idle or normal, not 'high'"},
        {"--stats 0", "--stats is a number of seconds from 1 to 3600, not '0'"},
        {"--load", "--load needs a value"},
        {"--loud 5", "no such option: --loud"},
        {"-l 5", "no such option: -l"},
        {"--help=x", "no such option: --help=x"},
        {"now", "unexpected argument 'now'"},
        {"--load 5 -- --cores", "unexpected argument '--cores'"},
    };

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct stress_options options = {.load_percent = 7};
        char error[STRESS_ERROR_MAX];

        assert_int_equal(parse(cases[i].text, &options, error), -EINVAL);
        assert_string_equal(error, cases[i].error);
        assert_int_equal(options.load_percent, 7);
    }
}

/* However long a wrong word is, the message has its end. */
static void test_long(void **state)
{
    struct stress_options options;
    char error[STRESS_ERROR_MAX], text[250];

    memset(text, 'x', sizeof(text) - 1);
    text[sizeof(text) - 1] = '\0';
    memcpy(text, "--for ", 6);
    assert_int_equal(parse(text, &options, error), -EINVAL);
    assert_non_null(strstr(error, "xxx'"));
    text[5] = '=';
    assert_int_equal(parse(text, &options, error), -EINVAL);
    assert_non_null(strstr(error, "xxx'"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_good),
        cmocka_unit_test(test_bad),
        cmocka_unit_test(test_long),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

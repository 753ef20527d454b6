/* SPDX-License-Identifier: Apache-2.0 */
/* The table itself, and that what is made from it names everything that is in it. */
#include "common/schema/verbs.h"

#include "common/base/macro.h"
#include "ctl/display.h"
#include "ctl/reference.h"
#include "tests/unit/unit.h"

#include <ctype.h>
#include <locale.h>

static void test_verbs(void **state)
{
    for (enum verb v = 0; v < VERB_COUNT_; v++) {
        const struct verb_info *info = verb_info(v);

        assert_true(strspn(info->name, "abcdefghijklmnopqrstuvwxyz ") == strlen(info->name));
        assert_true(*info->summary && islower((unsigned char) *info->summary));
        assert_int_not_equal(info->summary[strlen(info->summary) - 1], '.');
        assert_int_equal(info->help[strlen(info->help) - 1], '.');
        assert_null(strstr(info->help, "  "));
        assert_true(info->arguments_min <= info->arguments_max);
        assert_int_equal(info->arguments_max > 0, *info->arguments != '\0');
        assert_int_equal(info->arguments_max > 0, info->value != VERB_VALUE_NONE);
        assert_int_equal(info->options & VERB_OPTIONS_GLOBAL, VERB_OPTIONS_GLOBAL);
        assert_int_equal(info->options >> VERB_OPTION_COUNT_, 0);
        assert_int_equal(info->codes & VERB_CODES_LOCAL, VERB_CODES_LOCAL);
        /* who changes something waits, and only who waits times out */
        assert_int_equal(!!(info->options & VERB_BIT(WAIT)), !!(info->options & VERB_BIT(TIMEOUT)));
        assert_int_equal(!!(info->options & VERB_BIT(WAIT)),
                         !!(info->codes & VERB_CODE(TIMED_OUT)));
        for (enum verb other = 0; other < v; other++)
            assert_string_not_equal(info->name, verb_info(other)->name);
    }
}

static void test_options(void **state)
{
    unsigned used = 0;

    for (enum verb v = 0; v < VERB_COUNT_; v++)
        used |= verb_info(v)->options;
    assert_int_equal(used, (1u << VERB_OPTION_COUNT_) - 1);
    for (enum verb_option o = 0; o < VERB_OPTION_COUNT_; o++) {
        const struct verb_option_info *info = verb_option_info(o);

        assert_true(strspn(info->name, "abcdefghijklmnopqrstuvwxyz-") == strlen(info->name));
        assert_int_equal(info->value_name == NULL, info->value == VERB_VALUE_NONE);
        assert_int_equal(info->help[strlen(info->help) - 1], '.');
        for (enum verb_option other = 0; other < o; other++) {
            assert_string_not_equal(info->name, verb_option_info(other)->name);
            if (info->letter)
                assert_int_not_equal(info->letter, verb_option_info(other)->letter);
        }
    }
}

static void test_exit_codes(void **state)
{
    for (unsigned code = EXIT_CODE_OK; code <= EXIT_CODE_REFUSED; code++)
        assert_non_null(exit_code_help(code));
    assert_null(exit_code_help(EXIT_CODE_REFUSED + 1));
}

/* Lines of help keep within the columns, whatever these are. */
static void check_width(struct buffer *out, unsigned columns)
{
    char *rest = out->data;

    assert_false(out->failed);
    for (char *line; (line = strsep(&rest, "\n"));)
        assert_true(display_width(line) <= columns);
}

static void test_help(void **state)
{
    static const unsigned widths[] = {40, 80, 120};

    for (size_t w = 0; w < ARRAY_SIZE(widths); w++) {
        struct buffer out;

        buffer_init(&out, 65536);
        reference_help(&out, widths[w]);
        for (enum verb v = 0; v < VERB_COUNT_; v++)
            assert_non_null(strstr(out.data, verb_info(v)->name));
        check_width(&out, widths[w]);
        for (enum verb v = 0; v < VERB_COUNT_; v++) {
            buffer_clear(&out);
            reference_verb_help(&out, v, widths[w]);
            for (enum verb_option o = 0; o < VERB_OPTION_COUNT_; o++) {
                char option[32];

                snprintf(option, sizeof(option), "--%s", verb_option_info(o)->name);
                if (verb_info(v)->options & (1u << o))
                    assert_non_null(strstr(out.data, option));
            }
            check_width(&out, widths[w]);
        }
        buffer_done(&out);
    }
}

static void test_references(void **state)
{
    struct buffer bash, man;

    buffer_init(&bash, 65536);
    buffer_init(&man, 65536);
    reference_completion(&bash);
    reference_man(&man);
    assert_false(bash.failed || man.failed);
    for (enum verb v = 0; v < VERB_COUNT_; v++) {
        char text[128];

        snprintf(text, sizeof(text), "        \"%s\") echo", verb_info(v)->name);
        assert_non_null(strstr(bash.data, text));
        snprintf(text, sizeof(text), "\n.It Cm %s", verb_info(v)->name);
        assert_non_null(strstr(man.data, text));
    }
    for (enum verb_option o = 0; o < VERB_OPTION_COUNT_; o++) {
        char text[128];

        snprintf(text, sizeof(text), "--%s", verb_option_info(o)->name);
        assert_non_null(strstr(bash.data, text));
        snprintf(text, sizeof(text), "Fl \\-%s", verb_option_info(o)->name);
        assert_non_null(strstr(man.data, text));
    }
    buffer_done(&bash);
    buffer_done(&man);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_verbs),      cmocka_unit_test(test_options),
        cmocka_unit_test(test_exit_codes), cmocka_unit_test(test_help),
        cmocka_unit_test(test_references),
    };

    setlocale(LC_CTYPE, "C.UTF-8");
    return cmocka_run_group_tests(tests, NULL, NULL);
}

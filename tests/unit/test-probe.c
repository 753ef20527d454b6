/* SPDX-License-Identifier: Apache-2.0 */
/* Verdicts of probes and of the watchdog: plain values, invented times. */
#include "agent/supervise/probe.h"

#include "common/base/clock.h"
#include "common/base/macro.h"
#include "tests/unit/unit.h"

#include <errno.h>

static const struct probe_policy policy = {
    .interval_us = 5 * USEC_PER_SEC, .timeout_us = 2 * USEC_PER_SEC, .failures = 3};

/* Letters: p passes, f fails. Verdicts: '.' same, 'P' passed, 'F' failed. */
static void test_verdicts(void **state)
{
    static const struct {
        const char *answers, *verdicts;
    } cases[] = {
        {"ppp", "P.."},       {"ffp", "..P"},           {"fff", "..F"},   {"pfffff", "P..F.."},
        {"pffpff", "P....."}, {"pfffpfff", "P..FP..F"}, {"fffp", "..FP"},
    };

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct probe probe = {.due_at_us = 0};
        uint64_t now_us = 1000;

        for (size_t k = 0; cases[i].answers[k]; k++, now_us += USEC_PER_SEC) {
            static const char letters[] = {
                [PROBE_SAME] = '.', [PROBE_PASSED] = 'P', [PROBE_FAILED] = 'F'};
            bool passed = cases[i].answers[k] == 'p';
            char got = letters[probe_note(&probe, &policy, passed, now_us)];

            if (got != cases[i].verdicts[k])
                fail_msg("%s: answer %zu gives %c", cases[i].answers, k, got);
            assert_int_equal(probe.due_at_us, now_us + (probe.passed ? policy.interval_us
                                                                     : PROBE_FIRST_INTERVAL_US));
        }
    }
}

static void test_short_interval(void **state)
{
    const struct probe_policy quick = {.interval_us = 1000, .failures = 1};
    struct probe probe = {.due_at_us = 0};

    assert_int_equal(probe_note(&probe, &quick, false, 7), PROBE_FAILED);
    assert_int_equal(probe.due_at_us, 1007); /* never slower than it is configured */
}

static void test_statuses(void **state)
{
    static const struct {
        unsigned status;
        bool passes;
    } cases[] = {{100, false}, {199, false}, {200, true},  {204, true},
                 {302, true},  {399, true},  {400, false}, {503, false}};

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
        assert_int_equal(probe_status_passes(cases[i].status), cases[i].passes);
}

static void test_answers(void **state)
{
    static const struct {
        const char *text;
        int status;
    } cases[] = {
        {"", 0},
        {"H", 0},
        {"HTTP/1.", 0},
        {"HTTP/1.1 200 OK\r", 0},
        {"HTTP/1.1 200 OK\r\n", 200},
        {"HTTP/1.0 503 \n", 503},
        {"HTTP/1.1 204\r\nmore", 204},
        {"HTTP/1.1 204\n", 204},
        {"HTTP/1.1 599 x\n", 599},
        {"HTTP/1.2 200 OK\n", -EBADMSG},
        {"HTTP/2 200\n", -EBADMSG},
        {"HTTP/1.1 2000 OK\n", -EBADMSG},
        {"HTTP/1.1  200 OK\n", -EBADMSG},
        {"HTTP/1.1 20x OK\n", -EBADMSG},
        {"HTTP/1.1 099 OK\n", -EBADMSG},
        {"HTTP/1.1 600 OK\n", -EBADMSG},
        {"HTTP/1.1 20\n", -EBADMSG},
        {"HTTP/1.1\n", -EBADMSG},
        {"\n", -EBADMSG},
        {"SSH-2.0-x", -EBADMSG},
    };
    char endless[PROBE_LINE_MAX];

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        /* exactly its bytes, so that a look past them shows */
        size_t length = strlen(cases[i].text);
        CLEANUP_FREE char *copy = malloc(length + 1);

        memcpy(copy, cases[i].text, length);
        if (probe_parse_answer(copy, length) != cases[i].status)
            fail_msg("%s: %d", cases[i].text, probe_parse_answer(copy, length));
    }
    memset(endless, ' ', sizeof(endless));
    memcpy(endless, "HTTP/1.1 200", 12);
    assert_int_equal(probe_parse_answer(endless, sizeof(endless) - 1), 0);
    assert_int_equal(probe_parse_answer(endless, sizeof(endless)), -EBADMSG);
}

static void test_watchdog(void **state)
{
    struct watchdog watchdog = {.limit_us = 30, .fed_at_us = 100, .expected = true};

    assert_int_equal(watchdog_due_us(&watchdog), 130);
    watchdog.fed_at_us = 120;
    assert_int_equal(watchdog_due_us(&watchdog), 150);
    watchdog.expected = false; /* it may not know that it should */
    assert_true(watchdog_due_us(&watchdog) == PROBE_NEVER);
    watchdog = (struct watchdog){.fed_at_us = 100, .expected = true};
    assert_true(watchdog_due_us(&watchdog) == PROBE_NEVER);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_verdicts), cmocka_unit_test(test_short_interval),
        cmocka_unit_test(test_statuses), cmocka_unit_test(test_answers),
        cmocka_unit_test(test_watchdog),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

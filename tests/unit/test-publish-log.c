/* SPDX-License-Identifier: Apache-2.0 */
/* One line when sending begins to fail, one when it works again; counts of all. */
#include "agent/publish/publish-log.h"

#include "common/base/clock.h"
#include "tests/unit/unit.h"

#include <errno.h>
#include <stdio.h>

#define MINUTE_US (60 * USEC_PER_SEC)
#define NOW_US    (UINT64_C(1763760000) * USEC_PER_SEC)

static struct aws_result result(int error, const char *code, const char *request_id)
{
    struct aws_result result = {.error = error, .message = "words"};

    snprintf(result.code, sizeof(result.code), "%s", code);
    snprintf(result.request_id, sizeof(result.request_id), "%s", request_id);
    return result;
}

static void test_news(void **state)
{
    static const struct {
        int error;
        const char *code, *request_id;
        enum publish_log_news news;
        const char *text;
    } cases[] = {
        {0, "", "", PUBLISH_LOG_NOTHING, NULL},
        {-EREMOTEIO, "Throttling", "r-1", PUBLISH_LOG_FAILED,
         "can't send metrics, they wait: Throttling: words, request r-1"},
        {-EREMOTEIO, "Throttling", "r-2", PUBLISH_LOG_NOTHING, NULL},
        {-ETIMEDOUT, "", "", PUBLISH_LOG_FAILED, "can't send metrics, they wait: TimedOut: words"},
        {-ETIMEDOUT, "", "", PUBLISH_LOG_NOTHING, NULL},
        {0, "", "", PUBLISH_LOG_RECOVERED, "metrics are sent again, after 4 s"},
        {0, "", "", PUBLISH_LOG_NOTHING, NULL},
        {-ENOKEY, "", "", PUBLISH_LOG_FAILED,
         "can't send metrics, they wait: NoCredentials: words"},
    };
    struct publish_log log = {0};
    struct publish_view view = {0};

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct aws_result one = result(cases[i].error, cases[i].code, cases[i].request_id);
        char text[PUBLISH_LOG_TEXT_MAX];

        assert_int_equal(publish_log_result(&log, &one, NOW_US + i * USEC_PER_SEC, text),
                         cases[i].news);
        if (cases[i].text)
            assert_string_equal(text, cases[i].text);
        publish_log_view(&log, &view, 0);
        assert_int_equal(view.last_error[0] == '\0', cases[i].error == 0);
    }
    assert_int_equal(view.errors, 5);
    assert_int_equal(view.n_codes, 3);
    assert_string_equal(view.codes[0].code, "Throttling");
    assert_int_equal(view.codes[0].count, 2);
    assert_int_equal(view.codes[1].count, 2);
    assert_string_equal(view.codes[2].code, "NoCredentials");
    assert_int_equal(view.last_success_realtime_us, NOW_US + 6 * USEC_PER_SEC);
}

/* Codes come from outside: their number is bounded, none is lost from the sum. */
static void test_many_codes(void **state)
{
    struct publish_log log = {0};
    struct publish_view view = {0};
    uint64_t sum = 0;

    for (int i = 0; i < 100; i++) {
        struct aws_result one = result(-EREMOTEIO, "", "");
        char text[PUBLISH_LOG_TEXT_MAX];

        snprintf(one.code, sizeof(one.code), "Code%d%080d", i % 20, 0);
        publish_log_result(&log, &one, NOW_US, text);
    }
    publish_log_view(&log, &view, 0);
    assert_int_equal(view.n_codes, PUBLISH_CODES_MAX + 1);
    assert_string_equal(view.codes[PUBLISH_CODES_MAX].code, "other");
    for (size_t i = 0; i < view.n_codes; i++)
        sum += view.codes[i].count;
    assert_int_equal(sum, 100);
}

static void test_calls(void **state)
{
    struct publish_log log = {0};
    struct publish_view view = {0};

    for (unsigned minute = 0; minute < 200; minute++)
        publish_log_call(&log, minute * MINUTE_US + 5);
    publish_log_view(&log, &view, 199 * MINUTE_US);
    assert_int_equal(view.calls_last_hour, 60);
    publish_log_view(&log, &view, 229 * MINUTE_US);
    assert_int_equal(view.calls_last_hour, 30);
    publish_log_view(&log, &view, 2000 * MINUTE_US);
    assert_int_equal(view.calls_last_hour, 0);
    publish_log_call(&log, 2000 * MINUTE_US);
    publish_log_view(&log, &view, 2000 * MINUTE_US);
    assert_int_equal(view.calls_last_hour, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_news),
        cmocka_unit_test(test_many_codes),
        cmocka_unit_test(test_calls),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

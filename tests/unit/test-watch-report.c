/* SPDX-License-Identifier: Apache-2.0 */
#include "ctl/watch-report.h"

#include "common/base/clock.h"
#include "tests/unit/unit.h"

#include <locale.h>

#define NOW_US      (UINT64_C(1000) * USEC_PER_SEC)
#define REALTIME_US UINT64_C(1795777516123456) /* 2026-11-27T11:05:16.123Z */

static const struct display plain = {.columns = 80};

static void answer(struct watch_state *state, const char *name, unsigned status, uint64_t ago_s)
{
    instances_add(&state->instances, name, status, 2500, NOW_US - ago_s * USEC_PER_SEC);
    state->polls++;
    state->answered++;
}

static struct watch_state state_new(void)
{
    return (struct watch_state){.now_us = NOW_US, .interval_us = USEC_PER_SEC};
}

static void check(struct buffer *out, const char *want)
{
    assert_false(out->failed);
    assert_string_equal(out->data, want);
    buffer_clear(out);
}

static void test_table(void **unused)
{
    struct watch_state state = state_new();
    struct buffer out;

    buffer_init(&out, 65536);
    assert_int_equal(watch_report_table(&out, "http://h/health", &state, &plain, 24), 0);
    check(&out, "each 1 s  http://h/health\n"
                "0 polls, 0 answered, 0 failed\n"
                "INSTANCE  ANSWERS  SHARE  LAST  STATUS  LATENCY  NOTE\n");
    answer(&state, "i-old", 200, 90);
    answer(&state, "i-new\x1b[31m", 200, 1);
    answer(&state, "i-new\x1b[31m", 200, 0);
    answer(&state, "", 503, 3);
    state.polls += 3;
    state.failures[FAILURE_REFUSED] = 1;
    state.failures[FAILURE_TIMED_OUT] = 2;
    state.left_out = 4;
    assert_int_equal(watch_report_table(&out, "http://h/health", &state, &plain, 24), 0);
    check(&out, "each 1 s  http://h/health\n"
                "7 polls, 4 answered, 3 failed: 1 refused, 2 timed out; 4 left out, too many und~\n"
                "INSTANCE     ANSWERS   SHARE       LAST  STATUS  LATENCY  NOTE\n"
                "i-old              1  25.0 %  1 min ago     200  2.50 ms  silent\n"
                "i-new[31m          2  50.0 %    0 s ago     200  2.50 ms\n"
                "(not named)        1  25.0 %    3 s ago     503  2.50 ms\n");
    buffer_done(&out);
}

/* The table never has more lines than there are rows, and loses no answer. */
static void test_rows(void **unused)
{
    struct watch_state state = state_new();
    char name[16];
    struct buffer out;

    buffer_init(&out, 65536);
    for (unsigned i = 0; i < INSTANCES_MAX + 6; i++) {
        snprintf(name, sizeof(name), "i-%02u", i);
        answer(&state, name, 200, 0);
    }
    for (unsigned rows = 4; rows < 80; rows++) {
        unsigned lines = 0, answers = 0, count;

        assert_int_equal(watch_report_table(&out, "http://h/", &state, &plain, rows), 0);
        for (const char *line = out.data; *line; line = strchr(line, '\n') + 1) {
            lines++;
            if (sscanf(line, "i-%*u %u", &count) == 1 ||
                sscanf(line, "(all others) %u", &count) == 1)
                answers += count;
        }
        assert_true(lines <= rows);
        assert_int_equal(answers, INSTANCES_MAX + 6);
        buffer_clear(&out);
    }
    buffer_done(&out);
}

static void test_silent(void **unused)
{
    struct watch_state state = state_new();

    answer(&state, "a", 200, 10);
    answer(&state, "b", 200, 11);
    assert_false(watch_is_silent(&state, &state.instances.list[0]));
    assert_true(watch_is_silent(&state, &state.instances.list[1]));
    answer(&state, "c", 200, 0); /* three, each second: 15 s for five rounds */
    assert_false(watch_is_silent(&state, &state.instances.list[1]));
    state.interval_us = 100 * USEC_PER_MSEC;
    assert_true(watch_is_silent(&state, &state.instances.list[1]));
}

static void test_line(void **unused)
{
    struct watch_poll good = {
        .instance = "i-a\nb", .is_new = true, .status = 200, .latency_us = 12300};
    struct watch_poll bad = {
        .instance = "", .failure = FAILURE_REFUSED, .text = "no\x1b[2J one", .latency_us = 1000};
    struct buffer out;

    buffer_init(&out, 65536);
    watch_report_line(&out, &good, REALTIME_US, &plain);
    check(&out, "11:05:16Z  200  12.3 ms  i-a b  (new)\n");
    good.is_new = false;
    good.instance = "";
    watch_report_line(&out, &good, REALTIME_US, &plain);
    check(&out, "11:05:16Z  200  12.3 ms  (not named)\n");
    watch_report_line(&out, &bad, REALTIME_US, &plain);
    check(&out, "11:05:16Z  refused: no[2J one\n");
    buffer_done(&out);
}

static void check_json(const struct watch_state *state, const struct watch_poll *poll,
                       const char *want)
{
    CLEANUP_JSON struct json_object *object = watch_report_json(state, poll, REALTIME_US);
    struct buffer out;

    buffer_init(&out, 65536);
    assert_int_equal(json_print(object, false, &out), 0);
    assert_string_equal(out.data, want);
    buffer_done(&out);
}

static void test_json(void **unused)
{
    struct watch_poll good = {.instance = "i-a", .is_new = true, .status = 200, .latency_us = 1500};
    struct watch_poll bad = {.instance = "", .failure = FAILURE_TIMED_OUT, .text = "late"};
    struct watch_state state = state_new();

    answer(&state, "i-a", 200, 0);
    check_json(
        &state, &good,
        "{\"time\":\"2026-11-27T11:05:16.123Z\",\"poll\":1,\"instance\":\"i-a\",\"new\":true,"
        "\"status\":200,\"latency_ms\":1.500,\"failure\":null,\"error\":null,\"instances\":1}");
    check_json(&state, &bad,
               "{\"time\":\"2026-11-27T11:05:16.123Z\",\"poll\":1,\"instance\":null,\"new\":false,"
               "\"status\":null,\"latency_ms\":0.000,\"failure\":\"timed_out\",\"error\":\"late\","
               "\"instances\":1}");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_table), cmocka_unit_test(test_rows), cmocka_unit_test(test_silent),
        cmocka_unit_test(test_line),  cmocka_unit_test(test_json),
    };

    setlocale(LC_CTYPE, "C.UTF-8");
    return cmocka_run_group_tests(tests, NULL, NULL);
}

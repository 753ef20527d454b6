/* SPDX-License-Identifier: Apache-2.0 */
/* The tally of a load, and what is said of it. */
#include "ctl/load-report.h"

#include "common/base/clock.h"
#include "tests/unit/unit.h"

#include <errno.h>
#include <locale.h>

static const struct display plain = {.columns = 80};

static const struct load_options open_loop = {
    .url = "http://example.com/",
    .rate = 50,
    .connections = 1000,
    .for_us = 30 * USEC_PER_SEC,
};
static const struct load_options closed_loop = {
    .url = "http://example.com/\x1b[31m",
    .connections = 10,
    .own_connections = true,
    .data = "message=hi",
    .for_us = 90 * USEC_PER_SEC,
};

static struct load_state *state_new(void)
{
    struct load_state *state = calloc(1, sizeof(*state));

    state->begun_at_us = 100 * USEC_PER_SEC;
    state->now_us = 104 * USEC_PER_SEC;
    state->lately_us = USEC_PER_SEC;
    return state;
}

/* 8 answers, 2 of which are errors, and 3 requests without one. */
static struct load_state *state_mixed(void)
{
    struct load_state *state = state_new();
    struct load_tally *tally = &state->tally;
    static const unsigned statuses[] = {200, 200, 204, 302, 200, 101, 404, 500};

    for (size_t i = 0; i < ARRAY_SIZE(statuses); i++)
        load_tally_answer(tally, statuses[i], 1000 * (i + 1), 100,
                          i % 4 == 3 ? "i-b" : "i-a\x1b[1m", state->now_us);
    load_tally_failure(tally, FAILURE_REFUSED, "nobody\nlistens", false);
    load_tally_failure(tally, FAILURE_REFUSED, "the second isn't kept", false);
    load_tally_failure(tally, FAILURE_TIMED_OUT, "late", true);
    tally->started = 11;
    return state;
}

static void test_tally(void **unused)
{
    CLEANUP_FREE struct load_state *state = state_mixed();
    const struct load_tally *tally = &state->tally;

    assert_int_equal(tally->answered, 8);
    assert_int_equal(tally->sent, 9);
    assert_int_equal(tally->statuses[1], 1);
    assert_int_equal(tally->statuses[2], 4);
    assert_int_equal(tally->statuses[3], 1);
    assert_int_equal(tally->statuses[4], 1);
    assert_int_equal(tally->statuses[5], 1);
    assert_int_equal(tally->bytes, 800);
    assert_int_equal(tally->max_us, 8000);
    assert_int_equal(load_tally_unanswered(tally), 3);
    assert_int_equal(load_tally_failed(tally), 5);
    assert_int_equal(tally->lately.answered, 8);
    load_tally_turn(&state->tally);
    assert_int_equal(tally->lately.answered, 0);
    assert_int_equal(histogram_count(&tally->lately.latency), 0);
    assert_int_equal(histogram_count(&tally->latency), 8);
    load_tally_answer(&state->tally, 999, 1, 0, "", state->now_us); /* a status without a class */
    assert_int_equal(tally->statuses[0], 1);
    assert_int_equal(load_tally_failed(tally), 6);
}

static void check(struct buffer *out, const char *want)
{
    assert_false(out->failed);
    assert_string_equal(out->data, want);
    buffer_clear(out);
}

static void test_plan(void **unused)
{
    struct buffer out;

    buffer_init(&out, 65536);
    load_report_plan(&out, &open_loop);
    check(&out, "Sends GET to http://example.com/: 50 requests/s over up to 1000 connections, for "
                "30 s. Ctrl-C ends it.");
    load_report_plan(&out, &closed_loop);
    check(&out, "Sends POST to http://example.com/[31m: 10 connections, on each the next request "
                "after the answer, each request on a new one, for 1 min 30 s. Ctrl-C ends it.");
    buffer_done(&out);
}

static void test_line(void **unused)
{
    CLEANUP_FREE struct load_state *state = state_mixed(), *empty = state_new();
    struct display narrow = {.columns = 40};
    struct buffer out;

    buffer_init(&out, 65536);
    state->in_flight = 2;
    load_report_line(&out, &closed_loop, state, &plain);
    check(&out, "   4 s  8/s  8 answered  5 failed  p50 4.00 ms  p99 8.00 ms  2 open\n");
    load_report_line(&out, &closed_loop, state, &narrow);
    assert_int_equal(display_width(out.data), 40); /* 39, and the line's end */
    buffer_clear(&out);
    load_pace_init(&empty->pace, 50, empty->begun_at_us, 30 * USEC_PER_SEC);
    load_report_line(&out, &open_loop, empty, &plain);
    check(&out, "   4 s  0/s  0 answered  0 failed  p50 -  p99 -  0 open\n");
    empty->pace.unsent = 20;
    empty->in_flight = 1000;
    load_report_line(&out, &open_loop, empty, &(struct display){.columns = 200});
    check(&out,
          "   4 s  0/s  0 answered  0 failed  181 late  20 unsent  p50 -  p99 -  1000 open\n");
    buffer_done(&out);
}

static void test_summary(void **unused)
{
    CLEANUP_FREE struct load_state *state = state_mixed(), *empty = state_new();
    struct buffer out;

    buffer_init(&out, 65536);
    state->pace.unsent = 7;
    state->tally.instances.others = 2;
    assert_int_equal(load_report_summary(&out, &open_loop, state, &plain), 0);
    check(&out, "11 requests in 4.0 s, 2/s answered, 800 B of bodies\n"
                "  sent        9\n"
                "  answered    8  1xx 1  2xx 4  3xx 1  4xx 1  5xx 1\n"
                "  unanswered  2 refused: nobody listens\n"
                "  unanswered  1 timed out: late\n"
                "  unsent      7: all 1000 connections were busy for 5 s\n"
                "  latency     p50 4.00 ms  p90 8.00 ms  p99 8.00 ms  max 8.00 ms\n"
                "\n"
                "INSTANCE      ANSWERS   SHARE\n"
                "i-a[1m              6  75.0 %\n"
                "i-b                 2  25.0 %\n"
                "(all others)        2  25.0 %\n");
    empty->interrupted = true;
    assert_int_equal(load_report_summary(&out, &closed_loop, empty, &plain), 0);
    check(&out, "0 requests in 4.0 s (interrupted), 0/s answered, 0 B of bodies\n"
                "  sent        0\n"
                "  answered    0\n");
    buffer_done(&out);
    buffer_init(&out, 16); /* too small for a table */
    assert_true(load_report_summary(&out, &open_loop, state, &plain) < 0 || out.failed);
    buffer_done(&out);
}

/* 8193 us are at the low end of a bucket, which its middle stands for. */
static void test_no_quantile_over_the_slowest(void **unused)
{
    CLEANUP_FREE struct load_state *state = state_new();
    struct buffer out;

    load_tally_answer(&state->tally, 200, 8193, 0, "", state->now_us);
    assert_true(histogram_quantile_us(&state->tally.latency, 990) > 8193);
    buffer_init(&out, 65536);
    assert_int_equal(load_report_summary(&out, &closed_loop, state, &plain), 0);
    assert_non_null(strstr(out.data, "p50 8.19 ms  p90 8.19 ms  p99 8.19 ms  max 8.19 ms\n"));
    buffer_done(&out);
}

static void test_json(void **unused)
{
    CLEANUP_FREE struct load_state *state = state_mixed(), *empty = state_new();
    CLEANUP_JSON struct json_object *object = load_report_json(&closed_loop, state);
    CLEANUP_JSON struct json_object *none = load_report_json(&open_loop, empty);
    struct json_object *part;
    int64_t number;

    assert_int_equal(json_get_int64(object, "requests", &number), 0);
    assert_int_equal(number, 11);
    assert_true(json_object_object_get_ex(object, "rate", &part));
    assert_null(part);
    assert_true(json_object_object_get_ex(object, "failures", &part));
    for (enum failure f = 0; f < FAILURES_; f++) {
        assert_int_equal(json_get_int64(part, failure_key(f), &number), 0);
        assert_int_equal(number, state->tally.failures[f]);
        assert_true(*failure_name(f));
    }
    assert_true(json_object_object_get_ex(object, "statuses", &part));
    assert_int_equal(json_get_int64(part, "2xx", &number), 0);
    assert_int_equal(number, 4);
    assert_true(json_object_object_get_ex(object, "instances", &part));
    assert_int_equal(json_object_array_length(part), 2);
    assert_true(json_object_object_get_ex(none, "latency_ms", &part));
    assert_null(part); /* nothing was measured: no zeros */
    assert_int_equal(json_get_int64(none, "rate", &number), 0);
    assert_int_equal(number, 50);
}

static void test_failures(void **unused)
{
    static const struct {
        int error;
        enum failure failure;
    } cases[] = {
        {-ENOENT, FAILURE_NAME},        {-ECONNREFUSED, FAILURE_REFUSED},
        {-ECONNRESET, FAILURE_RESET},   {-ETIMEDOUT, FAILURE_TIMED_OUT},
        {-EBADMSG, FAILURE_BROKEN},     {-EPROTO, FAILURE_PROTOCOL},
        {-EMSGSIZE, FAILURE_TOO_LARGE}, {-ECANCELED, FAILURE_GIVEN_UP},
        {-EIO, FAILURE_OTHER},          {-ELIBACC, FAILURE_OTHER},
    };

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
        assert_int_equal(failure_of(cases[i].error), cases[i].failure);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_tally),
        cmocka_unit_test(test_plan),
        cmocka_unit_test(test_line),
        cmocka_unit_test(test_summary),
        cmocka_unit_test(test_no_quantile_over_the_slowest),
        cmocka_unit_test(test_json),
        cmocka_unit_test(test_failures),
    };

    setlocale(LC_CTYPE, "C.UTF-8");
    return cmocka_run_group_tests(tests, NULL, NULL);
}

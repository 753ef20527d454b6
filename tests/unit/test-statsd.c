/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/observe/statsd.h"

#include "agent/observe/statsd-line.h"
#include "common/base/macro.h"
#include "tests/unit/unit.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>

#define START_US  UINT64_C(1763760000000000)
#define WINDOW_US UINT64_C(10000000)

static const char *const two_dimensions[] = {"route", "method", NULL};
static const char *const no_dimensions[] = {NULL};

struct records {
    struct buffer buffers[8];
    size_t n, max;
    size_t limit;
    unsigned asked;
};

static struct buffer *next_record(void *userdata)
{
    struct records *records = userdata;

    records->asked++;
    if (records->n == records->max)
        return NULL;
    buffer_init(&records->buffers[records->n], records->limit);
    return &records->buffers[records->n++];
}

static void records_done(struct records *records)
{
    for (size_t i = 0; i < records->n; i++)
        buffer_done(&records->buffers[i]);
    *records = (struct records){0};
}

static void feed(struct statsd *statsd, const char *text)
{
    statsd_feed(statsd, text, strlen(text));
}

/* Closes a window; its lines, to be freed. */
static char *close_window(struct statsd *statsd)
{
    struct records records = {.max = 1, .limit = 1 << 20};
    uint64_t dropped;
    char *text;

    statsd_close(statsd, START_US, WINDOW_US, next_record, &records, &dropped);
    assert_int_equal(dropped, 0);
    text = records.n > 0 ? buffer_take(&records.buffers[0], NULL) : NULL;
    records_done(&records);
    return text ? text : strdup("");
}

static struct statsd *new_statsd(const char *const dimensions[], size_t series_max)
{
    struct statsd *statsd;

    assert_int_equal(statsd_new(&statsd, dimensions, series_max), 0);
    return statsd;
}

#define STATISTICS(count, sum, minimum, maximum)                                                   \
    "\"StatisticValues\":{\"SampleCount\":" count ",\"Sum\":" sum ",\"Minimum\":" minimum          \
    ",\"Maximum\":" maximum "}\n"
#define DATUM(dimensions, name, unit, numbers)                                                     \
    dimensions "\t\"MetricName\":\"" name                                                          \
               "\",\"Timestamp\":1763760000,\"StorageResolution\":1,\"Unit\":\"" unit              \
               "\"," numbers
#define DIMENSION(name, value) "{\"Name\":\"" name "\",\"Value\":\"" value "\"}"

static void test_windows(void **state)
{
    static const struct {
        const char *lines, *record;
    } cases[] = {
        {"hits:1|c\nhits:2|c\nhits:-5|c",
         DATUM("", "hits", "Count", STATISTICS("1", "-2", "-2", "-2"))},
        {"hits:1|c|@0.1\nhits:1:2:3|c",
         DATUM("", "hits", "Count", STATISTICS("1", "16", "16", "16"))},
        {"hits:0|c", DATUM("", "hits", "Count", STATISTICS("1", "0", "0", "0"))},
        {"level:5|g\nlevel:+2|g\nlevel:-4|g\nlevel:1|g",
         DATUM("", "level", "None", STATISTICS("4", "16", "1", "7"))},
        {"level:-5|g", DATUM("", "level", "None", STATISTICS("1", "-5", "-5", "-5"))},
        {"level:0|g\nlevel:-5|g|@0.1",
         DATUM("", "level", "None", STATISTICS("2", "-5", "-5", "0"))},
        {"time:1.5|ms|@0.5\ntime:1.5|ms\ntime:300|ms",
         DATUM("", "time", "Milliseconds", "\"Values\":[1.5,300],\"Counts\":[3,1]\n")},
        {"size:7|h\nsize:-7|d\nsize:0|h",
         DATUM("", "size", "None", "\"Values\":[-7,0,7],\"Counts\":[1,1,1]\n")},
        {"users:a|s\nusers:b|s\nusers:a|s\nusers:a:b|s",
         DATUM("", "users", "Count", STATISTICS("1", "3", "3", "3"))},
        {"hits:1|c|#route:/,other:x,method:GET\nhits:1|c|#method:GET,route:/",
         DATUM(DIMENSION("route", "/") "," DIMENSION("method", "GET"), "hits", "Count",
               STATISTICS("1", "2", "2", "2"))},
        {"hits:1|c|#method:GET",
         DATUM(DIMENSION("method", "GET"), "hits", "Count", STATISTICS("1", "1", "1", "1"))},
        /* No value, nothing but blanks, repeated, with ':', controls and quotes. */
        {"hits:1|c|#route,route:,route: ,route:a:b\x01\",route:c,,:x",
         DATUM(DIMENSION("route", "a:b_\\\""), "hits", "Count", STATISTICS("1", "1", "1", "1"))},
        {"x:1|c\nx:1|g", DATUM("", "x", "Count", STATISTICS("1", "1", "1", "1"))
                             DATUM("", "x", "None", STATISTICS("1", "1", "1", "1"))},
        {"_e{1,1}:a|b\n_sc|a|0\nx:1|m\nx:nan|g\n\n", ""},
    };

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        CLEANUP(statsd_freep) struct statsd *statsd = new_statsd(two_dimensions, 10);
        CLEANUP_FREE char *record = NULL, *next = NULL;

        feed(statsd, cases[i].lines);
        record = close_window(statsd);
        assert_string_equal(record, cases[i].record);
        next = close_window(statsd); /* nothing was seen since */
        assert_string_equal(next, "");
    }
}

static void test_gauge_outlives_window(void **state)
{
    CLEANUP(statsd_freep) struct statsd *statsd = new_statsd(no_dimensions, 10);

    feed(statsd, "level:100|g");
    for (int i = 0; i < 3; i++)
        free(close_window(statsd));
    feed(statsd, "level:-1|g");
    CLEANUP_FREE char *record = close_window(statsd);
    assert_non_null(strstr(record, "\"Sum\":99,"));
}

/* A gauge that is pushed out of CloudWatch's range stays where it was. */
static void test_gauge_stays_in_range(void **state)
{
    CLEANUP(statsd_freep) struct statsd *statsd = new_statsd(no_dimensions, 10);

    for (int i = 0; i < 10; i++)
        feed(statsd, "level:+1e84|g");
    CLEANUP_FREE char *record = close_window(statsd);
    assert_non_null(strstr(record, "\"Maximum\":1e+84"));
}

static void test_counts(void **state)
{
    CLEANUP(statsd_freep) struct statsd *statsd = new_statsd(two_dimensions, 2);
    struct statsd_counts counts;

    feed(statsd, "a:1|c\nb:1|c\nc:1|c\na:1|c\n\n");
    feed(statsd, "_e{1,1}:a|b\nx:1|zz\nbad\nb\xc3\xa9:\x1b[31m|c\r\n");
    feed(statsd, "a:1|c|#x:1,y:2,route:/\na:1|c|#route,z");
    statsd_counts(statsd, &counts);
    assert_int_equal(counts.lines, 4); /* the last, its tags dropped, is "a" again */
    assert_int_equal(counts.over_series_max, 2);
    assert_int_equal(counts.passed_over, 2);
    assert_int_equal(counts.bad_lines, 2);
    assert_int_equal(counts.tags_dropped, 4);
    assert_int_equal(counts.series, 2);
    assert_string_equal(counts.last_bad_line, "b_:_[31m|c");
}

static void test_cut_datagrams(void **state)
{
    CLEANUP(statsd_freep) struct statsd *statsd = new_statsd(no_dimensions, 10);
    static const char *const cut[] = {"a:1|c\na:100|c", "a:100|c", "a:1|c\n", "\n\n", "\na:1|c\nb"};
    struct statsd_counts counts;

    for (size_t i = 0; i < ARRAY_SIZE(cut); i++)
        statsd_feed_cut(statsd, cut[i], strlen(cut[i]));
    statsd_counts(statsd, &counts);
    assert_int_equal(counts.lines, 3);
    assert_int_equal(counts.bad_lines, ARRAY_SIZE(cut)); /* something was lost of each */
}

/* Who was silent for long makes room; a gauge, which may be relative, later. */
static void test_idle_series_lose_their_place(void **state)
{
    CLEANUP(statsd_freep) struct statsd *statsd = new_statsd(no_dimensions, 3);
    struct statsd_counts counts;

    feed(statsd, "level:5|g\nhits:1|c\ntime:1|ms");
    for (unsigned s = 0; s <= STATSD_IDLE_S + 10; s += 10) {
        free(close_window(statsd));
        feed(statsd, "hits:1|c");
    }
    statsd_counts(statsd, &counts);
    assert_int_equal(counts.series, 2);
    feed(statsd, "other:1|s\nlevel:+1|g");
    statsd_counts(statsd, &counts);
    assert_int_equal(counts.series, 3);
    assert_int_equal(counts.over_series_max, 0);
    for (unsigned s = 0; s <= STATSD_IDLE_GAUGE_S + 10; s += 10) {
        CLEANUP_FREE char *record = close_window(statsd);

        if (s == 0)
            assert_non_null(strstr(record, "\"Sum\":6,"));
    }
    statsd_counts(statsd, &counts);
    assert_int_equal(counts.series, 0);
}

static void test_set_stays_at_its_limit(void **state)
{
    CLEANUP(statsd_freep) struct statsd *statsd = new_statsd(no_dimensions, 3);
    char line[64];

    for (int round = 0; round < 2; round++)
        for (unsigned i = 0; i < STATSD_SET_MAX + 500; i++) {
            snprintf(line, sizeof(line), "users:user-%u|s", i);
            feed(statsd, line);
        }
    CLEANUP_FREE char *record = close_window(statsd);
    assert_non_null(strstr(record, "\"Sum\":1024,"));
    feed(statsd, "users:user-1|s");
    CLEANUP_FREE char *next = close_window(statsd);
    assert_non_null(strstr(next, "\"Sum\":1,"));
}

/* More values than a datum takes: several datums. */
static void test_distribution_is_cut(void **state)
{
    CLEANUP(statsd_freep) struct statsd *statsd = new_statsd(no_dimensions, 3);
    size_t datums = 0;
    char line[64];

    for (unsigned i = 0; i < 400; i++) { /* 400 buckets: 10 powers of two */
        snprintf(line, sizeof(line), "time:%.17g|ms", exp2(i / 40.0) * 1.0001);
        feed(statsd, line);
    }
    CLEANUP_FREE char *record = close_window(statsd);
    for (const char *at = record; (at = strstr(at, "\"MetricName\":\"time\"")); at++)
        datums++;
    assert_true(datums >= 2 && datums <= 4);
}

static void test_records_are_filled_in_turn(void **state)
{
    CLEANUP(statsd_freep) struct statsd *statsd = new_statsd(no_dimensions, 100);
    struct records records = {.max = 3, .limit = 500};
    uint64_t dropped;
    size_t lines = 0;
    char line[64];

    for (int i = 0; i < 20; i++) {
        snprintf(line, sizeof(line), "metric-%d:1|c", i);
        feed(statsd, line);
    }
    statsd_close(statsd, START_US, WINDOW_US, next_record, &records, &dropped);
    assert_int_equal(records.n, 3);
    assert_int_equal(records.asked, 4); /* the refusal is not asked for again */
    for (size_t i = 0; i < records.n; i++) {
        const char *text = records.buffers[i].data;

        assert_int_equal(text[records.buffers[i].length - 1], '\n');
        for (; (text = strchr(text, '\n')); text++)
            lines++;
    }
    assert_true(dropped > 0);
    assert_int_equal(lines + dropped, 20);
    records_done(&records);

    records = (struct records){.limit = 500}; /* none at all */
    feed(statsd, "a:1|c\nb:1|c\nc:1|ms");
    statsd_close(statsd, START_US, WINDOW_US, next_record, &records, &dropped);
    assert_int_equal(dropped, 3);
    assert_int_equal(records.asked, 1);
}

struct seen {
    unsigned n;
    struct statsd_view last;
};

static void see(const struct statsd_view *view, void *userdata)
{
    struct seen *seen = userdata;

    seen->n++;
    seen->last = *view;
}

static void test_views(void **state)
{
    CLEANUP(statsd_freep) struct statsd *statsd = new_statsd(two_dimensions, 10);
    CLEANUP_FREE char *record = NULL, *next = NULL;
    struct seen seen = {0};

    feed(statsd, "hits:1|c\ntime:2:4:6|ms|@0.5|#method:GET,route:/");
    statsd_each(statsd, see, &seen);
    assert_int_equal(seen.n, 0); /* no window is closed yet */
    record = close_window(statsd);
    statsd_each(statsd, see, &seen);
    assert_int_equal(seen.n, 2);
    assert_string_equal(seen.last.name, "time");
    assert_string_equal(seen.last.unit, "Milliseconds");
    assert_string_equal(seen.last.dimensions, "route=/,method=GET");
    assert_int_equal(seen.last.count, 6);
    assert_true(seen.last.sum == 24 && seen.last.minimum == 2 && seen.last.maximum == 6);
    next = close_window(statsd);
    statsd_each(statsd, see, &seen);
    assert_int_equal(seen.n, 2); /* silent since */
}

static void test_configure(void **state)
{
    static const char *const reserved[] = {"AutoScalingGroupName", "route", "InstanceId", NULL};
    static const char *const too_many[] = {"1", "2", "3", "4", "5", "6", "7", "8", "9", NULL};
    CLEANUP(statsd_freep) struct statsd *statsd = new_statsd(two_dimensions, 10);
    CLEANUP_FREE char *record = NULL;
    struct statsd_counts counts;
    struct statsd *none = NULL;

    assert_int_equal(statsd_new(&none, too_many, 10), -EINVAL);
    assert_null(none);
    feed(statsd, "a:1|c\nb:1|c");
    assert_int_equal(statsd_configure(statsd, two_dimensions, 10), 0);
    statsd_counts(statsd, &counts);
    assert_int_equal(counts.series, 2); /* the same: nothing happens */
    assert_int_equal(statsd_configure(statsd, too_many, 10), -EINVAL);
    assert_int_equal(statsd_configure(statsd, reserved, 1), 0);
    feed(statsd, "a:1|c|#InstanceId:i-1,AutoScalingGroupName:x,route:/,method:GET\nb:1|c");
    statsd_counts(statsd, &counts);
    assert_int_equal(counts.series, 1);
    assert_int_equal(counts.lines, 3);
    assert_int_equal(counts.over_series_max, 1);
    assert_int_equal(counts.tags_dropped, 3);
    record = close_window(statsd);
    assert_string_equal(
        record, DATUM(DIMENSION("route", "/"), "a", "Count", STATISTICS("1", "1", "1", "1")));
}

/* Many, in the table's one place and in many: each is found again. */
static void test_many_series(void **state)
{
    CLEANUP(statsd_freep) struct statsd *statsd = new_statsd(two_dimensions, 1000);
    CLEANUP_FREE char *record = NULL;
    struct statsd_counts counts;
    size_t twos = 0;
    char line[64];

    for (int round = 0; round < 2; round++)
        for (unsigned i = 0; i < 1100; i++) {
            snprintf(line, sizeof(line), "hits:1|c|#route:/%u", i);
            feed(statsd, line);
        }
    statsd_counts(statsd, &counts);
    assert_int_equal(counts.series, 1000);
    assert_int_equal(counts.lines, 2000);
    assert_int_equal(counts.over_series_max, 200);
    record = close_window(statsd);
    for (const char *at = record; (at = strstr(at, "\"Sum\":2,")); at++)
        twos++;
    assert_int_equal(twos, 1000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_windows),
        cmocka_unit_test(test_gauge_outlives_window),
        cmocka_unit_test(test_gauge_stays_in_range),
        cmocka_unit_test(test_counts),
        cmocka_unit_test(test_cut_datagrams),
        cmocka_unit_test(test_idle_series_lose_their_place),
        cmocka_unit_test(test_set_stays_at_its_limit),
        cmocka_unit_test(test_distribution_is_cut),
        cmocka_unit_test(test_records_are_filled_in_turn),
        cmocka_unit_test(test_views),
        cmocka_unit_test(test_configure),
        cmocka_unit_test(test_many_series),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

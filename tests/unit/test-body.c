/* SPDX-License-Identifier: Apache-2.0 */
/* Bodies as CloudWatch wants them: shape, dimensions, limits, and text that needs escaping. */
#include "agent/publish/body.h"

#include "agent/publish/record.h"
#include "common/base/clock.h"
#include "common/base/json.h"
#include "tests/unit/unit.h"

#include <errno.h>
#include <math.h>

#define EPOCH_S 1763760000

struct fixture {
    struct body_settings settings;
    const char *app_names[APPS_MAX];
    struct window window;
    struct buffer record;
    size_t offset;
    struct buffer body;
};

static int set_up(void **state)
{
    struct fixture *fixture = calloc(1, sizeof(*fixture));

    fixture->settings = (struct body_settings){
        .namespace_ = "agentd",
        .asg_name = "",
        .instance_id = "i-0123",
    };
    fixture->app_names[0] = "board";
    fixture->app_names[2] = "shop";
    fixture->window.start_realtime_us = EPOCH_S * USEC_PER_SEC;
    fixture->window.length_us = 10 * USEC_PER_SEC;
    buffer_init(&fixture->body, 4 * 1024 * 1024);
    buffer_init(&fixture->record, 4 * 1024 * 1024);
    *state = fixture;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *fixture = *state;

    for (size_t app = 0; app < APPS_MAX; app++)
        free(fixture->window.distributions[app][METRIC_REQUEST_LATENCY]);
    buffer_done(&fixture->record);
    buffer_done(&fixture->body);
    free(fixture);
    return 0;
}

static struct histogram *add_latency(struct fixture *fixture, size_t app, uint64_t count)
{
    struct histogram *histogram = calloc(1, sizeof(*histogram));

    fixture->window.distributions[app][METRIC_REQUEST_LATENCY] = histogram;
    fixture->window.apps[app][METRIC_REQUEST_LATENCY] =
        (struct window_series){.count = count, .sum = 1, .minimum = 1, .maximum = 1};
    return histogram;
}

/* The window as a record. */
static void start(struct fixture *fixture)
{
    buffer_clear(&fixture->record);
    fixture->offset = 0;
    assert_int_equal(record_append_window(&fixture->record, &fixture->window, fixture->app_names),
                     0);
}

/* The next body of the record in fixture->body: whether there was one. */
static bool next(struct fixture *fixture)
{
    size_t length = 0, skipped = 0;
    struct body body;
    const char *text;

    buffer_clear(&fixture->body);
    body_begin(&body, &fixture->settings);
    assert_int_equal(
        body_add(&body, fixture->record.data, fixture->record.length, &fixture->offset, &skipped),
        0);
    assert_int_equal(skipped, 0);
    text = body_end(&body, &length);
    if (text)
        assert_int_equal(buffer_append(&fixture->body, text, length), 0);
    body_done(&body);
    return text;
}

/* The only body of the window, parsed. */
static struct json_object *only_body(struct fixture *fixture)
{
    struct json_object *parsed = NULL;
    start(fixture);
    assert_true(next(fixture));
    assert_int_equal(json_parse(fixture->body.data, fixture->body.length, &parsed), 0);
    assert_int_equal(fixture->body.length, strlen(fixture->body.data));
    assert_int_equal(fixture->offset, fixture->record.length);
    return parsed;
}

static struct json_object *datums_of(struct json_object *body)
{
    struct json_object *datums;

    assert_int_equal(json_get_array(body, "MetricData", &datums), 0);
    return datums;
}

static double number(struct json_object *object, const char *key)
{
    struct json_object *value;

    assert_true(json_object_object_get_ex(object, key, &value));
    return json_object_get_double(value);
}

/* "AutoScalingGroupName=fleet App=board" */
static const char *dimensions_of(struct json_object *datum, char text[256])
{
    struct json_object *list;
    size_t length = 0;

    text[0] = '\0';
    assert_int_equal(json_get_array(datum, "Dimensions", &list), 0);
    for (size_t i = 0; i < json_object_array_length(list); i++) {
        const char *name, *value;

        assert_int_equal(json_get_string(json_object_array_get_idx(list, i), "Name", &name), 0);
        assert_int_equal(json_get_string(json_object_array_get_idx(list, i), "Value", &value), 0);
        length +=
            (size_t) snprintf(text + length, 256 - length, "%s%s=%s", i ? " " : "", name, value);
    }
    return text;
}

static void test_exact_text(void **state)
{
    struct fixture *fixture = *state;
    struct histogram *latency = add_latency(fixture, 2, 5);
    fixture->window.host[METRIC_CPU_UTILIZATION] =
        (struct window_series){.count = 10, .sum = 123.25, .minimum = 0, .maximum = 0.1};
    histogram_add(latency, 7, 2);
    histogram_add(latency, 1500, 3);
    start(fixture);
    assert_true(next(fixture));
    assert_string_equal(
        fixture->body.data,
        "{\"Namespace\":\"agentd\",\"MetricData\":["
        "{\"Dimensions\":[{\"Name\":\"InstanceId\",\"Value\":\"i-0123\"}],"
        "\"MetricName\":\"CPUUtilization\","
        "\"Timestamp\":1763760000,\"StorageResolution\":1,\"Unit\":\"Percent\","
        "\"StatisticValues\":{\"SampleCount\":10,\"Sum\":123.25,\"Minimum\":0,\"Maximum\":0.1}},"
        "{\"Dimensions\":[{\"Name\":\"InstanceId\",\"Value\":\"i-0123\"},"
        "{\"Name\":\"App\",\"Value\":\"shop\"}],"
        "\"MetricName\":\"RequestLatency\","
        "\"Timestamp\":1763760000,\"StorageResolution\":1,\"Unit\":\"Milliseconds\","
        "\"Values\":[0.007,1.487],\"Counts\":[2,3]}]}");
}

static void test_empty(void **state)
{
    struct fixture *fixture = *state;
    start(fixture);
    assert_false(next(fixture));
    assert_int_equal(fixture->body.length, 0);
}

static void test_dimensions(void **state)
{
    static const struct {
        const char *asg_name, *instance_id;
        bool per_instance;
        const char *host[3], *app[3];
    } cases[] = {
        {NULL, "i-1", false, {"InstanceId=i-1"}, {"InstanceId=i-1 App=board"}},
        {"", "i-1", true, {"InstanceId=i-1"}, {"InstanceId=i-1 App=board"}},
        {"fleet",
         "i-1",
         false,
         {"AutoScalingGroupName=fleet"},
         {"AutoScalingGroupName=fleet App=board"}},
        {"fleet",
         "i-1",
         true,
         {"AutoScalingGroupName=fleet", "AutoScalingGroupName=fleet InstanceId=i-1"},
         {"AutoScalingGroupName=fleet App=board",
          "AutoScalingGroupName=fleet InstanceId=i-1 App=board"}},
        {"fleet",
         "",
         true,
         {"AutoScalingGroupName=fleet"},
         {"AutoScalingGroupName=fleet App=board"}},
        {"", "", true, {""}, {"App=board"}},
    };
    struct fixture *fixture = *state;

    fixture->window.host[METRIC_AGENT_CPU] = (struct window_series){1, 2, 2, 2};
    fixture->window.apps[0][METRIC_IN_FLIGHT] = (struct window_series){1, 3, 3, 3};
    /* An index without a name is no app. */
    fixture->window.apps[1][METRIC_IN_FLIGHT] = (struct window_series){1, 4, 4, 4};
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        CLEANUP_JSON struct json_object *body = NULL;
        struct json_object *datums;
        size_t at = 0;
        char text[256];

        fixture->settings.asg_name = cases[i].asg_name;
        fixture->settings.instance_id = cases[i].instance_id;
        fixture->settings.per_instance = cases[i].per_instance;
        body = only_body(fixture);
        datums = datums_of(body);
        for (size_t k = 0; cases[i].host[k]; k++)
            assert_string_equal(dimensions_of(json_object_array_get_idx(datums, at++), text),
                                cases[i].host[k]);
        for (size_t k = 0; cases[i].app[k]; k++)
            assert_string_equal(dimensions_of(json_object_array_get_idx(datums, at++), text),
                                cases[i].app[k]);
        assert_int_equal(at, json_object_array_length(datums));
    }
}

static void test_every_metric(void **state)
{
    struct fixture *fixture = *state;
    CLEANUP_JSON struct json_object *body = NULL;
    struct json_object *datums;
    size_t at = 0;

    for (enum metric metric = 0; metric < METRIC_COUNT_; metric++)
        if (metric_info(metric)->scope != METRIC_APP)
            fixture->window.host[metric] = (struct window_series){1, 1, 1, 1};
        else
            fixture->window.apps[0][metric] = (struct window_series){1, 1, 1, 1};
    histogram_add(add_latency(fixture, 0, 1), 5, 1);
    body = only_body(fixture);
    datums = datums_of(body);
    assert_int_equal(json_object_array_length(datums), METRIC_COUNT_);
    for (int scope_app = 0; scope_app < 2; scope_app++)
        for (enum metric metric = 0; metric < METRIC_COUNT_; metric++) {
            const struct metric_info *info = metric_info(metric);
            struct json_object *datum, *statistics;
            bool distribution = info->kind == METRIC_DISTRIBUTION;
            const char *name, *unit;

            if ((info->scope == METRIC_APP) != scope_app)
                continue;
            datum = json_object_array_get_idx(datums, at++);
            assert_int_equal(json_get_string(datum, "MetricName", &name), 0);
            assert_string_equal(name, info->name);
            assert_int_equal(json_get_string(datum, "Unit", &unit), 0);
            assert_string_equal(unit, info->unit);
            statistics = json_object_object_get(datum, "StatisticValues");
            assert_true(
                json_object_is_type(statistics, distribution ? json_type_null : json_type_object));
        }
}

static void test_time(void **state)
{
    static const struct {
        uint64_t start_us, length_us;
        const char *text;
    } cases[] = {
        {UINT64_C(1763760000000000), 10000000, "\"Timestamp\":1763760000,\"StorageResolution\":1,"},
        {UINT64_C(1763760000000000), 60000000,
         "\"Timestamp\":1763760000,\"StorageResolution\":60,"},
        {UINT64_C(1763760009001000), 10000000,
         "\"Timestamp\":1763760009.001,\"StorageResolution\":1,"},
        {UINT64_C(1763760009120999), 10000000,
         "\"Timestamp\":1763760009.120,\"StorageResolution\":1,"},
    };
    struct fixture *fixture = *state;

    fixture->window.host[METRIC_AGENT_CPU] = (struct window_series){1, 2, 2, 2};
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        fixture->window.start_realtime_us = cases[i].start_us;
        fixture->window.length_us = cases[i].length_us;
        json_object_put(only_body(fixture));
        assert_non_null(strstr(fixture->body.data, cases[i].text));
    }
}

static void test_numbers(void **state)
{
    static const struct {
        double value;
        const char *text; /* NULL: the datum isn't printed */
    } cases[] = {
        {0, "\"Sum\":0,"},
        {-0.0, "\"Sum\":0,"},
        {0.1 + 0.2, "\"Sum\":0.3,"},
        {9007199254740991.0, "\"Sum\":9007199254740991,"},
        {1e18, "\"Sum\":1e+18,"},
        {1e-7, "\"Sum\":1e-07,"},
        {100.0 / 3, "\"Sum\":33.3333333333333,"},
        {-12.5, "\"Sum\":-12.5,"},
        {NAN, NULL},
        {INFINITY, NULL},
        {-INFINITY, NULL},
    };
    struct fixture *fixture = *state;

    fixture->window.host[METRIC_CPU_STEAL] = (struct window_series){1, 1, 1, 1};
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        CLEANUP_JSON struct json_object *body = NULL;

        fixture->window.host[METRIC_CPU_UTILIZATION] =
            (struct window_series){2, cases[i].value, cases[i].value, cases[i].value};
        body = only_body(fixture);
        assert_int_equal(json_object_array_length(datums_of(body)), cases[i].text ? 2 : 1);
        if (cases[i].text)
            assert_non_null(strstr(fixture->body.data, cases[i].text));
        assert_null(strstr(fixture->body.data, "nan"));
        assert_null(strstr(fixture->body.data, "inf"));
    }
    /* A sum may overflow though no sample did. */
    fixture->window.host[METRIC_CPU_UTILIZATION] =
        (struct window_series){2, INFINITY, 1e308, 1.5e308};
    json_object_put(only_body(fixture));
    assert_null(strstr(fixture->body.data, "CPUUtilization"));
}

static void test_escaping(void **state)
{
    static const struct {
        const char *text, *expected; /* as read back */
    } cases[] = {
        {"plain", "plain"},
        {"a\"b\\c/", "a\"b\\c/"},
        {"tab\tnew\nline\x7f\x01", "tab\tnew\nline\x7f\x01"},
        {"gr\xc3\xbc\xc3\x9f \xe2\x82\xac \xf0\x9f\x98\x80",
         "gr\xc3\xbc\xc3\x9f \xe2\x82\xac \xf0\x9f\x98\x80"},
        {"\xff", "\xef\xbf\xbd"},
        {"a\xc3", "a\xef\xbf\xbd"},                               /* cut off */
        {"\xed\xa0\x80", "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd"}, /* a surrogate */
        {"\xc0\xaf", "\xef\xbf\xbd\xef\xbf\xbd"},                 /* overlong */
        {"\xf4\x90\x80\x80!", "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd!"},
    };
    struct fixture *fixture = *state;

    fixture->window.host[METRIC_AGENT_CPU] = (struct window_series){1, 2, 2, 2};
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        CLEANUP_JSON struct json_object *body = NULL;
        const char *namespace;
        char text[256], expected[256];

        fixture->settings.namespace_ = cases[i].text;
        fixture->settings.asg_name = cases[i].text;
        body = only_body(fixture);
        assert_int_equal(json_get_string(body, "Namespace", &namespace), 0);
        assert_string_equal(namespace, cases[i].expected);
        snprintf(expected, sizeof(expected), "AutoScalingGroupName=%s", cases[i].expected);
        assert_string_equal(dimensions_of(json_object_array_get_idx(datums_of(body), 0), text),
                            expected);
    }
}

/* Every bucket is filled: 737 values need five datums, and none is lost or doubled. */
static void test_many_values(void **state)
{
    struct fixture *fixture = *state;
    struct histogram *latency = add_latency(fixture, 0, 1), back = {0};
    CLEANUP_JSON struct json_object *body = NULL;
    struct json_object *datums;
    double last = -1;

    for (size_t i = 0; i < HISTOGRAM_BUCKETS; i++)
        latency->counts[i] = i + 1;
    body = only_body(fixture);
    datums = datums_of(body);
    assert_int_equal(json_object_array_length(datums), 5);
    for (size_t i = 0; i < 5; i++) {
        struct json_object *datum = json_object_array_get_idx(datums, i), *values, *counts;
        size_t n;

        assert_int_equal(json_get_array(datum, "Values", &values), 0);
        assert_int_equal(json_get_array(datum, "Counts", &counts), 0);
        n = json_object_array_length(values);
        assert_int_equal(n, json_object_array_length(counts));
        assert_int_equal(n, i < 4 ? RECORD_VALUES_MAX : HISTOGRAM_BUCKETS - 4 * RECORD_VALUES_MAX);
        assert_true(number(datum, "Timestamp") == EPOCH_S);
        for (size_t k = 0; k < n; k++) {
            double ms = json_object_get_double(json_object_array_get_idx(values, k));

            assert_true(ms > last);
            last = ms;
            histogram_add(&back, (uint64_t) llround(ms * 1000),
                          (uint64_t) json_object_get_int64(json_object_array_get_idx(counts, k)));
        }
    }
    assert_memory_equal(&back, latency, sizeof(back));
}

/* Whatever the limits, all bodies together hold each datum of the whole once, in order. */
static void test_limits(void **state)
{
    static const struct {
        size_t limit_bytes, datums_max;
        size_t least_bodies;
    } cases[] = {{0, 0, 1}, {0, 2, 30}, {0, 7, 9}, {8192, 0, 2}, {5000, 3, 20}, {100000, 1000, 1}};
    struct fixture *fixture = *state;
    CLEANUP_JSON struct json_object *whole = NULL;
    struct histogram *latency;

    fixture->settings.asg_name = "fleet";
    fixture->settings.per_instance = true;
    for (enum metric metric = 0; metric < METRIC_COUNT_; metric++)
        for (size_t app = 0; app < 3; app++) {
            fixture->window.host[metric] = (struct window_series){1, metric, metric, metric};
            fixture->window.apps[app][metric] = (struct window_series){1, (double) app, 1, 1};
        }
    latency = add_latency(fixture, 0, 1);
    for (size_t i = 0; i < 160; i++)
        latency->counts[i] = 1;
    whole = only_body(fixture);

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        size_t bodies = 0, at = 0;

        fixture->settings.limit_bytes = cases[i].limit_bytes;
        fixture->settings.datums_max = cases[i].datums_max;
        start(fixture);
        while (next(fixture)) {
            CLEANUP_JSON struct json_object *body = NULL;
            struct json_object *datums;

            bodies++;
            assert_int_equal(json_parse(fixture->body.data, fixture->body.length, &body), 0);
            datums = datums_of(body);
            if (cases[i].datums_max)
                assert_true(json_object_array_length(datums) <= cases[i].datums_max);
            if (cases[i].limit_bytes)
                assert_true(fixture->body.length <= cases[i].limit_bytes);
            for (size_t k = 0; k < json_object_array_length(datums); k++)
                assert_true(json_object_equal(json_object_array_get_idx(datums, k),
                                              json_object_array_get_idx(datums_of(whole), at++)));
        }
        assert_int_equal(at, json_object_array_length(datums_of(whole)));
        assert_true(bodies >= cases[i].least_bodies);
    }
}

/* A datum that is over the limits by itself is passed over and counted; nonsense too. */
static void test_skipped(void **state)
{
    static const char record[] =
        "no tab\n"
        "\t\n"
        "\t\"MetricName\":\"A\"\n"
        "{\"Name\":\"N\",\"Value\":\"long long long long\"}\t\"MetricName\":\"B\"\n"
        "\t\"MetricName\":\"C\"\n"
        "\t\"MetricName\":\"torn\"";
    struct body_settings settings = {.namespace_ = "n", .limit_bytes = 75};
    size_t offset = 0, skipped = 0, length;
    struct body body;

    body_begin(&body, &settings);
    assert_int_equal(body_add(&body, record, strlen(record), &offset, &skipped), 0);
    assert_int_equal(skipped, 2);
    assert_string_equal(body_end(&body, &length), "{\"Namespace\":\"n\",\"MetricData\":["
                                                  "{\"Dimensions\":[],\"MetricName\":\"A\"}]}");
    body_done(&body);
    body_begin(&body, &settings);
    assert_int_equal(body_add(&body, record, strlen(record), &offset, &skipped), 0);
    assert_int_equal(skipped, 4);
    assert_int_equal(offset, strlen(record));
    assert_non_null(strstr(body_end(&body, &length), "\"C\""));
    body_done(&body);
    body_begin(&body, &settings);
    assert_null(body_end(&body, &length));
    body_done(&body);
}

/* A record that can't take a line is as it was. */
static void test_small_buffer(void **state)
{
    struct record_datum datum = {.name = "Name", .unit = "Count", .count = 1};
    CLEANUP_FREE char *name = malloc(RECORD_LINE_MAX + 1);
    struct buffer small;

    buffer_init(&small, 30);
    buffer_append_string(&small, "before");
    assert_int_equal(record_append(&small, &datum), -ENOBUFS);
    assert_string_equal(small.data, "before");
    buffer_done(&small);

    memset(name, 'x', RECORD_LINE_MAX);
    name[RECORD_LINE_MAX] = '\0';
    datum.name = name;
    buffer_init(&small, 2 * RECORD_LINE_MAX);
    assert_int_equal(record_append(&small, &datum), -EINVAL);
    assert_int_equal(small.length, 0);
    buffer_done(&small);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_exact_text), TEST(test_empty),   TEST(test_dimensions),   TEST(test_every_metric),
        TEST(test_time),       TEST(test_numbers), TEST(test_escaping),     TEST(test_many_values),
        TEST(test_limits),     TEST(test_skipped), TEST(test_small_buffer),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Answers as values: complete ones, old ones, wrong ones, hostile ones. */
#include "tests/unit/top-fixture.h"

#include <math.h>

static struct top_model *make(void)
{
    struct top_model *model = calloc(1, sizeof(*model));

    assert_non_null(model);
    top_model_init(model);
    return model;
}

static void take_status(struct top_model *model, const char *text)
{
    CLEANUP_JSON struct json_object *object = json_of(text);

    top_model_take_status(model, object, FIXTURE_NOW_US);
}

static void take_events(struct top_model *model, const char *text)
{
    CLEANUP_JSON struct json_object *object = json_of(text);

    top_model_take_events(model, object);
}

static void take_history(struct top_model *model, const char *text)
{
    CLEANUP_JSON struct json_object *object = json_of(text);

    top_model_take_history(model, object);
}

static void test_complete(void **state)
{
    CLEANUP_FREE struct top_model *model = fixture_model();

    assert_int_equal(model->link, TOP_LINK_UP);
    assert_string_equal(model->verdict, "pass");
    assert_true(fabs(model->cpu_percent - 85) < 0.01);
    assert_true(fabs(model->requests_per_second - 136.4) < 0.01); /* api has none */
    assert_true(fabs(model->p99_ms - 9.87) < 0.001);
    assert_int_equal(model->n_apps, 2);
    assert_int_equal(model->n_workers, 5);
    assert_int_equal(model->apps[1].first_worker, 4);
    assert_string_equal(model->workers[2].last_exit, "killed by SIGSEGV after 41 min");
    assert_true(isnan(model->workers[3].cpu_percent));
    assert_true(model->stress.known && model->stress.on && !model->stress.normal_priority);
    assert_int_equal(model->stress.cores, 0);
    assert_int_equal(model->publish.age_s, 11);
    assert_int_equal(model->publish.waiting, 2);
    assert_int_equal(model->n_events, 9);
    assert_int_equal(model->last_event_id, 9);
    assert_string_equal(model->events[8].time, "22:25:09");
    assert_int_equal(model->events[7].severity, TOP_ERROR);
    assert_int_equal(model->history.n_points, 120);
    assert_int_equal(model->history.number, 1200);
    assert_true(isnan(model->history.values[TOP_CPU][0]));
    assert_true(fabs(top_model_errors_per_second(model)) < 0.01);
}

static void test_nothing(void **state)
{
    CLEANUP_FREE struct top_model *model = make();

    take_status(model, "{}");
    take_events(model, "{}");
    take_history(model, "{}");
    assert_int_equal(model->link, TOP_LINK_UP);
    assert_true(isnan(model->cpu_percent) && isnan(model->requests_per_second));
    assert_true(isnan(top_model_errors_per_second(model)));
    assert_false(model->stress.known);
    assert_int_equal(model->publish.age_s, -1);
    assert_int_equal(model->n_apps + model->n_workers + model->n_events, 0);
    assert_int_equal(model->history.n_points, 0);
}

/* Members of another type are none; numbers beyond reason don't reach an array's index. */
static void test_wrong(void **state)
{
    CLEANUP_FREE struct top_model *model = make();

    take_status(model, "{'version':7,'host':[],'stress':{'on':'yes','load':'x','cores':-4},"
                       "'publish':{'last_success':'2026-13-45T99:00:00Z','cloudwatch':3},"
                       "'apps':[null,7,{'name':{},'workers':'none','ready':-1},"
                       "{'workers':[null,{'slot':99999999999,'pid':-5,'state':[]}]}]}");
    assert_string_equal(model->version, "");
    assert_true(model->stress.known && !model->stress.on);
    assert_int_equal(model->stress.cores, 0);
    assert_int_equal(model->publish.age_s, -1);
    assert_int_equal(model->n_apps, 4);
    assert_int_equal(model->n_workers, 2);
    assert_int_equal(model->workers[1].slot, 9999);
    take_events(model,
                "{'last_id':-7,'events':[null,{'id':'x','time':'short'},{'id':1,'slot':-3}]}");
    assert_int_equal(model->last_event_id, 0);
    assert_int_equal(model->n_events, 3);
    take_history(model, "{'points':99999999,'number':-1,'interval_seconds':0,"
                        "'series':{'cpu':[1,'x',null,{},-3,2.5],'p99_ms':7}}");
    assert_int_equal(model->history.n_points, TOP_POINTS_MAX);
    assert_true(model->history.interval_s > 0);
    assert_true(fabs(model->history.values[TOP_CPU][TOP_POINTS_MAX - 1] - 2.5) < 1e-9);
    assert_true(isnan(model->history.values[TOP_CPU][TOP_POINTS_MAX - 2]));
    assert_true(isnan(model->history.values[TOP_CPU][TOP_POINTS_MAX - 4]));
    assert_true(fabs(model->history.values[TOP_CPU][TOP_POINTS_MAX - 6] - 1) < 1e-9);
    assert_true(isnan(model->history.values[TOP_P99][TOP_POINTS_MAX - 1]));
}

/* More of everything than there is room for. */
static void test_too_much(void **state)
{
    CLEANUP_FREE struct top_model *model = make();
    CLEANUP_JSON struct json_object *status = json_object_new_object();
    struct json_object *apps = json_object_new_array();

    for (unsigned i = 0; i < APPS_MAX + 3; i++) {
        struct json_object *app = json_object_new_object(), *workers = json_object_new_array();

        for (unsigned w = 0; w < 2 * APP_SLOTS_MAX; w++)
            json_object_array_add(workers, json_object_new_object());
        json_add_string(app, "name", "a-name-that-is-much-longer-than-any-name-of-an-app-may-be");
        json_add(app, "workers", workers);
        json_object_array_add(apps, app);
    }
    json_add(status, "apps", apps);
    top_model_take_status(model, status, FIXTURE_NOW_US);
    assert_int_equal(model->n_apps, APPS_MAX);
    assert_int_equal(model->n_workers, TOP_WORKERS_MAX);
    assert_int_equal(model->n_left_out, TOP_WORKERS_MAX);
    assert_int_equal(strlen(model->apps[0].name), APP_NAME_MAX);
}

static void test_events(void **state)
{
    CLEANUP_FREE struct top_model *model = make();
    CLEANUP_JSON struct json_object *many = json_object_new_object();
    struct json_object *events = json_object_new_array();

    assert_int_equal(model->last_event_id, -1);
    take_events(model, "{'last_id':2,'events':[{'id':1},{'id':2}]}");
    take_events(model, "{'last_id':3,'events':[{'id':2},{'id':3}]}"); /* 2 is known */
    assert_int_equal(model->n_events, 3);
    take_events(model, "{'last_id':1,'events':[{'id':1}]}"); /* counts anew */
    assert_int_equal(model->n_events, 1);
    /* Was away: whatever it counts, all is taken. */
    top_model_lose(model, "gone");
    assert_int_equal(model->link, TOP_LINK_NEW);
    take_events(model, "{'last_id':5,'events':[{'id':1},{'id':5}]}");
    assert_int_equal(model->n_events, 2);
    for (int i = 6; i < 6 + 2 * (int) TOP_EVENTS_MAX; i++) {
        struct json_object *event = json_object_new_object();

        json_add_u64(event, "id", (uint64_t) i);
        json_object_array_add(events, event);
    }
    json_add_u64(many, "last_id", 5 + 2 * TOP_EVENTS_MAX);
    json_add(many, "events", events);
    top_model_take_events(model, many);
    assert_int_equal(model->n_events, TOP_EVENTS_MAX);
    assert_int_equal(model->events[0].id, 6 + TOP_EVENTS_MAX);
    assert_int_equal(model->events[TOP_EVENTS_MAX - 1].id, 5 + 2 * TOP_EVENTS_MAX);
}

static void test_away(void **state)
{
    CLEANUP_FREE struct top_model *model = fixture_model();
    CLEANUP_JSON struct json_object *status = fixture_json("status.json");

    top_model_lose(model, "Connection refused");
    assert_int_equal(model->link, TOP_LINK_AWAY);
    assert_string_equal(model->away, "Connection refused");
    assert_int_equal(model->n_workers, 5); /* still shown */
    top_model_take_status(model, status, FIXTURE_NOW_US);
    assert_int_equal(model->link, TOP_LINK_UP);
    assert_string_equal(model->away, "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_complete), cmocka_unit_test(test_nothing),
        cmocka_unit_test(test_wrong),    cmocka_unit_test(test_too_much),
        cmocka_unit_test(test_events),   cmocka_unit_test(test_away),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

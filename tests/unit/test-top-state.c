/* SPDX-License-Identifier: Apache-2.0 */
/* Keys, and that nothing is changed without a yes. */
#include "tests/unit/top-fixture.h"

#include <ctype.h>

#define PAGE 3u

static struct top_state start(void)
{
    struct top_state state;

    top_state_init(&state);
    return state;
}

static enum top_action press(struct top_state *state, const struct top_model *model, int key)
{
    return top_state_key(state, model, key, PAGE, 1);
}

static void test_rows(void **unused)
{
    CLEANUP_FREE struct top_model *model = fixture_model();
    struct top_row row;

    assert_int_equal(top_rows(model), 7);
    assert_true(top_row_at(model, 0, &row));
    assert_null(row.worker);
    assert_true(top_row_at(model, 4, &row));
    assert_string_equal(row.worker->state, "backoff");
    assert_true(top_row_at(model, 5, &row));
    assert_null(row.worker);
    assert_string_equal(row.app->name, "api");
    assert_true(top_row_at(model, 6, &row));
    assert_int_equal(row.worker->pid, 4301);
    assert_false(top_row_at(model, 7, &row));
    assert_false(top_row_at(model, SIZE_MAX, &row));
}

static void test_choosing(void **unused)
{
    static const struct {
        int key, selected;
    } steps[] = {
        {TOP_KEY_UP, 0},   {TOP_KEY_UP, 0},   {TOP_KEY_DOWN, 1},
        {'j', 2},          {'k', 1},          {TOP_KEY_PAGE_DOWN, 4},
        {' ', 6},          {TOP_KEY_DOWN, 6}, {TOP_KEY_PAGE_UP, 3},
        {TOP_KEY_END, 6},  {TOP_KEY_HOME, 0}, {'G', 6},
        {'g', 0},          {'x', 0},          {TOP_KEY_ESCAPE, -1},
        {TOP_KEY_DOWN, 0},
    };
    CLEANUP_FREE struct top_model *model = fixture_model();
    struct top_state state = start();

    assert_int_equal(state.selected, -1);
    for (size_t i = 0; i < ARRAY_SIZE(steps); i++) {
        assert_int_equal(press(&state, model, steps[i].key), TOP_NOTHING);
        assert_int_equal(state.selected, steps[i].selected);
    }
    /* The table shrinks, also to nothing. */
    state.selected = 6;
    model->n_apps = 1;
    model->n_workers = 4;
    top_state_refresh(&state, model, 1);
    assert_int_equal(state.selected, 4);
    model->n_apps = model->n_workers = 0;
    top_state_refresh(&state, model, 1);
    assert_int_equal(state.selected, -1);
    press(&state, model, TOP_KEY_DOWN);
    press(&state, model, TOP_KEY_HOME);
    assert_int_equal(state.selected, -1);
}

static void test_questions(void **unused)
{
    static const struct {
        bool on;
        int key;
        enum top_overlay overlay;
        enum top_action action;
    } cases[] = {
        {false, 's', TOP_ASK_STRESS_ON, TOP_STRESS_START},
        {true, 's', TOP_ASK_STRESS_OFF, TOP_STRESS_STOP},
        {false, 'r', TOP_ASK_RELOAD, TOP_RELOAD},
        {false, '?', TOP_HELP, TOP_NOTHING},
    };
    CLEANUP_FREE struct top_model *model = fixture_model();

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct top_state state = start();

        model->stress.on = cases[i].on;
        /* Every key but y closes it and does nothing, q too. */
        for (int key = 0; key < 256; key++) {
            if (tolower(key) == 'y')
                continue;
            assert_int_equal(press(&state, model, cases[i].key), TOP_NOTHING);
            assert_int_equal(state.overlay, cases[i].overlay);
            assert_int_equal(press(&state, model, key), TOP_NOTHING);
            assert_int_equal(state.overlay, TOP_NO_OVERLAY);
        }
        press(&state, model, cases[i].key);
        assert_int_equal(press(&state, model, 'y'), cases[i].action);
        assert_int_equal(state.overlay, TOP_NO_OVERLAY);
        assert_int_equal(press(&state, model, 'y'), TOP_NOTHING);
        assert_int_equal(press(&state, model, 'q'), TOP_QUIT);
    }
}

/* An agentd without stress mode is not asked for it. */
static void test_no_stress(void **unused)
{
    CLEANUP_FREE struct top_model *model = fixture_model();
    struct top_state state = start();

    model->stress = (struct top_stress){.known = false};
    press(&state, model, 's');
    assert_int_equal(state.overlay, TOP_NO_OVERLAY);
    assert_true(state.message_bad);
    assert_non_null(strstr(state.message, "no stress mode"));
}

static void test_messages(void **unused)
{
    CLEANUP_FREE struct top_model *model = fixture_model();
    struct top_state state = start();

    top_state_say(&state, false, 0, "stays");
    top_state_refresh(&state, model, UINT64_MAX);
    assert_string_equal(state.message, "stays");
    top_state_say(&state, true, 100, "goes");
    top_state_refresh(&state, model, 99);
    assert_string_equal(state.message, "goes");
    top_state_refresh(&state, model, 100);
    assert_string_equal(state.message, "");
    top_state_say(&state, true, 0, "by a key");
    press(&state, model, TOP_KEY_ESCAPE);
    assert_string_equal(state.message, "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rows),      cmocka_unit_test(test_choosing),
        cmocka_unit_test(test_questions), cmocka_unit_test(test_no_stress),
        cmocka_unit_test(test_messages),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

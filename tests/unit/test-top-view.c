/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The screen of a fixed node, to the letter, in tests/data/top/WIDTHxHEIGHT[-WHAT].txt. After a
 * change of the layout: look at what AGENTD_WRITE_GOLDEN=1 writes there before it is committed.
 */
#include "tests/unit/top-fixture.h"

#include <locale.h>
#include <math.h>

static const struct graph_look colored = {.color = true}, plain = {.color = false},
                               ascii = {.ascii = true};

static struct grid draw(const struct top_model *model, const struct top_state *state,
                        const struct graph_look *look, unsigned columns, unsigned rows)
{
    struct grid grid;

    assert_int_equal(grid_init(&grid, columns, rows), 0);
    top_view(&grid, look, model, state);
    return grid;
}

static void write_golden(const char *name, const char *text)
{
    char path[PATH_MAX];
    FILE *file;

    snprintf(path, sizeof(path), "%s/top/%s", TEST_DATA, name);
    file = fopen(path, "we");
    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
}

static void check(const struct grid *grid, const char *name)
{
    CLEANUP_FREE char *wanted = NULL;
    struct buffer out;

    buffer_init(&out, 1024 * 1024);
    grid_print(grid, &out);
    if (getenv("AGENTD_WRITE_GOLDEN"))
        write_golden(name, out.data);
    wanted = fixture_read(name);
    if (strcmp(out.data, wanted) != 0)
        fail_msg("%s differs; this is drawn:\n%s", name, out.data);
    buffer_done(&out);
}

static void test_golden(void **unused)
{
    static const struct {
        unsigned columns, rows;
        const struct graph_look *look;
        int selected;
        enum top_overlay overlay;
        bool away;
        const char *name;
    } cases[] = {
        {80, 24, &colored, -1, TOP_NO_OVERLAY, false, "80x24.txt"},
        {200, 50, &colored, -1, TOP_NO_OVERLAY, false, "200x50.txt"},
        {80, 24, &plain, -1, TOP_NO_OVERLAY, false, "80x24-no-color.txt"},
        {80, 24, &ascii, -1, TOP_NO_OVERLAY, false, "80x24-ascii.txt"},
        {80, 24, &colored, 3, TOP_NO_OVERLAY, false, "80x24-chosen.txt"},
        {80, 24, &colored, -1, TOP_HELP, false, "80x24-help.txt"},
        {80, 24, &colored, -1, TOP_ASK_STRESS_ON, false, "80x24-stress.txt"},
        {80, 24, &colored, -1, TOP_NO_OVERLAY, true, "80x24-away.txt"},
        {60, 12, &colored, 6, TOP_NO_OVERLAY, false, "60x12.txt"},
        {40, 6, &colored, -1, TOP_NO_OVERLAY, false, "40x6.txt"},
    };
    CLEANUP_FREE struct top_model *model = fixture_model();

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct top_state state;

        top_state_init(&state);
        state.selected = cases[i].selected;
        state.overlay = cases[i].overlay;
        if (cases[i].away)
            top_model_lose(model, "Connection refused");
        struct grid grid = draw(model, &state, cases[i].look, cases[i].columns, cases[i].rows);
        check(&grid, cases[i].name);
        grid_done(&grid);
        model->link = TOP_LINK_UP;
    }
}

static unsigned count_style(const struct grid *grid, unsigned row, int style)
{
    unsigned n = 0;

    for (unsigned column = 0; column < grid->columns; column++)
        n += grid_at(grid, row, column)->style == style;
    return n;
}

/* The stress is its own shade in bar and graph, and goes when there is none. */
static void test_stress_share(void **unused)
{
    CLEANUP_FREE struct top_model *model = fixture_model();
    struct top_state state;

    top_state_init(&state);
    struct grid grid = draw(model, &state, &colored, 80, 24);
    unsigned own = count_style(&grid, 1, TOP_STYLE_CPU),
             part = count_style(&grid, 1, TOP_STYLE_STRESS);

    /* 18.6 and 66.4 of 34 columns, and a legend's glyph each. */
    assert_int_equal(own, 6 + 1);
    assert_int_equal(part, 23 + 1);
    assert_true(count_style(&grid, 8, TOP_STYLE_STRESS) > 5);
    assert_true(count_style(&grid, 10, TOP_STYLE_CPU_ON_STRESS) > 5);
    grid_done(&grid);

    model->stress.on = false;
    for (size_t i = 0; i < TOP_POINTS_MAX; i++)
        model->history.values[TOP_STRESS][i] = 0;
    grid = draw(model, &state, &colored, 80, 24);
    for (unsigned row = 0; row < 24; row++)
        assert_int_equal(count_style(&grid, row, TOP_STYLE_STRESS), 0);
    grid_done(&grid);
}

/* A core of one minute: a column a point, and the time that they stand for. */
static void test_young(void **unused)
{
    CLEANUP_FREE struct top_model *model = fixture_model();
    struct top_state state;
    struct buffer out;

    model->history.number = 12;
    top_state_init(&state);
    struct grid grid = draw(model, &state, &colored, 80, 24);
    buffer_init(&out, 65536);
    grid_print(&grid, &out);
    assert_non_null(strstr(out.data, " CPU, 2 min "));
    for (unsigned column = 1; column < 25; column++) /* of 24, the last 12 */
        assert_int_equal(strcmp(grid_at(&grid, 10, column)->text, " ") != 0, column > 12);
    buffer_done(&out);
    grid_done(&grid);
}

/* Nothing is known yet, or everything is absurd: any size is drawn, and nothing but glyphs. */
static void check_any_size(const struct top_model *model, const struct graph_look *look)
{
    static const unsigned sizes[] = {1,  2,  5,  6,  7,  10, 11, 13, 14,  19,
                                     20, 24, 27, 28, 39, 40, 41, 79, 120, 300};
    struct top_state state;

    top_state_init(&state);
    for (size_t x = 0; x < ARRAY_SIZE(sizes); x++)
        for (size_t y = 0; y < ARRAY_SIZE(sizes); y++)
            for (int overlay = TOP_NO_OVERLAY; overlay <= TOP_ASK_RELOAD; overlay++) {
                state.overlay = (enum top_overlay) overlay;
                state.selected = (int) ((x + y) % (top_rows(model) + 1)) - 1;
                struct grid grid = draw(model, &state, look, sizes[x], sizes[y]);

                for (unsigned row = 0; row < grid.rows; row++)
                    for (unsigned column = 0; column < grid.columns; column++) {
                        const struct grid_cell *cell = grid_at(&grid, row, column);

                        assert_true(cell->style < TOP_STYLES_);
                        for (const char *c = cell->text; *c; c++)
                            assert_true((unsigned char) *c >= 0x20 && *c != 0x7f);
                    }
                grid_done(&grid);
            }
}

static void test_any_size(void **unused)
{
    CLEANUP_FREE struct top_model *model = fixture_model();

    check_any_size(model, &colored);
    top_model_init(model);
    check_any_size(model, &ascii);
    model->link = TOP_LINK_UP;
    check_any_size(model, &plain);
}

static void fill(char *text, size_t size)
{
    static const char hostile[] = "\x1b[2J\x07\x9b\xe2\x80\xae\xe6\xbc\xa2\xcc\x81\n\t\xff";

    for (size_t i = 0; i + 1 < size; i++)
        text[i] = hostile[i % (sizeof(hostile) - 1)];
    text[size - 1] = '\0';
}
#define FILL(text) fill(text, sizeof(text))

static void test_hostile(void **unused)
{
    CLEANUP_FREE struct top_model *model = fixture_model();

    FILL(model->version);
    FILL(model->instance_id);
    FILL(model->state);
    FILL(model->verdict);
    FILL(model->reason);
    FILL(model->publish.sink);
    FILL(model->publish.trouble);
    FILL(model->apps[0].name);
    FILL(model->apps[0].trouble);
    FILL(model->workers[0].state);
    FILL(model->workers[0].status);
    FILL(model->workers[0].last_exit);
    FILL(model->events[8].time);
    FILL(model->events[8].name);
    FILL(model->events[8].app);
    FILL(model->events[8].text);
    model->cpu_percent = 1e300;
    model->stress.share_percent = -1e300;
    model->stress.seconds_left = 1e300;
    model->stress.load_percent = -5;
    model->pressure_cpu = -7;
    model->requests_per_second = 1e300;
    model->p99_ms = 1e300;
    model->workers[0].cpu_percent = -1e300;
    model->workers[0].pid = INT64_MAX;
    model->workers[0].uptime_s = UINT64_MAX;
    model->workers[0].memory_bytes = 1e300;
    model->workers[0].requests = model->apps[0].wanted = UINT64_MAX;
    model->uptime_s = UINT64_MAX;
    model->publish.age_s = INT64_MAX;
    model->now_realtime_us = UINT64_MAX;
    model->history.number = UINT64_MAX;
    for (size_t i = 0; i < TOP_POINTS_MAX; i++)
        for (int series = 0; series < TOP_SERIES_; series++)
            model->history.values[series][i] = i % 3 ? 1e300 : i % 2 ? 1e-300 : (double) NAN;
    check_any_size(model, &colored);
    model->link = TOP_LINK_AWAY;
    FILL(model->away);
    check_any_size(model, &ascii);
}

/* The same values share a column from one answer to the next: the graph moves, it doesn't tremble.
 */
static void test_resample(void **unused)
{
    double values[120], before[24], after[24];

    for (size_t i = 0; i < 120; i++)
        values[i] = (double) (1000 + i);
    graph_resample(values, 120, 1000, false, before, 24);
    assert_true(fabs(before[23] - 1117) < 1e-9); /* 1115 to 1119 */
    for (size_t i = 0; i < 120; i++)
        values[i] = (double) (1001 + i);
    graph_resample(values, 120, 1001, false, after, 24);
    assert_true(fabs(after[23] - 1120) < 1e-9); /* a column of one */
    for (size_t i = 2; i < 23; i++)
        assert_true(fabs(after[i] - before[i + 1]) < 1e-9);
    /* Fewer points than columns: right-aligned, and the maximum of what there is. */
    graph_resample(values, 3, 3, true, after, 24);
    assert_true(isnan(after[20]) && fabs(after[23] - 1003) < 1e-9);
    values[0] = values[1] = values[2] = (double) NAN;
    graph_resample(values, 3, 3, true, after, 24);
    assert_true(isnan(after[23]));
    graph_resample(values, 0, 0, true, after, 24);
    assert_true(isnan(after[23]));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_golden),  cmocka_unit_test(test_stress_share),
        cmocka_unit_test(test_young),   cmocka_unit_test(test_any_size),
        cmocka_unit_test(test_hostile), cmocka_unit_test(test_resample),
    };

    setlocale(LC_CTYPE, "C.UTF-8");
    return cmocka_run_group_tests(tests, NULL, NULL);
}

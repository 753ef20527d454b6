/* SPDX-License-Identifier: Apache-2.0 */
/* What a daemon answers, or somebody in its place, on its way to the screen: no cell may hold what
 * a terminal would obey, whatever the size. The input is one object with the three answers. */
#include "ctl/fields.h"
#include "ctl/top-view.h"

#include <locale.h>
#include <stdint.h>
#include <string.h>

#define INPUT_MAX (64u * 1024)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(const struct top_model *model, const struct top_state *state, unsigned columns,
                  unsigned rows)
{
    const struct graph_look look = {.ascii = columns % 2, .color = rows % 2};
    struct grid grid;

    if (grid_init(&grid, columns, rows) < 0)
        abort();
    top_view(&grid, &look, model, state);
    for (unsigned row = 0; row < grid.rows; row++)
        for (unsigned column = 0; column < grid.columns; column++) {
            const char *text = grid_at(&grid, row, column)->text;

            if (strlen(text) >= GRID_CELL_BYTES ||
                grid_at(&grid, row, column)->style >= TOP_STYLES_)
                abort();
            for (const unsigned char *c = (const unsigned char *) text; *c; c++)
                if (*c < 0x20 || *c == 0x7f || (c[0] == 0xc2 && c[1] < 0xa0))
                    abort();
        }
    grid_done(&grid);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const unsigned sizes[][2] = {{80, 24}, {121, 40}, {40, 6}, {7, 3}};
    CLEANUP_JSON struct json_object *object = NULL;
    struct top_state state;
    struct top_model *model;

    if (size > INPUT_MAX || json_parse((const char *) data, size, &object) < 0)
        return 0;
    setlocale(LC_CTYPE, "C.UTF-8");
    model = calloc(1, sizeof(*model));
    if (!model)
        abort();
    top_model_init(model);
    top_state_init(&state);
    for (int round = 0; round < 2; round++) { /* the second one meets what the first has left */
        top_model_take_status(model, field_object(object, "status"), UINT64_C(1795299916000000));
        top_model_take_events(model, field_object(object, "events"));
        top_model_take_history(model, field_object(object, "history"));
        state.selected = (int) (size % (top_rows(model) + 1)) - 1;
        for (size_t i = 0; i < ARRAY_SIZE(sizes); i++)
            check(model, &state, sizes[i][0], sizes[i][1]);
    }
    free(model);
    return 0;
}

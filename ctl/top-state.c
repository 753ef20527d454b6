/* SPDX-License-Identifier: Apache-2.0 */
/* See the header. */
#include "ctl/top-state.h"

#include "common/base/text.h"

void top_state_init(struct top_state *state)
{
    *state = (struct top_state){.selected = -1};
}

size_t top_rows(const struct top_model *model)
{
    return model->n_apps + model->n_workers;
}

bool top_row_at(const struct top_model *model, size_t index, struct top_row *ret)
{
    for (size_t i = 0; i < model->n_apps; i++) {
        const struct top_app *app = &model->apps[i];

        if (index <= app->n_workers) {
            *ret = (struct top_row){app, index > 0 ? &model->workers[app->first_worker + index - 1]
                                                   : NULL};
            return true;
        }
        index -= app->n_workers + 1;
    }
    return false;
}

void top_state_say(struct top_state *state, bool bad, uint64_t until_us, const char *text)
{
    text_copy(state->message, sizeof(state->message), text);
    state->message_bad = bad;
    state->message_until_us = until_us;
}

void top_state_refresh(struct top_state *state, const struct top_model *model, uint64_t now_us)
{
    state->selected = MIN(state->selected, (int) top_rows(model) - 1);
    if (state->message_until_us && now_us >= state->message_until_us)
        top_state_say(state, false, 0, "");
}

static void move(struct top_state *state, const struct top_model *model, int by)
{
    int rows = (int) top_rows(model);

    /* The first step is onto the first row, not beyond it. */
    state->selected = state->selected < 0 ? (by > 0 ? 0 : -1) : state->selected + by;
    state->selected = MAX(state->selected, rows > 0 ? 0 : -1);
    state->selected = MIN(state->selected, rows - 1);
}

static void ask_stress(struct top_state *state, const struct top_model *model, uint64_t now_us)
{
    if (model->link == TOP_LINK_UP && !model->stress.known)
        top_state_say(state, true, now_us + TOP_MESSAGE_US, "this agentd has no stress mode");
    else
        state->overlay = model->stress.on ? TOP_ASK_STRESS_OFF : TOP_ASK_STRESS_ON;
}

static void on_key(struct top_state *state, const struct top_model *model, int key, unsigned page,
                   uint64_t now_us)
{
    switch (key) {
    case TOP_KEY_UP:
    case 'k':
        move(state, model, -1);
        break;
    case TOP_KEY_DOWN:
    case 'j':
        move(state, model, 1);
        break;
    case TOP_KEY_PAGE_UP:
        move(state, model, -(int) MAX(page, 1u));
        break;
    case TOP_KEY_PAGE_DOWN:
    case ' ':
        move(state, model, (int) MAX(page, 1u));
        break;
    case TOP_KEY_HOME:
    case 'g':
        state->selected = MIN(0, (int) top_rows(model) - 1);
        break;
    case TOP_KEY_END:
    case 'G':
        state->selected = (int) top_rows(model) - 1;
        break;
    case TOP_KEY_ESCAPE:
        state->selected = -1;
        top_state_say(state, false, 0, "");
        break;
    case 's':
        ask_stress(state, model, now_us);
        break;
    case 'r':
        state->overlay = TOP_ASK_RELOAD;
        break;
    case '?':
    case 'h':
        state->overlay = TOP_HELP;
        break;
    }
}

enum top_action top_state_key(struct top_state *state, const struct top_model *model, int key,
                              unsigned page, uint64_t now_us)
{
    static const enum top_action answers[] = {
        [TOP_ASK_STRESS_ON] = TOP_STRESS_START,
        [TOP_ASK_STRESS_OFF] = TOP_STRESS_STOP,
        [TOP_ASK_RELOAD] = TOP_RELOAD,
    };
    enum top_overlay overlay = state->overlay;

    if (overlay == TOP_NO_OVERLAY && key == 'q')
        return TOP_QUIT;
    if (overlay == TOP_NO_OVERLAY) {
        on_key(state, model, key, page, now_us);
        return TOP_NOTHING;
    }
    /* Whatever else was pressed is a no. */
    state->overlay = TOP_NO_OVERLAY;
    return overlay != TOP_HELP && (key == 'y' || key == 'Y') ? answers[overlay] : TOP_NOTHING;
}

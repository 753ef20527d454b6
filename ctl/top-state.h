/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the keys of agentctl top do: which row is chosen, what is asked, what is said. Pure: a key
 * goes in, what is to be done comes out, and nothing that changes the node comes out without a "y".
 */
#pragma once

#include "ctl/top-model.h"

#define TOP_STRESS_LOAD    85u /* percent; as agentctl stress on without options */
#define TOP_STRESS_SECONDS 600u
#define TOP_MESSAGE_US     (UINT64_C(10) * 1000 * 1000)

enum top_key { /* besides characters */
               TOP_KEY_UP = 0x110000,
               TOP_KEY_DOWN,
               TOP_KEY_PAGE_UP,
               TOP_KEY_PAGE_DOWN,
               TOP_KEY_HOME,
               TOP_KEY_END,
               TOP_KEY_ESCAPE,
};

enum top_overlay {
    TOP_NO_OVERLAY,
    TOP_HELP,
    TOP_ASK_STRESS_ON,
    TOP_ASK_STRESS_OFF,
    TOP_ASK_RELOAD
};

enum top_action { TOP_NOTHING, TOP_QUIT, TOP_STRESS_START, TOP_STRESS_STOP, TOP_RELOAD };

struct top_state {
    int selected; /* row of the workers' table (apps and workers), -1: none */
    enum top_overlay overlay;
    char message[TOP_TEXT_MAX]; /* below; "" none */
    bool message_bad;
    uint64_t message_until_us; /* monotonic; 0: stays until it is replaced */
};

void top_state_init(struct top_state *state);

/* |page|: rows of the table that can be seen. */
enum top_action top_state_key(struct top_state *state, const struct top_model *model, int key,
                              unsigned page, uint64_t now_us);

void top_state_say(struct top_state *state, bool bad, uint64_t until_us, const char *text);
/* Forgets a message whose time is over, and keeps the chosen row within the table. */
void top_state_refresh(struct top_state *state, const struct top_model *model, uint64_t now_us);

/* --- The table's rows: each app, and below it its workers --------------------------------------
 */

struct top_row {
    const struct top_app *app;
    const struct top_worker *worker; /* NULL: the app's own row */
};

size_t top_rows(const struct top_model *model);
/* False if there is none at |index|. */
bool top_row_at(const struct top_model *model, size_t index, struct top_row *ret);

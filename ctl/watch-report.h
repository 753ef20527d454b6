/* SPDX-License-Identifier: Apache-2.0 */
/* A watch in words: the table, a line a poll, JSON a poll. Pure. */
#pragma once

#include "common/base/json.h"
#include "ctl/display.h"
#include "ctl/watch-run.h"

/* An instance that hasn't answered for so long is marked, or for as long as it takes to poll every
 * instance WATCH_SILENT_ROUNDS times, if that is longer. */
#define WATCH_SILENT_US     (UINT64_C(10) * 1000 * 1000)
#define WATCH_SILENT_ROUNDS 5u

bool watch_is_silent(const struct watch_state *state, const struct instance *instance);

/*
 * The head line and the table, of |rows| lines at most: instances that find no place are counted in
 * the last one. 0, or table_print()'s errors.
 */
int watch_report_table(struct buffer *out, const char *url, const struct watch_state *state,
                       const struct display *display, unsigned rows);

/* One line, with its end. */
void watch_report_line(struct buffer *out, const struct watch_poll *poll, uint64_t realtime_us,
                       const struct display *display);
struct json_object *watch_report_json(const struct watch_state *state,
                                      const struct watch_poll *poll, uint64_t realtime_us);

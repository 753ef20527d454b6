/* SPDX-License-Identifier: Apache-2.0 */
/* A load in words, for people and as JSON. Pure. */
#pragma once

#include "common/base/json.h"
#include "ctl/display.h"
#include "ctl/load-run.h"

/* To whom what is sent, before it is: cleaned, without a line's end. */
void load_report_plan(struct buffer *out, const struct load_options *options);

/* How it goes: one line, with its end, within the columns. */
void load_report_line(struct buffer *out, const struct load_options *options,
                      const struct load_state *state, const struct display *display);

/* 0, or table_print()'s errors. Sorts the instances. */
int load_report_summary(struct buffer *out, const struct load_options *options,
                        struct load_state *state, const struct display *display);
struct json_object *load_report_json(const struct load_options *options,
                                     const struct load_state *state);

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A new worker's trial: a worker that is ended for a failed probe loses the requests inside it, so
 * until it has answered one well it takes none. While nobody else takes them they wait in the
 * shared queue.
 *
 * It hears of the questions on the worker's private socket, which only the agent reaches, and of
 * the answers that the worker gives. Where nobody asks (the configuration has changed meanwhile,
 * the agent is away), it is over after TRIAL_SILENCE_US without a question all the same: the agent
 * asks at once, and then each second.
 */
#pragma once

#include "common/base/macro.h"

#include <stdbool.h>
#include <systemd/sd-event.h>

#define TRIAL_SILENCE_US UINT64_C(3000000)

struct trial;

/* Begins at once. |on_over| is called once, with |passed| false when nobody asks. */
int trial_new(struct trial **ret, sd_event *event, void (*on_over)(bool passed, void *userdata),
              void *userdata);
struct trial *trial_free(struct trial *trial);
DEFINE_CLEANUP(struct trial *, trial_free)

/* A question has come; it was answered with |status|, 0: not at all. */
void trial_note_question(struct trial *trial);
void trial_note_answer(struct trial *trial, unsigned status);

bool trial_is_over(const struct trial *trial);

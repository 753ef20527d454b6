/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Workers that use more memory than they may, where no control group holds them: which one is to be
 * replaced, and when. Pure.
 */
#pragma once

#include "agent/core/snapshot.h"

/* After one replacement was asked for, the app's next one: also where all are over their limit, and
 * where the new ones fail. */
#define LIMITS_PAUSE_US (10 * UINT64_C(1000000))

/* A worker ready for so long is sampled, if that can be. */
#define LIMITS_BLIND_US (10 * UINT64_C(1000000))

struct limits { /* zeroed at first */
    uint64_t next_at_us[APPS_MAX];
    bool told_blind[APPS_MAX];
};

/*
 * The ready worker that is furthest over |limit_bytes|, or NULL: none is, or it is too early. It
 * counts as asked for. |app|: with its workers' memory.
 */
const struct worker_view *limits_pick(struct limits *limits, const struct app_view *app,
                                      uint64_t limit_bytes, uint64_t now_us);

/* True once an app: nobody can tell the memory of a worker that has been ready for LIMITS_BLIND_US.
 */
bool limits_are_blind(struct limits *limits, const struct app_view *app, uint64_t now_us);

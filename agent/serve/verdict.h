/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The verdict on a node's health, from the snapshot alone: pure.
 *
 * "fail" (503) only while draining (also by hand), before the first worker is ready, or where an
 * app has no ready worker. What is worse than it should be but serves is "degraded" (200), so that
 * a dependency's outage, which makes workers die, does not have the whole fleet replaced.
 */
#pragma once

#include "agent/core/snapshot.h"

enum verdict { VERDICT_PASS, VERDICT_DEGRADED, VERDICT_FAIL };

const char *verdict_to_string(enum verdict verdict);

/* Of one app; and of the node: the worst of its apps, or its own state. An app that wants no
 * workers is left out, unless there is no other. */
enum verdict verdict_app(const struct snapshot *snapshot, const struct app_view *app);
enum verdict verdict_node(const struct snapshot *snapshot);
/* Why it fails, one line into |text|: of |app|, or (NULL) of the node. NULL if it doesn't. */
const char *verdict_reason(const struct snapshot *snapshot, const struct app_view *app, char *text,
                           size_t size);

/* One line for `systemctl status`, cut to |size|. */
void verdict_print(const struct snapshot *snapshot, char *text, size_t size);

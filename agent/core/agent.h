/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The core's root object: everything hangs from it. It wires the modules, which don't know each
 * other: what they observe flows through it into one snapshot, and commands flow through it back to
 * the supervisor.
 */
#pragma once

#include "agent/core/inheritance.h"
#include "common/base/macro.h"

#include <systemd/sd-event.h>

struct agent;

/* Takes the descriptors of |take_inheritance|. */
int agent_new(struct agent **ret, sd_event *event, const struct inheritance *take_inheritance);
struct agent *agent_free(struct agent *agent);
DEFINE_CLEANUP(struct agent *, agent_free)

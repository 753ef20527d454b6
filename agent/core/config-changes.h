/* SPDX-License-Identifier: Apache-2.0 */
/* What a reload changes, by the key table: pure. */
#pragma once

#include "common/schema/config.h"

/* Called for each key whose value differs: "health.lame_duck", "apps.visitor-board.workers", or
 * "apps.NAME" for an app that came or went. */
typedef void (*config_change_handler)(const char *key, bool needs_restart, void *userdata);

/* Returns how many keys differ. */
size_t config_changes(const struct config *before, const struct config *after,
                      config_change_handler handler, void *userdata);

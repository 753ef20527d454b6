/* SPDX-License-Identifier: Apache-2.0 */
/* The configuration as the files give it, found as agentd finds them; without the daemon. */
#pragma once

#include "common/schema/config.h"
#include "ctl/arguments.h"

/*
 * --config, else the system's agentd.conf; --config-dir, else conf.d beside that file. 0 or a
 * negative errno, with one line in |error|.
 */
int config_files_load(const struct arguments *arguments, struct config **ret,
                      char error[CONFIG_ERROR_MAX]);

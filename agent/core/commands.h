/* SPDX-License-Identifier: Apache-2.0 */
/* Commands that take a while, and how far they are: a token each, so that `agentctl --wait` can
 * ask. They are in the ledger, so that the next core can say it too. */
#pragma once

#include "agent/core/ledger.h"
#include "agent/serve/control.h"

/* Begins the next one, which waits for nothing yet. */
struct command *commands_add(struct ledger *ledger);

/* |ret| is filled in when it failed. */
enum control_progress commands_progress(struct ledger *ledger, uint64_t token,
                                        struct control_failure *ret);

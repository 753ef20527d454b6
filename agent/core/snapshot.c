/* SPDX-License-Identifier: Apache-2.0 */
/* See the header. */
#include "agent/core/snapshot.h"

const char *worker_state_to_string(enum worker_state state)
{
    static const char *const names[WORKER_STATES_] = {"stopped", "starting", "ready", "draining",
                                                      "backoff"};

    return state < WORKER_STATES_ ? names[state] : "unknown";
}

const char *node_state_to_string(enum node_state state)
{
    static const char *const names[NODE_STATES_] = {"starting", "serving", "drained", "draining"};

    return state < NODE_STATES_ ? names[state] : "unknown";
}

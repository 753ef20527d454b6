/* SPDX-License-Identifier: Apache-2.0 */
/* See the header. */
#include "agent/serve/verdict.h"

const char *verdict_to_string(enum verdict verdict)
{
    static const char *const names[] = {"pass", "degraded", "fail"};

    return names[verdict];
}

enum verdict verdict_app(const struct snapshot *snapshot, const struct app_view *app)
{
    if (snapshot->node == NODE_DRAINING || app->ready == 0)
        return VERDICT_FAIL;
    return app->crash_loop || app->ready < app->wanted || app->probe_failure[0] ? VERDICT_DEGRADED
                                                                                : VERDICT_PASS;
}

enum verdict verdict_node(const struct snapshot *snapshot)
{
    enum verdict worst = snapshot->node == NODE_SERVING ? VERDICT_PASS : VERDICT_FAIL;

    for (size_t i = 0; i < snapshot->n_apps; i++)
        if (snapshot->apps[i].wanted > 0)
            worst = MAX(worst, verdict_app(snapshot, &snapshot->apps[i]));
    return worst;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* See the header. */
#include "agent/serve/verdict.h"

#include <stdio.h>

const char *verdict_to_string(enum verdict verdict)
{
    static const char *const names[] = {"pass", "degraded", "fail"};

    return names[verdict];
}

enum verdict verdict_app(const struct snapshot *snapshot, const struct app_view *app)
{
    if (snapshot->node == NODE_DRAINING || snapshot->node == NODE_DRAINED || app->ready == 0)
        return VERDICT_FAIL;
    return app->crash_loop || app->ready < app->wanted || app->probe_failure[0] ? VERDICT_DEGRADED
                                                                                : VERDICT_PASS;
}

enum verdict verdict_node(const struct snapshot *snapshot)
{
    enum verdict worst = snapshot->node == NODE_SERVING ? VERDICT_PASS : VERDICT_FAIL;
    size_t n_wanting = 0;

    for (size_t i = 0; i < snapshot->n_apps; i++)
        if (snapshot->apps[i].wanted > 0) {
            worst = MAX(worst, verdict_app(snapshot, &snapshot->apps[i]));
            n_wanting++;
        }
    return snapshot->n_apps > 0 && n_wanting == 0 ? VERDICT_FAIL : worst;
}

const char *verdict_reason(const struct snapshot *snapshot, const struct app_view *app, char *text,
                           size_t size)
{
    const char *none = NULL;

    switch (snapshot->node) {
    case NODE_DRAINED:
        snprintf(text, size, "drained by hand; agentctl undrain brings it back");
        return text;
    case NODE_DRAINING:
        snprintf(text, size, "agentd is stopping");
        return text;
    default:
        break;
    }
    for (size_t i = 0; i < snapshot->n_apps && !none; i++)
        if (snapshot->apps[i].ready == 0 &&
            (app ? app == &snapshot->apps[i] : snapshot->apps[i].wanted > 0))
            none = snapshot->apps[i].name;
    if (none)
        snprintf(text, size, "%s has no ready worker", none);
    else if (!app && verdict_node(snapshot) == VERDICT_FAIL)
        snprintf(text, size, "%s",
                 snapshot->node == NODE_STARTING ? "starting" : "every app is scaled to 0");
    else
        return NULL;
    return text;
}

void verdict_print(const struct snapshot *snapshot, char *text, size_t size)
{
    unsigned ready = 0, wanted = 0;

    for (size_t i = 0; i < snapshot->n_apps; i++) {
        ready += snapshot->apps[i].ready;
        wanted += snapshot->apps[i].wanted;
    }
    snprintf(text, size, "%s, %s: %u of %u workers ready", node_state_to_string(snapshot->node),
             verdict_to_string(verdict_node(snapshot)), ready, wanted);
}

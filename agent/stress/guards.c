/* SPDX-License-Identifier: Apache-2.0 */
/* See the header. */
#include "agent/stress/guards.h"

#include <math.h>
#include <stdio.h>

void stress_guards_done(struct stress_guards *guards)
{
    for (size_t i = 0; i < APPS_MAX; i++)
        free(guards->before[i]);
    *guards = (struct stress_guards){.began_at_us = 0};
}

static void judge(struct stress_over *over, double value, unsigned limit)
{
    over->value = value;
    over->intervals = limit > 0 && value > limit ? over->intervals + 1 : 0;
}

/* An interval without an answer proves nothing: it neither counts nor begins the row anew. */
static void judge_app(struct stress_guards *guards, const struct app_view *app, unsigned limit_ms)
{
    struct tally *before = guards->before[app->index], answered = app->total;

    if (before) {
        tally_subtract(&answered, before);
        if (histogram_count(&answered.latency) > 0)
            judge(&guards->latency[app->index],
                  (double) histogram_quantile_us(&answered.latency, 990) / 1000.0, limit_ms);
    } else {
        before = guards->before[app->index] = malloc(sizeof(*before));
    }
    if (before) /* without memory this app is not looked after, until there is some */
        *before = app->total;
}

void stress_guards_look(struct stress_guards *guards, const struct snapshot *snapshot,
                        const struct stress_guard_limits *limits)
{
    const struct sample_view *steal = &snapshot->host[METRIC_CPU_STEAL];
    bool first = guards->began_at_us == 0;

    if (steal->present) {
        guards->steal_sum += steal->last;
        guards->n_steal++;
    }
    if (!first && snapshot->taken_at_us < guards->began_at_us + STRESS_INTERVAL_US)
        return;
    for (size_t i = 0; i < snapshot->n_apps; i++)
        if (snapshot->apps[i].fed)
            judge_app(guards, &snapshot->apps[i], limits->latency_ms);
    if (!first && guards->n_steal > 0)
        judge(&guards->steal, guards->steal_sum / guards->n_steal, limits->steal_percent);
    guards->steal_sum = 0;
    guards->n_steal = 0;
    guards->began_at_us = snapshot->taken_at_us;
}

static bool stands(const struct stress_over *over, unsigned limit)
{
    return limit > 0 && over->intervals >= STRESS_INTERVALS;
}

static bool app_trouble(const struct stress_guards *guards, const struct app_view *app,
                        const struct stress_guard_limits *limits, char text[STRESS_TROUBLE_MAX])
{
    const struct stress_over *latency = &guards->latency[app->index];

    if (app->wanted > 0 && app->ready == 0)
        snprintf(text, STRESS_TROUBLE_MAX, "no worker of %s is ready", app->name);
    else if (stands(latency, limits->latency_ms))
        snprintf(text, STRESS_TROUBLE_MAX, "the p99 of %s is %.0f ms, over stress.latency_ms (%u)",
                 app->name, latency->value, limits->latency_ms);
    return text[0];
}

const char *stress_guards_trouble(const struct stress_guards *guards,
                                  const struct snapshot *snapshot,
                                  const struct stress_guard_limits *limits,
                                  char text[STRESS_TROUBLE_MAX])
{
    text[0] = '\0';
    if (snapshot->node != NODE_SERVING)
        snprintf(text, STRESS_TROUBLE_MAX, "the node is %s, not serving",
                 node_state_to_string(snapshot->node));
    for (size_t i = 0; !text[0] && i < snapshot->n_apps; i++)
        (void) app_trouble(guards, &snapshot->apps[i], limits, text);
    if (!text[0] && stands(&guards->steal, limits->steal_percent))
        snprintf(text, STRESS_TROUBLE_MAX, "CPUSteal is %.0f %%, over stress.steal_percent (%u)",
                 guards->steal.value, limits->steal_percent);
    return text;
}

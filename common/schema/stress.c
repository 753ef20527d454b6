/* SPDX-License-Identifier: Apache-2.0 */
/* See the header. Pure. */
#include "common/schema/stress.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

const char *stress_priority(const struct stress_order *order)
{
    return order->normal_priority ? "normal" : "idle";
}

const char *stress_print(const struct stress_order *order, char text[STRESS_TEXT_MAX])
{
    snprintf(text, STRESS_TEXT_MAX, "load=%u cores=%u seconds=%u priority=%s", order->load_percent,
             order->cores, order->seconds, stress_priority(order));
    return text;
}

/* Printed again it must be the same: so no sign, blank or zero slips through. */
int stress_parse(const char *text, struct stress_order *ret)
{
    struct stress_order order;
    char priority[8], again[STRESS_TEXT_MAX];

    if (sscanf(text, "load=%3u cores=%4u seconds=%5u priority=%7s", &order.load_percent,
               &order.cores, &order.seconds, priority) != 4)
        return -EINVAL;
    order.normal_priority = strcmp(priority, "normal") == 0;
    if (order.load_percent < 1 || order.load_percent > STRESS_LOAD_MAX || order.seconds < 1 ||
        order.cores > STRESS_CORES_MAX || order.seconds > STRESS_SECONDS_MAX ||
        strcmp(stress_print(&order, again), text) != 0)
        return -EINVAL;
    *ret = order;
    return 0;
}

char *const *stress_command(const struct stress_order *order, const char *program,
                            struct stress_command *ret)
{
    char **at = ret->argv;

    snprintf(ret->load, sizeof(ret->load), "%u", order->load_percent);
    snprintf(ret->cores, sizeof(ret->cores), "%u", order->cores);
    snprintf(ret->seconds, sizeof(ret->seconds), "%us", order->seconds);
    *at++ = (char *) program;
    *at++ = (char *) "--load";
    *at++ = ret->load;
    *at++ = (char *) "--for";
    *at++ = ret->seconds;
    *at++ = (char *) "--priority";
    *at++ = (char *) stress_priority(order);
    if (order->cores > 0) {
        *at++ = (char *) "--cores";
        *at++ = ret->cores;
    }
    *at = NULL;
    return ret->argv;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* What a reload leaves as it was. */
#include "common/schema/config.h"

#include <string.h>

static void swap_lists(char **one, char **other, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        char *item = one[i];
        one[i] = other[i];
        other[i] = item;
    }
}

void config_keep_addresses(struct config *old, struct config *new)
{
    memcpy(new->health_listen, old->health_listen, sizeof(new->health_listen));
    memcpy(new->prometheus_listen, old->prometheus_listen, sizeof(new->prometheus_listen));
    swap_lists(old->statsd_listen, new->statsd_listen, STATSD_LISTENERS_MAX);
    for (size_t i = 0; i < old->n_apps; i++) {
        struct config_app *app = (struct config_app *) config_find_app(new, old->apps[i].name);
        if (app && app->enabled && old->apps[i].enabled)
            swap_lists(old->apps[i].listen, app->listen, APP_LISTENERS_MAX);
    }
}

/* SPDX-License-Identifier: Apache-2.0 */
/* What a reload leaves as it was, also over an upgrade. */
#include "common/schema/config.h"

#include "common/base/record.h"

#include <stdlib.h>
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
    if (!old)
        return;
    memcpy(new->health_listen, old->health_listen, sizeof(new->health_listen));
    memcpy(new->prometheus_listen, old->prometheus_listen, sizeof(new->prometheus_listen));
    swap_lists(old->statsd_listen, new->statsd_listen, STATSD_LISTENERS_MAX);
    for (size_t i = 0; i < old->n_apps; i++) {
        struct config_app *app = (struct config_app *) config_find_app(new, old->apps[i].name);
        if (app && app->enabled && old->apps[i].enabled)
            swap_lists(old->apps[i].listen, app->listen, APP_LISTENERS_MAX);
    }
}

static void walk_list(char **list, size_t n, struct record *record)
{
    for (size_t i = 0; i < n; i++) {
        record_string(record, &list[i], CONFIG_LISTEN_MAX);
        if (!list[i])
            return;
    }
}

void config_walk_addresses(struct config **at, struct record *record)
{
    bool is_there = *at;
    size_t n = *at ? (*at)->n_apps : 0;

    record_bool(record, &is_there);
    RECORD_NUMBER(record, n);
    if (!record->writing && is_there)
        *at = calloc(1, sizeof(**at));
    if (!is_there)
        return;
    if (!*at || n > APPS_MAX) {
        record_fail(record);
        return;
    }
    struct config *config = *at;
    config->n_apps = n;
    record_text(record, config->health_listen, sizeof(config->health_listen));
    record_text(record, config->prometheus_listen, sizeof(config->prometheus_listen));
    walk_list(config->statsd_listen, STATSD_LISTENERS_MAX, record);
    for (size_t i = 0; i < n; i++) {
        struct config_app *app = &config->apps[i];

        record_text(record, app->name, sizeof(app->name));
        record_bool(record, &app->enabled);
        walk_list(app->listen, APP_LISTENERS_MAX, record);
    }
}

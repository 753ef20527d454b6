/* SPDX-License-Identifier: Apache-2.0 */
/* See the header. */
#include "agent/core/config-changes.h"

#include <stdio.h>
#include <string.h>

static bool same_list(char *const *a, char *const *b)
{
    while (*a && *b && strcmp(*a, *b) == 0)
        a++, b++;
    return !*a && !*b;
}

static bool same(const struct config_key *key, const void *before, const void *after)
{
    const char *a = (const char *) before + key->offset, *b = (const char *) after + key->offset;

    switch (key->type) {
    case CONFIG_LIST:
        return same_list((char *const *) (const void *) a, (char *const *) (const void *) b);
    case CONFIG_STRING:
    case CONFIG_PATH:
    case CONFIG_LISTEN:
        return strcmp(a, b) == 0;
    default:
        return memcmp(a, b, key->size) == 0;
    }
}

static size_t compare_app(const struct config_app *before, const struct config_app *after,
                          config_change_handler handler, void *userdata)
{
    size_t n_keys, n = 0;
    const struct config_key *keys = config_keys(&n_keys);
    char name[APP_NAME_MAX + 64];

    if (!before || !after) {
        snprintf(name, sizeof(name), "apps.%s", before ? before->name : after->name);
        handler(name, false, userdata);
        return 1;
    }
    for (size_t i = 0; i < n_keys; i++) {
        if (strcmp(keys[i].section, "apps") != 0 || same(&keys[i], before, after))
            continue;
        snprintf(name, sizeof(name), "apps.%s.%s", after->name, keys[i].name);
        handler(name, keys[i].restart, userdata);
        n++;
    }
    return n;
}

size_t config_changes(const struct config *before, const struct config *after,
                      config_change_handler handler, void *userdata)
{
    size_t n_keys, n = 0;
    const struct config_key *keys = config_keys(&n_keys);
    char name[64];

    for (size_t i = 0; i < n_keys; i++) {
        if (strcmp(keys[i].section, "apps") == 0 || same(&keys[i], before, after))
            continue;
        snprintf(name, sizeof(name), "%s.%s", keys[i].section, keys[i].name);
        handler(name, keys[i].restart, userdata);
        n++;
    }
    for (size_t i = 0; i < before->n_apps; i++)
        n += compare_app(&before->apps[i], config_find_app(after, before->apps[i].name), handler,
                         userdata);
    for (size_t i = 0; i < after->n_apps; i++)
        if (!config_find_app(before, after->apps[i].name))
            n += compare_app(NULL, &after->apps[i], handler, userdata);
    return n;
}

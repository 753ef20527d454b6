/* SPDX-License-Identifier: Apache-2.0 */
/* What must hold between keys. Disabled apps may clash with others: they wait for their turn. */
#include "common/schema/config-internal.h"

#include "common/base/listen.h"

#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/un.h>

/* An address and the key that asks for it. */
struct listener {
    const char *text;
    char key[CONFIG_KEY_TEXT_MAX];
    struct config_origin origin; /* of the value, or where its app begins if it is the default */
    union listen_address address;
};

#define LISTENERS_MAX (APPS_MAX * APP_LISTENERS_MAX + 2)

/* All of the node: the control socket, /health and each enabled app's. */
struct listeners {
    struct listener all[LISTENERS_MAX];
    size_t n;
    char control[CONFIG_STRING_MAX + sizeof("/control.sock")];
};

/* Where there is no line (all defaults), the first file stands for the configuration. */
static int complain_at(const struct config *config, struct config_origin origin, const char *key,
                       char error[CONFIG_ERROR_MAX], const char *text)
{
    const char *file = NULL;
    if (origin.file > 0)
        file = config->origins->files[origin.file - 1];
    else if (config->origins->n_files > 0)
        file = config->origins->files[0];
    return config_complain(error, file, origin.line, key, "%s", text);
}

/* Of an AF_INET or AF_INET6 address; in network order, which is enough to compare. */
static in_port_t port_of(const union listen_address *address)
{
    const struct sockaddr_in *in = (const struct sockaddr_in *) &address->storage;
    const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *) &address->storage;
    return address->any.sa_family == AF_INET ? in->sin_port : in6->sin6_port;
}

/* "[::]" also takes IPv4. */
static bool is_wildcard_for(const union listen_address *address, sa_family_t family)
{
    const struct sockaddr_in *in = (const struct sockaddr_in *) &address->storage;
    const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *) &address->storage;
    if (address->any.sa_family == AF_INET6)
        return IN6_IS_ADDR_UNSPECIFIED(&in6->sin6_addr);
    return family == AF_INET && in->sin_addr.s_addr == htonl(INADDR_ANY);
}

/* Whether the kernel would refuse to have both at once. */
static bool overlap(const union listen_address *a, const union listen_address *b)
{
    sa_family_t fa = a->any.sa_family, fb = b->any.sa_family;
    const struct sockaddr_un *ua = (const struct sockaddr_un *) &a->storage;
    const struct sockaddr_un *ub = (const struct sockaddr_un *) &b->storage;
    const struct sockaddr_in *ia = (const struct sockaddr_in *) &a->storage;
    const struct sockaddr_in *ib = (const struct sockaddr_in *) &b->storage;
    const struct sockaddr_in6 *sa = (const struct sockaddr_in6 *) &a->storage;
    const struct sockaddr_in6 *sb = (const struct sockaddr_in6 *) &b->storage;
    if (fa == AF_UNIX || fb == AF_UNIX)
        return fa == fb && strcmp(ua->sun_path, ub->sun_path) == 0;
    if (port_of(a) != port_of(b))
        return false;
    if (is_wildcard_for(a, fb) || is_wildcard_for(b, fa))
        return true;
    if (fa != fb)
        return false;
    return fa == AF_INET ? ia->sin_addr.s_addr == ib->sin_addr.s_addr
                         : IN6_ARE_ADDR_EQUAL(&sa->sin6_addr, &sb->sin6_addr);
}

/* Adds it unless it overlaps with one before: then the later one is told, with the earlier's key.
 */
static int add_listener(const struct config *config, struct listeners *listeners, const char *text,
                        struct config_origin origin, const char *key, char error[CONFIG_ERROR_MAX])
{
    struct listener *new = &listeners->all[listeners->n];
    socklen_t length;
    *new = (struct listener){.text = text, .origin = origin};
    (void) snprintf(new->key, sizeof(new->key), "%s", key);
    int r = listen_parse(text, &new->address, &length);
    if (r < 0)
        return complain_at(config, origin, key, error, "no address to listen on");
    for (size_t i = 0; i < listeners->n; i++) {
        const struct listener *other = &listeners->all[i];
        char why[CONFIG_ERROR_MAX];
        if (!overlap(&new->address, &other->address))
            continue;
        (void) snprintf(why, sizeof(why),
                        "\"%s\" is taken by %s (\"%s\"); allowed: each address once", text,
                        other->key, other->text);
        return complain_at(config, origin, key, error, why);
    }
    listeners->n++;
    return 0;
}

/* Where an app's field was set; where the app begins, if it still has the default. */
static struct config_origin origin_of(const struct config *config, size_t app, size_t offset)
{
    size_t n;
    const struct config_key *keys = config_keys(&n);
    for (size_t i = 0; i < CONFIG_N_APP_KEYS; i++)
        if (keys[CONFIG_N_NODE_KEYS + i].offset == offset && config->origins->app[app][i].file > 0)
            return config->origins->app[app][i];
    return config->origins->app_begin[app];
}

static struct config_origin node_origin_of(const struct config *config, size_t offset)
{
    size_t n;
    const struct config_key *keys = config_keys(&n);
    for (size_t i = 0; i < CONFIG_N_NODE_KEYS; i++)
        if (keys[i].offset == offset)
            return config->origins->node[i];
    return (struct config_origin){0};
}

/* What makes a worker ready, and what a probe could ask. */
static int check_readiness(const struct config *config, size_t i, char error[CONFIG_ERROR_MAX])
{
    const struct config_app *app = &config->apps[i];
    char key[CONFIG_KEY_TEXT_MAX];
    if (app->readiness == CONFIG_READINESS_DELAY && app->ready_delay_s >= app->ready_timeout_s) {
        (void) snprintf(key, sizeof(key), "apps.%s.ready_delay", app->name);
        return complain_at(config, origin_of(config, i, offsetof(struct config_app, ready_delay_s)),
                           key, error, "is not less than ready_timeout; no worker would be ready");
    }
    if (app->probe == CONFIG_PROBE_HTTP && !app->listen[0]) {
        (void) snprintf(key, sizeof(key), "apps.%s.probe", app->name);
        return complain_at(config, origin_of(config, i, offsetof(struct config_app, probe)), key,
                           error, "\"http\" needs an address in listen");
    }
    return 0;
}

static int check_app(const struct config *config, size_t i, struct listeners *listeners,
                     char error[CONFIG_ERROR_MAX])
{
    const struct config_app *app = &config->apps[i];
    char key[CONFIG_KEY_TEXT_MAX];
    if (!app->enabled)
        return 0;
    if (!app->command[0]) {
        (void) snprintf(key, sizeof(key), "apps.%s.command", app->name);
        return complain_at(config, origin_of(config, i, offsetof(struct config_app, command)), key,
                           error,
                           "missing; allowed: command = [ \"/path/of/program\", ... ]; or enabled "
                           "= false;");
    }
    struct config_origin origin = origin_of(config, i, offsetof(struct config_app, listen));
    for (size_t k = 0; app->listen[k]; k++) {
        (void) snprintf(key, sizeof(key), "apps.%s.listen[%zu]", app->name, k + 1);
        int r = add_listener(config, listeners, app->listen[k], origin, key, error);
        if (r < 0)
            return r;
    }
    return check_readiness(config, i, error);
}

int config_check(const struct config *config, char error[CONFIG_ERROR_MAX])
{
    struct listeners listeners = {0};
    (void) snprintf(listeners.control, sizeof(listeners.control), "%s/control.sock",
                    config->runtime_dir);
    int r = add_listener(config, &listeners, listeners.control,
                         node_origin_of(config, offsetof(struct config, runtime_dir)),
                         "agent.runtime_dir", error);
    if (r == 0)
        r = add_listener(config, &listeners, config->health_listen,
                         node_origin_of(config, offsetof(struct config, health_listen)),
                         "health.listen", error);
    for (size_t i = 0; i < config->n_apps && r == 0; i++)
        r = check_app(config, i, &listeners, error);
    return r;
}

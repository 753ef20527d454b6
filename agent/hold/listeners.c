/* SPDX-License-Identifier: Apache-2.0 */
/* A flat table; whose a socket is, its bound address says, never its name. */
#include "agent/hold/listeners.h"

#include "agent/hold/store.h"
#include "common/base/files.h"
#include "common/base/listen.h"
#include "common/base/log.h"
#include "common/base/text.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>

#define SOCKET_MODE_APP     0666u /* a front of another user may connect */
#define SOCKET_MODE_CONTROL 0660u

/* And not a socket unit's. */
static bool is_ours(const struct listener *item)
{
    return strncmp(item->stored_as, STORE_LISTENER, sizeof(STORE_LISTENER) - 1) == 0;
}

/* The path of a unix socket of our own making; a socket unit removes its own. */
static void unlink_item(const struct listener *item)
{
    if (item->address[0] == '/' && is_ours(item))
        (void) unlink(item->address);
}

static void close_item(struct listeners *listeners, size_t i)
{
    struct listener *item = &listeners->items[i];

    unlink_item(item);
    store_drop(item->stored_as);
    fd_close(item->fd);
    free(item->stored_as);
    *item = listeners->items[--listeners->n];
}

/* Closes what nobody uses, whoever has copies: systemd lets go of its own a moment later. */
static void end_item(struct listeners *listeners, size_t i)
{
    log_info("closes listener %s, which nothing uses any more", listeners->items[i].stored_as);
    if (is_ours(&listeners->items[i]))
        (void) shutdown(listeners->items[i].fd, SHUT_RDWR);
    close_item(listeners, i);
}

void listeners_done(struct listeners *listeners)
{
    for (size_t i = 0; i < listeners->n; i++) { /* what is in the store, stays there */
        fd_close(listeners->items[i].fd);
        free(listeners->items[i].stored_as);
    }
    free(listeners->items);
    *listeners = (struct listeners){};
}

static struct listener *add(struct listeners *listeners, int take_fd, const char *name)
{
    CLEANUP_CLOSE int fd = take_fd;
    CLEANUP_FREE char *stored_as = strdup(name);
    struct listener *items =
        reallocarray(listeners->items, listeners->n + 1, sizeof(*listeners->items));

    if (items)
        listeners->items = items;
    if (!items || !stored_as)
        return NULL;
    struct listener *item = &items[listeners->n++];
    *item = (struct listener){.fd = TAKE_FD(fd), .stored_as = TAKE(stored_as)};
    return item;
}

int listeners_adopt(struct listeners *listeners, int take_fd, const char *name)
{
    return add(listeners, take_fd, name) ? 0 : -ENOMEM;
}

/* A unix socket whose path is gone can't be reached any more, though it is bound. */
static bool is_bound_to(const struct listener *item, const char *address)
{
    struct stat status;

    if (item->address[0] && (address[0] == '/' || strcmp(item->address, address) == 0))
        return strcmp(item->address, address) == 0;
    return listen_matches(item->fd, address) &&
           (address[0] != '/' || (stat(address, &status) == 0 && S_ISSOCK(status.st_mode)));
}

static struct listener *find(const struct listeners *listeners, const char *address)
{
    for (size_t i = 0; i < listeners->n; i++)
        if (is_bound_to(&listeners->items[i], address))
            return &listeners->items[i];
    return NULL;
}

/* Finds or opens one. A new one is ours to undo until set_owner() publishes it. */
static int claim(struct listeners *listeners, const char *address, unsigned unix_mode,
                 char error[CONFIG_ERROR_MAX])
{
    struct listener *item = find(listeners, address);
    char name[sizeof(STORE_LISTENER) + CONFIG_LISTEN_MAX];

    if (item && item->claimed) {
        snprintf(error, CONFIG_ERROR_MAX, "%s: is listened on twice", address);
        return -EADDRINUSE;
    }
    if (!item) {
        snprintf(name, sizeof(name), STORE_LISTENER "%s", address);
        for (char *c = name; *c; c++)
            *c = *c == ':' ? '_' : *c;
        int fd = listen_open(address, unix_mode);
        item = fd < 0 ? NULL : add(listeners, fd, name);
        if (!item) {
            fd = fd < 0 ? fd : -ENOMEM;
            snprintf(error, CONFIG_ERROR_MAX, "can't listen on %s: %s", address, strerror(-fd));
            return fd;
        }
        text_copy(item->address, sizeof(item->address), address);
    }
    item->claimed = true;
    return 0;
}

static bool is_named(const struct listener *item, const struct config *config, const char *health,
                     const char *control)
{
    for (size_t i = 0; i < config->n_apps; i++)
        for (char *const *listen = config->apps[i].listen; *listen; listen++)
            if (config->apps[i].enabled && is_bound_to(item, *listen))
                return true;
    return is_bound_to(item, control) || is_bound_to(item, health);
}

/* Of a configuration before: 127.0.0.1:80, say, would be in the way of [::]:80. */
static void close_strays(struct listeners *listeners, const struct config *config,
                         const char *health, const char *control)
{
    for (size_t i = listeners->n; i-- > 0;)
        if (!listeners->items[i].address[0] &&
            !is_named(&listeners->items[i], config, health, control))
            end_item(listeners, i);
}

/* Calls claim() for each address; stops at the first error. */
static int claim_all(struct listeners *listeners, const struct config *config, const char *health,
                     const char *control, char error[CONFIG_ERROR_MAX])
{
    /* The control socket first: if another agentd runs here, this is where it shows. */
    int r = claim(listeners, control, SOCKET_MODE_CONTROL, error);
    if (r >= 0)
        r = claim(listeners, health, SOCKET_MODE_APP, error);
    for (size_t i = 0; i < config->n_apps && r >= 0; i++)
        for (char *const *listen = config->apps[i].listen; *listen && r >= 0; listen++)
            if (config->apps[i].enabled)
                r = claim(listeners, *listen, SOCKET_MODE_APP, error);
    return r;
}

static void set_owner(struct listeners *listeners, const char *address, const char *owner)
{
    struct listener *item = find(listeners, address);

    text_copy(item->address, sizeof(item->address), address);
    text_copy(item->owner, sizeof(item->owner), owner);
    store_put(item->stored_as, item->fd); /* the same one again is ignored */
}

int listeners_open(struct listeners *listeners, const struct config *config, const char *health,
                   const char *control, char error[CONFIG_ERROR_MAX])
{
    close_strays(listeners, config, health, control);
    const size_t n_before = listeners->n;
    int r;

    for (size_t i = 0; i < n_before; i++)
        listeners->items[i].claimed = false;
    r = claim_all(listeners, config, health, control, error);
    if (r < 0) {
        while (listeners->n > n_before)
            close_item(listeners, listeners->n - 1);
        return r;
    }
    for (size_t i = 0; i < listeners->n; i++)
        listeners->items[i].wanted = listeners->items[i].claimed;
    set_owner(listeners, control, "");
    set_owner(listeners, health, "");
    for (size_t i = 0; i < config->n_apps; i++)
        for (char *const *listen = config->apps[i].listen; *listen; listen++)
            if (config->apps[i].enabled)
                set_owner(listeners, *listen, config->apps[i].name);
    return 0;
}

void listeners_prune(struct listeners *listeners, bool (*in_use)(void *userdata, const char *owner),
                     void *userdata)
{
    for (size_t i = listeners->n; i-- > 0;) {
        const struct listener *item = &listeners->items[i];
        if (!item->wanted && (!item->owner[0] || !in_use(userdata, item->owner)))
            end_item(listeners, i);
    }
}

void listeners_close(struct listeners *listeners, const char *owner)
{
    for (size_t i = listeners->n; i-- > 0;)
        if (strcmp(listeners->items[i].owner, owner) == 0)
            close_item(listeners, i);
}

void listeners_revive(struct listeners *listeners, const char *owner)
{
    for (size_t i = 0; i < listeners->n; i++)
        if (strcmp(listeners->items[i].owner, owner) == 0 &&
            listen(listeners->items[i].fd, LISTEN_BACKLOG) < 0)
            log_warning_errno(errno, "can't listen on %s any more: %m",
                              listeners->items[i].address);
}

int listeners_find(const struct listeners *listeners, const char *address)
{
    const struct listener *item = find(listeners, address);
    return item ? item->fd : -1;
}

void listeners_unlink(const struct listeners *listeners)
{
    for (size_t i = 0; i < listeners->n; i++)
        unlink_item(&listeners->items[i]);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* A flat table; whose a socket is, its bound address says, never its name. */
#include "agent/hold/listeners.h"

#include "agent/hold/store.h"
#include "common/base/files.h"
#include "common/base/listen.h"
#include "common/base/log.h"
#include "common/base/text.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>

#define SOCKET_MODE_ALL     0666u /* a front, a prober, a worker of another user */
#define SOCKET_MODE_CONTROL 0660u

#define WANTED_MAX (3u + STATSD_LISTENERS_MAX + APPS_MAX * APP_LISTENERS_MAX)

/* What a configuration asks for. */
struct wanted {
    const char *address, *owner;
    const char *fd_name; /* FDNAME_STATSD are datagram sockets */
};

/* The control socket first: if another agentd runs here, this is where it shows. */
static size_t list_wanted(const struct config *config, const char *control,
                          struct wanted list[WANTED_MAX])
{
    size_t n = 0;

    list[n++] = (struct wanted){control, "", FDNAME_CONTROL};
    list[n++] = (struct wanted){config->health_listen, "", FDNAME_HEALTH};
    if (config->prometheus_listen[0])
        list[n++] = (struct wanted){config->prometheus_listen, "", FDNAME_PROMETHEUS};
    for (char *const *listen = config->statsd_listen; *listen; listen++)
        list[n++] = (struct wanted){*listen, "", FDNAME_STATSD};
    for (const struct config_app *app = config->apps; app < config->apps + config->n_apps; app++)
        for (char *const *listen = app->listen; *listen && app->enabled; listen++)
            list[n++] = (struct wanted){*listen, app->name, FDNAME_WEB};
    return n;
}

static bool is_datagram(const char *fd_name)
{
    return strcmp(fd_name, FDNAME_STATSD) == 0;
}

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
    fd_store_drop(item->stored_as);
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
static bool is_bound_to(const struct listener *item, const char *address, bool datagram)
{
    struct stat status;

    if (item->fd_name && is_datagram(item->fd_name) != datagram)
        return false; /* UDP and TCP may have the same address */
    if (item->address[0] && (address[0] == '/' || strcmp(item->address, address) == 0))
        return strcmp(item->address, address) == 0;
    return (datagram ? listen_matches_datagram : listen_matches)(item->fd, address) &&
           (address[0] != '/' || (stat(address, &status) == 0 && S_ISSOCK(status.st_mode)));
}

static struct listener *find(const struct listeners *listeners, const char *address, bool datagram)
{
    for (size_t i = 0; i < listeners->n; i++)
        if (is_bound_to(&listeners->items[i], address, datagram))
            return &listeners->items[i];
    return NULL;
}

/* Finds or opens one. A new one is ours to undo until publish() has it. */
static int claim(struct listeners *listeners, const struct wanted *wanted,
                 char error[CONFIG_ERROR_MAX])
{
    const bool datagram = is_datagram(wanted->fd_name);
    const unsigned mode =
        strcmp(wanted->fd_name, FDNAME_CONTROL) == 0 ? SOCKET_MODE_CONTROL : SOCKET_MODE_ALL;
    struct listener *item = find(listeners, wanted->address, datagram);
    char name[sizeof(STORE_LISTENER STORE_DATAGRAM) + CONFIG_LISTEN_MAX];

    if (item && item->claimed) {
        snprintf(error, CONFIG_ERROR_MAX, "%s: is listened on twice", wanted->address);
        return -EADDRINUSE;
    }
    if (!item) {
        snprintf(name, sizeof(name), STORE_LISTENER "%s%s", datagram ? STORE_DATAGRAM : "",
                 wanted->address);
        for (char *c = name; *c; c++)
            *c = *c == ':' ? '_' : *c;
        int fd = (datagram ? listen_open_datagram : listen_open)(wanted->address, mode);
        item = fd < 0 ? NULL : add(listeners, fd, name);
        if (!item) {
            fd = fd < 0 ? fd : -ENOMEM;
            snprintf(error, CONFIG_ERROR_MAX, "can't listen on %s: %s", wanted->address,
                     strerror(-fd));
            return fd;
        }
        item->fd_name = wanted->fd_name;
        text_copy(item->address, sizeof(item->address), wanted->address);
    }
    item->claimed = true;
    return 0;
}

/* What was handed in, of a configuration before: 127.0.0.1:80, say, would be in the way of
 * [::]:80. */
static void close_strays(struct listeners *listeners, const struct wanted *list, size_t n)
{
    for (size_t i = listeners->n; i-- > 0;) {
        bool is_named = listeners->items[i].address[0];
        for (size_t j = 0; j < n && !is_named; j++)
            is_named =
                is_bound_to(&listeners->items[i], list[j].address, is_datagram(list[j].fd_name));
        if (!is_named)
            end_item(listeners, i);
    }
}

static void publish(struct listeners *listeners, const struct wanted *wanted)
{
    struct listener *item = find(listeners, wanted->address, is_datagram(wanted->fd_name));

    item->fd_name = wanted->fd_name;
    text_copy(item->address, sizeof(item->address), wanted->address);
    text_copy(item->owner, sizeof(item->owner), wanted->owner);
    fd_store_put(item->stored_as, item->fd); /* the same one again is ignored */
}

int listeners_open(struct listeners *listeners, const struct config *config, const char *control,
                   char error[CONFIG_ERROR_MAX])
{
    struct wanted list[WANTED_MAX];
    const size_t n = list_wanted(config, control, list);
    int r = 0;

    close_strays(listeners, list, n);
    const size_t n_before = listeners->n;
    for (size_t i = 0; i < n_before; i++)
        listeners->items[i].claimed = false;
    for (size_t i = 0; i < n && r >= 0; i++)
        r = claim(listeners, &list[i], error);
    if (r < 0) {
        while (listeners->n > n_before)
            close_item(listeners, listeners->n - 1);
        return r;
    }
    for (size_t i = 0; i < listeners->n; i++)
        listeners->items[i].wanted = listeners->items[i].claimed;
    for (size_t i = 0; i < n; i++)
        publish(listeners, &list[i]);
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
    const struct listener *item = find(listeners, address, false);
    return item ? item->fd : -1;
}

void listeners_give_core(const struct listeners *listeners, struct spawn *spawn)
{
    for (size_t i = 0; i < listeners->n; i++)
        if (listeners->items[i].wanted && !listeners->items[i].owner[0])
            spawn_give(spawn, listeners->items[i].fd_name, listeners->items[i].fd);
}

void listeners_walk(struct listeners *listeners, struct record *record)
{
    size_t n = listeners->n;

    RECORD_NUMBER(record, n);
    for (size_t i = 0; i < n && record->error == 0; i++) {
        int fd = record->writing ? listeners->items[i].fd : -1;
        char name[NAME_MAX + 1];

        text_copy(name, sizeof(name), record->writing ? listeners->items[i].stored_as : "");
        record_fd(record, &fd);
        record_text(record, name, sizeof(name));
        if (!record->writing && listeners_adopt(listeners, fd, name) < 0)
            record_fail(record);
    }
}

void listeners_unlink(const struct listeners *listeners)
{
    for (size_t i = 0; i < listeners->n; i++)
        unlink_item(&listeners->items[i]);
}

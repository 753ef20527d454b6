/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The listening sockets, StatsD's datagram sockets among them: opened once or handed over by
 * systemd, and kept until nobody needs them, so that no connection is ever refused and no datagram
 * lost between two workers, cores or holders.
 */
#pragma once

#include "common/base/record.h"
#include "common/base/spawn.h"
#include "common/schema/config.h"

struct listener {
    char address[CONFIG_LISTEN_MAX + 1]; /* "" = handed in, not claimed yet */
    char owner[APP_NAME_MAX + 1];        /* an app, or "" = the agent itself */
    char *stored_as;                     /* its name with systemd */
    const char *fd_name;                 /* with whom it is for; NULL: not claimed yet */
    int fd;
    bool claimed; /* by the configuration looked at last, */
    bool wanted;  /* and by the one in force */
};

struct listeners { /* zeroed at start */
    struct listener *items;
    size_t n;
};

void listeners_done(struct listeners *listeners);

/* A descriptor that systemd handed in; takes it. It is claimed by address, or closed in the end. */
int listeners_adopt(struct listeners *listeners, int take_fd, const char *name);

/*
 * Makes sure that there is a listener for all that |config| names, and for |control|. What was
 * handed in and none of them names is closed first. All or nothing: 0, or a negative errno with one
 * line in |error| and nothing else changed.
 */
int listeners_open(struct listeners *listeners, const struct config *config, const char *control,
                   char error[CONFIG_ERROR_MAX]);

/* Closes what the configuration in force doesn't name and whose owner is not |in_use|. */
void listeners_prune(struct listeners *listeners, bool (*in_use)(void *userdata, const char *owner),
                     void *userdata);

/* Closes all of an app, though the configuration names them: its workers have copies as long as
 * they want connections. */
void listeners_close(struct listeners *listeners, const char *owner);

/*
 * To be called when a worker has ended: some programs shut their listener down when they leave,
 * which ends it for all who share it. A TCP one listens again; a unix one can't.
 */
void listeners_revive(struct listeners *listeners, const char *owner);

/* The descriptor of an app's listener, -1 if there is none. Borrowed. */
int listeners_find(const struct listeners *listeners, const char *address);

/* Gives a core those of the agent itself. */
void listeners_give_core(const struct listeners *listeners, struct spawn *spawn);

/* What was handed over by a version before is claimed as what systemd hands in, but for the apps'.
 */
void listeners_walk(struct listeners *listeners, struct record *record);

/* Removes the paths of unix sockets: at the end of a run that has no fd store. */
void listeners_unlink(const struct listeners *listeners);

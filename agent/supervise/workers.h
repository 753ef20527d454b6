/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The supervisor's edge: carries its decisions to the holder, and brings it what the holder and the
 * workers say. Decides nothing itself.
 */
#pragma once

#include "agent/core/ledger.h"
#include "agent/core/link.h"

#include <systemd/sd-event.h>

struct workers;

/* What the owner does when a worker's scoreboard comes and goes, and when something changed that
 * people see. All are called on the loop. */
struct workers_owner {
    /* A worker runs in the slot; |take_fd| is its scoreboard or -1. */
    void (*on_worker)(unsigned app, unsigned slot, uint64_t serial, int pid, int take_fd,
                      void *userdata);
    /* It has ended and will be released now: the last moment to read its scoreboard. Called once or
     * more for a serial. |take_fd| as above. */
    void (*on_worker_gone)(unsigned app, unsigned slot, uint64_t serial, int take_fd,
                           void *userdata);
    void (*on_change)(void *userdata);
    void *userdata;
};

/* |notify_fd| is borrowed. Nothing is started before workers_configure() and the holder's SYNCED.
 */
int workers_new(struct workers **ret, sd_event *event, struct link *link, struct ledger *ledger,
                int notify_fd, const char *runtime_directory, const struct workers_owner *owner);
struct workers *workers_free(struct workers *workers);
DEFINE_CLEANUP(struct workers *, workers_free)

/* Takes numbers and time-outs; apps that are gone or disabled are drained. 0, or -ENOSPC: the
 * newest apps found no place, the others go on. */
int workers_configure(struct workers *workers, const struct config *config);
/* The same for a new configuration, and replaces the workers of |apps| (bits by the ledger's
 * index), which are then again as many as it says. ret_rolls[app]: which roll does it, or 0. */
int workers_reload(struct workers *workers, const struct config *config, uint32_t apps,
                   uint32_t ret_rolls[APPS_MAX]);

/* SLOT, SYNCED and REFUSED of the holder. Takes |take_fd|. */
void workers_on_message(struct workers *workers, const struct hold_message *message, int take_fd);

/* -ENOENT: no such slot, or nothing in it to restart; else how many will be replaced, by which
 * roll. slot 0 = all. */
int workers_restart(struct workers *workers, unsigned app, unsigned slot, uint32_t *ret_roll);
/* Until the app's next reload. */
void workers_scale(struct workers *workers, unsigned app, unsigned wanted);
/* agentd itself was restarted: rolls and numbers asked for by hand are of the past. */
void workers_begin_anew(struct workers *workers);
/* Replaces workers that have more memory than memory_max, one at a time, where no control group
 * holds them. Call it after each sample. */
void workers_check_limits(struct workers *workers, const struct config *config,
                          const struct snapshot *snapshot);
void workers_stop(struct workers *workers);
bool workers_is_stopped(const struct workers *workers);

const struct supervisor *workers_supervisor(const struct workers *workers);
/* Fills in what it knows of an app and its workers; the rest of |view| stays as it is. */
void workers_view(const struct workers *workers, unsigned app, const struct config_app *config,
                  struct app_view *view);
/* Notify messages that were refused or came from nobody we know. */
uint64_t workers_bad_notifications(const struct workers *workers);

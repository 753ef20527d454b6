/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The worker table: what runs in which slot of which app, since when, and how it ended. Nothing
 * here decides; it does what the core asks for, if the configuration names it.
 */
#pragma once

#include "agent/hold/messages.h"
#include "common/base/record.h"
#include "common/base/spawn.h"

#include <systemd/sd-event.h>

struct holder;

struct app;

struct slot {
    struct app *app; /* NULL until first used */
    enum hold_slot_state state;
    pid_t pid;
    uid_t uid; /* for kill_as() */
    uint64_t serial;
    uint64_t started_at_us, ended_at_us;
    int exit_code, exit_status;
    int scoreboard_fd;
    sd_event_source *child;
    bool told; /* the core knows this state */
};

struct app {
    struct app *next;
    struct holder *holder;
    char name[APP_NAME_MAX + 1];
    int gate_fd;
    unsigned in_use;        /* slots that are not empty */
    struct spawn_user user; /* once it is known */
    struct slot slots[APP_SLOTS_MAX];
};

struct slots {
    struct holder *holder;
    struct app *apps;
    uint64_t last_serial; /* from the wall clock: unique also over the holder's restarts */
    unsigned running;
};

void slots_init(struct slots *slots, struct holder *holder);
void slots_done(struct slots *slots);

/* The answer to HOLD_START, SIGNAL, KILL, RELEASE: 0, or a negative errno with |why|. */
int slots_request(struct slots *slots, const struct hold_message *request, const char **why);

/* A scoreboard that an earlier holder had stored: its worker is dead. Takes the descriptor. */
void slots_adopt(struct slots *slots, int take_fd, const char *store_name);

/* Reading watches the workers too. */
void slots_walk(struct slots *slots, struct record *record);

void slots_kill_all(struct slots *slots);

/* Without control groups: ends and reaps what dead workers left (common/base/orphans.h). */
void slots_sweep(struct slots *slots);

/* Looks users up again, and drops apps that have neither slots in use nor a place in the
 * configuration. */
void slots_reconfigure(struct slots *slots);

/* Whether an app has slots in use: then its listeners stay. |userdata| is a struct slots. */
bool slots_in_use(void *userdata, const char *app);

/* The next slot in use that the core has not been told, or NULL; and its message. */
struct slot *slots_next_untold(struct slots *slots, struct hold_message *ret);
void slots_forget_told(struct slots *slots);

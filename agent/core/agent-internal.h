/* SPDX-License-Identifier: Apache-2.0 */
/* The root object, for its own files: agent.c (what it consists of, the snapshot, the holder's
 * messages) and agent-changes.c (what is asked for: reload, restart, scale, drain, upgrade,
 * stop) and agent-stress.c. */
#pragma once

#include "agent/core/agent.h"
#include "agent/core/commands.h"
#include "agent/core/observer.h"
#include "agent/core/upgrade.h"
#include "agent/serve/control.h"
#include "agent/serve/health.h"
#include "agent/stress/guards.h"
#include "agent/stress/policy.h"
#include "agent/supervise/workers.h"

struct agent_stress {
    struct stress_policy policy;
    struct stress_guards guards;
    sd_event_source *timer;
    bool sampled; /* since the guards' last look */
};

struct agent {
    sd_event *event;
    struct inheritance inheritance;
    struct config *config;
    struct ledger *ledger;
    struct link *link;
    struct accounting *accounting;
    struct workers *workers;
    struct observer *observer;
    struct health *health;
    struct prometheus_server *prometheus;
    struct control *control;
    struct upgrade *upgrade;
    struct agent_stress stress;
    struct snapshot *snapshot;
    sd_event_source *refresh; /* deferred: many changes, one snapshot */
    sd_event_source *lame_duck;
    sd_event_source *hangup;
    char instance_id[CONFIG_STRING_MAX + 1];
    char log_directory[CONFIG_STRING_MAX + 8];
    enum node_state node;
    unsigned core_starts;
    unsigned ticks_to_note; /* until a cut log file is an event again */
    uint64_t unit_started_at_us, started_at_us;
    uint32_t reload_apps; /* rolled when the configuration comes that the holder was asked for */
    uint32_t reload_next; /* rolled by the reload after that; 0: none was asked for */
    bool reloading;       /* the holder was asked to */
    bool serving;         /* listeners are open */
    bool stopped;         /* the holder was told */
};

void agent_note_event(struct agent *agent, int level, const char *name, const char *text);
/* Shows what is new: with many changes in a row once, or before the next answer. */
void agent_refresh_later(struct agent *agent);
void agent_refresh_now(struct agent *agent);

/* --- agent-changes.c */

int agent_load_config(int fd, struct config **ret, char error[CONFIG_ERROR_MAX]);
void agent_take_instance_id(struct agent *agent);
/* Says it if |r| is an error of workers_configure(). */
void agent_check_apps(int r);

/* The holder's words: another configuration is in force, or it takes none; a stop was asked for. */
void agent_on_config(struct agent *agent, int fd);
void agent_on_config_refused(struct agent *agent, const char *why);
void agent_on_stopping(struct agent *agent);
/* Asks again for what the last core had asked for. */
void agent_resume_reload(struct agent *agent);
int agent_on_hangup(sd_event_source *source, const struct signalfd_siginfo *info, void *userdata);

/* See struct control_owner. */
int agent_restart(const struct control_restart *restart, uint64_t *ret_token, void *userdata);
enum control_progress agent_progress(uint64_t token, struct control_failure *ret, void *userdata);
int agent_reload(const char *app, char *why, size_t why_size, void *userdata);
int agent_scale(const char *app, unsigned wanted, unsigned *ret_before, void *userdata);
int agent_drain(bool drain, bool *ret_changed, void *userdata);
int agent_upgrade(const char **why, void *userdata);
enum control_progress agent_upgrade_progress(uint64_t token, char **ret_why, void *userdata);

/* See struct upgrade_owner. */
void agent_on_upgrade_checked(const char *why, const char *version, uint64_t token, void *userdata);

/* --- agent-stress.c */

int agent_stress_open(struct agent *agent);
void agent_stress_close(struct agent *agent);
void agent_stress_configure(struct agent *agent);
void agent_stress_begin_anew(struct agent *agent);
/* Whether it was about stress alone. */
bool agent_stress_on_message(struct agent *agent, const struct hold_message *message);
/* The host was measured; then a snapshot was taken, and the guards look at it. */
void agent_stress_sampled(struct agent *agent);
void agent_stress_look(struct agent *agent);
void agent_stress_view(const struct agent *agent, struct stress_view *view);
/* See struct observer_owner and struct control_owner. */
int agent_stress_pid(void *userdata);
int agent_stress_on(const struct stress_order *order, const struct stress_asker *asker,
                    char why[STRESS_WHY_MAX], void *userdata);
bool agent_stress_off(const struct stress_asker *asker, void *userdata);

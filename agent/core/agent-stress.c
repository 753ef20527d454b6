/* SPDX-License-Identifier: Apache-2.0 */
/* Stress, wired: the policy's acts become requests to the holder, the snapshot feeds the guards,
 * one timer ends what is over. */
#include "agent/core/agent-internal.h"

#include "agent/stress/credits.h"
#include "common/base/clock.h"
#include "common/base/log.h"
#include "common/base/text.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static void act(enum stress_action action, uint64_t serial, const struct stress_order *order,
                void *userdata)
{
    struct agent *agent = userdata;
    struct hold_message message;

    switch (action) {
    case STRESS_START:
        hold_message_init(&message, HOLD_START);
        text_copy(message.app, sizeof(message.app), STRESS_APP);
        message.slot = STRESS_SLOT;
        stress_print(order, message.text);
        link_send(agent->link, &message);
        break;
    case STRESS_TERMINATE:
        link_send_slot(agent->link, HOLD_SIGNAL, STRESS_APP, STRESS_SLOT, serial, SIGTERM);
        break;
    case STRESS_KILL:
        link_send_slot(agent->link, HOLD_KILL, STRESS_APP, STRESS_SLOT, serial, 0);
        break;
    case STRESS_RELEASE:
        link_send_slot(agent->link, HOLD_RELEASE, STRESS_APP, STRESS_SLOT, serial, 0);
        break;
    }
}
_Static_assert(STRESS_TEXT_MAX <= HOLD_TEXT_MAX, "an order fits a message");

static void note(int level, const char *event, const char *text, void *userdata)
{
    agent_note_event(userdata, level, event, text);
}

/* After whatever may have changed something. */
static void settled(struct agent *agent)
{
    uint64_t next_us = stress_policy_next_us(&agent->stress.policy);

    if (agent->stress.timer && next_us != UINT64_MAX)
        (void) sd_event_source_set_time(agent->stress.timer, next_us);
    if (agent->stress.timer)
        (void) sd_event_source_set_enabled(agent->stress.timer,
                                           next_us == UINT64_MAX ? SD_EVENT_OFF : SD_EVENT_ONESHOT);
    agent_refresh_later(agent);
}

static int agent_on_stress_timer(sd_event_source *source, uint64_t usec, void *userdata)
{
    struct agent *agent = userdata;

    stress_policy_tick(&agent->stress.policy, clock_monotonic_us());
    settled(agent);
    return 0;
}

static struct stress_guard_limits guard_limits(const struct agent *agent)
{
    return (struct stress_guard_limits){agent->config->stress_latency_ms,
                                        agent->config->stress_steal_percent};
}

void agent_stress_configure(struct agent *agent)
{
    long n_cpus = sysconf(_SC_NPROCESSORS_ONLN);
    const struct stress_limits limits = {agent->config->stress_enabled, agent->config->stress_max_s,
                                         n_cpus > 0 ? (unsigned) n_cpus : 1};

    stress_policy_configure(&agent->stress.policy, &limits, clock_monotonic_us());
    settled(agent);
}

int agent_stress_open(struct agent *agent)
{
    const struct stress_owner owner = {act, note, agent};
    int r;

    stress_policy_init(&agent->stress.policy, ledger_stress(agent->ledger), &owner);
    r = sd_event_add_time(agent->event, &agent->stress.timer, CLOCK_MONOTONIC, UINT64_MAX, 0,
                          agent_on_stress_timer, agent);
    if (r < 0)
        return log_error_errno(-r, "no timer for stress: %m");
    (void) sd_event_source_set_description(agent->stress.timer, "stress");
    agent_stress_configure(agent);
    return 0;
}

void agent_stress_close(struct agent *agent)
{
    agent->stress.timer = sd_event_source_disable_unref(agent->stress.timer);
    stress_guards_done(&agent->stress.guards);
}

void agent_stress_begin_anew(struct agent *agent)
{
    stress_policy_begin_anew(&agent->stress.policy, clock_monotonic_us());
}

bool agent_stress_on_message(struct agent *agent, const struct hold_message *message)
{
    bool is_ours = strcmp(message->app, STRESS_APP) == 0;

    if (!is_ours && message->type != HOLD_SYNCED)
        return false;
    stress_policy_on_message(&agent->stress.policy, message, clock_monotonic_us());
    settled(agent);
    return is_ours;
}

int agent_stress_pid(void *userdata)
{
    return ((struct agent *) userdata)->stress.policy.process.pid;
}

void agent_stress_sampled(struct agent *agent)
{
    agent->stress.sampled = true;
}

void agent_stress_look(struct agent *agent)
{
    const struct stress_guard_limits limits = guard_limits(agent);
    char text[STRESS_TROUBLE_MAX];

    if (!agent->serving)
        return;
    if (agent->stress.sampled)
        stress_guards_look(&agent->stress.guards, agent->snapshot, &limits);
    agent->stress.sampled = false;
    if (!agent->stress.policy.notes->on)
        return;
    (void) stress_guards_trouble(&agent->stress.guards, agent->snapshot, &limits, text);
    stress_policy_guard(&agent->stress.policy, text, clock_monotonic_us());
    if (text[0])
        settled(agent);
}

void agent_stress_view(const struct agent *agent, struct stress_view *view)
{
    const struct stress_policy *policy = &agent->stress.policy;
    const struct stress_notes *notes = policy->notes;

    *view = (struct stress_view){
        .on = notes->on,
        .running = policy->process.serial && !policy->process.kill_at_us &&
                   notes->running_order == notes->order,
        .load_percent = notes->load_percent,
        .cores = notes->cores,
        .normal_priority = notes->normal_priority,
        .pid = policy->process.pid,
        .uid = notes->uid,
        .ends_at_us = notes->ends_at_us,
        .share_percent = notes->on ? observer_stress_percent(agent->observer) : 0,
    };
    text_copy(view->last, sizeof(view->last), notes->last);
}

int agent_stress_on(const struct stress_order *order, const struct stress_asker *asker,
                    char why[STRESS_WHY_MAX], void *userdata)
{
    struct agent *agent = userdata;
    const struct stress_guard_limits limits = guard_limits(agent);
    char trouble[STRESS_TROUBLE_MAX];
    int r;

    agent_refresh_now(agent); /* a worker may have gone a moment ago */
    (void) stress_guards_trouble(&agent->stress.guards, agent->snapshot, &limits, trouble);
    r = stress_policy_on(&agent->stress.policy, order, asker, trouble, clock_monotonic_us(), why);
    if (r < 0)
        return r;
    settled(agent);
    agent_refresh_now(agent);
    return r;
}

bool agent_stress_off(const struct stress_asker *asker, void *userdata)
{
    struct agent *agent = userdata;
    bool was_on = stress_policy_off(&agent->stress.policy, asker, clock_monotonic_us());

    settled(agent);
    agent_refresh_now(agent);
    return was_on;
}

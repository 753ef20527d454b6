/* SPDX-License-Identifier: Apache-2.0 */
/* See the header. The notes are changed before the holder is asked: a core that dies in between
 * leaves what its successor brings about. */
#include "agent/stress/policy.h"

#include "common/base/clock.h"
#include "common/base/macro.h"
#include "common/base/text.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <syslog.h>

/* agentd-stress ends by its own clock, too: so much earlier it is no death. */
#define TIME_SLACK_US UINT64_C(1000000)

/* --- what is said ----------------------------------------------------------------------------- */

static void print_order(char text[STRESS_WHY_MAX], const struct stress_notes *notes,
                        uint64_t now_us)
{
    uint64_t left_us = notes->ends_at_us > now_us ? notes->ends_at_us - now_us : 0;
    char duration[CLOCK_TEXT_MAX], cores[32] = "";

    if (notes->cores > 0)
        snprintf(cores, sizeof(cores), " by %u core%s", notes->cores, notes->cores > 1 ? "s" : "");
    snprintf(text, STRESS_WHY_MAX, "%u %% of all CPUs%s for %s, priority %s", notes->load_percent,
             cores, clock_format_duration(duration, left_us),
             notes->normal_priority ? "normal" : "idle");
}

static void note(const struct stress_policy *policy, int level, const char *event, const char *text)
{
    policy->owner.note(level, event, text, policy->owner.userdata);
}

/* |by| "" or " by uid 0", |why| "" (by time) or the reason. */
static void end(struct stress_policy *policy, int level, const char *by, const char *why,
                uint64_t at_us)
{
    struct stress_notes *notes = policy->notes;
    uint64_t began_us = MIN(notes->started_at_us, at_us);
    char text[STRESS_WHY_MAX], event[STRESS_WHY_MAX + 8], duration[CLOCK_TEXT_MAX];

    notes->on = false;
    snprintf(text, sizeof(text), "ended%s after %s%s%s", by,
             clock_format_duration(duration, at_us - began_us), *why ? ": " : "", why);
    text_copy(notes->last, sizeof(notes->last), text);
    snprintf(event, sizeof(event), "stress %s", text);
    note(policy, level, "stress-ended", event);
}

/* --- the process ------------------------------------------------------------------------------ */

static void act(struct stress_policy *policy, enum stress_action action,
                const struct stress_order *order)
{
    policy->owner.act(action, policy->process.serial, order, policy->owner.userdata);
}

static void start(struct stress_policy *policy, uint64_t now_us)
{
    struct stress_notes *notes = policy->notes;
    uint64_t left_us = notes->ends_at_us > now_us ? notes->ends_at_us - now_us : 1;
    const struct stress_order order = {
        .load_percent = notes->load_percent,
        .cores = notes->cores,
        .seconds = (unsigned) ((left_us + USEC_PER_SEC - 1) / USEC_PER_SEC),
        .normal_priority = notes->normal_priority,
    };

    notes->running_order = notes->order;
    policy->process.asked = true;
    act(policy, STRESS_START, &order);
}

/* Brings about what the notes say. */
static void settle(struct stress_policy *policy, uint64_t now_us)
{
    const struct stress_notes *notes = policy->notes;
    struct stress_process *process = &policy->process;
    bool wanted = notes->on && notes->running_order == notes->order;

    if (!policy->synced || process->asked)
        return;
    if (!process->serial) {
        if (notes->on)
            start(policy, now_us);
        return;
    }
    if (!wanted && !process->kill_at_us) {
        process->kill_at_us = now_us + STRESS_END_WAIT_US;
        act(policy, STRESS_TERMINATE, NULL);
    }
}

static void died(struct stress_policy *policy, const struct hold_message *message, uint64_t now_us)
{
    struct stress_notes *notes = policy->notes;
    bool ordered = policy->process.kill_at_us, by_itself = message->exit_code == CLD_EXITED;
    char why[64];

    if (notes->on && notes->running_order == notes->order && !ordered) {
        snprintf(why, sizeof(why), STRESS_PROGRAM " died with %s %d",
                 by_itself ? "exit status" : "signal", message->exit_status);
        if (by_itself && message->exit_status == 0 && now_us + TIME_SLACK_US >= notes->ends_at_us)
            end(policy, LOG_NOTICE, "", "", notes->ends_at_us);
        else
            end(policy, LOG_ERR, "", why, now_us);
    }
    policy->process = (struct stress_process){.serial = message->serial};
    act(policy, STRESS_RELEASE, NULL);
    policy->process.serial = 0;
}

static void on_slot(struct stress_policy *policy, const struct hold_message *message,
                    uint64_t now_us)
{
    switch (message->state) {
    case HOLD_SLOT_RUNNING:
        policy->process = (struct stress_process){.serial = message->serial, .pid = message->pid};
        break;
    case HOLD_SLOT_DEAD:
        died(policy, message, now_us);
        break;
    default: /* released */
        break;
    }
}

static void on_refused(struct stress_policy *policy, const struct hold_message *message,
                       uint64_t now_us)
{
    char why[STRESS_WHY_MAX];

    if (message->argument != HOLD_START)
        return; /* it has ended meanwhile, and we are told */
    policy->process.asked = false;
    snprintf(why, sizeof(why), "the holder can't start " STRESS_PROGRAM ": %.100s", message->text);
    if (policy->notes->on)
        end(policy, LOG_ERR, "", why, now_us);
}

void stress_policy_on_message(struct stress_policy *policy, const struct hold_message *message,
                              uint64_t now_us)
{
    if (message->type == HOLD_SYNCED)
        policy->synced = true;
    else if (message->type == HOLD_REFUSED)
        on_refused(policy, message, now_us);
    else if (message->type == HOLD_SLOT)
        on_slot(policy, message, now_us);
    stress_policy_tick(policy, now_us);
}

/* --- orders ----------------------------------------------------------------------------------- */

int stress_policy_on(struct stress_policy *policy, const struct stress_order *order,
                     const struct stress_asker *asker, const char *trouble, uint64_t now_us,
                     char why[STRESS_WHY_MAX])
{
    struct stress_notes *notes = policy->notes;
    bool was_on = notes->on;
    char text[STRESS_WHY_MAX], event[STRESS_WHY_MAX + 64];

    if (!policy->limits.enabled) {
        snprintf(why, STRESS_WHY_MAX, "stress is turned off by the configuration (stress.enabled)");
        return -EBUSY;
    }
    if (order->seconds > policy->limits.max_seconds) {
        snprintf(why, STRESS_WHY_MAX,
                 "%u s are too long; 1 to %u s are allowed "
                 "(stress.max_seconds)",
                 order->seconds, policy->limits.max_seconds);
        return -EINVAL;
    }
    if (order->cores > policy->limits.max_cores) {
        snprintf(why, STRESS_WHY_MAX, "there are no %u cores; 1 to %u are allowed", order->cores,
                 policy->limits.max_cores);
        return -EINVAL;
    }
    if (*trouble) {
        snprintf(why, STRESS_WHY_MAX, "no stress now: %s", trouble);
        return -EBUSY;
    }
    notes->load_percent = order->load_percent;
    notes->cores = order->cores;
    notes->normal_priority = order->normal_priority;
    notes->ends_at_us = now_us + order->seconds * USEC_PER_SEC;
    notes->uid = asker->uid;
    if (!was_on)
        notes->started_at_us = now_us;
    notes->order++; /* from now on another one than what runs */
    notes->on = true;
    print_order(text, notes, now_us);
    snprintf(event, sizeof(event), "stress of %s, asked for by uid %u, pid %d", text,
             (unsigned) asker->uid, (int) asker->pid);
    note(policy, LOG_NOTICE, was_on ? "stress-changed" : "stress-started", event);
    settle(policy, now_us);
    return was_on;
}

bool stress_policy_off(struct stress_policy *policy, const struct stress_asker *asker,
                       uint64_t now_us)
{
    char by[64];

    if (!policy->notes->on)
        return false;
    snprintf(by, sizeof(by), " by uid %u, pid %d", (unsigned) asker->uid, (int) asker->pid);
    end(policy, LOG_NOTICE, by, "", now_us);
    settle(policy, now_us);
    return true;
}

void stress_policy_guard(struct stress_policy *policy, const char *trouble, uint64_t now_us)
{
    if (!policy->notes->on || !*trouble)
        return;
    end(policy, LOG_WARNING, "", trouble, now_us);
    settle(policy, now_us);
}

/* --- time ------------------------------------------------------------------------------------- */

uint64_t stress_policy_next_us(const struct stress_policy *policy)
{
    uint64_t next_us = policy->notes->on ? policy->notes->ends_at_us : UINT64_MAX;

    return policy->process.kill_at_us ? MIN(next_us, policy->process.kill_at_us) : next_us;
}

void stress_policy_tick(struct stress_policy *policy, uint64_t now_us)
{
    struct stress_process *process = &policy->process;

    if (policy->notes->on && now_us >= policy->notes->ends_at_us)
        end(policy, LOG_NOTICE, "", "", policy->notes->ends_at_us);
    if (process->kill_at_us && now_us >= process->kill_at_us) {
        process->kill_at_us = now_us + STRESS_END_WAIT_US;
        act(policy, STRESS_KILL, NULL);
    }
    settle(policy, now_us);
}

/* --- life cycle ------------------------------------------------------------------------------- */

void stress_policy_init(struct stress_policy *policy, struct stress_notes *notes,
                        const struct stress_owner *owner)
{
    *policy = (struct stress_policy){.notes = notes, .owner = *owner};
    notes->last[sizeof(notes->last) - 1] = '\0';
    text_replace_controls(notes->last, '?');
    if (notes->load_percent < 1 || notes->load_percent > STRESS_LOAD_MAX ||
        notes->cores > STRESS_CORES_MAX)
        notes->on = false;
}

void stress_policy_configure(struct stress_policy *policy, const struct stress_limits *limits,
                             uint64_t now_us)
{
    struct stress_notes *notes = policy->notes;

    policy->limits = *limits;
    notes->ends_at_us = MIN(notes->ends_at_us, now_us + limits->max_seconds * USEC_PER_SEC);
    if (notes->on && !limits->enabled)
        end(policy, LOG_NOTICE, "", "turned off by the configuration (stress.enabled)", now_us);
    settle(policy, now_us);
}

void stress_policy_begin_anew(struct stress_policy *policy, uint64_t now_us)
{
    if (policy->notes->on)
        end(policy, LOG_NOTICE, "", "agentd was restarted, which ends it", now_us);
}

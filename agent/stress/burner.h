/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The threads of agentd-stress: each burns a share of short periods and sleeps the rest. They hold
 * no target; agent/stress/controller.h tells them the share.
 *
 * The kernel finds out who uses a CPU by looking at each tick. So the periods' length has the
 * golden ratio in it: their starts fall evenly between the ticks, and what the kernel counts is
 * what was used. A period of a whole number of ticks would be counted as anything.
 */
#pragma once

#include "common/base/macro.h"

#include <sched.h>
#include <stdbool.h>
#include <stdint.h>

struct burners;

/* |max| threads at most; |idle_class|: they run as SCHED_IDLE. Starts none. 0 or -ENOMEM. */
int burners_new(struct burners **ret, unsigned max, bool idle_class);

/*
 * A thread on each of |cpus|, evenly chosen of them if there are more than the maximum. To be
 * called again when these change: threads move, more are started, those that have no CPU sleep.
 * Returns how many burn, or a negative errno.
 */
int burners_place(struct burners *burners, const cpu_set_t *cpus);

/* For how much of its periods each of them is busy from now on, 0 to 1. */
void burners_set_duty(struct burners *burners, double duty);

/*
 * Before the process exits, which ends the threads. To exit, too, a thread needs a CPU, and one of
 * SCHED_IDLE waits seconds for it where others need all: so they get their class back, if this
 * process may (CAP_SYS_NICE, or RLIMIT_NICE of 20). There is no free: threads that wait for a CPU
 * can't be joined in time.
 */
void burners_stop(struct burners *burners);

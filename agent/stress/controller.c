/* SPDX-License-Identifier: Apache-2.0 */
/* The control law of agentd-stress. */
#include "agent/stress/controller.h"

#include "common/base/clock.h"
#include "common/base/macro.h"

#include <math.h>

/* The mean's time constant. Shorter follows others sooner, longer is calmer with coarse ticks. */
#define OTHER_TIME_US (300.0 * USEC_PER_MSEC)

/* Others changed, rather than ticked, if two intervals in a row are off by more than this, and by
 * more than two ticks could make. Then the mean starts anew from these two. */
#define LEAP       0.06
#define LEAP_TICKS 2.0

/* Until others are known somewhat, nothing is burnt: it would have to be taken back. */
#define LOOK_INTERVALS 2

/* What is owed: up to the first is the phase of the threads' periods and none of our business; it
 * is paid back within the time; no more than the last is remembered, so that a CPU that is free
 * again doesn't get all of it at once. */
#define OWED_FREE_US 10e3
#define OWED_TIME_US 100e3
#define OWED_MAX_US  (OWED_FREE_US + OWED_TIME_US)

void controller_init(struct controller *controller, double target, double tick_us)
{
    *controller = (struct controller){.target = target, .tick_us = tick_us};
}

static double clamp(double value, double low, double high)
{
    return fmin(fmax(value, low), high);
}

/* One more interval in the mean of what others use. */
static void follow_other(struct controller *controller, double other, double interval_us,
                         double host_us)
{
    double off = other - controller->other;
    double limit = LEAP + LEAP_TICKS * controller->tick_us / host_us;
    int leap = off > limit ? 1 : off < -limit ? -1 : 0;
    double gain;

    if (leap != 0 && leap == controller->leap) {
        controller->n_other = 1; /* this one and the next weigh most */
        leap = 0;
    }
    controller->leap = leap;
    controller->n_other++;
    gain = fmax(interval_us / (interval_us + OTHER_TIME_US), 1.0 / controller->n_other);
    controller->other += gain * off;
}

/* What was commanded for the time since the last reading and wasn't used. */
static void settle(struct controller *controller, double own_us, double host_us, unsigned cpus)
{
    double missing_us = controller->command * host_us - own_us;

    controller->owed_us += missing_us;
    if (controller->command <= 0)
        controller->owed_us = fmin(controller->owed_us, 0); /* others need all of the target */
    controller->owed_us = clamp(controller->owed_us, -OWED_FREE_US * cpus, OWED_MAX_US * cpus);
}

double controller_step(struct controller *controller, const struct controller_reading *reading)
{
    const struct controller_reading last = controller->last;
    double interval_us = (double) (reading->now_us - last.now_us);
    double busy_us = reading->busy_us - last.busy_us;
    double total_us = reading->total_us - last.total_us;
    double own_us = reading->own_us - last.own_us;
    double duty;

    if (!controller->known) {
        controller->known = true;
        controller->last = *reading;
        return 0;
    }
    if (reading->now_us > last.now_us) {
        double host_us = interval_us * last.cpus;
        /* Measured against the time that the kernel has counted, which is by ticks, too: over many
         * intervals it is the ratio of the sums that hits the target, as anybody measures it, and
         * not the mean of each interval's ratio. */
        double other_us = busy_us - own_us + controller->target * (host_us - total_us);

        follow_other(controller, other_us / host_us, interval_us, host_us);
        settle(controller, own_us, host_us, last.cpus);
        controller->last = *reading;
    }
    if (controller->target >= 1)
        return 1; /* there is nothing to overshoot */
    if (controller->n_other < LOOK_INTERVALS)
        return 0;
    controller->command = clamp(controller->target - controller->other, 0, 1);
    duty = controller->command * reading->cpus;
    if (duty > 0 && controller->owed_us > OWED_FREE_US * reading->cpus)
        duty += (controller->owed_us - OWED_FREE_US * reading->cpus) / OWED_TIME_US;
    return clamp(duty / MAX(reading->threads, 1u), 0, 1);
}

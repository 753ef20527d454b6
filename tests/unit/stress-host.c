/* SPDX-License-Identifier: Apache-2.0 */
/* The simulation of tests/unit/stress-host.h. */
#include "tests/unit/stress-host.h"

#include <math.h>

/* xorshift64*; 0 to 1. The same in each run. */
static double next_random(struct stress_host *host)
{
    host->random ^= host->random >> 12;
    host->random ^= host->random << 25;
    host->random ^= host->random >> 27;
    return (double) ((host->random * UINT64_C(2685821657736338717)) >> 11) / 9007199254740992.0;
}

/* On for |mean_us| on average, and off for as long as gives the share. */
static bool flip(struct stress_host *host, bool on, double share, double mean_us)
{
    double off_us = share > 0 ? mean_us * (1 - share) / share : INFINITY;
    double length_us = on ? mean_us : off_us;

    if (share >= 1)
        return true;
    return next_random(host) < STRESS_HOST_STEP / fmax(length_us, STRESS_HOST_STEP) ? !on : on;
}

/* As the threads': whole ticks and the golden ratio of one. */
static double period_us(const struct stress_host *host)
{
    return host->tick_us * (fmax(floor(14000.0 / host->tick_us), 1) + 0.618);
}

static bool thread_wants(struct stress_host *host, unsigned cpu)
{
    if (cpu >= host->threads)
        return false;
    while ((double) host->now_us >= host->cpu[cpu].period_at_us) {
        host->cpu[cpu].period_at_us += period_us(host);
        host->cpu[cpu].budget_us =
            fmin(host->cpu[cpu].budget_us + host->duty * period_us(host), period_us(host));
    }
    return host->cpu[cpu].budget_us > 0;
}

static void step_cpu(struct stress_host *host, unsigned i)
{
    double share = host->other + (i == 0 ? host->hog : 0);
    bool wants = thread_wants(host, i), busy;

    /* 7 ms and a bit: no multiple of the tick. */
    host->cpu[i].other = host->steady
                             ? fmod((double) host->now_us, 7331) < 7331 * share
                             : flip(host, host->cpu[i].other, fmin(share, 1), host->burst_us);
    host->cpu[i].stolen = flip(host, host->cpu[i].stolen, host->steal, 2000);
    busy = host->cpu[i].other || wants;
    if (host->cpu[i].stolen && busy) { /* who is idle misses nothing */
        host->steal_us += STRESS_HOST_STEP;
        return;
    }
    if (wants && (!host->cpu[i].other || (host->competes && next_random(host) < 0.5))) {
        host->cpu[i].budget_us -= STRESS_HOST_STEP;
        host->own_us += STRESS_HOST_STEP;
    }
    if (busy && host->now_us % host->tick_us < STRESS_HOST_STEP)
        host->busy_us += host->tick_us;
    if (!busy)
        host->idle_us += STRESS_HOST_STEP;
}

void stress_host_step(struct stress_host *host)
{
    for (unsigned i = 0; i < host->cpus; i++)
        step_cpu(host, i);
    host->now_us += STRESS_HOST_STEP;
}

static double in_user_ticks(double us)
{
    return floor(us / STRESS_HOST_USER) * STRESS_HOST_USER;
}

double stress_host_busy(const struct stress_host *host)
{
    return in_user_ticks(host->busy_us);
}

double stress_host_total(const struct stress_host *host)
{
    return in_user_ticks(host->busy_us) + in_user_ticks(host->idle_us) +
           in_user_ticks(host->steal_us);
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A host for the controller of agentd-stress: CPUs with somebody else's bursts, a hypervisor that
 * takes some time, threads that burn as agentd-stress's do, and a /proc/stat that counts as Linux
 * does: busy by looking at each tick, idle and steal exactly, all of it in units of 10 ms.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#define STRESS_HOST_CPUS 8u
#define STRESS_HOST_USER 10000.0 /* USER_HZ, in microseconds */
#define STRESS_HOST_STEP 250u    /* microseconds; one state a CPU for so long */

struct stress_host {
    /* To be set, and changed at any time. */
    unsigned cpus, threads;
    unsigned tick_us;
    double other;    /* others' share of the host, in bursts on all CPUs */
    double hog;      /* others' share of CPU 0 alone, on top */
    double steal;    /* share of each CPU */
    double burst_us; /* mean length of others' bursts */
    bool steady;     /* bursts come regularly, not by chance */
    bool competes;   /* threads get the CPU half of the time that others want it */
    double duty;     /* of the threads */
    uint64_t random; /* seed */

    uint64_t now_us;
    double busy_us, idle_us, steal_us, own_us; /* as counted; own exact */
    struct {
        bool other, stolen;
        double budget_us;
        double period_at_us;
    } cpu[STRESS_HOST_CPUS];
};

/* Goes on by one step. */
void stress_host_step(struct stress_host *host);

/* What /proc/stat would say, in microseconds. */
double stress_host_busy(const struct stress_host *host);
double stress_host_total(const struct stress_host *host);

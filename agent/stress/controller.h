/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How much CPU agentd-stress takes, so that the whole host is as busy as its target. Pure: readings
 * and time come in, a share goes out.
 *
 * What others use is all that was busy less what its threads used, which it knows exactly:
 * /proc/stat counts whole ticks, and over one interval it is off by several points. The mean of
 * that is the one thing estimated here. What is commanded is the target less the mean, so each
 * interval's error becomes a part of the next command: an integral that can't wind up, as it goes
 * by what was used and not by what was commanded.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

/* Counters since whenever; only their differences matter. */
struct controller_reading {
    uint64_t now_us;
    double busy_us;  /* of all CPUs: user, nice, system, irq, softirq */
    double total_us; /* of all CPUs: with idle, iowait and steal */
    double own_us;   /* CPU time of the threads that obey, exact */
    unsigned cpus;   /* online in the host */
    unsigned threads;
};

struct controller { /* a plain value; private but for reading */
    double target;  /* 0 to 1, as all shares of the host here */
    double tick_us; /* what busy_us and total_us come in */
    bool known;
    struct controller_reading last;
    double other;     /* the mean of what others use */
    unsigned n_other; /* intervals in it, up to where older ones fade */
    int leap;         /* sign of the last interval's surprise, 0 if it was none */
    double command;   /* what is to be used by this process */
    double owed_us;   /* commanded and not used: a CPU was somebody else's */
};

/* |target| from 0 to 1. |tick_us|: the unit of /proc/stat (10 ms), for how coarse a reading is. */
void controller_init(struct controller *controller, double target, double tick_us);

/*
 * To be called several times a second; the first two intervals are for looking only. Returns for
 * how much of its time each of the |threads| shall be busy until the next call, 0 to 1.
 */
double controller_step(struct controller *controller, const struct controller_reading *reading);

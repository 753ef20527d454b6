/* SPDX-License-Identifier: Apache-2.0 */
/* Threads that are busy for a share of their time, by absolute deadlines and by their own clocks.
 */
#include "agent/stress/burner.h"

#include "common/base/clock.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/prctl.h>
#include <time.h>

#define PERIOD_US      (14 * USEC_PER_MSEC) /* about; see period_of_ticks() */
#define GOLDEN         0.6180339887
#define STACK_BYTES    (128u * 1024)
#define ROUNDS_A_CHECK 8192u /* some 15 to 30 us between two looks at the clock */
#define DUTY_UNIT      1000000u

struct burner {
    struct burners *all;
    unsigned index;
    bool started;
    pthread_t thread;
};

struct burners {
    unsigned max, n_started;
    bool idle_class;
    uint64_t start_us, period_us;
    atomic_uint n_active;
    atomic_uint duty; /* in DUTY_UNITs */
    struct burner burner[];
};

static uint64_t period_of_ticks(void)
{
    struct timespec tick;
    uint64_t tick_us = 4000;

    /* The coarse clock moves with the tick. */
    if (clock_getres(CLOCK_MONOTONIC_COARSE, &tick) == 0 && tick.tv_sec == 0 &&
        tick.tv_nsec >= 1000)
        tick_us = (uint64_t) tick.tv_nsec / 1000;
    return (uint64_t) ((double) tick_us *
                       ((double) MAX(PERIOD_US / tick_us, UINT64_C(1)) + GOLDEN));
}

static uint64_t thread_used_us(void)
{
    struct timespec used;

    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &used);
    return (uint64_t) used.tv_sec * USEC_PER_SEC + (uint64_t) used.tv_nsec / 1000;
}

static void sleep_until(uint64_t at_us)
{
    const struct timespec at = {.tv_sec = (time_t) (at_us / USEC_PER_SEC),
                                .tv_nsec = (long) (at_us % USEC_PER_SEC * 1000)};

    while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &at, NULL) == EINTR)
        ;
}

/* One multiplication waits for the other: no memory, no vector unit, and much room for whoever
 * shares the core. */
static void burn_some(void)
{
    uint64_t x = 1;

    for (unsigned i = 0; i < ROUNDS_A_CHECK; i++) {
        x = x * UINT64_C(6364136223846793005) + 1;
        __asm__ volatile("" : "+r"(x));
    }
}

/* Burns until |budget_us| of this thread's time are gone, or the period is. Returns what is left;
 * negative: it took too much, by a part of a check or for what sleeping itself costs. */
static int64_t burn(int64_t budget_us, uint64_t since_us, uint64_t end_us)
{
    for (;;) {
        int64_t left_us = budget_us - (int64_t) (thread_used_us() - since_us);

        if (left_us <= 0 || clock_monotonic_us() >= end_us)
            return left_us;
        burn_some();
    }
}

static void *burner_main(void *userdata)
{
    struct burner *burner = userdata;
    struct burners *all = burner->all;
    const uint64_t period_us = all->period_us;
    uint64_t start_us, used_us = 0;
    int64_t budget_us = 0;

    prctl(PR_SET_TIMERSLACK, 1UL); /* else the kernel sleeps up to 50 us longer */
    start_us = all->start_us;
    for (;;) {
        /* Each thread's turn comes at another time, so that the host's load is even. */
        unsigned active = atomic_load_explicit(&all->n_active, memory_order_relaxed);
        uint64_t phase_us = active ? period_us * burner->index / active : 0;
        uint64_t now_us;
        double duty;

        sleep_until(start_us + phase_us);
        now_us = clock_monotonic_us();
        duty = (double) atomic_load_explicit(&all->duty, memory_order_relaxed) / DUTY_UNIT;
        if (burner->index >= active)
            duty = 0;
        /* Late by whole periods: somebody else had the CPU. The controller knows. */
        if (now_us > start_us + phase_us + period_us)
            start_us += (now_us - start_us - phase_us) / period_us * period_us;
        budget_us += (int64_t) (duty * (double) period_us);
        budget_us = burn(budget_us, used_us, start_us + phase_us + period_us);
        used_us = thread_used_us();
        /* What could not be used is made good in the next period, if at all. */
        budget_us = duty > 0 ? MIN(budget_us, (int64_t) period_us) : MIN(budget_us, 0);
        start_us += period_us;
    }
    return NULL;
}

int burners_new(struct burners **ret, unsigned max, bool idle_class)
{
    struct burners *burners = calloc(1, sizeof(*burners) + max * sizeof(burners->burner[0]));

    if (!burners)
        return -ENOMEM;
    burners->max = max;
    burners->idle_class = idle_class;
    burners->start_us = clock_monotonic_us();
    burners->period_us = period_of_ticks();
    *ret = burners;
    return 0;
}

static int start(struct burner *burner)
{
    const struct sched_param parameter = {.sched_priority = 0};
    pthread_attr_t attributes;
    int r = pthread_attr_init(&attributes);

    if (r != 0)
        return -r;
    pthread_attr_setstacksize(&attributes, STACK_BYTES);
    r = pthread_create(&burner->thread, &attributes, burner_main, burner);
    pthread_attr_destroy(&attributes);
    /* Not by an attribute: glibc takes only POSIX's classes there. */
    if (r == 0 && burner->all->idle_class)
        r = pthread_setschedparam(burner->thread, SCHED_IDLE, &parameter);
    return -r;
}

/* The |index|th of the CPUs in |cpus|. */
static int cpu_at(const cpu_set_t *cpus, unsigned index)
{
    for (int cpu = 0; cpu < CPU_SETSIZE; cpu++)
        if (CPU_ISSET(cpu, cpus) && index-- == 0)
            return cpu;
    return -1;
}

int burners_place(struct burners *burners, const cpu_set_t *cpus)
{
    unsigned available = (unsigned) CPU_COUNT(cpus), n = MIN(available, burners->max);

    atomic_store_explicit(&burners->n_active, n, memory_order_relaxed);
    for (unsigned i = 0; i < n; i++) {
        struct burner *burner = &burners->burner[i];
        cpu_set_t one;

        if (i == burners->n_started) {
            int r;

            burner->all = burners;
            burner->index = i;
            r = start(burner);
            if (r < 0)
                return r;
            burners->n_started++;
        }
        CPU_ZERO(&one);
        CPU_SET(cpu_at(cpus, i * available / n), &one);
        /* It fails only if these CPUs have just gone, and then this is called again. */
        (void) pthread_setaffinity_np(burner->thread, sizeof(one), &one);
    }
    return (int) n;
}

void burners_set_duty(struct burners *burners, double duty)
{
    atomic_store_explicit(&burners->duty, (unsigned) (duty * DUTY_UNIT), memory_order_relaxed);
}

void burners_stop(struct burners *burners)
{
    const struct sched_param parameter = {.sched_priority = 0};

    burners_set_duty(burners, 0);
    for (unsigned i = 0; burners->idle_class && i < burners->n_started; i++)
        (void) pthread_setschedparam(burners->burner[i].thread, SCHED_OTHER, &parameter);
}

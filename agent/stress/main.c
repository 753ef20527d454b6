/* SPDX-License-Identifier: Apache-2.0 */
/*
 * agentd-stress: keeps the whole host as busy as its target, whatever else runs, and ends by
 * itself.
 *
 * The main thread reads, decides and sleeps; the burning is done by agent/stress/burner.h. It keeps
 * its priority though the others are SCHED_IDLE: it needs some ten microseconds, and on time. After
 * the start nothing is allocated.
 */
#include "agent/observe/procfs.h"
#include "agent/stress/burner.h"
#include "agent/stress/controller.h"
#include "agent/stress/options.h"
#include "common/base/clock.h"
#include "common/base/files.h"
#include "common/schema/contract.h"
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <time.h>

#define STAT_BYTES  512u /* the first line of /proc/stat is wanted */
#define INTERVAL_US (100 * USEC_PER_MSEC)
#define PLACE_EVERY 10 /* intervals: whether CPUs came or went */

static const char help[] =
    "Usage: agentd-stress [OPTION]...\n"
    "Keeps the CPUs of the whole host busy up to a target, beside whatever else runs.\n"
    "\n"
    "  --load PERCENT     the target, from 1 to 100 (85); others that use more are left alone\n"
    "  --cores N          burn on at most N CPUs (all); the target may then be out of reach\n"
    "  --for DURATION     end after it, from 1s to 24h, like 90s, 10m, 1h30m (10m)\n"
    "  --priority CLASS   idle: take what others leave; normal: compete with them (idle)\n"
    "  --stats SECONDS    a line each so many seconds on standard error\n"
    "  --version          print the version and exit\n"
    "  --help             print this and exit\n"
    "\n"
    "Exit status: 0 ended by time, SIGTERM or SIGINT; 1 failed; 2 bad usage.\n"
    "It is killed with the process that started it. See agentd-stress(8).\n";

struct stress {
    struct stress_options options;
    struct controller controller;
    struct burners *burners;
    int stat_fd;
    double us_a_tick;
    struct procfs_cpu cpu;
    struct controller_reading reading;
    double steal_us;
    cpu_set_t cpus;
    struct controller_reading said; /* at the last line of --stats */
    double said_steal_us;
};

static double used_us(clockid_t clock)
{
    struct timespec used;

    clock_gettime(clock, &used);
    return (double) used.tv_sec * 1e6 + (double) used.tv_nsec / 1e3;
}

/* 0 or a negative errno. The counters of |reading| go up by what has passed. */
static int read_host(struct stress *stress)
{
    char text[STAT_BYTES];
    struct procfs_cpu now;
    struct procfs_cpu_elapsed elapsed;
    ssize_t n = pread(stress->stat_fd, text, sizeof(text) - 1, 0);
    int r;

    if (n < 0)
        return -errno;
    text[n] = '\0';
    r = procfs_parse_stat(text, &now);
    if (r < 0)
        return r;
    elapsed = procfs_cpu_elapsed(&stress->cpu, &now);
    stress->cpu = now;
    stress->reading.now_us = clock_monotonic_us();
    stress->reading.busy_us += elapsed.busy * stress->us_a_tick;
    stress->reading.total_us += elapsed.all * stress->us_a_tick;
    /* The threads' alone: this one's time is not commanded, so it is among what others use. */
    stress->reading.own_us = used_us(CLOCK_PROCESS_CPUTIME_ID) - used_us(CLOCK_THREAD_CPUTIME_ID);
    stress->steal_us += elapsed.steal * stress->us_a_tick;
    return 0;
}

/* Puts the threads onto the CPUs that this process may use now. */
static int place(struct stress *stress)
{
    long online = sysconf(_SC_NPROCESSORS_ONLN);
    cpu_set_t cpus;
    int r;

    if (sched_getaffinity(0, sizeof(cpus), &cpus) < 0)
        return -errno;
    if (online > 0)
        stress->reading.cpus = (unsigned) online;
    if (CPU_EQUAL(&cpus, &stress->cpus))
        return 0;
    r = burners_place(stress->burners, &cpus);
    if (r < 0)
        return r;
    stress->reading.threads = (unsigned) r;
    stress->cpus = cpus;
    return 0;
}

static void say(struct stress *stress)
{
    double total_us = stress->reading.total_us - stress->said.total_us;
    double busy_us = stress->reading.busy_us - stress->said.busy_us;
    double own_us = stress->reading.own_us - stress->said.own_us;
    double steal_us = stress->steal_us - stress->said_steal_us;

    if (total_us > 0)
        fprintf(stderr, "host %5.1f %%, own %5.1f %%, other %5.1f %%, steal %5.1f %%\n",
                100 * busy_us / total_us, 100 * own_us / total_us,
                100 * MAX(busy_us - own_us, 0.0) / total_us, 100 * steal_us / total_us);
    stress->said = stress->reading;
    stress->said_steal_us = stress->steal_us;
}

/* Sleeps until then. Returns whether a signal says that it is to end. */
static bool sleep_until(uint64_t at_us, const sigset_t *signals)
{
    for (;;) {
        uint64_t now_us = clock_monotonic_us(), left_us = at_us > now_us ? at_us - now_us : 0;
        const struct timespec left = {.tv_sec = (time_t) (left_us / USEC_PER_SEC),
                                      .tv_nsec = (long) (left_us % USEC_PER_SEC * 1000)};

        if (sigtimedwait(signals, NULL, &left) > 0)
            return true;
        if (errno == EAGAIN)
            return false;
    }
}

static int run(struct stress *stress, const sigset_t *signals)
{
    uint64_t start_us = clock_monotonic_us(), end_us = start_us + stress->options.for_us;
    uint64_t next_us = start_us, say_us = start_us + stress->options.stats_us;
    int r = read_host(stress);

    stress->reading.busy_us = stress->reading.total_us = stress->steal_us = 0; /* since boot */
    stress->said = stress->reading;
    for (unsigned i = 0; r >= 0; i++) {
        if (i % PLACE_EVERY == 0 && (r = place(stress)) < 0)
            break;
        burners_set_duty(stress->burners, controller_step(&stress->controller, &stress->reading));
        next_us = MAX(next_us + INTERVAL_US, clock_monotonic_us());
        if (sleep_until(MIN(next_us, end_us), signals) || next_us >= end_us)
            return 0;
        r = read_host(stress);
        if (stress->options.stats_us && stress->reading.now_us >= say_us) {
            say(stress);
            say_us += stress->options.stats_us;
        }
    }
    return r;
}

/* 0, or a negative errno. */
static int prepare(struct stress *stress, sigset_t *signals)
{
    unsigned max = stress->options.cores ? stress->options.cores : CPU_SETSIZE;
    long ticks = sysconf(_SC_CLK_TCK);

    sigemptyset(signals);
    sigaddset(signals, SIGTERM);
    sigaddset(signals, SIGINT);
    if (sigprocmask(SIG_BLOCK, signals, NULL) < 0)
        return -errno;
    stress->stat_fd = open("/proc/stat", O_RDONLY | O_CLOEXEC);
    if (stress->stat_fd < 0)
        return -errno;
    stress->us_a_tick = 1e6 / (double) (ticks > 0 ? ticks : 100);
    controller_init(&stress->controller, stress->options.load_percent / 100.0, stress->us_a_tick);
    return burners_new(&stress->burners, max, !stress->options.normal_priority);
}

int main(int argc, char **argv)
{
    pid_t parent = getppid();
    long cpus = sysconf(_SC_NPROCESSORS_ONLN);
    struct stress stress = {.stat_fd = -1};
    char error[STRESS_ERROR_MAX];
    sigset_t signals;
    int r;

    if (stress_options_parse(argc, argv, cpus > 0 ? (unsigned) cpus : 1, &stress.options, error) <
        0) {
        fprintf(stderr, "agentd-stress: %s; see agentd-stress --help\n", error);
        return EXIT_CODE_USAGE;
    }
    if (stress.options.request != STRESS_RUN) {
        fputs(stress.options.request == STRESS_HELP ? help : "agentd-stress " PACKAGE_VERSION "\n",
              stdout);
        return EXIT_CODE_OK;
    }
    if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0 || getppid() != parent)
        return EXIT_CODE_FAILED; /* who started it is gone already */
    r = prepare(&stress, &signals);
    if (r >= 0)
        r = run(&stress, &signals);
    if (r < 0)
        fprintf(stderr, "agentd-stress: %s\n", strerror(-r));
    if (stress.burners)
        burners_stop(stress.burners);
    /* Not exit(3): threads that wait for a CPU are not waited for. */
    _exit(r < 0 ? EXIT_CODE_FAILED : EXIT_CODE_OK);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/unit.h"

#include "common/base/clock.h"
#include "common/net/offload.h"

#include <errno.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdbool.h>

struct job {
    struct offload_job job; /* first: the callbacks cast */
    struct log *log;
    unsigned number;
    bool ran, on_loop;
    sem_t *hold; /* run() waits for it */
    struct offload *resubmit;
};

struct log {
    unsigned done[256];
    unsigned n_done, n_ran;
    pthread_t loop;
};

static void on_run(struct offload_job *job)
{
    struct job *j = (struct job *) job;

    j->on_loop = pthread_equal(pthread_self(), j->log->loop);
    if (j->hold)
        sem_wait(j->hold);
    j->ran = true;
}

static void on_done(struct offload_job *job)
{
    struct job *j = (struct job *) job;
    struct log *log = j->log;

    assert_true(pthread_equal(pthread_self(), log->loop));
    assert_false(j->on_loop);
    log->done[log->n_done++] = j->number;
    log->n_ran += j->ran;
    if (j->resubmit) {
        struct offload *offload = j->resubmit;

        j->resubmit = NULL;
        j->number += 100;
        if (offload_submit(offload, job) == 0)
            return;
    }
    free(j); /* allowed, and the sanitizer sees who looks afterwards */
}

static struct job *make_job(struct log *log, unsigned number)
{
    struct job *j = calloc(1, sizeof(*j));

    assert_non_null(j);
    j->job.run = on_run;
    j->job.done = on_done;
    j->log = log;
    j->number = number;
    return j;
}

static void run_until(sd_event *event, const struct log *log, unsigned n_done)
{
    uint64_t end = clock_monotonic_us() + 5 * USEC_PER_SEC;

    while (log->n_done < n_done && clock_monotonic_us() < end)
        assert_true(sd_event_run(event, 100 * USEC_PER_MSEC) >= 0);
    assert_int_equal(log->n_done, n_done);
}

static void test_order(void **state)
{
    struct log log = {.loop = pthread_self()};
    struct offload *offload;
    sd_event *event;

    assert_true(sd_event_new(&event) >= 0);
    assert_int_equal(offload_new(&offload, event, 1, 200), 0);
    for (unsigned i = 0; i < 200; i++)
        assert_int_equal(offload_submit(offload, &make_job(&log, i)->job), 0);
    run_until(event, &log, 200);
    for (unsigned i = 0; i < 200; i++)
        assert_int_equal(log.done[i], i);
    assert_int_equal(log.n_ran, 200);
    offload_free(offload);
    sd_event_unref(event);
}

/* One runs, two wait, the next is refused and still the caller's. */
static void test_refusal(void **state)
{
    struct log log = {.loop = pthread_self()};
    struct offload *offload;
    struct job *refused;
    sd_event *event;
    sem_t hold;
    int r = -EBUSY;

    sem_init(&hold, 0, 0);
    assert_true(sd_event_new(&event) >= 0);
    assert_int_equal(offload_new(&offload, event, 1, 2), 0);
    for (unsigned i = 0; i < 3; i++) {
        struct job *j = make_job(&log, i);

        j->hold = i == 0 ? &hold : NULL;
        /* The first leaves the queue as soon as its thread has it. */
        for (unsigned tries = 0; tries < 1000; tries++) {
            r = offload_submit(offload, &j->job);
            if (r == 0)
                break;
            usleep(1000);
        }
        assert_int_equal(r, 0);
    }
    refused = make_job(&log, 3);
    assert_int_equal(offload_submit(offload, &refused->job), -EBUSY);
    assert_int_equal(log.n_done, 0);
    sem_post(&hold);
    run_until(event, &log, 3);
    assert_int_equal(offload_submit(offload, &refused->job), 0);
    run_until(event, &log, 4);
    offload_free(offload);
    sd_event_unref(event);
    sem_destroy(&hold);
}

static void *release_later(void *hold)
{
    usleep(50 * 1000);
    sem_post(hold);
    return NULL;
}

/* Free waits for what runs and hands back what never ran; nothing is lost or done twice. */
static void test_free_waits(void **state)
{
    struct log log = {.loop = pthread_self()};
    struct offload *offload;
    sd_event *event;
    pthread_t thread;
    sem_t hold;

    sem_init(&hold, 0, 0);
    assert_true(sd_event_new(&event) >= 0);
    assert_int_equal(offload_new(&offload, event, 1, 10), 0);
    for (unsigned i = 0; i < 5; i++) {
        struct job *j = make_job(&log, i);

        j->hold = i == 0 ? &hold : NULL;
        j->resubmit = i == 4 ? offload : NULL; /* refused: it stops */
        assert_int_equal(offload_submit(offload, &j->job), 0);
    }
    usleep(20 * 1000); /* the first runs by now */
    assert_int_equal(pthread_create(&thread, NULL, release_later, &hold), 0);
    offload_free(offload);
    pthread_join(thread, NULL);
    assert_int_equal(log.n_done, 5);
    assert_int_equal(log.n_ran, 1);
    for (unsigned i = 0; i < 5; i++)
        assert_int_equal(log.done[i], i);
    sd_event_unref(event);
    sem_destroy(&hold);
}

static void test_done_submits_again(void **state)
{
    struct log log = {.loop = pthread_self()};
    struct offload *offload;
    struct job *j = make_job(&log, 1);
    sd_event *event;

    assert_true(sd_event_new(&event) >= 0);
    assert_int_equal(offload_new(&offload, event, 2, 1), 0);
    j->resubmit = offload;
    assert_int_equal(offload_submit(offload, &j->job), 0);
    run_until(event, &log, 2);
    assert_int_equal(log.done[0], 1);
    assert_int_equal(log.done[1], 101);
    offload_free(offload);
    sd_event_unref(event);
}

static volatile sig_atomic_t signalled_on_thread;
static pthread_t main_thread;

static void on_signal(int number)
{
    if (!pthread_equal(pthread_self(), main_thread))
        signalled_on_thread = 1;
}

/* A signal for the process must not end up on a thread: the loop waits for it. */
static void test_threads_take_no_signals(void **state)
{
    struct offload *offload;
    sd_event *event;
    sigset_t usr1, old;

    main_thread = pthread_self();
    signal(SIGUSR1, on_signal);
    assert_true(sd_event_new(&event) >= 0);
    assert_int_equal(offload_new(&offload, event, 4, 1), 0);
    sigemptyset(&usr1);
    sigaddset(&usr1, SIGUSR1);
    pthread_sigmask(SIG_BLOCK, &usr1, &old);
    kill(getpid(), SIGUSR1);
    usleep(20 * 1000);
    assert_int_equal(signalled_on_thread, 0);
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    signal(SIGUSR1, SIG_DFL);
    offload_free(offload);
    sd_event_unref(event);
}

static void test_arguments(void **state)
{
    struct offload *offload = NULL;
    sd_event *event;

    assert_true(sd_event_new(&event) >= 0);
    assert_int_equal(offload_new(&offload, event, 0, 1), -EINVAL);
    assert_int_equal(offload_new(&offload, event, 1000, 1), -EINVAL);
    assert_null(offload);
    assert_null(offload_free(NULL));
    sd_event_unref(event);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_order),
        cmocka_unit_test(test_refusal),
        cmocka_unit_test(test_free_waits),
        cmocka_unit_test(test_done_submits_again),
        cmocka_unit_test(test_threads_take_no_signals),
        cmocka_unit_test(test_arguments),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* A bounded queue of jobs, a few threads, and an eventfd that brings the results to the loop. */
#include "common/net/offload.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <sys/eventfd.h>

#define OFFLOAD_THREADS_MAX 16

struct job_list {
    struct offload_job *first, **end;
};

struct offload {
    pthread_mutex_t lock; /* guards what follows up to the blank line */
    pthread_cond_t wake;
    struct job_list waiting, finished;
    size_t n_waiting;
    bool stopping;

    size_t queue_max;
    int event_fd; /* readable while something is in |finished| */
    sd_event_source *source;
    pthread_t threads[OFFLOAD_THREADS_MAX];
    unsigned n_threads;
};

static void list_init(struct job_list *list)
{
    list->first = NULL;
    list->end = &list->first;
}

static void list_append(struct job_list *list, struct offload_job *job)
{
    job->next = NULL;
    *list->end = job;
    list->end = &job->next;
}

static struct offload_job *list_take(struct job_list *list)
{
    struct offload_job *job = list->first;

    if (!job)
        return NULL;
    list->first = job->next;
    if (!list->first)
        list->end = &list->first;
    return job;
}

static void *offload_thread(void *argument)
{
    struct offload *o = argument;

    pthread_mutex_lock(&o->lock);
    for (;;) {
        struct offload_job *job;

        while (!o->stopping && !o->waiting.first)
            pthread_cond_wait(&o->wake, &o->lock);
        if (o->stopping)
            break;
        job = list_take(&o->waiting);
        o->n_waiting--;
        pthread_mutex_unlock(&o->lock);
        job->run(job);
        pthread_mutex_lock(&o->lock);
        /* One wake-up serves all that finish before the loop looks. */
        if (!o->finished.first)
            eventfd_write(o->event_fd, 1);
        list_append(&o->finished, job);
    }
    pthread_mutex_unlock(&o->lock);
    return NULL;
}

/* Takes the whole list in one go, so that done() runs without the lock and may submit again. */
static void offload_deliver(struct offload *o)
{
    struct offload_job *job;

    pthread_mutex_lock(&o->lock);
    job = o->finished.first;
    list_init(&o->finished);
    pthread_mutex_unlock(&o->lock);
    while (job) {
        struct offload_job *next = job->next;

        job->done(job); /* may free it */
        job = next;
    }
}

static int offload_on_finished(sd_event_source *source, int fd, uint32_t revents, void *userdata)
{
    eventfd_t count;

    eventfd_read(fd, &count);
    offload_deliver(userdata);
    return 0;
}

/* Threads take no signals: they belong to the loop. */
static int offload_start_threads(struct offload *o, unsigned threads)
{
    sigset_t all, old;
    int r = 0;

    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &old);
    while (r == 0 && o->n_threads < threads) {
        r = -pthread_create(&o->threads[o->n_threads], NULL, offload_thread, o);
        if (r == 0)
            o->n_threads++;
    }
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    return r;
}

int offload_new(struct offload **ret, sd_event *event, unsigned threads, size_t queue_max)
{
    CLEANUP(offload_freep) struct offload *o = NULL;
    int r;

    if (threads < 1 || threads > OFFLOAD_THREADS_MAX)
        return -EINVAL;
    o = calloc(1, sizeof(*o));
    if (!o)
        return -ENOMEM;
    pthread_mutex_init(&o->lock, NULL);
    pthread_cond_init(&o->wake, NULL);
    list_init(&o->waiting);
    list_init(&o->finished);
    o->queue_max = queue_max;
    o->event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (o->event_fd < 0)
        return -errno;
    r = sd_event_add_io(event, &o->source, o->event_fd, EPOLLIN, offload_on_finished, o);
    if (r < 0)
        return r;
    sd_event_source_set_description(o->source, "offload");
    r = offload_start_threads(o, threads);
    if (r < 0)
        return r;
    *ret = TAKE(o);
    return 0;
}

struct offload *offload_free(struct offload *o)
{
    if (!o)
        return NULL;
    pthread_mutex_lock(&o->lock);
    o->stopping = true;
    pthread_cond_broadcast(&o->wake);
    pthread_mutex_unlock(&o->lock);
    for (unsigned i = 0; i < o->n_threads; i++)
        pthread_join(o->threads[i], NULL);
    /* What never ran comes after what did: done() sees the order of submission per thread. */
    for (struct offload_job *job = list_take(&o->waiting); job; job = list_take(&o->waiting))
        list_append(&o->finished, job);
    offload_deliver(o);
    sd_event_source_disable_unref(o->source);
    if (o->event_fd >= 0)
        close(o->event_fd);
    pthread_cond_destroy(&o->wake);
    pthread_mutex_destroy(&o->lock);
    free(o);
    return NULL;
}

int offload_submit(struct offload *o, struct offload_job *job)
{
    int r = -EBUSY;

    pthread_mutex_lock(&o->lock);
    if (!o->stopping && o->n_waiting < o->queue_max) {
        list_append(&o->waiting, job);
        o->n_waiting++;
        pthread_cond_signal(&o->wake);
        r = 0;
    }
    pthread_mutex_unlock(&o->lock);
    return r;
}

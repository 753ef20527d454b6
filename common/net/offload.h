/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Threads for what must block (SQL, password hashing): jobs go in from the loop, run on a thread in
 * their order, and come back as an event on the loop.
 */
#pragma once

#include "common/base/macro.h"

#include <systemd/sd-event.h>

struct offload;

struct offload_job {
    void (*run)(
        struct offload_job *job); /* on a thread: blocks as it likes, touches only the job */
    void (*done)(struct offload_job *job); /* on the loop, exactly once; may free the job */
    struct offload_job *next;              /* the queue's */
};

/* |threads| 1 keeps the jobs in order. |queue_max|: jobs that may wait; more are refused. */
int offload_new(struct offload **ret, sd_event *event, unsigned threads, size_t queue_max);
/* Waits for the jobs that run, calls done() for all, also those that never ran. */
struct offload *offload_free(struct offload *offload);
DEFINE_CLEANUP(struct offload *, offload_free)

/* 0, or -EBUSY when the queue is full (then the job is untouched). */
int offload_submit(struct offload *offload, struct offload_job *job);

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The scoreboard: where a worker counts its requests, in memory that it shares with the agent.
 *
 * The holder makes one sealed memfd a worker (AGENTD_SCOREBOARD holds its descriptor's number). The
 * worker only adds, the core only reads; both with relaxed atomics, no lock and no system call. All
 * fields only grow, save in_flight and connections. A worker that writes nonsense misleads about
 * itself alone: the reader checks magic, version and size once and takes every number as untrusted.
 */
#pragma once

#include "common/base/histogram.h"
#include "common/base/macro.h"

#include <stdbool.h>

#define SCOREBOARD_MAGIC   UINT32_C(0x42534741) /* "AGSB" */
#define SCOREBOARD_VERSION 1u

enum scoreboard_class { /* by status code; the first takes 1xx too */
                        SCOREBOARD_2XX,
                        SCOREBOARD_3XX,
                        SCOREBOARD_4XX,
                        SCOREBOARD_5XX,
                        SCOREBOARD_CLASSES,
};

/* The shared layout. Changing it means a new SCOREBOARD_VERSION. */
struct scoreboard {
    uint32_t magic;
    uint32_t version;
    uint32_t size; /* sizeof(struct scoreboard) */
    uint32_t in_flight;
    uint32_t connections; /* open ones */
    uint32_t reserved;
    uint64_t requests[SCOREBOARD_CLASSES]; /* answered, by class */
    uint64_t bytes_sent;                   /* bodies */
    uint64_t latency_sum_us;
    struct histogram latency; /* from a request's head being read to its answer being handed over */
};

/* A copy of the counters at one moment, or a sum of several: plain values. */
struct tally {
    uint64_t requests[SCOREBOARD_CLASSES];
    uint64_t bytes_sent;
    uint64_t latency_sum_us;
    struct histogram latency;
};

/* --- the worker's side ----------------------------------------------------------------------- */

/* Makes one (holder). Returns its descriptor, header filled in, or a negative errno. */
int scoreboard_new_fd(const char *name);

/* Maps a descriptor for writing. 0, -EBADMSG if it is no scoreboard of ours, or a negative errno.
 */
int scoreboard_map(int fd, struct scoreboard **ret);
struct scoreboard *scoreboard_unmap(struct scoreboard *scoreboard);

/* A request came in; and was answered. Both may be called with NULL: nothing happens. */
void scoreboard_begin(struct scoreboard *scoreboard);
void scoreboard_end(struct scoreboard *scoreboard, unsigned status, uint64_t bytes,
                    uint64_t latency_us);
/* A request that was begun will never be answered (its connection is gone). */
void scoreboard_abort(struct scoreboard *scoreboard);
void scoreboard_connection(struct scoreboard *scoreboard, int change);

/* --- the reader's side ----------------------------------------------------------------------- */

/*
 * Maps a descriptor read-only, after checking that it is a sealed memfd of the right size. 0,
 * -EBADMSG, or a negative errno. The magic and version are checked at each read.
 */
int scoreboard_map_readonly(int fd, const struct scoreboard **ret);
const struct scoreboard *scoreboard_unmap_readonly(const struct scoreboard *scoreboard);

/* Copies the counters; 0, or -EBADMSG if its header has been scribbled over (then *ret is all
 * zero). */
int scoreboard_read(const struct scoreboard *scoreboard, struct tally *ret);
uint32_t scoreboard_in_flight(const struct scoreboard *scoreboard);

uint64_t tally_requests(const struct tally *tally); /* all classes */
void tally_add(struct tally *target, const struct tally *source);
/* target -= earlier; nothing falls below 0. */
void tally_subtract(struct tally *target, const struct tally *earlier);
/* Whether no counter of |later| is below |earlier|'s: false means that somebody scribbled. */
bool tally_is_monotonic(const struct tally *earlier, const struct tally *later);

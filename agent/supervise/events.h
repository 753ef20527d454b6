/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The event ring: the last things that happened on the node, for `agentctl events`; each is also
 * one structured log line (EVENT=, APP=, SLOT=, WORKER_PID=).
 *
 * It lives in the ledger, so a new core shows what led to the old one's death. A full ring forgets
 * the oldest; readers see by the ids how many they missed.
 */
#pragma once

#include "common/schema/contract.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define EVENTS_MAX 256

struct event {
    uint64_t id; /* from 1, counts up while the unit lives; 0 = empty */
    uint64_t realtime_us;
    int32_t level;              /* syslog's: LOG_INFO, LOG_WARNING, LOG_ERR */
    int32_t pid;                /* 0: none */
    uint32_t slot;              /* 0: none */
    char app[APP_NAME_MAX + 1]; /* "": none */
    char name[28];              /* "worker-died" */
    char text[168];
};

/* More of an event than fits its text: a dead worker's last lines. Kept for the last few. */
#define EVENT_DETAILS_MAX  16
#define EVENT_DETAIL_BYTES 4096

struct event_detail {
    uint64_t id; /* the event's; 0 = empty */
    char text[EVENT_DETAIL_BYTES];
};

struct event_ring { /* shared memory; what is in it is checked when read */
    uint64_t last_id;
    struct event events[EVENTS_MAX];
    uint64_t n_details; /* ever */
    struct event_detail details[EVENT_DETAILS_MAX];
};

/* |event|: id and time are filled in here, strings are cut to size and freed of control characters.
 * Logs it too. */
void events_add(struct event_ring *ring, const struct event *event, uint64_t realtime_us);

/* One that is about no worker. */
void events_note(struct event_ring *ring, int level, const char *name, const char *text,
                 uint64_t realtime_us);

/* The first event with an id above |after|: copies it. false if there is none. Skips what was
 * overwritten or is torn. */
bool events_next(const struct event_ring *ring, uint64_t after, struct event *ret);

/* Lines, each with a newline, for the event |id|. */
void events_attach(struct event_ring *ring, uint64_t id, const char *text);
/* false if there are none, or no longer. */
bool events_detail(const struct event_ring *ring, uint64_t id, char text[EVENT_DETAIL_BYTES]);

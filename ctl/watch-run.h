/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Polls one address, each time on a connection of its own, so that a load balancer chooses anew,
 * and counts who answers. Prints nothing. A poll that hangs doesn't hold up the next.
 */
#pragma once

#include "ctl/failure.h"
#include "ctl/instances.h"

#include <signal.h>

#define WATCH_INTERVAL_US     (UINT64_C(1) * 1000 * 1000)
#define WATCH_INTERVAL_MIN_US (UINT64_C(100) * 1000)
#define WATCH_INTERVAL_MAX_US (UINT64_C(60) * 1000 * 1000)
#define WATCH_FOR_MIN_US      (UINT64_C(1) * 1000 * 1000)
#define WATCH_FOR_MAX_US      (UINT64_C(24) * 3600 * 1000 * 1000)
#define WATCH_TIMEOUT_US      (UINT64_C(5) * 1000 * 1000) /* of a poll */
#define WATCH_POLLS_MAX       64u /* under way; more are left out and counted */
/* The table is drawn so often, whatever the interval: what grows in it is the age of answers. */
#define WATCH_DRAW_US (UINT64_C(500) * 1000)

struct watch_options {
    const char *url;
    uint64_t interval_us;
    uint64_t for_us; /* 0: until it is interrupted */
};

struct watch_state {
    uint64_t polls; /* that have ended */
    uint64_t answered;
    uint64_t failures[FAILURES_];
    uint64_t left_out;
    struct instances instances;
    uint64_t now_us;
    uint64_t interval_us;
    bool interrupted;
};

struct watch_poll {       /* one that has ended; borrowed */
    const char *instance; /* "": not named, or no answer */
    bool is_new;          /* the instance's first answer */
    unsigned status;      /* 0: no answer */
    uint64_t latency_us;
    enum failure failure; /* without an answer */
    const char *text;     /* curl's words for it */
};

/* |poll| NULL: time has passed. A negative return value ends the watch with it. */
typedef int (*watch_on_event)(const struct watch_state *state, const struct watch_poll *poll,
                              void *userdata);

/* Until |for_us| has passed or SIGINT or SIGTERM came: polls that are under way then are dropped.
 * 0, -ELIBACC (no libcurl), -ENOMEM, |on_event|'s or sd-event's error. */
int watch_run(const struct watch_options *options, watch_on_event on_event, void *userdata,
              struct watch_state *ret);

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sends the requests of a load and counts what becomes of them: the schedule and the tally on a
 * loop with the HTTP client. Prints nothing.
 *
 * Requests go straight to the server, whatever proxies the environment names: a proxy would be
 * loaded instead. Redirects are answers. Nothing is sent twice.
 */
#pragma once

#include "ctl/load-pace.h"
#include "ctl/load-tally.h"

#include <stdbool.h>
#include <stddef.h>

#define LOAD_RATE_MAX        10000u
#define LOAD_CONNECTIONS_MAX 1000u
#define LOAD_RATE_DEFAULT    50u
#define LOAD_FOR_MIN_US      (UINT64_C(1) * 1000 * 1000)
#define LOAD_FOR_MAX_US      (UINT64_C(3600) * 1000 * 1000)
#define LOAD_FOR_US          (UINT64_C(30) * 1000 * 1000)
#define LOAD_DATA_MAX        (64u * 1024)
/* From the moment that a request is meant to be sent, to the end of its answer. */
#define LOAD_TIMEOUT_US (UINT64_C(10) * 1000 * 1000)
/* For a free connection; who waits longer isn't sent any more. */
#define LOAD_WAIT_US (UINT64_C(5) * 1000 * 1000)
/* Of a closed loop's connection, after a request without an answer: else a server that refuses
 * would be asked as fast as it can refuse. */
#define LOAD_PAUSE_US (UINT64_C(100) * 1000)
/* Between the first requests of a closed loop. */
#define LOAD_STAGGER_US (UINT64_C(1) * 1000)
#define LOAD_TICK_US    (UINT64_C(1) * 1000 * 1000)

struct load_options {
    const char *url;
    uint64_t rate;        /* of an open loop; 0: a closed one */
    unsigned connections; /* at most (open), or always (closed) */
    bool own_connections; /* one a request */
    const char *data;     /* to be posted; NULL: a GET */
    uint64_t for_us;
};

struct load_state {
    struct load_tally tally;
    struct load_pace pace; /* of an open loop */
    uint64_t begun_at_us;
    uint64_t now_us;    /* when it was last looked at, at the end: its end */
    uint64_t lately_us; /* what |tally.lately| spans */
    unsigned in_flight;
    bool interrupted;
};

/* Each LOAD_TICK_US, and when it is interrupted. */
typedef void (*load_on_tick)(const struct load_state *state, void *userdata);

/*
 * Returns when all has been sent and answered or has failed. SIGINT and SIGTERM end the sending,
 * and a second one the waiting. 0, -ELIBACC (no libcurl), -EMFILE (descriptors: see ulimit -n),
 * -ENOMEM, or sd-event's error; |ret| is to be freed only with 0.
 */
int load_run(const struct load_options *options, load_on_tick tick, void *userdata,
             struct load_state **ret);

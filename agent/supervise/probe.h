/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What probes and the watchdog say of a worker, or of an app: pure. When to ask next, how many
 * failures are a verdict, how long a silence is. Who asks is agent/supervise/prober.h.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PROBE_NEVER UINT64_MAX
/* Until it has passed once, it is asked at least so often: a roll waits for it. */
#define PROBE_FIRST_INTERVAL_US UINT64_C(1000000)

struct probe_policy {
    uint64_t interval_us;
    uint64_t timeout_us;
    unsigned failures; /* in a row, that are a verdict */
};

struct probe { /* zeroed: nothing is known, to be asked at once */
    uint64_t due_at_us;
    unsigned failed; /* in a row */
    bool passed;     /* at least once */
    bool failing;    /* the verdict */
};

enum probe_verdict {
    PROBE_SAME,   /* nothing new follows */
    PROBE_PASSED, /* for the first time, or again after a verdict */
    PROBE_FAILED, /* one failure too many */
};

/* Takes one answer, or its lack, and says when the next question is due. */
enum probe_verdict probe_note(struct probe *probe, const struct probe_policy *policy, bool passed,
                              uint64_t now_us);

/* Which statuses of HTTP pass. */
bool probe_status_passes(unsigned status);

/*
 * The status of an answer whose first bytes are |data|: 100 to 599; 0 if its first line is not
 * there yet; -EBADMSG if that is none of HTTP's.
 */
#define PROBE_LINE_MAX 256u
int probe_parse_answer(const char *data, size_t length);

struct watchdog {
    uint64_t limit_us;  /* 0: nothing is expected */
    uint64_t fed_at_us; /* the last sign of life */
    /* It has said WATCHDOG=1, or was started since |limit_us| is in force: else it may not know
     * that it is expected to. */
    bool expected;
};

/* When its silence is too long, or PROBE_NEVER. */
uint64_t watchdog_due_us(const struct watchdog *watchdog);

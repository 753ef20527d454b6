/* SPDX-License-Identifier: Apache-2.0 */
/* See the header. */
#include "agent/supervise/probe.h"

#include "common/base/macro.h"

#include <errno.h>
#include <string.h>

enum probe_verdict probe_note(struct probe *probe, const struct probe_policy *policy, bool passed,
                              uint64_t now_us)
{
    bool first = passed && !probe->passed;

    probe->failed = passed ? 0 : probe->failed + (probe->failed < UINT32_MAX);
    probe->passed |= passed;
    probe->due_at_us = now_us + (probe->passed ? policy->interval_us
                                               : MIN(policy->interval_us, PROBE_FIRST_INTERVAL_US));
    if (passed) {
        first |= probe->failing;
        probe->failing = false;
        return first ? PROBE_PASSED : PROBE_SAME;
    }
    if (probe->failing || probe->failed < policy->failures)
        return PROBE_SAME;
    probe->failing = true;
    return PROBE_FAILED;
}

bool probe_status_passes(unsigned status)
{
    return status >= 200 && status < 400;
}

/* RFC 9112, 4: HTTP-version SP 3DIGIT SP; the reason may be missing with its blank. */
int probe_parse_answer(const char *data, size_t length)
{
    static const char version[] = "HTTP/1.";
    const size_t code = sizeof(version) - 1 + 2, end = code + 3;
    unsigned status = 0;

    if (memcmp(data, version, MIN(length, sizeof(version) - 1)) != 0)
        return -EBADMSG;
    if (!memchr(data, '\n', length))
        return length < PROBE_LINE_MAX ? 0 : -EBADMSG;
    if (length <= end || (data[code - 2] != '0' && data[code - 2] != '1') || data[code - 1] != ' ')
        return -EBADMSG;
    for (size_t i = code; i < end; i++) {
        if (data[i] < '0' || data[i] > '9')
            return -EBADMSG;
        status = status * 10 + (unsigned) (data[i] - '0');
    }
    if (data[end] != ' ' && data[end] != '\r' && data[end] != '\n')
        return -EBADMSG;
    return status >= 100 && status < 600 ? (int) status : -EBADMSG;
}

uint64_t watchdog_due_us(const struct watchdog *watchdog)
{
    return watchdog->limit_us && watchdog->expected ? watchdog->fed_at_us + watchdog->limit_us
                                                    : PROBE_NEVER;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What an operator is told of the sending: counts by error, calls an hour, and one line when it
 * begins to fail and one when it works again, not one a request. Pure.
 */
#pragma once

#include "agent/core/snapshot.h"
#include "common/aws/request.h"

#define PUBLISH_LOG_TEXT_MAX 256u
#define PUBLISH_LOG_MINUTES  60u

struct publish_log { /* zeroed at start */
    uint64_t errors;
    uint64_t failing_since_realtime_us; /* 0: it works */
    uint64_t last_success_realtime_us;
    char last_error[160];
    size_t n_codes;
    struct publish_error_view codes[PUBLISH_CODES_MAX + 1];
    unsigned calls[PUBLISH_LOG_MINUTES]; /* by minute, a ring */
    uint64_t minute;                     /* the newest of them */
};

enum publish_log_news {
    PUBLISH_LOG_NOTHING,
    PUBLISH_LOG_FAILED, /* the first of a row of failures, or another one than before */
    PUBLISH_LOG_RECOVERED,
};

void publish_log_call(struct publish_log *log, uint64_t now_us);
/* |text| is written where there is news. */
enum publish_log_news publish_log_result(struct publish_log *log, const struct aws_result *result,
                                         uint64_t now_realtime_us, char text[PUBLISH_LOG_TEXT_MAX]);
/* Fills in errors, codes, last success and error, calls of the last hour. */
void publish_log_view(const struct publish_log *log, struct publish_view *view, uint64_t now_us);

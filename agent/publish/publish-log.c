/* SPDX-License-Identifier: Apache-2.0 */
/* See the header. */
#include "agent/publish/publish-log.h"

#include "common/base/clock.h"
#include "common/base/text.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define MINUTE_US (60 * USEC_PER_SEC)

/* One word for what went wrong. */
static const char *code_of(const struct aws_result *result)
{
    static const struct {
        int error;
        const char *code;
    } codes[] = {
        {-ENOKEY, "NoCredentials"},       {-ETIMEDOUT, "TimedOut"},
        {-ECONNREFUSED, "Refused"},       {-ENOENT, "NameNotResolved"},
        {-ECONNRESET, "ConnectionReset"}, {-EPROTO, "NoHttpOrTls"},
        {-EBADMSG, "AnswerBrokeOff"},     {-EMSGSIZE, "AnswerTooLong"},
        {-ELIBACC, "LibraryMissing"},
    };

    if (result->code[0])
        return result->code;
    for (size_t i = 0; i < ARRAY_SIZE(codes); i++)
        if (codes[i].error == result->error)
            return codes[i].code;
    return result->error == -EREMOTEIO ? "HttpError" : "NetworkError";
}

static void count_code(struct publish_log *log, const char *code)
{
    size_t i = 0;

    while (i < log->n_codes && strncmp(log->codes[i].code, code, sizeof(log->codes[i].code) - 1))
        i++;
    if (i == log->n_codes && i <= PUBLISH_CODES_MAX) {
        text_copy(log->codes[i].code, sizeof(log->codes[i].code),
                  i < PUBLISH_CODES_MAX ? code : "other");
        log->n_codes++;
    }
    log->codes[MIN(i, (size_t) PUBLISH_CODES_MAX)].count++;
}

/* Forgets the minutes that have passed. */
static void advance(struct publish_log *log, uint64_t minute)
{
    for (unsigned i = 0; log->minute < minute && i < PUBLISH_LOG_MINUTES; i++)
        log->calls[++log->minute % PUBLISH_LOG_MINUTES] = 0;
    log->minute = minute;
}

void publish_log_call(struct publish_log *log, uint64_t now_us)
{
    advance(log, now_us / MINUTE_US);
    log->calls[log->minute % PUBLISH_LOG_MINUTES]++;
}

enum publish_log_news publish_log_result(struct publish_log *log, const struct aws_result *result,
                                         uint64_t now_realtime_us, char text[PUBLISH_LOG_TEXT_MAX])
{
    char error[sizeof(log->last_error)], lasted[CLOCK_TEXT_MAX];
    const char *code = code_of(result);
    uint64_t since_us = log->failing_since_realtime_us;
    bool same;

    if (result->error == 0) {
        log->last_success_realtime_us = now_realtime_us;
        log->last_error[0] = '\0';
        log->failing_since_realtime_us = 0;
        if (since_us == 0)
            return PUBLISH_LOG_NOTHING;
        snprintf(text, PUBLISH_LOG_TEXT_MAX, "metrics are sent again, after %s",
                 clock_format_duration(lasted, now_realtime_us - MIN(since_us, now_realtime_us)));
        return PUBLISH_LOG_RECOVERED;
    }
    log->errors++;
    count_code(log, code);
    snprintf(error, sizeof(error), "%.40s%s%.60s%s%.36s", code, result->message[0] ? ": " : "",
             result->message, result->request_id[0] ? ", request " : "", result->request_id);
    /* Request ids differ each time; what stands before them is the news. */
    same = strncmp(log->last_error, code, strlen(code)) == 0;
    text_copy(log->last_error, sizeof(log->last_error), error);
    if (since_us == 0)
        log->failing_since_realtime_us = now_realtime_us;
    if (since_us != 0 && same)
        return PUBLISH_LOG_NOTHING;
    snprintf(text, PUBLISH_LOG_TEXT_MAX, "can't send metrics, they wait: %s", error);
    return PUBLISH_LOG_FAILED;
}

void publish_log_view(const struct publish_log *log, struct publish_view *view, uint64_t now_us)
{
    struct publish_log now = *log;

    advance(&now, now_us / MINUTE_US);
    view->errors = log->errors;
    view->last_success_realtime_us = log->last_success_realtime_us;
    text_copy(view->last_error, sizeof(view->last_error), log->last_error);
    view->calls_last_hour = 0;
    for (size_t i = 0; i < PUBLISH_LOG_MINUTES; i++)
        view->calls_last_hour += now.calls[i];
    view->n_codes = log->n_codes;
    memcpy(view->codes, log->codes, sizeof(view->codes));
}

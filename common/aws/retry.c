/* SPDX-License-Identifier: Apache-2.0 */
/* Standard retry mode: a table of codes, and arithmetic. */
#include "common/aws/retry.h"

#include "common/base/backoff.h"
#include "common/base/macro.h"

#include <string.h>

const char *retry_class_to_string(enum retry_class retry_class)
{
    static const char *const NAMES[] = {
        [RETRY_NEVER] = "never",     [RETRY_TRANSIENT] = "transient", [RETRY_THROTTLE] = "throttle",
        [RETRY_EXPIRED] = "expired", [RETRY_SKEWED] = "skewed",
    };

    return NAMES[retry_class];
}

/* --- Classes --------------------------------------------------------------------------------- */

/*
 * The codes of the SDKs' specification. The skewed ones after the first three also stand for a
 * wrong key: who is told them corrects the clock by the answer's Date, and a second try shows it.
 */
static const struct {
    const char *code;
    enum retry_class retry_class;
} CODES[] = {
    {"RequestTimeout", RETRY_TRANSIENT},
    {"RequestTimeoutException", RETRY_TRANSIENT},
    {"InternalError", RETRY_TRANSIENT},
    {"IDPCommunicationError", RETRY_TRANSIENT}, /* STS asks the identity provider */
    {"Throttling", RETRY_THROTTLE},
    {"ThrottlingException", RETRY_THROTTLE},
    {"ThrottledException", RETRY_THROTTLE},
    {"RequestThrottled", RETRY_THROTTLE},
    {"RequestThrottledException", RETRY_THROTTLE},
    {"TooManyRequestsException", RETRY_THROTTLE},
    {"ProvisionedThroughputExceededException", RETRY_THROTTLE},
    {"TransactionInProgressException", RETRY_THROTTLE},
    {"LimitExceededException", RETRY_THROTTLE},
    {"PriorRequestNotComplete", RETRY_THROTTLE},
    {"EC2ThrottledException", RETRY_THROTTLE},
    {"RequestLimitExceeded", RETRY_THROTTLE},
    {"SlowDown", RETRY_THROTTLE},
    {"BandwidthLimitExceeded", RETRY_THROTTLE},
    {"ExpiredToken", RETRY_EXPIRED},
    {"ExpiredTokenException", RETRY_EXPIRED},
    {"RequestTimeTooSkewed", RETRY_SKEWED},
    {"RequestExpired", RETRY_SKEWED},
    {"RequestInTheFuture", RETRY_SKEWED},
    {"InvalidSignatureException", RETRY_SKEWED},
    {"SignatureDoesNotMatch", RETRY_SKEWED},
    {"AuthFailure", RETRY_SKEWED},
};

/* 429 says the same as the codes of throttling, by whatever code of its own. */
static enum retry_class classify_status(unsigned status)
{
    switch (status) {
    case 0: /* no answer */
    case 500:
    case 502:
    case 503:
    case 504:
        return RETRY_TRANSIENT;
    case 429:
        return RETRY_THROTTLE;
    default:
        return RETRY_NEVER;
    }
}

enum retry_class retry_classify(unsigned status, const char *code)
{
    for (size_t i = 0; code && i < ARRAY_SIZE(CODES); i++)
        if (strcmp(code, CODES[i].code) == 0)
            return CODES[i].retry_class;
    return classify_status(status);
}

/* --- Attempts -------------------------------------------------------------------------------- */

void retry_bucket_init(struct retry_bucket *bucket)
{
    bucket->tokens = RETRY_BUCKET_TOKENS;
}

void retry_begin(struct retry *retry, struct retry_bucket *bucket, unsigned attempts_max)
{
    *retry = (struct retry){
        .bucket = bucket,
        .attempts_max = attempts_max > 0 ? attempts_max : RETRY_ATTEMPTS_DEFAULT,
    };
}

/* Once: what a fresh signature does not cure is wrong in another way. */
static bool retry_cured(struct retry *retry, bool *done, uint64_t *ret_wait_us)
{
    if (*done)
        return false;
    *done = true;
    retry->attempts_max++;
    *ret_wait_us = 0;
    return true;
}

/* A retry that is one more request to a service in trouble: it takes tokens, and waits. */
static bool retry_loading(struct retry *retry, bool throttled, uint64_t retry_after_us,
                          uint64_t random, uint64_t *ret_wait_us)
{
    const struct backoff backoff = {
        .base_us = throttled ? RETRY_BASE_THROTTLE_US : RETRY_BASE_TRANSIENT_US,
        .cap_us = RETRY_CAP_US,
    };
    unsigned cost = throttled ? RETRY_COST_THROTTLE : RETRY_COST_TRANSIENT;
    uint64_t wait_us;

    if (retry->attempts >= retry->attempts_max || retry->bucket->tokens < cost)
        return false;
    retry->bucket->tokens -= cost;
    retry->taken = cost;
    wait_us = backoff_wait_us(&backoff, retry->retries++, random);
    /* The service may ask for more, not for less, and not for ever. */
    *ret_wait_us = MAX(wait_us, MIN(retry_after_us, wait_us + RETRY_AFTER_EXTRA_US));
    return true;
}

bool retry_next(struct retry *retry, enum retry_class retry_class, uint64_t retry_after_us,
                uint64_t random, uint64_t *ret_wait_us)
{
    retry->attempts++;
    switch (retry_class) {
    case RETRY_EXPIRED:
        return retry_cured(retry, &retry->refreshed, ret_wait_us);
    case RETRY_SKEWED:
        return retry_cured(retry, &retry->corrected, ret_wait_us);
    case RETRY_TRANSIENT:
    case RETRY_THROTTLE:
        return retry_loading(retry, retry_class == RETRY_THROTTLE, retry_after_us, random,
                             ret_wait_us);
    case RETRY_NEVER:
        break;
    }
    return false;
}

/* The bucket fills by success alone: while nothing succeeds, nothing is tried twice. */
void retry_succeeded(struct retry *retry)
{
    unsigned tokens = retry->bucket->tokens + (retry->taken > 0 ? retry->taken : 1);

    retry->attempts++;
    retry->bucket->tokens = MIN(tokens, RETRY_BUCKET_TOKENS);
}

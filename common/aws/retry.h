/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The SDKs' standard retry mode: what may be tried again, when, and a bucket of tokens that stops a
 * storm of retries. Pure: time and chance are given.
 *
 * Source: https://docs.aws.amazon.com/sdkref/latest/guide/feature-retry-behavior.html
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#define RETRY_ATTEMPTS_DEFAULT  3u
#define RETRY_BUCKET_TOKENS     500u
#define RETRY_COST_TRANSIENT    14u
#define RETRY_COST_THROTTLE     5u
#define RETRY_BASE_TRANSIENT_US 50000u
#define RETRY_BASE_THROTTLE_US  1000000u
#define RETRY_CAP_US            20000000u
#define RETRY_AFTER_EXTRA_US    5000000u /* the server's wish counts up to so much more than ours */

enum retry_class {
    RETRY_NEVER,     /* the request is wrong, or not permitted */
    RETRY_TRANSIENT, /* the network, or the service's fault */
    RETRY_THROTTLE,  /* too much */
    RETRY_EXPIRED,   /* credentials: refresh, sign again, once */
    RETRY_SKEWED,    /* our clock is off: correct by the answer's Date, sign again, once */
};
const char *retry_class_to_string(enum retry_class retry_class);

/* |status| 0: no answer. |code|: the error's code without what stands before '#' and after ':';
 * NULL or "": none. The code decides before the status. */
enum retry_class retry_classify(unsigned status, const char *code);

struct retry_bucket {
    unsigned tokens;
};
void retry_bucket_init(struct retry_bucket *bucket);

struct retry {                   /* of one request */
    struct retry_bucket *bucket; /* shared by a client's requests */
    unsigned attempts_max;
    unsigned attempts; /* made, and known to have failed or succeeded */
    unsigned retries;  /* that took tokens: the exponent of the backoff */
    unsigned taken;    /* tokens that the last retry took */
    bool refreshed, corrected;
};
/* |attempts_max| 0: RETRY_ATTEMPTS_DEFAULT. */
void retry_begin(struct retry *retry, struct retry_bucket *bucket, unsigned attempts_max);

/*
 * An attempt has failed. Returns whether to try again, and when: |ret_wait_us| from now.
 * |retry_after_us|: the answer's x-amz-retry-after (milliseconds there) or Retry-After; 0: none.
 * RETRY_EXPIRED and RETRY_SKEWED are tried again at once, one time each, take no tokens and don't
 * count against |attempts_max|: they cure the request, and load nothing.
 */
bool retry_next(struct retry *retry, enum retry_class retry_class, uint64_t retry_after_us,
                uint64_t random, uint64_t *ret_wait_us);
/* An attempt has succeeded: gives tokens back (those of its retry, or one). */
void retry_succeeded(struct retry *retry);

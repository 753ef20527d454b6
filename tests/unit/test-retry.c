/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/unit.h"

#include "common/aws/retry.h"
#include "common/base/macro.h"

#define LEAST 0
#define MOST  UINT64_MAX /* of chance: a wait is its bound */

static void test_codes(void **state)
{
    static const struct {
        const char *code;
        enum retry_class retry_class;
    } CASES[] = {
        {"RequestTimeout", RETRY_TRANSIENT},
        {"RequestTimeoutException", RETRY_TRANSIENT},
        {"InternalError", RETRY_TRANSIENT},
        {"IDPCommunicationError", RETRY_TRANSIENT},
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
        {"AccessDenied", RETRY_NEVER},
        {"UnrecognizedClientException", RETRY_NEVER},
        {"ValidationException", RETRY_NEVER},
        {"throttling", RETRY_NEVER}, /* no code of theirs */
        {"Throttling ", RETRY_NEVER},
    };
    static const unsigned STATUSES[] = {200, 400, 403};

    for (size_t i = 0; i < ARRAY_SIZE(CASES); i++)
        for (size_t k = 0; k < ARRAY_SIZE(STATUSES); k++)
            if (retry_classify(STATUSES[k], CASES[i].code) != CASES[i].retry_class)
                fail_msg("%s with status %u", CASES[i].code, STATUSES[k]);
}

static void test_statuses(void **state)
{
    for (unsigned status = 0; status < 600; status++) {
        enum retry_class wanted = RETRY_NEVER;

        if (status == 0 || status == 500 || status == 502 || status == 503 || status == 504)
            wanted = RETRY_TRANSIENT;
        if (status == 429)
            wanted = RETRY_THROTTLE;
        assert_int_equal(retry_classify(status, NULL), wanted);
        assert_int_equal(retry_classify(status, ""), wanted);
        assert_int_equal(retry_classify(status, "SomethingElse"), wanted);
        /* A code that is known decides. */
        assert_int_equal(retry_classify(status, "SlowDown"), RETRY_THROTTLE);
    }
}

static void test_names(void **state)
{
    assert_string_equal(retry_class_to_string(RETRY_NEVER), "never");
    assert_string_equal(retry_class_to_string(RETRY_TRANSIENT), "transient");
    assert_string_equal(retry_class_to_string(RETRY_THROTTLE), "throttle");
    assert_string_equal(retry_class_to_string(RETRY_EXPIRED), "expired");
    assert_string_equal(retry_class_to_string(RETRY_SKEWED), "skewed");
}

static void test_attempts(void **state)
{
    for (unsigned attempts_max = 0; attempts_max <= 5; attempts_max++) {
        unsigned wanted = attempts_max > 0 ? attempts_max : RETRY_ATTEMPTS_DEFAULT;
        struct retry_bucket bucket;
        struct retry retry;
        uint64_t wait_us;

        retry_bucket_init(&bucket);
        retry_begin(&retry, &bucket, attempts_max);
        for (unsigned made = 1; made < wanted; made++)
            assert_true(retry_next(&retry, RETRY_TRANSIENT, 0, MOST, &wait_us));
        assert_false(retry_next(&retry, RETRY_TRANSIENT, 0, MOST, &wait_us));
        assert_int_equal(retry.attempts, wanted);
        assert_int_equal(bucket.tokens, RETRY_BUCKET_TOKENS - (wanted - 1) * RETRY_COST_TRANSIENT);
    }
}

static void test_never(void **state)
{
    struct retry_bucket bucket;
    struct retry retry;
    uint64_t wait_us;

    retry_bucket_init(&bucket);
    retry_begin(&retry, &bucket, 3);
    assert_false(retry_next(&retry, RETRY_NEVER, 0, MOST, &wait_us));
    assert_int_equal(retry.attempts, 1);
    assert_int_equal(bucket.tokens, RETRY_BUCKET_TOKENS);
}

/* The bound doubles up to the cap; the wait is anything from 0 to it. */
static void test_waits(void **state)
{
    static const struct {
        enum retry_class retry_class;
        uint64_t base_us;
    } CASES[] = {
        {RETRY_TRANSIENT, RETRY_BASE_TRANSIENT_US},
        {RETRY_THROTTLE, RETRY_BASE_THROTTLE_US},
    };

    for (size_t i = 0; i < ARRAY_SIZE(CASES); i++) {
        struct retry_bucket bucket;
        struct retry most, least;
        uint64_t bound_us = CASES[i].base_us, wait_us;

        retry_bucket_init(&bucket);
        retry_begin(&most, &bucket, 20);
        retry_begin(&least, &bucket, 20);
        for (unsigned made = 1; made < 15; made++, bound_us = MIN(2 * bound_us, RETRY_CAP_US)) {
            assert_true(retry_next(&most, CASES[i].retry_class, 0, MOST, &wait_us));
            assert_int_equal(wait_us, bound_us);
            assert_true(retry_next(&least, CASES[i].retry_class, 0, LEAST, &wait_us));
            assert_int_equal(wait_us, 0);
            if (made == 1)
                assert_true(bound_us < RETRY_CAP_US);
        }
        assert_int_equal(bound_us, RETRY_CAP_US);
    }
}

/* Within [ours, ours + 5 s]. */
static void test_retry_after(void **state)
{
    static const struct {
        uint64_t retry_after_us, random, wait_us;
    } CASES[] = {
        {0, MOST, 1000000},
        {999999, MOST, 1000000},
        {1000001, MOST, 1000001},
        {6000000, MOST, 6000000},
        {6000001, MOST, 6000000},
        {UINT64_MAX, MOST, 6000000},
        {3, LEAST, 3},
        {UINT64_MAX, LEAST, 5000000},
    };

    for (size_t i = 0; i < ARRAY_SIZE(CASES); i++) {
        struct retry_bucket bucket;
        struct retry retry;
        uint64_t wait_us;

        retry_bucket_init(&bucket);
        retry_begin(&retry, &bucket, 2);
        assert_true(
            retry_next(&retry, RETRY_THROTTLE, CASES[i].retry_after_us, CASES[i].random, &wait_us));
        assert_int_equal(wait_us, CASES[i].wait_us);
    }
}

/* Each cures itself once, at once, for nothing, also where one attempt is all. */
static void test_cures(void **state)
{
    struct retry_bucket bucket = {.tokens = 0};
    struct retry retry;
    uint64_t wait_us = 7;

    retry_begin(&retry, &bucket, 1);
    assert_true(retry_next(&retry, RETRY_EXPIRED, 5000000, MOST, &wait_us));
    assert_int_equal(wait_us, 0);
    assert_true(retry_next(&retry, RETRY_SKEWED, 0, MOST, &wait_us));
    assert_false(retry_next(&retry, RETRY_EXPIRED, 0, MOST, &wait_us));
    assert_int_equal(retry.attempts, 3);

    retry_begin(&retry, &bucket, 3);
    assert_true(retry_next(&retry, RETRY_SKEWED, 0, MOST, &wait_us));
    assert_false(retry_next(&retry, RETRY_SKEWED, 0, MOST, &wait_us));
    assert_int_equal(bucket.tokens, 0);

    /* The retries that load have the same number and the same waits with and without. */
    retry_bucket_init(&bucket);
    retry_begin(&retry, &bucket, 3);
    assert_true(retry_next(&retry, RETRY_EXPIRED, 0, MOST, &wait_us));
    assert_true(retry_next(&retry, RETRY_TRANSIENT, 0, MOST, &wait_us));
    assert_int_equal(wait_us, RETRY_BASE_TRANSIENT_US);
    assert_true(retry_next(&retry, RETRY_TRANSIENT, 0, MOST, &wait_us));
    assert_false(retry_next(&retry, RETRY_TRANSIENT, 0, MOST, &wait_us));
    assert_int_equal(retry.attempts, 4);
}

/* An outage empties the bucket: then each request has one attempt, until some succeed. */
static void test_bucket(void **state)
{
    struct retry_bucket bucket;
    struct retry retry;
    unsigned retries = 0;
    uint64_t wait_us;

    retry_bucket_init(&bucket);
    for (unsigned i = 0; i < 1000; i++) {
        retry_begin(&retry, &bucket, 3);
        while (retry_next(&retry, RETRY_TRANSIENT, 0, MOST, &wait_us))
            retries++;
    }
    assert_int_equal(retries, RETRY_BUCKET_TOKENS / RETRY_COST_TRANSIENT);
    assert_int_equal(bucket.tokens, RETRY_BUCKET_TOKENS % RETRY_COST_TRANSIENT);

    /* What is too little for one kind may do for the other. */
    assert_int_equal(bucket.tokens, 10);
    retry_begin(&retry, &bucket, 3);
    assert_true(retry_next(&retry, RETRY_THROTTLE, 0, MOST, &wait_us));
    assert_true(retry_next(&retry, RETRY_THROTTLE, 0, MOST, &wait_us));
    assert_int_equal(bucket.tokens, 0);
    retry_begin(&retry, &bucket, 3);
    assert_false(retry_next(&retry, RETRY_THROTTLE, 0, MOST, &wait_us));

    for (unsigned i = 0; i < RETRY_COST_TRANSIENT; i++) {
        retry_begin(&retry, &bucket, 3);
        retry_succeeded(&retry); /* at the first attempt: one token */
    }
    assert_int_equal(bucket.tokens, RETRY_COST_TRANSIENT);
    retry_begin(&retry, &bucket, 3);
    assert_true(retry_next(&retry, RETRY_TRANSIENT, 0, MOST, &wait_us));
    assert_int_equal(bucket.tokens, 0);
    retry_succeeded(&retry); /* at the second: what it took */
    assert_int_equal(retry.attempts, 2);
    assert_int_equal(bucket.tokens, RETRY_COST_TRANSIENT);
}

static void test_bucket_full(void **state)
{
    struct retry_bucket bucket;
    struct retry retry;
    uint64_t wait_us;

    retry_bucket_init(&bucket);
    retry_begin(&retry, &bucket, 3);
    retry_succeeded(&retry);
    assert_int_equal(bucket.tokens, RETRY_BUCKET_TOKENS);

    retry_begin(&retry, &bucket, 3);
    assert_true(retry_next(&retry, RETRY_TRANSIENT, 0, MOST, &wait_us));
    assert_true(retry_next(&retry, RETRY_THROTTLE, 0, MOST, &wait_us));
    retry_succeeded(&retry); /* those of the last retry come back */
    assert_int_equal(bucket.tokens, RETRY_BUCKET_TOKENS - RETRY_COST_TRANSIENT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_codes),       cmocka_unit_test(test_statuses),
        cmocka_unit_test(test_names),       cmocka_unit_test(test_attempts),
        cmocka_unit_test(test_never),       cmocka_unit_test(test_waits),
        cmocka_unit_test(test_retry_after), cmocka_unit_test(test_cures),
        cmocka_unit_test(test_bucket),      cmocka_unit_test(test_bucket_full),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

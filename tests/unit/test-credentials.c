/* SPDX-License-Identifier: Apache-2.0 */
/* The provider on a real loop: when it asks, what it does with what comes. */
#include "common/aws/credentials-internal.h"

#include "common/base/clock.h"
#include "tests/unit/aws-harness.h"

#include <errno.h>

#define MINUTE_US (60 * USEC_PER_SEC)

struct outcome {
    unsigned calls;
    int error;
    char keys[128];
    char why[1024];
};

static void on_done(int error, const struct credentials *c, const char *why, void *userdata)
{
    struct outcome *o = userdata;

    o->calls++;
    o->error = error;
    o->keys[0] = o->why[0] = '\0';
    if (error == 0)
        snprintf(o->keys, sizeof(o->keys), "%s %s %s %s", c->source, c->access_key_id,
                 c->secret_access_key, c->session_token ? c->session_token : "-");
    else
        snprintf(o->why, sizeof(o->why), "%s", why);
}

/* An IMDS with one role whose credentials are numbered and end so long after the clock's time. */
struct fake_imds {
    unsigned issued;        /* the number in the keys of the last answer */
    int64_t lifetime_us;    /* of the next; negative: it is over already */
    unsigned status;        /* of the credentials' answer; 0: 200 */
    unsigned role_status;   /* of the role's; 0: 200 */
    bool hang, keep_number; /* the latter: the same credentials again */
    char body[512];
};

static struct fake_answer answer_as_imds(struct aws_harness *h, const struct fake_request *request)
{
    struct fake_imds *imds = h->state;
    char expiration[CLOCK_TEXT_MAX];

    if (imds->hang)
        return (struct fake_answer){.mode = FAKE_HANG};
    if (strcmp(request->path, "/latest/api/token") == 0)
        return (struct fake_answer){200, NULL, "token"};
    if (strcmp(request->path, "/latest/meta-data/iam/security-credentials/") == 0)
        return (struct fake_answer){imds->role_status ? imds->role_status : 200, NULL,
                                    "the-role\n"};
    assert_string_equal(request->path, "/latest/meta-data/iam/security-credentials/the-role");
    if (imds->status)
        return (struct fake_answer){imds->status, NULL, "{}"};
    if (!imds->keep_number)
        imds->issued++;
    clock_format_iso8601(expiration, h->now_us + (uint64_t) imds->lifetime_us);
    snprintf(imds->body, sizeof(imds->body),
             "{\"Code\":\"Success\",\"AccessKeyId\":\"ASIA%u\",\"SecretAccessKey\":\"s\","
             "\"Token\":\"t\",\"Expiration\":\"%s\"}",
             imds->issued, expiration);
    return (struct fake_answer){200, NULL, imds->body};
}

struct fixture {
    struct aws_harness h;
    struct fake_imds fake;
    struct imds *imds;
    struct credentials_provider *provider;
};

static void start(struct fixture *f)
{
    aws_harness_start(&f->h);
    f->fake = (struct fake_imds){.lifetime_us = 60 * MINUTE_US};
    f->h.state = &f->fake;
    f->h.handler = answer_as_imds;
    aws_harness_setenv(&f->h, "AWS_EC2_METADATA_SERVICE_ENDPOINT", f->h.url);
    assert_int_equal(imds_new(&f->imds, f->h.event, f->h.http, aws_harness_getenv, &f->h), 0);
    assert_int_equal(credentials_provider_new(&f->provider, f->h.event, f->h.http, f->imds,
                                              aws_harness_getenv, &f->h),
                     0);
    credentials_provider_set_clock(f->provider, aws_harness_clock, &f->h);
}

static void stop(struct fixture *f)
{
    credentials_provider_free(f->provider);
    imds_free(f->imds);
    aws_harness_stop(&f->h);
}

/* Asks and returns the keys, or why there are none. Lets a refresh in the background end. */
static const char *get(struct fixture *f, struct outcome *o)
{
    *o = (struct outcome){0};
    assert_int_equal(credentials_get(f->provider, on_done, o, NULL), 0);
    assert_int_equal(o->calls, 0); /* never from in there */
    aws_harness_run(&f->h, &o->calls, 1);
    aws_harness_settle(&f->h);
    assert_int_equal(o->calls, 1);
    return o->error == 0 ? o->keys : o->why;
}

/* --- When to ask --- */

static void test_decide(void **state)
{
    const uint64_t now_us = UINT64_C(1700000000) * USEC_PER_SEC;
    const struct {
        bool have, rejected;
        int64_t left_us; /* 0: never ends */
        int64_t hold_us;
        enum credentials_need need;
    } cases[] = {
        {false, false, 0, 0, CREDENTIALS_ASK},
        {true, false, 0, 0, CREDENTIALS_USE},
        {true, true, 0, 0, CREDENTIALS_ASK},
        {true, false, 60 * MINUTE_US, 0, CREDENTIALS_USE},
        {true, false, 15 * MINUTE_US + 1, 0, CREDENTIALS_USE},
        {true, false, 15 * MINUTE_US, 0, CREDENTIALS_USE_AND_ASK},
        {true, false, 10 * MINUTE_US + 1, 0, CREDENTIALS_USE_AND_ASK},
        {true, false, 10 * MINUTE_US, 0, CREDENTIALS_ASK},
        {true, false, 1, 0, CREDENTIALS_ASK},
        {true, false, -(int64_t) MINUTE_US, 0, CREDENTIALS_ASK},
        {true, true, 60 * MINUTE_US, 0, CREDENTIALS_ASK},
        {true, false, 12 * MINUTE_US, 1, CREDENTIALS_USE},
        {true, false, -(int64_t) MINUTE_US, 5 * MINUTE_US, CREDENTIALS_USE},
        {true, true, -(int64_t) MINUTE_US, 5 * MINUTE_US, CREDENTIALS_ASK},
        {true, false, -(int64_t) MINUTE_US, -1, CREDENTIALS_ASK},
        /* The clock was set back by an hour during the hold. */
        {true, false, 5 * MINUTE_US, 65 * MINUTE_US, CREDENTIALS_ASK},
    };

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct credentials_state s = {.have = cases[i].have, .rejected = cases[i].rejected};

        if (cases[i].left_us != 0)
            s.expires_realtime_us = now_us + (uint64_t) cases[i].left_us;
        if (cases[i].hold_us != 0)
            s.hold_until_us = now_us + (uint64_t) cases[i].hold_us;
        if (credentials_decide(&s, now_us) != cases[i].need)
            fail_msg("case %zu: %d", i, credentials_decide(&s, now_us));
    }
}

static void test_hold(void **state)
{
    const uint64_t now_us = UINT64_C(1700000000) * USEC_PER_SEC;

    for (uint64_t random = 0; random < 1000; random++) {
        uint64_t hold_us = credentials_hold_us(now_us - 1, now_us, random * 0x9e3779b97f4a7c15);

        assert_in_range(hold_us, 5 * MINUTE_US, 10 * MINUTE_US);
    }
    assert_int_equal(credentials_hold_us(now_us + 60 * MINUTE_US, now_us, 7), 0);
    assert_int_equal(credentials_hold_us(now_us + 14 * MINUTE_US, now_us, 7), 5 * MINUTE_US);
    assert_int_equal(credentials_hold_us(now_us + MINUTE_US, now_us, 7), MINUTE_US / 2);
}

/* --- Refresh --- */

static void test_windows(void **state)
{
    struct fixture f;
    struct outcome o;

    start(&f);
    assert_string_equal(credentials_source(f.provider), "");
    assert_string_equal(get(&f, &o), "IMDS ASIA1 s t");
    assert_string_equal(credentials_source(f.provider), "IMDS");
    assert_int_equal(credentials_expires_realtime_us(f.provider), f.h.now_us + 60 * MINUTE_US);
    f.h.now_us += 44 * MINUTE_US; /* 16 min left: nobody is asked */
    assert_string_equal(get(&f, &o), "IMDS ASIA1 s t");
    assert_int_equal(f.fake.issued, 1);
    f.h.now_us += 2 * MINUTE_US; /* 14 min left: the old, and in the background the next */
    assert_string_equal(get(&f, &o), "IMDS ASIA1 s t");
    assert_int_equal(f.fake.issued, 2);
    assert_string_equal(get(&f, &o), "IMDS ASIA2 s t");
    f.h.now_us += 51 * MINUTE_US; /* 9 min left: it waits */
    assert_string_equal(get(&f, &o), "IMDS ASIA3 s t");
    stop(&f);
}

/* Calls that come while it asks wait for the same answer. */
static void test_shared(void **state)
{
    struct fixture f;
    struct outcome o[5] = {0};

    start(&f);
    for (size_t i = 0; i < ARRAY_SIZE(o); i++)
        assert_int_equal(credentials_get(f.provider, on_done, &o[i], NULL), 0);
    for (size_t i = 0; i < ARRAY_SIZE(o); i++) {
        aws_harness_run(&f.h, &o[i].calls, 1);
        assert_string_equal(o[i].keys, "IMDS ASIA1 s t");
    }
    assert_int_equal(f.h.n_requests, 3);
    stop(&f);
}

/* In the advisory window a failure costs nothing and is not repeated by each call. */
static void test_advisory_failure(void **state)
{
    struct fixture f;
    struct outcome o;
    size_t n;

    start(&f);
    get(&f, &o);
    f.h.now_us += 46 * MINUTE_US;
    f.fake.role_status = 404;
    assert_string_equal(get(&f, &o), "IMDS ASIA1 s t");
    n = f.h.n_requests;
    assert_string_equal(get(&f, &o), "IMDS ASIA1 s t");
    assert_int_equal(f.h.n_requests, n);
    f.h.now_us += MINUTE_US;
    f.fake.role_status = 0;
    get(&f, &o);
    assert_string_equal(get(&f, &o), "IMDS ASIA2 s t");
    stop(&f);
}

/* IMDS fails past the end, and later gives what is expired: the old are used on, and it is asked
 * again after 5 to 10 min. */
static void test_static_stability(void **state)
{
    struct fixture f;
    struct outcome o;
    size_t n;

    start(&f);
    get(&f, &o);
    f.fake.role_status = 404;
    for (unsigned minutes = 51; minutes < 200; minutes += 11) {
        n = f.h.n_requests;
        f.h.now_us += 11 * MINUTE_US * (minutes > 51) + 51 * MINUTE_US * (minutes == 51);
        assert_string_equal(get(&f, &o), "IMDS ASIA1 s t");
        assert_int_equal(f.h.n_requests, n + 1); /* it was asked */
        f.h.now_us += 4 * MINUTE_US;
        assert_string_equal(get(&f, &o), "IMDS ASIA1 s t");
        assert_int_equal(f.h.n_requests, n + 1); /* and not again */
    }
    f.h.now_us += 11 * MINUTE_US;
    f.fake.role_status = 0;
    f.fake.lifetime_us = -(int64_t) (300 * MINUTE_US); /* expired longer ago than the old */
    assert_string_equal(get(&f, &o), "IMDS ASIA1 s t");
    f.h.now_us += 11 * MINUTE_US;
    f.fake.lifetime_us = -(int64_t) MINUTE_US; /* newer than the old: better */
    assert_string_equal(get(&f, &o), "IMDS ASIA3 s t");
    n = f.h.n_requests;
    f.h.now_us += 4 * MINUTE_US;
    get(&f, &o);
    assert_int_equal(f.h.n_requests, n);
    f.h.now_us += 7 * MINUTE_US;
    f.fake.lifetime_us = 60 * MINUTE_US;
    assert_string_equal(get(&f, &o), "IMDS ASIA4 s t");
    stop(&f);
}

/* The first that come are expired (a clock that is off, or IMDS's own trouble): better than none.
 */
static void test_expired_at_first(void **state)
{
    struct fixture f;
    struct outcome o;

    start(&f);
    f.fake.lifetime_us = -(int64_t) (60 * MINUTE_US);
    assert_string_equal(get(&f, &o), "IMDS ASIA1 s t");
    stop(&f);
}

/* Short-lived ones are asked for at half of their life, not by each call. */
static void test_short_life(void **state)
{
    struct fixture f;
    struct outcome o;

    start(&f);
    f.fake.lifetime_us = MINUTE_US;
    assert_string_equal(get(&f, &o), "IMDS ASIA1 s t");
    f.h.now_us += 20 * USEC_PER_SEC;
    assert_string_equal(get(&f, &o), "IMDS ASIA1 s t");
    f.h.now_us += 11 * USEC_PER_SEC;
    assert_string_equal(get(&f, &o), "IMDS ASIA2 s t");
    stop(&f);
}

static void test_expire(void **state)
{
    struct fixture f;
    struct outcome o;

    start(&f);
    credentials_expire(f.provider); /* of none: nothing */
    assert_string_equal(get(&f, &o), "IMDS ASIA1 s t");
    assert_int_equal(credentials_generation(f.provider), 1);
    credentials_expire(f.provider);
    assert_string_equal(get(&f, &o), "IMDS ASIA2 s t");
    assert_string_equal(get(&f, &o), "IMDS ASIA2 s t");
    assert_int_equal(credentials_generation(f.provider), 2);
    credentials_expire(f.provider); /* and IMDS is gone: the old, until it is back */
    f.fake.role_status = 404;
    assert_string_equal(get(&f, &o), "IMDS ASIA2 s t");
    assert_int_equal(credentials_generation(f.provider), 2);
    credentials_expire(f.provider); /* also during the hold */
    f.fake.role_status = 0;
    assert_string_equal(get(&f, &o), "IMDS ASIA3 s t");
    stop(&f);
}

static void test_none_then_some(void **state)
{
    struct fixture f;
    struct outcome o;

    start(&f);
    f.fake.role_status = 404;
    assert_non_null(strstr(get(&f, &o), "IMDS: no role is attached to this instance (404)"));
    assert_int_equal(o.error, -ENOKEY);
    f.fake.role_status = 0;
    f.fake.status = 404;
    assert_non_null(strstr(get(&f, &o), "IMDS: "));
    f.fake.status = 0;
    assert_string_equal(get(&f, &o), "IMDS ASIA1 s t");
    stop(&f);
}

static void test_cancel(void **state)
{
    struct fixture f;
    struct outcome o[2] = {0};
    struct credentials_call *call;

    start(&f);
    assert_int_equal(credentials_get(f.provider, on_done, &o[0], &call), 0); /* waits */
    assert_int_equal(credentials_get(f.provider, on_done, &o[1], NULL), 0);
    credentials_cancel(call);
    aws_harness_run(&f.h, &o[1].calls, 1);
    assert_int_equal(credentials_get(f.provider, on_done, &o[0], &call), 0); /* in hand */
    credentials_cancel(call);
    f.fake.hang = true;
    credentials_expire(f.provider);
    assert_int_equal(credentials_get(f.provider, on_done, &o[0], NULL), 0);
    aws_harness_run_requests(&f.h, f.h.n_requests + 1);
    stop(&f); /* ends it */
    assert_int_equal(o[0].calls, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_decide),           cmocka_unit_test(test_hold),
        cmocka_unit_test(test_windows),          cmocka_unit_test(test_shared),
        cmocka_unit_test(test_advisory_failure), cmocka_unit_test(test_static_stability),
        cmocka_unit_test(test_expired_at_first), cmocka_unit_test(test_short_life),
        cmocka_unit_test(test_expire),           cmocka_unit_test(test_none_then_some),
        cmocka_unit_test(test_cancel),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

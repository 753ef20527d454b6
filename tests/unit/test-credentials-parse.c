/* SPDX-License-Identifier: Apache-2.0 */
#include "common/aws/credentials-internal.h"

#include "common/base/clock.h"
#include "tests/unit/unit.h"

#include <errno.h>

#define EXPIRES_US (UINT64_C(1795300000) * USEC_PER_SEC) /* 2026-11-21T22:26:40Z */

static void check(const char *what, int r, int wanted, const struct credentials *c,
                  const char *keys, uint64_t expires_us)
{
    char have[512] = "";

    if (r == 0)
        snprintf(have, sizeof(have), "%s %s %s", c->access_key_id, c->secret_access_key,
                 c->session_token ? c->session_token : "-");
    if (r != wanted || (r == 0 && strcmp(have, keys) != 0) ||
        (r == 0 && c->expires_realtime_us != expires_us))
        fail_msg("%s: %d \"%s\" %llu", what, r, have, (unsigned long long) c->expires_realtime_us);
}

static void test_time(void **state)
{
    static const struct {
        const char *text;
        int r;
        uint64_t seconds;
    } cases[] = {
        {"2026-11-21T22:26:40Z", 0, 1795300000},
        {"2026-11-21T22:26:40.123Z", 0, 1795300000},
        {"2026-11-21T23:26:40+01:00", 0, 1795300000},
        {"2026-11-21T16:56:40-0530", 0, 1795300000},
        {"1970-01-01T00:00:01Z", 0, 1},
        {"1970-01-01T00:00:00Z", -EBADMSG, 0},
        {"1969-01-01T00:00:00Z", -EBADMSG, 0},
        {"2026-11-21T22:26:40", -EBADMSG, 0},
        {"2026-11-21 22:26:40Z", -EBADMSG, 0},
        {"2026-13-21T22:26:40Z", -EBADMSG, 0},
        {"2026-00-21T22:26:40Z", -EBADMSG, 0},
        {"2026-11-32T22:26:40Z", -EBADMSG, 0},
        {"2026-11-21T24:26:40Z", -EBADMSG, 0},
        {"2026-11-21T22:60:40Z", -EBADMSG, 0},
        {"2026-11-21T22:26:40Zx", -EBADMSG, 0},
        {"2026-11-21T22:26:40+1", -EBADMSG, 0},
        {"2026-11-21T22:26:40+99:00", -EBADMSG, 0},
        {"", -EBADMSG, 0},
        {"-", -EBADMSG, 0},
    };

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        uint64_t us = 0;
        int r = credentials_parse_time(cases[i].text, &us);

        if (r != cases[i].r || us != cases[i].seconds * USEC_PER_SEC)
            fail_msg("%s: %d, %llu", cases[i].text, r, (unsigned long long) us);
    }
}

static void test_json(void **state)
{
    static const struct {
        const char *text;
        int r;
        const char *keys;
        uint64_t expires_us;
    } cases[] = {
        {"{\"Code\":\"Success\",\"Type\":\"AWS-HMAC\",\"AccessKeyId\":\"ASIA1\","
         "\"SecretAccessKey\":"
         "\"s/1+\",\"Token\":\"t==\",\"Expiration\":\"2026-11-21T22:26:40Z\"}",
         0, "ASIA1 s/1+ t==", EXPIRES_US},
        {"{\"AccessKeyId\":\"A\",\"SecretAccessKey\":\"s\",\"Token\":\"t\",\"Expiration\":\"2026-"
         "11-"
         "21T22:26:40Z\",\"RoleArn\":\"arn\"}",
         0, "A s t", EXPIRES_US},
        {"{\"AccessKeyId\":\"A\",\"SecretAccessKey\":\"s\"}", 0, "A s -", 0},
        {"{\"AccessKeyId\":\"A\",\"SecretAccessKey\":\"s\",\"Token\":\"\"}", 0, "A s -", 0},
        {"{\"Code\":\"AssumeRoleUnauthorizedAccess\",\"Message\":\"m\"}", -EKEYREJECTED, NULL, 0},
        {"{\"Code\":\"Failed\",\"AccessKeyId\":\"A\",\"SecretAccessKey\":\"s\"}", -EKEYREJECTED,
         NULL, 0},
        {"{\"Code\":1,\"AccessKeyId\":\"A\",\"SecretAccessKey\":\"s\"}", -EBADMSG, NULL, 0},
        {"{\"AccessKeyId\":\"A\"}", -EBADMSG, NULL, 0},
        {"{\"SecretAccessKey\":\"s\"}", -EBADMSG, NULL, 0},
        {"{\"AccessKeyId\":\"\",\"SecretAccessKey\":\"s\"}", -EBADMSG, NULL, 0},
        {"{\"AccessKeyId\":\"A B\",\"SecretAccessKey\":\"s\"}", -EBADMSG, NULL, 0},
        {"{\"AccessKeyId\":\"A\",\"SecretAccessKey\":\"s\",\"Token\":\"t\\r\\nX: y\"}", -EBADMSG,
         NULL, 0},
        {"{\"AccessKeyId\":\"A\",\"SecretAccessKey\":\"s\",\"Token\":5}", -EBADMSG, NULL, 0},
        {"{\"AccessKeyId\":\"A\",\"SecretAccessKey\":\"s\",\"Expiration\":\"soon\"}", -EBADMSG,
         NULL, 0},
        {"[]", -EBADMSG, NULL, 0},
        {"null", -EBADMSG, NULL, 0},
        {"<html>", -EBADMSG, NULL, 0},
        {"", -EBADMSG, NULL, 0},
    };

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct credentials c = {0};
        int r = credentials_parse_json(cases[i].text, strlen(cases[i].text), &c);

        check(cases[i].text, r, cases[i].r, &c, cases[i].keys, cases[i].expires_us);
        credentials_done(&c);
    }
}

#define STS(inside)                                                                                \
    "<AssumeRoleWithWebIdentityResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\">"      \
    "<AssumeRoleWithWebIdentityResult><Credentials>" inside                                        \
    "</Credentials></AssumeRoleWithWebIdentityResult></AssumeRoleWithWebIdentityResponse>"

static void test_sts(void **state)
{
    static const struct {
        const char *text;
        int r;
        const char *keys;
    } cases[] = {
        {STS("<SessionToken>t&#43;1</SessionToken><SecretAccessKey>s/1</SecretAccessKey>"
             "<Expiration>2026-11-21T22:26:40Z</Expiration><AccessKeyId>ASIA</AccessKeyId>"),
         0, "ASIA s/1 t+1"},
        {STS("<SessionToken>t</SessionToken><SecretAccessKey>s</SecretAccessKey>"
             "<AccessKeyId>ASIA</AccessKeyId>"),
         -EBADMSG, NULL},
        {STS("<SessionToken>t</SessionToken><SecretAccessKey>s</SecretAccessKey>"
             "<Expiration>never</Expiration><AccessKeyId>ASIA</AccessKeyId>"),
         -EBADMSG, NULL},
        {STS("<SessionToken>t t</SessionToken><SecretAccessKey>s</SecretAccessKey>"
             "<Expiration>2026-11-21T22:26:40Z</Expiration><AccessKeyId>ASIA</AccessKeyId>"),
         -EBADMSG, NULL},
        {STS(""), -EBADMSG, NULL},
        {"{}", -EBADMSG, NULL},
        {"", -EBADMSG, NULL},
    };

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct credentials c = {0};
        int r = credentials_parse_sts(cases[i].text, strlen(cases[i].text), &c);

        check(cases[i].text, r, cases[i].r, &c, cases[i].keys, EXPIRES_US);
        credentials_done(&c);
    }
}

#define KEYS(id) "aws_access_key_id = " id "\naws_secret_access_key=s" id "\n"

static void test_profile(void **state)
{
    static const struct {
        const char *text, *profile;
        bool is_config;
        int r;
        const char *keys;
    } cases[] = {
        {"[default]\n" KEYS("A"), "default", false, 0, "A sA -"},
        {"[default]\r\naws_access_key_id=A\r\naws_secret_access_key=s\r\n", "default", false, 0,
         "A s -"},
        {"# c\n; c\n\n[x]\n" KEYS("X") "[ default ] # c\n" KEYS("A") "aws_session_token=t==\n",
         "default", false, 0, "A sA t=="},
        {"[default]\nAWS_ACCESS_KEY_ID=A\nAws_Secret_Access_Key =  s  ; c\nregion=x", "default",
         false, 0, "A s -"},
        {"[a]\n" KEYS("A") "[b]\n" KEYS("B"), "b", false, 0, "B sB -"},
        {"[a]\n" KEYS("A") "[a]\naws_access_key_id=C\n", "a", false, 0, "C sA -"},
        {"[profile b]\n" KEYS("B"), "b", true, 0, "B sB -"},
        {"[profile  \"b c\"]\n" KEYS("B"), "b c", true, 0, "B sB -"},
        {"[default]\n" KEYS("A"), "default", true, 0, "A sA -"},
        {"[profile default]\n" KEYS("A"), "default", true, 0, "A sA -"},
        {"[default]\ns3 =\n  max_concurrent_requests = 20\n  no setting\n" KEYS("A"), "default",
         true, 0, "A sA -"},
        {"[b]\n" KEYS("B"), "b", true, -ENOENT, NULL},
        {"[profile b]\n" KEYS("B"), "b", false, -ENOENT, NULL},
        {"[default]\nregion = x\n", "default", true, -ENOENT, NULL},
        {"[default]\naws_access_key_id=\naws_secret_access_key=\n", "default", false, -ENOENT,
         NULL},
        {KEYS("A"), "default", false, -ENOENT, NULL},
        {"", "default", false, -ENOENT, NULL},
        {"[default]\naws_access_key_id=A\n", "default", false, -EBADMSG, NULL},
        {"[default]\naws_secret_access_key=A\n", "default", false, -EBADMSG, NULL},
        {"[default]\naws_access_key_id=A B\naws_secret_access_key=s\n", "default", false, -EBADMSG,
         NULL},
        {"[default\n" KEYS("A"), "default", false, -EBADMSG, NULL},
        {"[\n", "default", false, -EBADMSG, NULL},
        {"[]\n", "", false, -ENOENT, NULL},
        {"[default]\nno setting\n" KEYS("A"), "default", false, -EBADMSG, NULL},
        {"[default]\n= x\n", "default", false, -EBADMSG, NULL},
    };

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct credentials c = {0};
        size_t length = strlen(cases[i].text);
        char *copy = memcpy(malloc(length + (length == 0)), cases[i].text, length);
        int r = credentials_parse_profile(copy, length, cases[i].profile, cases[i].is_config, &c);

        check(cases[i].text, r, cases[i].r, &c, cases[i].keys, 0);
        credentials_done(&c);
        free(copy);
    }
    assert_int_equal(credentials_parse_profile("[a]\0", 4, "a", false, &(struct credentials){0}),
                     -EBADMSG);
}

static void test_profile_about(void **state)
{
    static const struct {
        const char *text, *unsupported, *missing;
        bool is_there;
        unsigned bad_line;
    } cases[] = {
        {"[default]\nrole_arn = x\ncredential_process = y\n", "role_arn", NULL, true, 0},
        {"[default]\ncredential_process = y\nrole_arn = x\n", "role_arn", NULL, true, 0},
        {"[default]\nsso_session = y\n", "sso_session", NULL, true, 0},
        {"[other]\nrole_arn = x\n", NULL, NULL, false, 0},
        {"[default]\nrole_arn =\n", NULL, NULL, true, 0},
        {"[default]\naws_access_key_id=A\n", NULL, "aws_secret_access_key", true, 0},
        {"[default]\naws_secret_access_key=A\n", NULL, "aws_access_key_id", true, 0},
        {"\n[x]\nwhat\n", NULL, NULL, false, 3},
    };

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct credentials c = {0};
        struct credentials_profile about;

        assert_true(credentials_scan_profile(cases[i].text, strlen(cases[i].text), "default", false,
                                             &c, &about) < 0);
        assert_string_equal(about.unsupported ? about.unsupported : "",
                            cases[i].unsupported ? cases[i].unsupported : "");
        assert_string_equal(about.missing ? about.missing : "",
                            cases[i].missing ? cases[i].missing : "");
        assert_true(about.is_there == cases[i].is_there);
        assert_int_equal(about.bad_line, cases[i].bad_line);
    }
}

static void test_limits(void **state)
{
    struct credentials c = {0};
    char key[CREDENTIALS_KEY_MAX + 2];
    char *token = calloc(1, CREDENTIALS_TOKEN_MAX + 2);

    memset(key, 'k', sizeof(key));
    key[CREDENTIALS_KEY_MAX + 1] = '\0';
    memset(token, 't', CREDENTIALS_TOKEN_MAX + 1);
    assert_int_equal(credentials_set(&c, key, "s", NULL), -EBADMSG);
    assert_int_equal(credentials_set(&c, "A", "s", token), -EBADMSG);
    key[CREDENTIALS_KEY_MAX] = '\0';
    token[CREDENTIALS_TOKEN_MAX] = '\0';
    assert_int_equal(credentials_set(&c, key, key, token), 0);
    credentials_done(&c);
    assert_null(c.access_key_id);
    free(token);
}

static void test_container_url(void **state)
{
    static const struct {
        const char *url;
        bool allowed;
    } cases[] = {
        {"https://example.com/x", true},
        {"HTTPS://example.com/x", true},
        {"http://127.0.0.1/x", true},
        {"http://127.255.0.9:8080/x", true},
        {"http://localhost:51679", true},
        {"http://[::1]:80/x", true},
        {"http://[::1]", true},
        {"http://169.254.170.2/v2/credentials/x", true},
        {"http://169.254.170.23/v1/credentials", true},
        {"http://[fd00:ec2::23]/v1/credentials", true},
        {"http://169.254.170.3/x", false},
        {"http://169.254.169.254/x", false},
        {"http://example.com/x", false},
        {"http://localhost.example.com/x", false},
        {"http://127.0.0.1.example.com/x", false},
        {"http://127.0.0.1@example.com/x", false},
        {"http://169.254.170.2@example.com/x", false},
        {"http://169.254.170.2:@example.com/x", false},
        {"http://example.com\\@127.0.0.1/x", false},
        {"http://127.0.0.1%2eexample.com/x", false},
        {"http://[::2]/x", false},
        {"http://[::1", false},
        {"http://[", false},
        {"http://", false},
        {"http:///x", false},
        {"http://127.0.0.1/x y", false},
        {"https://127.0.0.1/x\ny", false},
        {"ftp://127.0.0.1/x", false},
        {"file:///etc/passwd", false},
        {"/x", false},
        {"", false},
    };

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
        if (credentials_container_url_is_allowed(cases[i].url) != cases[i].allowed)
            fail_msg("%s", cases[i].url);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_time),          cmocka_unit_test(test_json),
        cmocka_unit_test(test_sts),           cmocka_unit_test(test_profile),
        cmocka_unit_test(test_profile_about), cmocka_unit_test(test_limits),
        cmocka_unit_test(test_container_url),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

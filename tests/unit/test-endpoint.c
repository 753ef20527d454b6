/* SPDX-License-Identifier: Apache-2.0 */
/* The whole table of services and Regions is held against botocore's in
 * tests/integration/test_sigv4.py; here are the rules, one case each. */
#include "tests/unit/unit.h"

#include "common/aws/endpoint.h"
#include "common/base/macro.h"

#include <errno.h>

/* An environment as "NAME=value" words; NULL at the end. */
static const char *fake_getenv(const char *name, void *userdata)
{
    const char *const *words = userdata;
    size_t length = strlen(name);

    for (; words && *words; words++)
        if (strncmp(*words, name, length) == 0 && (*words)[length] == '=')
            return *words + length + 1;
    return NULL;
}

#define FIPS "AWS_USE_FIPS_ENDPOINT=true"
#define DUAL "AWS_USE_DUALSTACK_ENDPOINT=true"

static void test_rules(void **state)
{
    static const struct {
        const char *service, *region, *environment[3], *host;
    } CASES[] = {
        {"monitoring", "us-east-1", {NULL}, "monitoring.us-east-1.amazonaws.com"},
        {"monitoring", "us-east-1", {FIPS}, "monitoring-fips.us-east-1.amazonaws.com"},
        {"monitoring", "us-east-1", {DUAL}, "monitoring.us-east-1.api.aws"},
        {"monitoring", "us-east-1", {FIPS, DUAL}, "monitoring-fips.us-east-1.api.aws"},
        {"monitoring",
         "us-east-1",
         {"AWS_USE_FIPS_ENDPOINT=TRUE"},
         "monitoring-fips.us-east-1.amazonaws.com"},
        {"monitoring",
         "us-east-1",
         {"AWS_USE_FIPS_ENDPOINT=1"},
         "monitoring.us-east-1.amazonaws.com"},
        {"monitoring",
         "us-east-1",
         {"AWS_USE_FIPS_ENDPOINT="},
         "monitoring.us-east-1.amazonaws.com"},
        {"dynamodb", "cn-north-1", {NULL}, "dynamodb.cn-north-1.amazonaws.com.cn"},
        {"dynamodb", "cn-north-1", {DUAL}, "dynamodb.cn-north-1.api.amazonwebservices.com.cn"},
        {"logs", "us-gov-west-1", {NULL}, "logs.us-gov-west-1.amazonaws.com"},
        {"logs", "us-gov-west-1", {FIPS}, "logs.us-gov-west-1.amazonaws.com"},
        {"logs", "us-gov-west-1", {FIPS, DUAL}, "logs-fips.us-gov-west-1.api.aws"},
        {"monitoring", "us-gov-west-1", {FIPS, DUAL}, "monitoring.us-gov-west-1.api.aws"},
        {"sts", "eusc-de-east-1", {NULL}, "sts.eusc-de-east-1.amazonaws.eu"},
        {"sts", "eusc-de-east-1", {DUAL}, "sts.eusc-de-east-1.api.amazonwebservices.eu"},
        {"sts", "us-iso-east-1", {NULL}, "sts.us-iso-east-1.c2s.ic.gov"},
        {"sts", "us-isob-east-1", {NULL}, "sts.us-isob-east-1.sc2s.sgov.gov"},
        {"sts", "eu-isoe-west-1", {NULL}, "sts.eu-isoe-west-1.cloud.adc-e.uk"},
        {"sts", "us-isof-south-1", {NULL}, "sts.us-isof-south-1.csp.hci.ic.gov"},
        {"sts", "xx-new-1", {NULL}, "sts.xx-new-1.amazonaws.com"},
        {"s3", "eu-west-1", {DUAL}, "s3.dualstack.eu-west-1.amazonaws.com"},
        {"s3", "us-gov-west-1", {FIPS, DUAL}, "s3-fips.dualstack.us-gov-west-1.amazonaws.com"},
    };

    for (size_t i = 0; i < ARRAY_SIZE(CASES); i++) {
        struct endpoint_query query = {CASES[i].service, "X", CASES[i].region, NULL};
        struct endpoint endpoint;
        char url[ENDPOINT_URL_MAX];

        assert_int_equal(
            endpoint_resolve(&query, fake_getenv, (void *) CASES[i].environment, &endpoint), 0);
        assert_string_equal(endpoint.host, CASES[i].host);
        snprintf(url, sizeof(url), "https://%s", CASES[i].host);
        assert_string_equal(endpoint.url, url);
        assert_string_equal(endpoint.base_path, "");
        assert_false(endpoint.overridden);
    }
}

static void test_regions(void **state)
{
    static const struct {
        const char *region;
        int r;
    } CASES[] = {
        {NULL, -ENODATA},
        {"", -ENODATA},
        {"us-east-1", 0},
        {"local", 0},
        {"a-region-of-thirty-one-letters-1", -EINVAL}, /* 32 */
        {"aregion-of-thirty-one-letters-1", 0},
        {"us east 1", -EINVAL},
        {"us-east-1.example.com", -EINVAL},
        {"us-east-1/", -EINVAL},
        {"us-east-1\n", -EINVAL},
        {"-", -EINVAL},
        {"-us", -EINVAL},
        {"us-", -EINVAL},
        {"us_east_1", -EINVAL},
        {"\xc3\xa9u-west-1", -EINVAL},
    };

    for (size_t i = 0; i < ARRAY_SIZE(CASES); i++) {
        struct endpoint_query query = {"sts", "STS", CASES[i].region, NULL};
        struct endpoint endpoint;

        if (endpoint_resolve(&query, fake_getenv, NULL, &endpoint) != CASES[i].r)
            fail_msg("region %s", CASES[i].region ? CASES[i].region : "(none)");
    }
}

static void test_not_supported(void **state)
{
    static const char *const environment[] = {FIPS, NULL};
    struct endpoint_query query = {"s3", "S3", "cn-north-1", NULL};
    struct endpoint endpoint;

    assert_int_equal(endpoint_resolve(&query, fake_getenv, (void *) environment, &endpoint),
                     -EOPNOTSUPP);
}

static void test_urls(void **state)
{
    static const struct {
        const char *override;
        int r;
        const char *url, *host, *base_path;
    } CASES[] = {
        {"http://127.0.0.1:4566", 0, "http://127.0.0.1:4566", "127.0.0.1:4566", ""},
        {"http://127.0.0.1:4566/", 0, "http://127.0.0.1:4566", "127.0.0.1:4566", ""},
        {"HTTPS://Example.com:443", 0, "https://Example.com", "Example.com", ""},
        {"http://a.b:80", 0, "http://a.b", "a.b", ""},
        {"https://a.b:80", 0, "https://a.b:80", "a.b:80", ""},
        {"https://[::1]:8000/x", 0, "https://[::1]:8000", "[::1]:8000", "/x"},
        {"https://[::1]", 0, "https://[::1]", "[::1]", ""},
        {"http://a_b/base/path//", 0, "http://a_b", "a_b", "/base/path"},
        {"http://a/b%20c;d", 0, "http://a", "a", "/b%20c;d"},
        {"ftp://a", -EINVAL, NULL, NULL, NULL},
        {"a.b:80", -EINVAL, NULL, NULL, NULL},
        {"http://", -EINVAL, NULL, NULL, NULL},
        {"http:///path", -EINVAL, NULL, NULL, NULL},
        {"http://:80", -EINVAL, NULL, NULL, NULL},
        {"http://a:", -EINVAL, NULL, NULL, NULL},
        {"http://a:0", -EINVAL, NULL, NULL, NULL},
        {"http://a:65536", -EINVAL, NULL, NULL, NULL},
        {"http://a:8 0", -EINVAL, NULL, NULL, NULL},
        {"http://user@a", -EINVAL, NULL, NULL, NULL},
        {"http://a?b", -EINVAL, NULL, NULL, NULL},
        {"http://a/#b", -EINVAL, NULL, NULL, NULL},
        {"http://a b", -EINVAL, NULL, NULL, NULL},
        {"http://a/b c", -EINVAL, NULL, NULL, NULL},
        {"http://a\r\nb", -EINVAL, NULL, NULL, NULL},
        {"http://a/\xc3\xa9", -EINVAL, NULL, NULL, NULL},
        {"http://[::1", -EINVAL, NULL, NULL, NULL},
        {"http://[]", -EINVAL, NULL, NULL, NULL},
        {"http://[::1]x:80", -EINVAL, NULL, NULL, NULL},
    };

    for (size_t i = 0; i < ARRAY_SIZE(CASES); i++) {
        struct endpoint_query query = {"sts", "STS", NULL, CASES[i].override};
        struct endpoint endpoint;

        if (endpoint_resolve(&query, fake_getenv, NULL, &endpoint) != CASES[i].r)
            fail_msg("%s", CASES[i].override);
        if (CASES[i].r < 0)
            continue;
        assert_string_equal(endpoint.url, CASES[i].url);
        assert_string_equal(endpoint.host, CASES[i].host);
        assert_string_equal(endpoint.base_path, CASES[i].base_path);
        assert_true(endpoint.overridden);
    }
}

static void test_long_urls(void **state)
{
    for (size_t length = ENDPOINT_URL_MAX - 20; length < ENDPOINT_URL_MAX + 20; length++) {
        char url[2 * ENDPOINT_URL_MAX] = "http://";
        struct endpoint_query query = {"sts", "STS", NULL, url};
        struct endpoint endpoint;

        memset(url + 7, 'a', length);
        assert_int_equal(endpoint_resolve(&query, fake_getenv, NULL, &endpoint),
                         length + 7 < ENDPOINT_URL_MAX ? 0 : -EINVAL);
        url[8] = '/';
        assert_int_equal(endpoint_resolve(&query, fake_getenv, NULL, &endpoint),
                         length - 1 < ENDPOINT_URL_MAX ? 0 : -EINVAL);
    }
}

/* Configuration, then the service's variable, then the one for all, then the rule. */
static void test_precedence(void **state)
{
    static const char *const ALL[] = {"AWS_ENDPOINT_URL=http://all",
                                      "AWS_ENDPOINT_URL_STS=http://sts", NULL};
    static const char *const OTHER[] = {"AWS_ENDPOINT_URL=http://all",
                                        "AWS_ENDPOINT_URL_S3=http://s3", NULL};
    static const char *const EMPTY[] = {"AWS_ENDPOINT_URL=", "AWS_ENDPOINT_URL_STS=", NULL};
    static const char *const IGNORED[] = {"AWS_ENDPOINT_URL=http://all",
                                          "AWS_ENDPOINT_URL_STS=http://sts",
                                          "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS=true", NULL};
    static const struct {
        const char *const *environment;
        const char *override, *url;
    } CASES[] = {
        {ALL, "http://config", "http://config"},
        {ALL, "", "http://sts"},
        {ALL, NULL, "http://sts"},
        {OTHER, NULL, "http://all"},
        {EMPTY, NULL, "https://sts.eu-west-1.amazonaws.com"},
        {IGNORED, NULL, "https://sts.eu-west-1.amazonaws.com"},
        {IGNORED, "http://config", "http://config"},
        {NULL, NULL, "https://sts.eu-west-1.amazonaws.com"},
    };

    for (size_t i = 0; i < ARRAY_SIZE(CASES); i++) {
        struct endpoint_query query = {"sts", "STS", "eu-west-1", CASES[i].override};
        struct endpoint endpoint;

        assert_int_equal(
            endpoint_resolve(&query, fake_getenv, (void *) CASES[i].environment, &endpoint), 0);
        assert_string_equal(endpoint.url, CASES[i].url);
    }
}

static void test_untouched_on_failure(void **state)
{
    struct endpoint_query query = {"sts", "STS", "eu-west-1", "nonsense"};
    struct endpoint endpoint = {.host = "before"};

    assert_int_equal(endpoint_resolve(&query, fake_getenv, NULL, &endpoint), -EINVAL);
    assert_string_equal(endpoint.host, "before");
}

static void test_region_from_environment(void **state)
{
    static const char *const BOTH[] = {"AWS_DEFAULT_REGION=b", "AWS_REGION=a", NULL};
    static const char *const SECOND[] = {"AWS_REGION=", "AWS_DEFAULT_REGION=b", NULL};

    assert_string_equal(endpoint_region_from_environment(fake_getenv, (void *) BOTH), "a");
    assert_string_equal(endpoint_region_from_environment(fake_getenv, (void *) SECOND), "b");
    assert_null(endpoint_region_from_environment(fake_getenv, NULL));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rules),
        cmocka_unit_test(test_regions),
        cmocka_unit_test(test_not_supported),
        cmocka_unit_test(test_urls),
        cmocka_unit_test(test_long_urls),
        cmocka_unit_test(test_precedence),
        cmocka_unit_test(test_untouched_on_failure),
        cmocka_unit_test(test_region_from_environment),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

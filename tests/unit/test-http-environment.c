/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/unit.h"

#include "common/base/macro.h"
#include "common/net/http-environment.h"

#include <stdbool.h>

static const char *const NAMES[] = {
    "http_proxy", "HTTP_PROXY", "https_proxy", "HTTPS_PROXY",   "all_proxy",
    "ALL_PROXY",  "no_proxy",   "NO_PROXY",    "AWS_CA_BUNDLE", "SSL_CERT_FILE",
};

static int clear(void **state)
{
    for (size_t i = 0; i < ARRAY_SIZE(NAMES); i++)
        unsetenv(NAMES[i]);
    return 0;
}

static void test_proxy(void **state)
{
    static const struct {
        const char *name; /* set besides those before it */
        const char *for_http, *for_https;
    } STEPS[] = {
        {NULL, "", ""},
        {"ALL_PROXY", "ALL_PROXY", "ALL_PROXY"},
        {"all_proxy", "all_proxy", "all_proxy"},
        {"HTTP_PROXY", "HTTP_PROXY", "all_proxy"},
        {"http_proxy", "http_proxy", "all_proxy"},
        {"HTTPS_PROXY", "http_proxy", "HTTPS_PROXY"},
        {"https_proxy", "http_proxy", "https_proxy"},
    };

    for (size_t i = 0; i < ARRAY_SIZE(STEPS); i++) {
        if (STEPS[i].name)
            setenv(STEPS[i].name, STEPS[i].name, 1);
        assert_string_equal(http_environment_proxy("http://a/"), STEPS[i].for_http);
        assert_string_equal(http_environment_proxy("https://a/"), STEPS[i].for_https);
        assert_string_equal(http_environment_proxy("HTTPS://a/"), STEPS[i].for_https);
    }
    setenv("https_proxy", "", 1); /* empty is as good as unset */
    assert_string_equal(http_environment_proxy("https://a/"), "HTTPS_PROXY");
    assert_string_equal(http_environment_no_proxy(), "");
    setenv("NO_PROXY", "b", 1);
    assert_string_equal(http_environment_no_proxy(), "b");
    setenv("no_proxy", "a", 1);
    assert_string_equal(http_environment_no_proxy(), "a");
}

static void touch(const char *directory, const char *name)
{
    char path[PATH_MAX + 32];
    FILE *file;

    snprintf(path, sizeof(path), "%s/%s", directory, name);
    file = fopen(path, "w");
    assert_non_null(file);
    fclose(file);
}

static bool same(const char *one, const char *other)
{
    return one && other ? strcmp(one, other) == 0 : one == other;
}

/* Whether exactly these are chosen. */
static bool trusts(const char *directory, const char *file, const char *wanted_directory,
                   const char *wanted_file)
{
    struct http_trust trust;
    bool is;

    assert_int_equal(http_environment_trust(directory, file, &trust), 0);
    is = same(trust.directory, wanted_directory) && same(trust.file, wanted_file);
    http_trust_done(&trust);
    return is;
}

static void test_trust(void **state)
{
    char hashed[PATH_MAX], plain[PATH_MAX], bundle[PATH_MAX + 16];
    struct http_trust machine;

    unit_directory_make(hashed);
    unit_directory_make(plain);
    touch(hashed, "5ed36f99.0");
    touch(plain, "ca.pem");
    snprintf(bundle, sizeof(bundle), "%s/ca.pem", plain);

    assert_true(trusts(hashed, bundle, hashed, NULL));
    /* Without hashes a directory is useless. What comes then is the machine's, if it has any. */
    assert_int_equal(http_environment_trust(NULL, NULL, &machine), 0);
    assert_true(!machine.directory || !machine.file);
    if (machine.directory)
        assert_true(trusts(plain, bundle, machine.directory, NULL));
    else
        assert_true(trusts(plain, bundle, NULL, bundle));
    http_trust_done(&machine);

    setenv("SSL_CERT_FILE", "/one", 1);
    assert_true(trusts(hashed, bundle, NULL, "/one")); /* it alone */
    setenv("AWS_CA_BUNDLE", "/two", 1);
    assert_true(trusts(hashed, bundle, NULL, "/two"));
    setenv("AWS_CA_BUNDLE", "", 1); /* empty is as good as unset */
    assert_true(trusts(hashed, bundle, NULL, "/one"));
    unit_directory_remove(hashed);
    unit_directory_remove(plain);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_proxy, clear, clear),
        cmocka_unit_test_setup_teardown(test_trust, clear, clear),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "ctl/url.h"

#include "common/base/macro.h"
#include "tests/unit/unit.h"

#include <errno.h>

static void test_good(void **state)
{
    static const char *const cases[][2] = {
        {"http://example.com", "http://example.com/health"},
        {"http://example.com/", "http://example.com/health"},
        {"http://example.com/?", "http://example.com/?"},
        {"HTTPS://example.com:8443/a/b?c=d", "https://example.com:8443/a/b?c=d"},
        {"example.com", "http://example.com/health"},
        {"localhost:3000/x", "http://localhost:3000/x"},
        {"my-alb_1.elb.amazonaws.com?q=1", "http://my-alb_1.elb.amazonaws.com/health?q=1"},
        {"127.0.0.1:1", "http://127.0.0.1:1/health"},
        {"http://[::1]:65535", "http://[::1]:65535/health"},
        {"[fe80::1]", "http://[fe80::1]/health"},
        {"example.com/?to=http://other/", "http://example.com/?to=http://other/"},
        {"http://example.com/\xc3\xa4", "http://example.com/\xc3\xa4"},
    };

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        const char *error = "";
        struct url url;

        print_message("%s\n", cases[i][0]);
        if (url_read(cases[i][0], "/health", &url, &error) < 0)
            fail_msg("%s", error);
        assert_string_equal(url.text, cases[i][1]);
    }
}

static void test_bad(void **state)
{
    static const char *const cases[][2] = {
        {"", "a host"},
        {"http://", "a host"},
        {"http:///path", "a host"},
        {"https://:80/", "a host"},
        {"ftp://example.com/", "http:// or https://"},
        {"file:///etc/passwd", "http:// or https://"},
        {"http://user:word@example.com/", "no password"},
        {"user@example.com", "no password"},
        {"http://example.com/#top", "no '#'"},
        {"http://example.com /", "no blanks"},
        {"http://example.com/\x1b[31m", "control characters"},
        {"http://example.com/\r\nX: y", "control characters"},
        {"http://example.com/\"", "quotes"},
        {"http://example.com:0/", "a port"},
        {"http://example.com:65536/", "a port"},
        {"http://example.com:/", "a port"},
        {"http://example.com:80x/", "a port"},
        {"http://example.com:000000080/", "a port"},
        {"http://ex%61mple.com/", "letters"},
        {"http://\xc3\xa4.com/", "a host"},
        {"http://[::1/", "IPv6"},
        {"http://[]/", "IPv6"},
        {"http://[::1]x/", "letters"},
    };
    char longest[URL_MAX + 16], name[300];
    const char *error = "";
    struct url url;

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        print_message("%s\n", cases[i][0]);
        assert_int_equal(url_read(cases[i][0], "/", &url, &error), -EINVAL);
        if (!strstr(error, cases[i][1]))
            fail_msg("it says: %s", error);
    }
    memset(longest, 'a', sizeof(longest));
    memcpy(longest, "http://h/", strlen("http://h/"));
    longest[URL_MAX - 1] = '\0';
    assert_int_equal(url_read(longest, "/", &url, &error), 0);
    assert_string_equal(url.text, longest);
    longest[URL_MAX - 1] = 'a';
    longest[URL_MAX] = '\0';
    assert_int_equal(url_read(longest, "/", &url, &error), -EINVAL);
    memset(name, 'a', sizeof(name));
    name[253] = '\0';
    assert_int_equal(url_read(name, "/", &url, &error), 0);
    name[253] = 'a';
    name[254] = '\0';
    assert_int_equal(url_read(name, "/", &url, &error), -EINVAL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_good),
        cmocka_unit_test(test_bad),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/unit.h"

#include "apps/visitor-board/client-address.h"

#include <arpa/inet.h>
#include <errno.h>

static const char *format(const struct client_address *address)
{
    static char text[INET6_ADDRSTRLEN];

    return inet_ntop(AF_INET6, address->bytes, text, sizeof(text));
}

static struct client_proxies parse_proxies(const char *text)
{
    struct client_proxies proxies;
    const char *bad;
    size_t length;

    assert_int_equal(client_proxies_parse(text, &proxies, &bad, &length), 0);
    return proxies;
}

static void test_parse(void **state)
{
    static const struct {
        const char *text;
        const char *address; /* NULL: none */
    } cases[] = {
        {"192.0.2.1", "::ffff:192.0.2.1"},
        {"192.0.2.1:65535", "::ffff:192.0.2.1"},
        {"2001:db8::1", "2001:db8::1"},
        {"[2001:db8::1]", "2001:db8::1"},
        {"[2001:db8::1]:80", "2001:db8::1"},
        {"::ffff:192.0.2.1", "::ffff:192.0.2.1"},
        {"::", "::"},
        {"", NULL},
        {"192.0.2", NULL},
        {"192.0.2.256", NULL},
        {"192.0.2.1:", NULL},
        {"192.0.2.1:65536", NULL},
        {"192.0.2.1:x", NULL},
        {"192.0.2.1 ", NULL},
        {"[192.0.2.1]", NULL},
        {"[2001:db8::1", NULL},
        {"[2001:db8::1]x", NULL},
        {"[2001:db8::1]:", NULL},
        {"[]", NULL},
        {"fe80::1%eth0", NULL},
        {"unknown", NULL},
        {"_hidden", NULL},
        {"unix", NULL},
        {":", NULL},
        {"1111:2222:3333:4444:5555:6666:7777:8888:9999:aaaa:bbbb:cccc:dddd", NULL},
    };

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct client_address address;
        int r = client_address_parse(cases[i].text, strlen(cases[i].text), &address);

        if (r != (cases[i].address ? 0 : -EINVAL) ||
            (r == 0 && strcmp(format(&address), cases[i].address) != 0))
            fail_msg("%s: %d", cases[i].text, r);
    }
}

static void test_proxies(void **state)
{
    static const struct {
        const char *list;
        const char *bad; /* NULL: a good list */
    } cases[] = {
        {"", NULL},
        {" , ", NULL},
        {"10.0.0.0/8", NULL},
        {"10.0.0.0/8,172.16.0.0/12 192.168.0.1\tfd00::/8,unix", NULL},
        {"0.0.0.0/0,::/0", NULL},
        {"192.0.2.1/32,2001:db8::1/128", NULL},
        {"10.1.0.0/8", "10.1.0.0/8"},
        {"10.0.0.0/33", "10.0.0.0/33"},
        {"10.0.0.0/", "10.0.0.0/"},
        {"10.0.0.0/-1", "10.0.0.0/-1"},
        {"10.0.0.0/8/8", "10.0.0.0/8/8"},
        {"::/129", "::/129"},
        {"2001:db8::1/64", "2001:db8::1/64"},
        {"10.0.0.0/8,load-balancer", "load-balancer"},
        {"unixx", "unixx"},
        {"1111:2222:3333:4444:5555:6666:7777:8888:9999:aaaa:bbbb:cccc:dddd/100",
         "1111:2222:3333:4444:5555:6666:7777:8888:9999:aaaa:bbbb:cccc:dddd/100"},
    };

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct client_proxies proxies;
        const char *bad = "";
        size_t length = 0;
        int r = client_proxies_parse(cases[i].list, &proxies, &bad, &length);

        if (r != (cases[i].bad ? -EINVAL : 0) ||
            (r < 0 && (length != strlen(cases[i].bad) || memcmp(bad, cases[i].bad, length) != 0)))
            fail_msg("%s: %d %.*s", cases[i].list, r, (int) length, bad);
    }
}

static void test_too_many_proxies(void **state)
{
    char list[CLIENT_PROXIES_MAX * 8 + 8] = "";
    struct client_proxies proxies;
    const char *bad;
    size_t length;

    for (unsigned i = 0; i < CLIENT_PROXIES_MAX; i++)
        strcat(list, "::1,");
    assert_int_equal(client_proxies_parse(list, &proxies, &bad, &length), 0);
    strcat(list, "::1");
    assert_int_equal(client_proxies_parse(list, &proxies, &bad, &length), -E2BIG);
}

static void test_contain(void **state)
{
    struct client_proxies proxies = parse_proxies("10.0.0.0/9 192.0.2.7 2001:db8::/33");

    assert_true(client_proxies_contain(&proxies, "10.127.255.255"));
    assert_false(client_proxies_contain(&proxies, "10.128.0.0"));
    assert_true(client_proxies_contain(&proxies, "192.0.2.7"));
    assert_false(client_proxies_contain(&proxies, "192.0.2.6"));
    assert_true(client_proxies_contain(&proxies, "2001:db8:7fff::1"));
    assert_false(client_proxies_contain(&proxies, "2001:db8:8000::1"));
    assert_false(client_proxies_contain(&proxies, "unix"));
    assert_false(client_proxies_contain(&proxies, ""));
    proxies = parse_proxies("unix");
    assert_true(client_proxies_contain(&proxies, "unix"));
    assert_false(client_proxies_contain(&proxies, "::1"));
    proxies = parse_proxies("0.0.0.0/0"); /* that of IPv4 is not all */
    assert_true(client_proxies_contain(&proxies, "255.1.2.3"));
    assert_false(client_proxies_contain(&proxies, "::1"));
}

static void test_find(void **state)
{
    static const struct {
        const char *peer;
        const char *lines[3];
        const char *found;
    } cases[] = {
        {"192.0.2.1", {NULL}, "::ffff:192.0.2.1"},
        /* Nobody but a trusted proxy is believed. */
        {"192.0.2.1", {"198.51.100.1"}, "::ffff:192.0.2.1"},
        {"10.0.0.1", {NULL}, "::ffff:10.0.0.1"},
        {"10.0.0.1", {""}, "::ffff:10.0.0.1"},
        {"10.0.0.1", {"198.51.100.1"}, "::ffff:198.51.100.1"},
        {"10.0.0.1", {"198.51.100.1:4711"}, "::ffff:198.51.100.1"},
        {"10.0.0.1", {"2001:db8::1"}, "2001:db8::1"},
        /* What a client sends itself is to the left of what the proxy saw. */
        {"10.0.0.1", {"203.0.113.9, 198.51.100.1"}, "::ffff:198.51.100.1"},
        {"10.0.0.1", {"203.0.113.9,198.51.100.1 , 10.0.0.2"}, "::ffff:198.51.100.1"},
        /* HAProxy adds a line of its own. */
        {"10.0.0.1", {"203.0.113.9", "198.51.100.1"}, "::ffff:198.51.100.1"},
        {"10.0.0.1", {"203.0.113.9", "198.51.100.1", "10.0.0.2"}, "::ffff:198.51.100.1"},
        {"10.0.0.1", {"198.51.100.1", ""}, "::ffff:198.51.100.1"},
        /* All of them trusted: the one that is farthest away. */
        {"10.0.0.1", {"10.0.0.3, 10.0.0.2"}, "::ffff:10.0.0.3"},
        /* What is no address: the last that is known. */
        {"10.0.0.1", {"unknown"}, "::ffff:10.0.0.1"},
        {"10.0.0.1", {"198.51.100.1, <script>"}, "::ffff:10.0.0.1"},
        {"10.0.0.1", {"198.51.100.1, x, 10.0.0.2"}, "::ffff:10.0.0.2"},
        {"unix", {"198.51.100.1"}, "::ffff:198.51.100.1"},
        {"", {"198.51.100.1"}, "::"},
    };
    const struct client_proxies trusted = parse_proxies("10.0.0.0/8 unix");

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct client_address address;
        size_t n = 0;

        while (n < 3 && cases[i].lines[n])
            n++;
        client_address_find(&address, cases[i].peer, cases[i].lines, n, &trusted);
        if (strcmp(format(&address), cases[i].found) != 0)
            fail_msg("case %zu: %s", i, format(&address));
    }
}

static void test_cut(void **state)
{
    struct client_address address;

    assert_int_equal(client_address_parse("2001:db8:1:2:3:4:5:6", 20, &address), 0);
    client_address_cut(&address);
    assert_string_equal(format(&address), "2001:db8:1:2::");
    assert_int_equal(client_address_parse("192.0.2.1", 9, &address), 0);
    client_address_cut(&address);
    assert_string_equal(format(&address), "::ffff:192.0.2.1");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_parse),
        cmocka_unit_test(test_proxies),
        cmocka_unit_test(test_too_many_proxies),
        cmocka_unit_test(test_contain),
        cmocka_unit_test(test_find),
        cmocka_unit_test(test_cut),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

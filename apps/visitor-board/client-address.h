/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whose request it is: the peer's address, or, where the peer is a proxy that is trusted, the one
 * that X-Forwarded-For names. Pure.
 *
 * Each proxy appends the address that it was asked from, and a client may send whatever it likes in
 * front of that. So the list is read from its right end, past the proxies that are trusted, to the
 * first address that is not. What is no address ends it: the client is then the last proxy.
 */
#pragma once

#include "common/base/macro.h"

#include <stdbool.h>

#define CLIENT_PROXIES_MAX 64u /* networks */
#define CLIENT_LINES_MAX   8u  /* lines of X-Forwarded-For, the last ones */

struct client_address { /* IPv4 as ::ffff:a.b.c.d; unknown or a unix socket: all zero */
    uint8_t bytes[16];
};

struct client_network {
    struct client_address address;
    unsigned bits;
};

struct client_proxies {
    size_t n;
    struct client_network networks[CLIENT_PROXIES_MAX];
    bool unix_sockets; /* whoever comes over one */
};

/* An address as text, also "192.0.2.1:80", "[2001:db8::1]" and "[2001:db8::1]:80" as some proxies
 * write it. 0 or -EINVAL. */
int client_address_parse(const char *text, size_t length, struct client_address *ret);

/*
 * Addresses and networks ("10.0.0.0/8", "2001:db8::/32", "192.0.2.1") with commas or blanks between
 * them, and "unix". 0, -E2BIG past CLIENT_PROXIES_MAX, or -EINVAL: *ret_bad and *ret_bad_length say
 * which is none. Bits of an address behind its prefix must be zero: "10.1.0.0/8" is a mistake.
 */
int client_proxies_parse(const char *text, struct client_proxies *ret, const char **ret_bad,
                         size_t *ret_bad_length);

/* |peer| as http_request_client() has it; |lines| of X-Forwarded-For in their order. */
void client_address_find(struct client_address *ret, const char *peer, const char *const lines[],
                         size_t n_lines, const struct client_proxies *trusted);

/* Whether |peer| is one of them. */
bool client_proxies_contain(const struct client_proxies *proxies, const char *peer);

/* What one client is for a limit: an IPv6 address is cut to its /64, which one customer has whole.
 */
void client_address_cut(struct client_address *address);

/* SPDX-License-Identifier: Apache-2.0 */
/* Listening sockets from their text in the configuration: "127.0.0.1:8080", "[::1]:80", "[::]:80"
 * (IPv6 and IPv4), "8080" (the same as "[::]:8080"), "/run/x.sock". */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <sys/socket.h>

#define LISTEN_BACKLOG 4096 /* the kernel cuts it to net.core.somaxconn */

/* Of a datagram socket: some 10,000 small datagrams, 100 ms at 100,000 a second. The kernel cuts it
 * to net.core.rmem_max, which is 208 KiB where nobody raised it: some 500 datagrams. */
#define LISTEN_RECEIVE_BUFFER_BYTES (4 << 20)

union listen_address {
    struct sockaddr any;
    struct sockaddr_storage storage;
};

/* Numbers only, no names are looked up. 0, -EINVAL, or -ENAMETOOLONG for a unix path. */
int listen_parse(const char *text, union listen_address *ret, socklen_t *ret_length);

/*
 * Binds and listens; non-blocking, O_CLOEXEC, SO_REUSEADDR; a stale unix socket that nobody serves
 * is replaced, and |unix_mode| set. Returns the descriptor or a negative errno (-EADDRINUSE). Where
 * the host has no IPv6, "[::]" falls back to "0.0.0.0".
 */
int listen_open(const char *text, unsigned unix_mode);
/* A unix socket that only this user can connect to, in a directory that is made for such ones and
 * closed to others; whatever was at |path| is replaced. */
int listen_open_private(const char *path);

/* The same for datagrams (UDP, or a unix datagram socket): bound, its receive buffer raised.
 * Without SO_REUSEADDR, with which Linux would let another process bind the port too and take them.
 */
int listen_open_datagram(const char *text, unsigned unix_mode);

/* A socket of sd_notify(3)'s kind, whose messages come with their sender's credentials. Replaces
 * what is at |path|, whoever has it. */
int listen_open_notify(const char *path, unsigned unix_mode);

/* Whether |fd| is a listening socket bound to what |text| says (for descriptors handed in by
 * systemd). "0.0.0.0" is "[::]" where listen_open() would fall back to it. */
bool listen_matches(int fd, const char *text);
bool listen_matches_datagram(int fd, const char *text);

/* Where a client on this host finds it: a wildcard address becomes 127.0.0.1. False for a unix
 * socket and for what is no address. */
#define LISTEN_HOST_MAX 46u
bool listen_client_address(const char *text, char host[LISTEN_HOST_MAX], unsigned *ret_port);
/* The same of the first in a list, NULL at the end, that has one. */
bool listen_first_client_address(char *const *list, char host[LISTEN_HOST_MAX], unsigned *ret_port);

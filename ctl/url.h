/* SPDX-License-Identifier: Apache-2.0 */
/* The address on the command line of load and watch. Pure. */
#pragma once

#define URL_MAX 2048u /* bytes, with the NUL and a path that is added */

struct url {
    char text[URL_MAX]; /* with scheme and path */
};

/*
 * "http://HOST[:PORT][/PATH][?QUERY]", https as well; without a scheme it is http, as with curl. A
 * host is a name in ASCII, an IPv4 address or an IPv6 address in brackets. |default_path| ("/...")
 * is what it gets if it has none, or "/" alone. User names, passwords and fragments are refused:
 * the one would be shown, the other is never sent. Returns 0, or -EINVAL and what is wanted in
 * *ret_error.
 */
int url_read(const char *text, const char *default_path, struct url *ret, const char **ret_error);

/* SPDX-License-Identifier: Apache-2.0 */
/* See the header. */
#include "ctl/url.h"

#include "common/base/text.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#define HOST_MAX   253u /* bytes of a name, RFC 1035 */
#define HOST_BYTES "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_"
#define IPV6_BYTES "0123456789abcdefABCDEF:."

/* What is wrong with "HOST[:PORT]" of |length| bytes; NULL: nothing. */
static const char *host_fault(const char *host, size_t length)
{
    size_t bytes;
    char port[8];
    uint64_t number;

    if (memchr(host, '@', length))
        return "no user and no password is allowed in it";
    if (length > 0 && host[0] == '[') {
        bytes = 1 + strspn(host + 1, IPV6_BYTES);
        if (bytes < 3 || bytes >= length || host[bytes] != ']')
            return "an IPv6 address is wanted in [ and ]";
        bytes++;
    } else {
        bytes = strspn(host, HOST_BYTES);
        if (bytes > length)
            bytes = length;
        if (bytes == 0 || bytes > HOST_MAX)
            return "a host is wanted, such as http://example.com/";
    }
    if (bytes == length)
        return NULL;
    if (host[bytes] != ':')
        return "the host is wanted in letters, digits, '.', '-' and '_'";
    snprintf(port, sizeof(port), "%.*s", (int) (length - bytes - 1), host + bytes + 1);
    if (length - bytes - 1 >= sizeof(port) || text_parse_u64(port, 1, 65535, &number) < 0)
        return "a port from 1 to 65535 is wanted behind the ':'";
    return NULL;
}

/* Bytes that may not stand in a URL as they are, by RFC 3986; those above 7 bits are sent. */
static bool has_bad_byte(const char *text)
{
    for (const char *c = text; *c; c++)
        if ((unsigned char) *c <= ' ' || strchr("\x7f\"<>\\^`{|}", *c))
            return true;
    return false;
}

static int refuse(const char **ret_error, const char *error)
{
    *ret_error = error;
    return -EINVAL;
}

int url_read(const char *text, const char *default_path, struct url *ret, const char **ret_error)
{
    const char *scheme = "http://", *host = text, *fault, *rest;
    size_t length;
    int written;

    if (has_bad_byte(text))
        return refuse(ret_error, "no blanks, control characters or quotes are allowed in it");
    if (strncasecmp(text, "http://", 7) == 0) {
        host = text + 7;
    } else if (strncasecmp(text, "https://", 8) == 0) {
        host = text + 8;
        scheme = "https://";
    } else if (strstr(text, "://") && strcspn(text, "/?") > strcspn(text, ":")) {
        return refuse(ret_error, "http:// or https:// is wanted");
    }
    if (strchr(text, '#'))
        return refuse(ret_error, "no '#' is allowed in it: it would not be sent");
    length = strcspn(host, "/?");
    fault = host_fault(host, length);
    if (fault)
        return refuse(ret_error, fault);
    rest = strcmp(host + length, "/") == 0 ? "" : host + length; /* browsers add that one */
    written = snprintf(ret->text, sizeof(ret->text), "%s%.*s%s%s", scheme, (int) length, host,
                       *rest == '/' ? "" : default_path, rest);
    if (written < 0 || (size_t) written >= sizeof(ret->text))
        return refuse(ret_error, "up to 2000 bytes are allowed");
    return 0;
}

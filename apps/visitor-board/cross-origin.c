/* SPDX-License-Identifier: Apache-2.0 */
#include "apps/visitor-board/cross-origin.h"

#include <string.h>
#include <strings.h>

bool cross_origin_is_refused(const char *sec_fetch_site, const char *origin, const char *host)
{
    const char *authority;

    if (sec_fetch_site && *sec_fetch_site)
        return strcmp(sec_fetch_site, "same-origin") != 0 && strcmp(sec_fetch_site, "none") != 0;
    if (!origin || !*origin)
        return false;
    authority = strstr(origin, "://"); /* "null", of a sandboxed page, has none */
    return !authority || !host || strcasecmp(authority + 3, host) != 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whether a request that changes something was sent by another site's page (cross-site request
 * forgery). Browsers say where a request comes from in headers that scripts can't set; so no token
 * is needed in the form, and nothing has to be kept. Pure.
 *
 * The rule is that of Go's http.CrossOriginProtection:
 *   - Sec-Fetch-Site (Fetch Metadata; every browser since 2023) decides where it is there:
 *     "same-origin" and "none" (typed, a bookmark) pass, the rest is refused;
 *   - else Origin decides: its host and port must be Host's. The scheme is not compared, because a
 *     load balancer takes HTTPS away; a page on http: of the same host therefore passes;
 *   - neither is there: no browser, and so nobody's cookies or address are abused.
 */
#pragma once

#include <stdbool.h>

/* The three headers' values, NULL where a header is missing. */
bool cross_origin_is_refused(const char *sec_fetch_site, const char *origin, const char *host);

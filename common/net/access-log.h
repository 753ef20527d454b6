/* SPDX-License-Identifier: Apache-2.0 */
/* One log line a request, with what one would search for as structured fields: METHOD, URL_PATH,
 * STATUS, LATENCY_US, BYTES, CLIENT and, if the load balancer gave one, TRACE_ID. */
#pragma once

#include "common/net/http-server.h"

/* |status| 0: the client went away before the answer. */
void access_log(const struct http_request *request, unsigned status, size_t bytes,
                uint64_t latency_us);

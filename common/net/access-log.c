/* SPDX-License-Identifier: Apache-2.0 */
/* See the header. */
#include "common/net/access-log.h"

#include "common/base/log.h"
#include "common/net/http-check.h"

#include <stdio.h>

#define TRACE_ID_MAX 128 /* bytes of X-Amzn-Trace-Id that are logged */

void access_log(const struct http_request *request, unsigned status, size_t bytes,
                uint64_t latency_us)
{
    char method[32], path[sizeof("URL_PATH=") + HTTP_PATH_MAX], status_text[24], latency[40],
        bytes_text[32], client[64], trace[sizeof("TRACE_ID=") + TRACE_ID_MAX] = "TRACE_ID=";
    const char *fields[] = {method, path, status_text, latency, bytes_text, client, NULL, NULL};

    snprintf(method, sizeof(method), "METHOD=%s", http_request_method_name(request));
    snprintf(path, sizeof(path), "URL_PATH=%s", http_request_path(request));
    snprintf(status_text, sizeof(status_text), "STATUS=%u", status);
    snprintf(latency, sizeof(latency), "LATENCY_US=%llu", (unsigned long long) latency_us);
    snprintf(bytes_text, sizeof(bytes_text), "BYTES=%zu", bytes);
    snprintf(client, sizeof(client), "CLIENT=%s", http_request_client(request));
    http_copy_printable(trace + sizeof("TRACE_ID=") - 1, TRACE_ID_MAX + 1,
                        http_request_header(request, "X-Amzn-Trace-Id"));
    if (trace[sizeof("TRACE_ID=") - 1])
        fields[6] = trace;
    log_fields(LOG_INFO, fields, "%s %s %u %llu us", method + sizeof("METHOD=") - 1,
               path + sizeof("URL_PATH=") - 1, status, (unsigned long long) latency_us);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "apps/visitor-board/problem.h"

#include "common/base/json.h"
#include "common/net/http-server.h"

#include <errno.h>

static void add(struct buffer *buffer, const char *name, const char *value)
{
    if (!value)
        return;
    buffer_printf(buffer, ",\"%s\":", name);
    (void) json_append_string(buffer, value);
}

int problem_render(struct buffer *buffer, const struct problem *problem)
{
    buffer_append_string(buffer, "{\"type\":");
    (void) json_append_string(buffer, problem->type ? problem->type : "about:blank");
    add(buffer, "title", problem->title ? problem->title : http_status_phrase(problem->status));
    buffer_printf(buffer, ",\"status\":%u", problem->status);
    add(buffer, "detail", problem->detail);
    add(buffer, "field", problem->field);
    buffer_append_string(buffer, "}\n");
    return buffer->failed ? -ENOBUFS : 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Bodies that anybody who may open the control socket can send. What is accepted is in range. */
#include "agent/serve/control-request.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void parse_others(const char *body, size_t size)
{
    struct control_scale scale;
    struct stress_order order;
    char app[APP_NAME_MAX + 1], why[CONTROL_WHY_MAX] = "";

    if (control_parse_reload(body, size, app, why) < 0 ? why[0] == '\0'
                                                       : strnlen(app, sizeof(app)) == sizeof(app))
        abort();
    why[0] = '\0';
    if (control_parse_scale(body, size, &scale, why) < 0
            ? why[0] == '\0'
            : scale.workers > WORKERS_MAX || !scale.app[0] ||
                  strnlen(scale.app, sizeof(scale.app)) == sizeof(scale.app))
        abort();
    why[0] = '\0';
    if (control_parse_stress(body, size, &order, why) < 0
            ? why[0] == '\0'
            : order.load_percent < 1 || order.load_percent > STRESS_LOAD_MAX || order.seconds < 1 ||
                  order.seconds > STRESS_SECONDS_MAX || order.cores > STRESS_CORES_MAX)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct control_restart restart;
    char why[CONTROL_WHY_MAX] = "";

    if (size > CONTROL_BODY_MAX)
        return 0;
    parse_others((const char *) data, size);
    if (control_parse_restart((const char *) data, size, &restart, why) < 0) {
        if (why[0] == '\0')
            abort();
        return 0;
    }
    if (restart.slot > APP_SLOTS_MAX || (restart.slot && !restart.app[0]) ||
        strnlen(restart.app, sizeof(restart.app)) == sizeof(restart.app))
        abort();
    return 0;
}

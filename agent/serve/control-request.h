/* SPDX-License-Identifier: Apache-2.0 */
/* Bodies of the control API's changing requests, read without trust: pure. */
#pragma once

#include "common/schema/contract.h"
#include "common/schema/stress.h"

#include <stdbool.h>
#include <stddef.h>

#define CONTROL_BODY_MAX 4096
#define CONTROL_WHY_MAX  160

struct control_restart {
    bool core;                  /* the core itself; then no app */
    char app[APP_NAME_MAX + 1]; /* "": every app */
    unsigned slot;              /* 0: all of the app */
};

/*
 * {"app": "NAME", "slot": N} or {"core": true} or {} or nothing at all. Unknown members are
 * refused: a misspelt "slot" must not restart everything. 0, or -EINVAL with one line in |why|.
 */
int control_parse_restart(const char *body, size_t length, struct control_restart *ret,
                          char why[CONTROL_WHY_MAX]);

/* {"app": "NAME"}, {} or nothing; |app| is "" for all. As above. */
int control_parse_reload(const char *body, size_t length, char app[APP_NAME_MAX + 1],
                         char why[CONTROL_WHY_MAX]);

struct control_scale {
    char app[APP_NAME_MAX + 1];
    unsigned workers;
};
/* {"app": "NAME", "workers": N}, both. As above. */
int control_parse_scale(const char *body, size_t length, struct control_scale *ret,
                        char why[CONTROL_WHY_MAX]);

/*
 * {"load": N, "seconds": N, "cores": N, "priority": "idle"|"normal"}, any of them; the others are
 * stress.h's defaults. As above.
 */
int control_parse_stress(const char *body, size_t length, struct stress_order *ret,
                         char why[CONTROL_WHY_MAX]);

/* A whole unsigned number of a query, as in ?since=12. NULL gives |fallback|. 0 or -EINVAL. */
int control_parse_number(const char *text, unsigned long long fallback, unsigned long long max,
                         unsigned long long *ret);

/* SPDX-License-Identifier: Apache-2.0 */
/* The board's settings: its environment, checked. All strings are the environment's. */
#pragma once

#include "apps/visitor-board/client-address.h"
#include "apps/visitor-board/store-open.h"

struct settings {
    char listen[32];
    struct store_settings store;
    const char *zone;        /* "": not set */
    const char *statsd_host; /* NULL: none */
    unsigned statsd_port;
    unsigned posts_per_minute; /* 0: no limit */
    struct client_proxies proxies;
    bool access_log;
};

/* 0, or -EINVAL: one line on each variable that is wrong has been logged. */
int settings_read(struct settings *ret);

/* What --help says of them. */
extern const char settings_help[];

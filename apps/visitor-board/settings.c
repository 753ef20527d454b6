/* SPDX-License-Identifier: Apache-2.0 */
#include "apps/visitor-board/settings.h"

#include "apps/visitor-board/rate-limit.h"
#include "apps/visitor-board/zone.h"
#include "common/base/log.h"
#include "common/base/text.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define DEFAULT_PORT             3000
#define DEFAULT_POSTS_PER_MINUTE 30

const char settings_help[] = STORE_HELP
    "  PORT                   port to listen on without agentd (3000)\n"
    "  INSTANCE_ID            name of this node, shown on the page (the host's name)\n"
    "  AVAILABILITY_ZONE      where it is, shown on the page (with DynamoDB: IMDS's)\n"
    "  BOARD_POSTS_PER_MINUTE posts that a worker takes of one address; 0: all (30)\n"
    "  BOARD_TRUSTED_PROXIES  load balancers whose X-Forwarded-For is believed: addresses,\n"
    "                         networks (10.0.0.0/8), unix; commas between them (none)\n"
    "  BOARD_ACCESS_LOG       1: one log line a request (0)\n"
    "  STATSD_HOST, STATSD_PORT\n"
    "                         where to count what goes wrong (nowhere)\n";

static const char *environment(const char *name, const char *otherwise)
{
    const char *value = getenv(name);

    return value && *value ? value : otherwise;
}

/* Returns whether it is good; a bad one is logged. */
static bool read_number(const char *name, unsigned otherwise, unsigned min, unsigned max,
                        unsigned *ret)
{
    const char *text = environment(name, NULL);
    uint64_t value = otherwise;

    if (text && text_parse_u64(text, min, max, &value) < 0) {
        log_error("%s is \"%s\", must be a number from %u to %u", name, text, min, max);
        return false;
    }
    *ret = (unsigned) value;
    return true;
}

static bool read_zone(struct settings *settings)
{
    settings->zone = environment("AVAILABILITY_ZONE", "");
    if (!*settings->zone || zone_is_sound(settings->zone))
        return true;
    log_error("AVAILABILITY_ZONE is \"%s\", must be up to %u lower-case letters, digits and -",
              settings->zone, ZONE_MAX - 1);
    return false;
}

static bool read_proxies(struct settings *settings)
{
    const char *text = environment("BOARD_TRUSTED_PROXIES", ""), *bad;
    size_t length;
    int r = client_proxies_parse(text, &settings->proxies, &bad, &length);

    if (r == -E2BIG)
        log_error("BOARD_TRUSTED_PROXIES has more than %u networks", CLIENT_PROXIES_MAX);
    else if (r < 0)
        log_error("BOARD_TRUSTED_PROXIES: \"%.*s\" is no address and no network (nothing may be "
                  "set behind the prefix: 10.0.0.0/8)",
                  (int) length, bad);
    return r >= 0;
}

static bool read_access_log(struct settings *settings)
{
    const char *text = environment("BOARD_ACCESS_LOG", "0");

    settings->access_log = strcmp(text, "1") == 0;
    if (settings->access_log || strcmp(text, "0") == 0)
        return true;
    log_error("BOARD_ACCESS_LOG is \"%s\", must be 0 or 1", text);
    return false;
}

int settings_read(struct settings *ret)
{
    struct settings settings = {
        .statsd_host = environment("STATSD_HOST", NULL),
    };
    unsigned port = 0;
    bool good = read_number("PORT", DEFAULT_PORT, 1, UINT16_MAX, &port);

    good &= read_number("BOARD_POSTS_PER_MINUTE", DEFAULT_POSTS_PER_MINUTE, 0, RATE_LIMIT_MAX,
                        &settings.posts_per_minute);
    good &= read_number("STATSD_PORT", 8125, 1, UINT16_MAX, &settings.statsd_port);
    good &= store_settings_read(&settings.store, NULL, NULL) >= 0;
    good &= read_zone(&settings);
    good &= read_proxies(&settings);
    good &= read_access_log(&settings);
    if (!good)
        return -EINVAL;
    snprintf(settings.listen, sizeof(settings.listen), "127.0.0.1:%u", port);
    *ret = settings;
    return 0;
}

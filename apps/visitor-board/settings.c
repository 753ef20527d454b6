/* SPDX-License-Identifier: Apache-2.0 */
#include "apps/visitor-board/settings.h"

#include "apps/visitor-board/rate-limit.h"
#include "apps/visitor-board/seal.h"
#include "common/base/log.h"
#include "common/base/text.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define DEFAULT_PORT             3000
#define DEFAULT_DATABASE         "./visitor-board.db"
#define DEFAULT_NAME             "main"
#define DEFAULT_POSTS_PER_MINUTE 30
#define TEXT(number)             TEXT_OF(number)
#define TEXT_OF(number)          #number
#define NAME_CHARACTERS          "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-"
#define ZONE_MAX                 64u

const char settings_help[] = "  PORT                    port to listen on without agentd (" TEXT(
    DEFAULT_PORT) ")\n"
                  "  INSTANCE_ID             name of this node, shown on the page (the host's "
                  "name)\n"
                  "  AVAILABILITY_ZONE       where it is, shown on the page (not shown)\n"
                  "  BOARD_NAME              name of this board in its store (" DEFAULT_NAME ")\n"
                  "  BOARD_RETENTION_DAYS    after so many days a message goes; 0: never (0)\n"
                  "  BOARD_POSTS_PER_MINUTE  posts that each worker takes of one address; 0: all "
                  "(" TEXT(
                      DEFAULT_POSTS_PER_MINUTE) ")\n"
                                                "  BOARD_TRUSTED_PROXIES   load balancers whose "
                                                "X-Forwarded-For is believed: addresses,\n"
                                                "                          networks (10.0.0.0/8), "
                                                "unix; commas between them (none)\n"
                                                "  BOARD_ACCESS_LOG        1: one log line a "
                                                "request (0)\n"
                                                "  STATSD_HOST, STATSD_PORT  where to count what "
                                                "goes wrong (nowhere)\n"
                                                "\n"
                                                "Messages are kept in SQLite:\n"
                                                "  BOARD_DATABASE          file of the messages, "
                                                "made if missing (" DEFAULT_DATABASE ")\n"
                                                "or in DynamoDB, if TABLE_NAME is set:\n"
                                                "  TABLE_NAME              the table\n"
                                                "  AWS_REGION              its Region (this "
                                                "instance's)\n"
                                                "  DYNAMODB_ENDPOINT_URL   another address of the "
                                                "service (AWS's)\n";

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

static bool read_name(struct settings *settings)
{
    settings->name = environment("BOARD_NAME", DEFAULT_NAME);
    if (strlen(settings->name) < SEAL_BOARD_MAX &&
        strspn(settings->name, NAME_CHARACTERS) == strlen(settings->name))
        return true;
    log_error("BOARD_NAME is \"%s\", must be up to %u letters, digits, dots, - and _",
              settings->name, SEAL_BOARD_MAX - 1);
    return false;
}

static bool read_zone(struct settings *settings)
{
    settings->zone = environment("AVAILABILITY_ZONE", "");
    if (strlen(settings->zone) <= ZONE_MAX && text_is_utf8(settings->zone, strlen(settings->zone)))
        return true;
    log_error("AVAILABILITY_ZONE must be up to %u bytes of UTF-8", ZONE_MAX);
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
        .database = environment("BOARD_DATABASE", DEFAULT_DATABASE),
        .table = environment("TABLE_NAME", NULL),
        .region = environment("AWS_REGION", NULL),
        .endpoint = environment("DYNAMODB_ENDPOINT_URL", NULL),
        .statsd_host = environment("STATSD_HOST", NULL),
    };
    unsigned port = 0;
    bool good = read_number("PORT", DEFAULT_PORT, 1, UINT16_MAX, &port);

    good &= read_number("BOARD_RETENTION_DAYS", 0, 0, SETTINGS_RETENTION_DAYS_MAX,
                        &settings.retention_days);
    good &= read_number("BOARD_POSTS_PER_MINUTE", DEFAULT_POSTS_PER_MINUTE, 0, RATE_LIMIT_MAX,
                        &settings.posts_per_minute);
    good &= read_number("STATSD_PORT", 8125, 1, UINT16_MAX, &settings.statsd_port);
    good &= read_name(&settings);
    good &= read_zone(&settings);
    good &= read_proxies(&settings);
    good &= read_access_log(&settings);
    if (!good)
        return -EINVAL;
    snprintf(settings.listen, sizeof(settings.listen), "127.0.0.1:%u", port);
    *ret = settings;
    return 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Strict: a wrong argument is an error that says what is allowed, nothing is rounded or cut. */
#include "agent/stress/options.h"

#include "common/base/clock.h"
#include "common/base/macro.h"
#include "common/base/text.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <string.h>

#define LOAD_DEFAULT   85
#define FOR_DEFAULT_US (600 * USEC_PER_SEC)
#define FOR_MAX_US     (24 * 3600 * USEC_PER_SEC)
#define STATS_MAX      3600

enum { OPT_LOAD = 1, OPT_CORES, OPT_FOR, OPT_PRIORITY, OPT_STATS, OPT_HELP, OPT_VERSION };

static bool parse_number(const char *text, unsigned max, unsigned *ret)
{
    uint64_t number;

    if (text_parse_u64(text, 1, max, &number) < 0)
        return false;
    *ret = (unsigned) number;
    return true;
}

static bool parse_for(const char *text, uint64_t *ret_us)
{
    return clock_parse_duration(text, ret_us) >= 0 && *ret_us >= USEC_PER_SEC &&
           *ret_us <= FOR_MAX_US;
}

static bool parse_priority(const char *text, bool *ret_normal)
{
    *ret_normal = strcmp(text, "normal") == 0;
    return *ret_normal || strcmp(text, "idle") == 0;
}

/* Whether it is right; else what is allowed, in |allowed|. */
static bool parse_value(int option, const char *text, unsigned cpus, struct stress_options *options,
                        char allowed[STRESS_ERROR_MAX])
{
    unsigned seconds;

    switch (option) {
    case OPT_LOAD:
        snprintf(allowed, STRESS_ERROR_MAX, "--load is a percentage from 1 to 100");
        return parse_number(text, 100, &options->load_percent);
    case OPT_CORES:
        snprintf(allowed, STRESS_ERROR_MAX, "--cores is a number from 1 to %u", cpus);
        return parse_number(text, cpus, &options->cores);
    case OPT_FOR:
        snprintf(allowed, STRESS_ERROR_MAX,
                 "--for is a duration from 1s to 24h, like 90s, 10m or 1h30m");
        return parse_for(text, &options->for_us);
    case OPT_PRIORITY:
        snprintf(allowed, STRESS_ERROR_MAX, "--priority is idle or normal");
        return parse_priority(text, &options->normal_priority);
    default:
        snprintf(allowed, STRESS_ERROR_MAX, "--stats is a number of seconds from 1 to %d",
                 STATS_MAX);
        if (!parse_number(text, STATS_MAX, &seconds))
            return false;
        options->stats_us = seconds * USEC_PER_SEC;
        return true;
    }
}

int stress_options_parse(int argc, char **argv, unsigned cpus, struct stress_options *ret,
                         char error[STRESS_ERROR_MAX])
{
    static const struct option known[] = {{"load", required_argument, NULL, OPT_LOAD},
                                          {"cores", required_argument, NULL, OPT_CORES},
                                          {"for", required_argument, NULL, OPT_FOR},
                                          {"priority", required_argument, NULL, OPT_PRIORITY},
                                          {"stats", required_argument, NULL, OPT_STATS},
                                          {"help", no_argument, NULL, OPT_HELP},
                                          {"version", no_argument, NULL, OPT_VERSION},
                                          {}};
    struct stress_options options = {.load_percent = LOAD_DEFAULT, .for_us = FOR_DEFAULT_US};
    char allowed[STRESS_ERROR_MAX];

    optind = 0; /* from the start also in a second call */
    for (;;) {
        int at = optind > 0 ? optind : 1;
        int option = getopt_long(argc, argv, "+:", known, NULL);

        if (option == -1)
            break;
        if (option == OPT_HELP || option == OPT_VERSION) {
            options.request = option == OPT_HELP ? STRESS_HELP : STRESS_VERSION;
            *ret = options;
            return 0;
        }
        if (option == ':' || option == '?') {
            snprintf(error, STRESS_ERROR_MAX,
                     option == ':' ? "%.60s needs a value" : "no such option: %.60s", argv[at]);
            return -EINVAL;
        }
        if (!parse_value(option, optarg, cpus, &options, allowed)) {
            snprintf(error, STRESS_ERROR_MAX, "%.90s, not '%.60s'", allowed, optarg);
            return -EINVAL;
        }
    }
    if (optind < argc) {
        snprintf(error, STRESS_ERROR_MAX, "unexpected argument '%.60s'", argv[optind]);
        return -EINVAL;
    }
    *ret = options;
    return 0;
}

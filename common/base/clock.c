/* SPDX-License-Identifier: Apache-2.0 */
/* Clocks and durations. No time zones and no locale: text is always UTC. */
#include "common/base/clock.h"

#include "common/base/macro.h"

#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#define DURATION_MAX_US (UINT64_C(365) * 24 * 3600 * USEC_PER_SEC)

static uint64_t clock_read_us(clockid_t clock)
{
    struct timespec now;

    clock_gettime(clock, &now); /* can't fail for these two clocks */
    return (uint64_t) now.tv_sec * USEC_PER_SEC + (uint64_t) now.tv_nsec / 1000;
}

uint64_t clock_monotonic_us(void)
{
    return clock_read_us(CLOCK_MONOTONIC);
}

uint64_t clock_realtime_us(void)
{
    return clock_read_us(CLOCK_REALTIME);
}

const char *clock_format_iso8601(char buffer[CLOCK_TEXT_MAX], uint64_t realtime_us)
{
    time_t seconds = (time_t) (realtime_us / USEC_PER_SEC);
    unsigned milliseconds = (unsigned) (realtime_us % USEC_PER_SEC / USEC_PER_MSEC);
    struct tm broken_down;
    size_t length = 0;

    if (gmtime_r(&seconds, &broken_down))
        length = strftime(buffer, CLOCK_TEXT_MAX, "%Y-%m-%dT%H:%M:%S", &broken_down);
    /* 64 bits of microseconds end in the year 586524: six digits of year still fit. */
    snprintf(buffer + length, CLOCK_TEXT_MAX - length, ".%03uZ", milliseconds);
    return buffer;
}

const char *clock_format_duration(char buffer[CLOCK_TEXT_MAX], uint64_t duration_us)
{
    static const struct {
        const char *name;
        uint64_t us;
    } units[] = {
        {"d", 86400 * USEC_PER_SEC},
        {"h", 3600 * USEC_PER_SEC},
        {"min", 60 * USEC_PER_SEC},
        {"s", USEC_PER_SEC},
    };

    for (size_t i = 0; i < ARRAY_SIZE(units); i++) {
        if (duration_us < units[i].us)
            continue;
        uint64_t first = duration_us / units[i].us;
        /* A second stands alone: its milliseconds interest nobody. */
        uint64_t second =
            i + 1 < ARRAY_SIZE(units) ? duration_us % units[i].us / units[i + 1].us : 0;
        if (second > 0)
            snprintf(buffer, CLOCK_TEXT_MAX, "%" PRIu64 " %s %" PRIu64 " %s", first, units[i].name,
                     second, units[i + 1].name);
        else
            snprintf(buffer, CLOCK_TEXT_MAX, "%" PRIu64 " %s", first, units[i].name);
        return buffer;
    }
    snprintf(buffer, CLOCK_TEXT_MAX, "%" PRIu64 " ms", duration_us / USEC_PER_MSEC);
    return buffer;
}

/* The unit at the start of |text|, longest name first ("ms" and "min" before "m"). */
static uint64_t duration_unit_us(const char *text, size_t *ret_length)
{
    static const struct {
        const char *name;
        uint64_t us;
    } units[] = {
        {"min", 60 * USEC_PER_SEC},  {"ms", USEC_PER_MSEC},    {"us", 1},
        {"s", USEC_PER_SEC},         {"m", 60 * USEC_PER_SEC}, {"h", 3600 * USEC_PER_SEC},
        {"d", 86400 * USEC_PER_SEC},
    };

    for (size_t i = 0; i < ARRAY_SIZE(units); i++) {
        size_t length = strlen(units[i].name);

        if (strncmp(text, units[i].name, length) == 0) {
            *ret_length = length;
            return units[i].us;
        }
    }
    return 0;
}

int clock_parse_duration(const char *text, uint64_t *ret_us)
{
    uint64_t sum_us = 0;
    bool in_range = true, first = true;

    if (*text == '\0')
        return -EINVAL;
    while (*text != '\0') {
        uint64_t number = 0, unit_us, term_us;
        size_t unit_length = 0;

        if (*text < '0' || *text > '9')
            return -EINVAL;
        for (; *text >= '0' && *text <= '9'; text++)
            if (__builtin_mul_overflow(number, 10, &number) ||
                __builtin_add_overflow(number, (unsigned) (*text - '0'), &number)) {
                in_range = false; /* read on: "99999999999999999999x" is no duration at all */
                number = 0;
            }
        if (*text == '\0' && first)
            unit_us = USEC_PER_SEC;
        else
            unit_us = duration_unit_us(text, &unit_length);
        if (unit_us == 0)
            return -EINVAL;
        text += unit_length;
        if (__builtin_mul_overflow(number, unit_us, &term_us) ||
            __builtin_add_overflow(sum_us, term_us, &sum_us) || sum_us > DURATION_MAX_US) {
            in_range = false;
            sum_us = 0;
        }
        first = false;
    }
    if (!in_range)
        return -ERANGE;
    *ret_us = sum_us;
    return 0;
}

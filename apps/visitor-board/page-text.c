/* SPDX-License-Identifier: Apache-2.0 */
#include "apps/visitor-board/page-text.h"

#include "common/base/clock.h"
#include "common/base/macro.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#define MINUTE_S 60u
#define HOUR_S   (60u * MINUTE_S)
#define DAY_S    (24u * HOUR_S)
#define YEAR_S   (365u * DAY_S)

bool page_is_timestamp(const char *text)
{
    static const char shape[] = "0000-00-00T00:00:00";

    for (size_t i = 0; i < sizeof(shape) - 1; i++)
        if (shape[i] == '0' ? text[i] < '0' || text[i] > '9' : text[i] != shape[i])
            return false;
    return true;
}

/* |digits| characters at |text| that are known to be digits. */
static int number_at(const char *text, int digits)
{
    int number = 0;

    for (int i = 0; i < digits; i++)
        number = 10 * number + (text[i] - '0');
    return number;
}

/* Seconds since 1970; a 13th month is one of the next year. */
static int64_t seconds_of(const char *timestamp)
{
    struct tm tm = {
        .tm_year = number_at(timestamp, 4) - 1900,
        .tm_mon = number_at(timestamp + 5, 2) - 1,
        .tm_mday = number_at(timestamp + 8, 2),
        .tm_hour = number_at(timestamp + 11, 2),
        .tm_min = number_at(timestamp + 14, 2),
        .tm_sec = number_at(timestamp + 17, 2),
    };

    return timegm(&tm);
}

const char *page_ago(char ago[PAGE_AGO_SIZE], const char *timestamp, uint64_t now_realtime_us)
{
    static const struct {
        unsigned seconds;
        const char *one, *many;
    } units[] = {{YEAR_S, "year", "years"},
                 {DAY_S, "day", "days"},
                 {HOUR_S, "h", "h"},
                 {MINUTE_S, "min", "min"}};
    int64_t age_s;

    ago[0] = '\0';
    if (!page_is_timestamp(timestamp))
        return ago;
    age_s = (int64_t) (now_realtime_us / USEC_PER_SEC) - seconds_of(timestamp);
    for (size_t i = 0; i < ARRAY_SIZE(units); i++)
        if (age_s >= (int64_t) units[i].seconds) {
            int64_t n = age_s / units[i].seconds;

            snprintf(ago, PAGE_AGO_SIZE, "%" PRId64 " %s ago", n,
                     n == 1 ? units[i].one : units[i].many);
            return ago;
        }
    snprintf(ago, PAGE_AGO_SIZE, "just now");
    return ago;
}

const char *page_number(char text[PAGE_NUMBER_SIZE], uint64_t number)
{
    char digits[24];
    size_t n = (size_t) snprintf(digits, sizeof(digits), "%" PRIu64, number), at = 0;

    for (size_t i = 0; i < n; i++) {
        if (i > 0 && (n - i) % 3 == 0)
            text[at++] = ',';
        text[at++] = digits[i];
    }
    text[at] = '\0';
    return text;
}

/* FNV-1a; its high bits are the better ones. */
unsigned page_colour(const char *name)
{
    uint32_t hash = UINT32_C(2166136261);

    for (; *name; name++)
        hash = (hash ^ (unsigned char) *name) * UINT32_C(16777619);
    return (hash >> 8) % PAGE_COLOURS;
}

unsigned page_percent(uint64_t count, uint64_t most)
{
    unsigned percent;

    if (count == 0 || most == 0)
        return 0;
    if (count >= most)
        return 100;
    percent = (unsigned) (most > UINT64_MAX / 100 ? count / (most / 100) : count * 100 / most);
    return percent == 0 ? 1 : percent > 100 ? 100 : percent;
}

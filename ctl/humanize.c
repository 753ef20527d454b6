/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Three digits and a unit: enough to compare, short enough for a column. Who wants all digits asks
 * for
 * --json.
 */
#include "ctl/humanize.h"

#include "common/base/macro.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

/* Three digits that count: 1.23, 12.3, 123. |value| is below 1000. The borders lie where rounding
 * would make a digit more. */
static int decimals_of(double value)
{
    double size = fabs(value);

    return size >= 99.95 ? 0 : size >= 9.995 ? 1 : 2;
}

/* The value in the largest of |units| that leaves at least 1, each |step| times the one before. */
static void scale(char buffer[HUMANIZE_MAX], double value, double step, const char *const units[],
                  size_t n_units)
{
    size_t unit = 0;

    while (unit + 1 < n_units && fabs(value) >= step * 0.9995) {
        value /= step;
        unit++;
    }
    snprintf(buffer, HUMANIZE_MAX, "%.*f%s", decimals_of(value), value, units[unit]);
}

/* Counts below 10,000 are shown in full: small differences matter there. */
const char *humanize_count(char buffer[HUMANIZE_MAX], uint64_t count)
{
    if (count < 10000)
        snprintf(buffer, HUMANIZE_MAX, "%" PRIu64, count);
    else
        humanize_number(buffer, (double) count);
    return buffer;
}

const char *humanize_bytes(char buffer[HUMANIZE_MAX], double bytes)
{
    static const char *const units[] = {" B", " KiB", " MiB", " GiB", " TiB", " PiB", " EiB"};

    if (fabs(bytes) < 1000)
        snprintf(buffer, HUMANIZE_MAX, "%.0f B", bytes);
    else
        scale(buffer, bytes, 1024, units, ARRAY_SIZE(units));
    return buffer;
}

const char *humanize_milliseconds(char buffer[HUMANIZE_MAX], double milliseconds)
{
    static const char *const units[] = {" ms", " s"};

    if (milliseconds != 0 && fabs(milliseconds) < 0.1) /* a page from a cache takes a few */
        snprintf(buffer, HUMANIZE_MAX, "%.*f us", decimals_of(milliseconds * 1000),
                 milliseconds * 1000);
    else
        scale(buffer, milliseconds, 1000, units, ARRAY_SIZE(units));
    return buffer;
}

const char *humanize_number(char buffer[HUMANIZE_MAX], double number)
{
    static const char *const units[] = {"", "k", "M", "G", "T", "P", "E"};

    if (fabs(number) < 1e4 && number == floor(number))
        snprintf(buffer, HUMANIZE_MAX, "%.0f", number);
    else
        scale(buffer, number, 1000, units, ARRAY_SIZE(units));
    return buffer;
}

const char *humanize_seconds(char buffer[HUMANIZE_MAX], uint64_t seconds)
{
    if (seconds < 60)
        snprintf(buffer, HUMANIZE_MAX, "%" PRIu64 " s", seconds);
    else if (seconds < 3600)
        snprintf(buffer, HUMANIZE_MAX, "%" PRIu64 " min", seconds / 60);
    else if (seconds < 2 * 86400)
        snprintf(buffer, HUMANIZE_MAX, "%" PRIu64 " h", seconds / 3600);
    else
        snprintf(buffer, HUMANIZE_MAX, "%" PRIu64 " d", seconds / 86400);
    return buffer;
}

const char *humanize_metric(char buffer[HUMANIZE_MAX], double value, const char *unit)
{
    if (!isfinite(value))
        snprintf(buffer, HUMANIZE_MAX, "-");
    else if (strcmp(unit, "Percent") == 0)
        snprintf(buffer, HUMANIZE_MAX, "%.*f %%", decimals_of(value), value);
    else if (strcmp(unit, "Bytes") == 0)
        humanize_bytes(buffer, value);
    else if (strcmp(unit, "Milliseconds") == 0)
        humanize_milliseconds(buffer, value);
    else
        humanize_number(buffer, value);
    return buffer;
}

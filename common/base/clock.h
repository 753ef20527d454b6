/* SPDX-License-Identifier: Apache-2.0 */
/* The two clocks, and times and durations as text. Inside, time is monotonic microseconds. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#define USEC_PER_MSEC UINT64_C(1000)
#define USEC_PER_SEC  UINT64_C(1000000)

#define CLOCK_TEXT_MAX 32 /* enough for every text below, with its NUL */

uint64_t clock_monotonic_us(void);
uint64_t clock_realtime_us(void);

/* "2026-11-21T22:25:16.123Z" (RFC 3339, UTC, milliseconds). Returns |buffer|. */
const char *clock_format_iso8601(char buffer[CLOCK_TEXT_MAX], uint64_t realtime_us);

/* The two largest units: "350 ms", "12 s", "3 min 5 s", "2 h 10 min", "5 d 3 h". Returns |buffer|.
 */
const char *clock_format_duration(char buffer[CLOCK_TEXT_MAX], uint64_t duration_us);

/*
 * "500ms", "30s", "10m" or "10min", "1h", "2d", and sums of them ("1h30m"); a bare number is
 * seconds. Returns 0, -EINVAL for what is no duration, -ERANGE past 365 days.
 */
int clock_parse_duration(const char *text, uint64_t *ret_us);

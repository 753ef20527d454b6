/* SPDX-License-Identifier: Apache-2.0 */
/* Numbers for people: three or so digits and a unit. Each fills |buffer| and returns it. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#define HUMANIZE_MAX 32

/* 999, 9999, 12.3k, 4.56M */
const char *humanize_count(char buffer[HUMANIZE_MAX], uint64_t count);

/* 512 B, 4.2 MiB */
const char *humanize_bytes(char buffer[HUMANIZE_MAX], double bytes);

/* 4.50 us, 0.12 ms, 12.3 ms, 1.23 s */
const char *humanize_milliseconds(char buffer[HUMANIZE_MAX], double milliseconds);

/* 0, 0.12, 1.23, 12.3, 123, 12.3k */
const char *humanize_number(char buffer[HUMANIZE_MAX], double number);

/* The largest unit of a duration only: 12 s, 5 min, 3 h, 2 d */
const char *humanize_seconds(char buffer[HUMANIZE_MAX], uint64_t seconds);

/* |value| in a metric's unit, CloudWatch's word: Percent, Bytes, Milliseconds, Count, other. */
const char *humanize_metric(char buffer[HUMANIZE_MAX], double value, const char *unit);

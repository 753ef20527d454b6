/* SPDX-License-Identifier: Apache-2.0 */
/* Small pieces of text that the page shows: how long ago, numbers, and names made colours. Pure. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#define PAGE_COLOURS     12u /* classes i0 to i11 of style.css */
#define PAGE_AGO_SIZE    32u
#define PAGE_NUMBER_SIZE 32u

/* Whether it begins as "2026-11-21T22:25:16" does; the rest is not looked at. */
bool page_is_timestamp(const char *text);

/*
 * "just now", "5 min ago", "1 day ago": coarse, so that a page that nobody posts to seldom changes.
 * What lies ahead (clocks differ) is "just now". "" for what is no timestamp. script.js has the
 * same words. Returns |ago|.
 */
const char *page_ago(char ago[PAGE_AGO_SIZE], const char *timestamp, uint64_t now_realtime_us);

/* With commas: "1,234,567". Returns |text|. */
const char *page_number(char text[PAGE_NUMBER_SIZE], uint64_t number);

/* Below PAGE_COLOURS; the same for a name on each node and in each version. */
unsigned page_colour(const char *name);

/* How long the bar of |count| is where that of |most| is 100: 1 to 100, 0 for nothing. */
unsigned page_percent(uint64_t count, uint64_t most);

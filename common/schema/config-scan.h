/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A look over a file's text before libconfig parses it, for what libconfig 1.5 lets pass or does:
 * it reads the files of `@include`, wraps numbers past 32 bits around, takes a comment without end,
 * stops at a NUL, recurses as deep as it is told to and takes quadratic time. Pure; says nothing
 * about syntax otherwise.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#define CONFIG_DEPTH_MAX    8
#define CONFIG_SETTINGS_MAX 4096 /* a file; libconfig compares each with all before it */

/* 0, or -EINVAL with the line (from 1) and what is wrong there (a constant string). */
int config_scan_check(const char *text, size_t length, unsigned *ret_line, const char **ret_why);

/* Writes the dotted path of the setting number |n| (from 0, in the order of the text) that
 * config_scan_check() found nothing wrong with. false if there is none. */
bool config_scan_path(const char *text, size_t length, size_t n, char *buffer, size_t size);

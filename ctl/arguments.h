/* SPDX-License-Identifier: Apache-2.0 */
/* The command line as a value: which verb, its options, its words. Pure; the verbs' table says what
 * is allowed. */
#pragma once

#include "common/schema/verbs.h"

#include <stdint.h>

#define ARGUMENTS_WORDS_MAX 4
#define ARGUMENTS_ERROR_MAX 512

struct arguments {
    bool has_verb; /* false only with --help */
    enum verb verb;
    const char *words[ARGUMENTS_WORDS_MAX]; /* what follows the verb, borrowed from argv */
    unsigned n_words;
    const char *options[VERB_OPTION_COUNT_]; /* NULL = not given, "" for a flag; borrowed */
};

/*
 * Options may stand before and after the verb; "--" ends them. Values of known kinds (numbers,
 * durations, targets) are checked. Returns 0, or -EINVAL with one line in |error| that says what is
 * wrong and what is allowed.
 */
int arguments_parse(int argc, char *const argv[], struct arguments *ret,
                    char error[ARGUMENTS_ERROR_MAX]);

bool arguments_has(const struct arguments *arguments, enum verb_option option);

/* Values that arguments_parse() has checked; |fallback| where the option was not given. */
uint64_t arguments_number(const struct arguments *arguments, enum verb_option option,
                          uint64_t fallback);
uint64_t arguments_duration_us(const struct arguments *arguments, enum verb_option option,
                               uint64_t fallback_us);

/* "APP" or "APP.SLOT". */
struct target {
    char app[APP_NAME_MAX + 1];
    unsigned slot; /* 0 = all */
};
int target_parse(const char *text, struct target *ret); /* 0 or -EINVAL */

/* The verb of one or two words. Returns how many of |words| make it up, 0 if none does. */
unsigned verb_find(const char *const words[], unsigned n_words, enum verb *ret);

/* The verb's name nearest to what was typed, or NULL if none is near. */
const char *verb_nearest(const char *typed);

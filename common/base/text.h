/* SPDX-License-Identifier: Apache-2.0 */
/* Strict reading of text from outside: numbers, names, UTF-8. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A whole decimal number in [min, max], no sign, no blanks. 0, -EINVAL (not a number) or -ERANGE.
 */
int text_parse_u64(const char *text, uint64_t min, uint64_t max, uint64_t *ret);

/* Bytes with an optional K, M, G suffix (powers of 1024). 0, -EINVAL or -ERANGE. */
int text_parse_size(const char *text, uint64_t *ret_bytes);

/* Whether |data| is well-formed UTF-8 (RFC 3629: no overlong forms, no surrogates, up to U+10FFFF).
 */
bool text_is_utf8(const char *data, size_t length);

/* Bytes (1 to 4) of the well-formed sequence that |data| starts with; 0 if there is none. */
size_t text_utf8_sequence(const char *data, size_t length);

/* Copies into a fixed array, always NUL-terminated. Returns whether all of it fitted. */
bool text_copy(char *target, size_t size, const char *source);

/* Puts |with| for each byte of a control character, in place: C0, DEL, and C1 in UTF-8, which
 * terminals obey as well. UTF-8 stays UTF-8. */
void text_replace_controls(char *text, char with);

/* 64 random bits from the kernel; for jitter and ids. Never fails: blocks only before the kernel's
 * pool is ready at boot. */
uint64_t random_u64(void);

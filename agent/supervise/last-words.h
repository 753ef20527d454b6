/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The last lines that a worker wrote before its end, for its obituary: of its log file, where it
 * has one.
 */
#pragma once

#include "agent/supervise/events.h"

#define LAST_WORDS_LINES 20
#define LAST_WORDS_WIDTH 200u /* bytes of a line; the rest is left out */

/*
 * Makes of a log's tail its last lines, safe to show: control characters and what is no UTF-8
 * become '?'. |cut|: |data| begins within a line, which is left out. Returns the lines' number.
 */
unsigned last_words_take(const char *data, size_t length, bool cut, char text[EVENT_DETAIL_BYTES]);

/* The same of a file, from *from_bytes on, where the worker before it in its slot ended; moves that
 * to the file's end. 0 if there is nothing, also if there is no file. */
unsigned last_words_read(const char *path, uint64_t *from_bytes, char text[EVENT_DETAIL_BYTES]);

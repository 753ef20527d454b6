/* SPDX-License-Identifier: Apache-2.0 */
/* The log file of one worker, read by lines and followed over truncation and rotation. Where agentd
 * logs to the journal there is none. */
#pragma once

#include "common/base/macro.h"

#include <stdbool.h>

#define LOG_FILE_LINE_MAX (16u * 1024) /* longer lines are handed over in pieces */

struct log_file;

/* DIRECTORY/IDENTIFIER.log. It need not exist yet. 0, -ENAMETOOLONG, -ENOMEM. */
int log_file_new(struct log_file **ret, const char *directory, const char *identifier);
struct log_file *log_file_free(struct log_file *file);
DEFINE_CLEANUP(struct log_file *, log_file_free)

const char *log_file_identifier(const struct log_file *file);

/* Opens it and skips all but the last |lines| lines. 0, or open(2)'s errors. */
int log_file_open_tail(struct log_file *file, uint64_t lines);

/*
 * Hands over the lines that are there now, without their ends; |final|: also an unfinished one.
 * Opens the file if it was not there, and again if another has taken its place. 0 or a negative
 * errno; -ENOENT if there is no file (yet).
 */
typedef void (*log_file_on_line)(void *userdata, const char *identifier, const char *line);
int log_file_read(struct log_file *file, bool final, log_file_on_line on_line, void *userdata);

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Log lines: one text with a priority, and structured fields where an operator would search for
 * them.
 *
 * Under systemd (stderr is the journal, see JOURNAL_STREAM in systemd.exec(5)) they go to the
 * journal with their fields; else to stderr as "<time> <level> <identifier>: <text>", where fields
 * are left out. A line is one write, never torn. Secrets don't belong here: nobody masks them
 * later.
 */
#pragma once

#include "common/base/macro.h"

#include <stdbool.h>
#include <syslog.h>

#define LOG_LINE_MAX   2048 /* bytes of text; longer lines end in "..." */
#define LOG_FIELDS_MAX 16   /* structured fields a line; more are left out */

/* Sets the identifier and finds out where lines go. Without it: program name, stderr. */
void log_open(const char *identifier);

/* Whether that is the journal. */
bool log_is_to_journal(void);

/* Lines above this level (LOG_ERR to LOG_DEBUG) are not written. Starts at LOG_INFO. */
void log_set_level(int level);
int log_get_level(void);

/* "error", "warning", "notice", "info", "debug" -> level, else -EINVAL. And back. */
int log_level_from_string(const char *name);
const char *log_level_to_string(int level);

void log_write(int level, const char *file, int line, const char *format, ...) PRINTF_LIKE(4, 5);

/* As log_write(), with errno set to |error| so that %m works. Returns -|error|. */
int log_write_errno(int level, int error, const char *file, int line, const char *format, ...)
    PRINTF_LIKE(5, 6);

/* fields: "NAME=value" strings, NULL at the end, borrowed. NAME is [A-Z0-9_]+ as the journal wants
 * it. */
void log_write_fields(int level, const char *file, int line, const char *const fields[],
                      const char *format, ...) PRINTF_LIKE(5, 6);

/*
 * An error that is the process's last word, for it ends at once. Under systemd it goes through
 * stderr: journald looks a message's unit up in /proc, and finds nothing there when the sender is
 * gone before, while of the stream it knows whose it is. So `journalctl -u` always has the reason.
 */
void log_last_word(const char *format, ...) PRINTF_LIKE(1, 2);

#define log_error(...)   log_write(LOG_ERR, __FILE__, __LINE__, __VA_ARGS__)
#define log_warning(...) log_write(LOG_WARNING, __FILE__, __LINE__, __VA_ARGS__)
#define log_notice(...)  log_write(LOG_NOTICE, __FILE__, __LINE__, __VA_ARGS__)
#define log_info(...)    log_write(LOG_INFO, __FILE__, __LINE__, __VA_ARGS__)
#define log_debug(...)   log_write(LOG_DEBUG, __FILE__, __LINE__, __VA_ARGS__)

#define log_error_errno(error, ...)                                                                \
    log_write_errno(LOG_ERR, (error), __FILE__, __LINE__, __VA_ARGS__)
#define log_warning_errno(error, ...)                                                              \
    log_write_errno(LOG_WARNING, (error), __FILE__, __LINE__, __VA_ARGS__)
#define log_debug_errno(error, ...)                                                                \
    log_write_errno(LOG_DEBUG, (error), __FILE__, __LINE__, __VA_ARGS__)

#define log_fields(level, fields, ...)                                                             \
    log_write_fields((level), __FILE__, __LINE__, (fields), __VA_ARGS__)

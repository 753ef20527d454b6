/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Log lines to the journal or to stderr. No files, no rotation, no rate limit: the journal does
 * these. Level, identifier and target are the only writable file-scope state of the program: they
 * are set once at start (the level also later), before and by the thread that runs the loop.
 */
#include "common/base/log.h"

#include "common/base/clock.h"
#include "common/base/files.h"
#include "common/base/text.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>

#define SD_JOURNAL_SUPPRESS_LOCATION
#include <systemd/sd-journal.h>

#define LOG_OWN_FIELDS 5 /* MESSAGE, PRIORITY, SYSLOG_IDENTIFIER, CODE_FILE, CODE_LINE */

static struct {
    char identifier[64]; /* empty: the program's name */
    int level;
    bool to_journal;
} log_state = {.level = LOG_INFO};

static const struct {
    const char *name;
    int level;
} log_levels[] = {
    {"error", LOG_ERR}, {"warning", LOG_WARNING}, {"notice", LOG_NOTICE},
    {"info", LOG_INFO}, {"debug", LOG_DEBUG},
};

/* Whether stderr still is the journal's stream that systemd made (somebody may have redirected it).
 */
static bool log_stderr_is_journal(void)
{
    const char *stream = getenv("JOURNAL_STREAM");
    unsigned long long device, inode;
    struct stat status;
    int end = 0;

    if (!stream || sscanf(stream, "%llu:%llu%n", &device, &inode, &end) != 2 || stream[end] != '\0')
        return false;
    return fstat(STDERR_FILENO, &status) == 0 && status.st_dev == device && status.st_ino == inode;
}

void log_open(const char *identifier)
{
    text_copy(log_state.identifier, sizeof(log_state.identifier), identifier);
    log_state.to_journal = log_stderr_is_journal();
}

bool log_is_to_journal(void)
{
    return log_state.to_journal;
}

void log_set_level(int level)
{
    __atomic_store_n(&log_state.level, level, __ATOMIC_RELAXED);
}

int log_get_level(void)
{
    return __atomic_load_n(&log_state.level, __ATOMIC_RELAXED);
}

int log_level_from_string(const char *name)
{
    for (size_t i = 0; i < ARRAY_SIZE(log_levels); i++)
        if (strcmp(name, log_levels[i].name) == 0)
            return log_levels[i].level;
    return -EINVAL;
}

const char *log_level_to_string(int level)
{
    for (size_t i = 0; i < ARRAY_SIZE(log_levels); i++)
        if (level <= log_levels[i].level) /* what is worse than an error is called one */
            return log_levels[i].name;
    return log_levels[ARRAY_SIZE(log_levels) - 1].name;
}

static const char *log_identifier(void)
{
    return log_state.identifier[0] != '\0' ? log_state.identifier : program_invocation_short_name;
}

/* Makes the text: cut to LOG_LINE_MAX between characters, and without control characters, so that
 * what comes from outside can't forge a second line or drive a terminal. */
static void log_make_text(char text[LOG_LINE_MAX + 1], const char *format, va_list args)
    PRINTF_LIKE(2, 0);
static void log_make_text(char text[LOG_LINE_MAX + 1], const char *format, va_list args)
{
    int length = vsnprintf(text, LOG_LINE_MAX + 1, format, args);

    if (length < 0)
        text[0] = '\0';
    if (length > LOG_LINE_MAX) {
        size_t cut = LOG_LINE_MAX - 3;

        while (cut > 0 && ((unsigned char) text[cut] & 0xc0) == 0x80)
            cut--;
        memcpy(text + cut, "...", 4);
    }
    for (char *c = text; *c != '\0'; c++)
        if ((unsigned char) *c < 0x20 || *c == 0x7f)
            *c = ' ';
}

static void log_to_stderr(int level, const char *text)
{
    char line[CLOCK_TEXT_MAX + sizeof(log_state.identifier) + LOG_LINE_MAX + 32];
    char now[CLOCK_TEXT_MAX];
    int length = snprintf(line, sizeof(line), "%s %s %.64s: %s\n",
                          clock_format_iso8601(now, clock_realtime_us()),
                          log_level_to_string(level), log_identifier(), text);

    /* There is nowhere to complain if it fails. */
    if (length > 0 && write(STDERR_FILENO, line, MIN((size_t) length, sizeof(line) - 1)) < 0)
        return;
}

/* NAME=value with a name that the journal takes from a program. */
static bool log_field_is_valid(const char *field)
{
    size_t length = strspn(field, "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_");

    return length > 0 && length <= 64 && field[length] == '=' && field[0] != '_' &&
           (field[0] < '0' || field[0] > '9');
}

static int log_to_journal(int level, const char *file, int line, const char *const fields[],
                          const char *text)
{
    char message[LOG_LINE_MAX + sizeof("MESSAGE=")], priority[16], identifier[96];
    char code_file[256], code_line[32];
    struct iovec vector[LOG_OWN_FIELDS + LOG_FIELDS_MAX];
    const char *own[LOG_OWN_FIELDS] = {message, priority, identifier, code_file, code_line};
    int count = 0;

    snprintf(message, sizeof(message), "MESSAGE=%.*s", LOG_LINE_MAX, text);
    snprintf(priority, sizeof(priority), "PRIORITY=%d", level & LOG_PRIMASK);
    snprintf(identifier, sizeof(identifier), "SYSLOG_IDENTIFIER=%.64s", log_identifier());
    snprintf(code_file, sizeof(code_file), "CODE_FILE=%.200s", file);
    snprintf(code_line, sizeof(code_line), "CODE_LINE=%d", line);
    for (; count < LOG_OWN_FIELDS; count++)
        vector[count] = (struct iovec){(void *) own[count], strlen(own[count])};
    for (; fields && *fields && count < LOG_OWN_FIELDS + LOG_FIELDS_MAX; fields++)
        if (log_field_is_valid(*fields))
            vector[count++] = (struct iovec){(void *) *fields, strlen(*fields)};
    return sd_journal_sendv(vector, count);
}

static void log_dispatch(int level, const char *file, int line, const char *const fields[],
                         const char *format, va_list args) PRINTF_LIKE(5, 0);
static void log_dispatch(int level, const char *file, int line, const char *const fields[],
                         const char *format, va_list args)
{
    char text[LOG_LINE_MAX + 1];

    log_make_text(text, format, args);
    if (!log_state.to_journal || log_to_journal(level, file, line, fields, text) < 0)
        log_to_stderr(level, text);
}

void log_last_word(const char *format, ...)
{
    char text[LOG_LINE_MAX + 1], line[LOG_LINE_MAX + 16];
    va_list args;

    va_start(args, format);
    log_make_text(text, format, args);
    va_end(args);
    if (!log_state.to_journal) {
        log_to_stderr(LOG_ERR, text);
        return;
    }
    int length = snprintf(line, sizeof(line), "<%d>%s\n", LOG_ERR, text);
    /* There is nowhere to complain if it fails. */
    if (length > 0 && write(STDERR_FILENO, line, MIN((size_t) length, sizeof(line) - 1)) < 0)
        return;
}

void log_write(int level, const char *file, int line, const char *format, ...)
{
    int saved_errno = errno;
    va_list args;

    if (level > log_get_level())
        return;
    va_start(args, format);
    log_dispatch(level, file, line, NULL, format, args);
    va_end(args);
    errno = saved_errno;
}

int log_write_errno(int level, int error, const char *file, int line, const char *format, ...)
{
    int saved_errno = errno, positive = error < 0 ? -error : error;
    va_list args;

    if (level <= log_get_level()) {
        va_start(args, format);
        errno = positive;
        log_dispatch(level, file, line, NULL, format, args);
        va_end(args);
        errno = saved_errno;
    }
    return -positive;
}

void log_write_fields(int level, const char *file, int line, const char *const fields[],
                      const char *format, ...)
{
    int saved_errno = errno;
    va_list args;

    if (level > log_get_level())
        return;
    va_start(args, format);
    log_dispatch(level, file, line, fields, format, args);
    va_end(args);
    errno = saved_errno;
}

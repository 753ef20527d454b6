/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One worker's log file, by lines, as tail -F does it.
 *
 * Polled, not watched by inotify: four looks a second at a few files are cheaper than a second way
 * to wait. The whole line is the caller's to clean.
 */
#include "ctl/log-file.h"

#include "common/base/files.h"
#include "common/schema/contract.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#define SEEN_MAX      256u
#define SHORTENED_MAX (16u * 1024 * 1024) /* bytes of a shortened file that are looked through */

struct log_file {
    char identifier[APP_NAME_MAX + 8];
    char path[PATH_MAX];
    int fd;
    uint64_t offset; /* of the next read */
    char line[LOG_FILE_LINE_MAX];
    size_t length;       /* of the unfinished line */
    char seen[SEEN_MAX]; /* the last bytes that were read: the place to go on in a shortened file */
    size_t seen_length;
};

int log_file_new(struct log_file **ret, const char *directory, const char *identifier)
{
    CLEANUP(log_file_freep) struct log_file *file = calloc(1, sizeof(*file));

    if (!file)
        return -ENOMEM;
    file->fd = -1;
    if (snprintf(file->identifier, sizeof(file->identifier), "%s", identifier) >=
            (int) sizeof(file->identifier) ||
        snprintf(file->path, sizeof(file->path), "%s/%s.log", directory, identifier) >=
            (int) sizeof(file->path))
        return -ENAMETOOLONG;
    *ret = TAKE(file);
    return 0;
}

struct log_file *log_file_free(struct log_file *file)
{
    if (!file)
        return NULL;
    fd_close(file->fd);
    free(file);
    return NULL;
}

const char *log_file_identifier(const struct log_file *file)
{
    return file->identifier;
}

/* From the start. O_NONBLOCK: a FIFO in its place must not hang us. */
static int reopen(struct log_file *file)
{
    int fd = open(file->path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);

    if (fd < 0)
        return -errno;
    fd_close(file->fd);
    file->fd = fd;
    file->offset = 0;
    file->seen_length = 0;
    return 0;
}

/* Where the last |lines| lines begin; an end of line at the very end closes the last of them. */
static int find_tail(int fd, uint64_t size, uint64_t lines, uint64_t *ret_offset)
{
    char chunk[4096];
    uint64_t found = 0;

    if (lines == 0) {
        *ret_offset = size;
        return 0;
    }
    for (uint64_t end = size; end > 0;) {
        size_t want = (size_t) MIN(end, (uint64_t) sizeof(chunk));
        ssize_t got = pread(fd, chunk, want, (off_t) (end - want));

        if (got < 0)
            return -errno;
        if ((size_t) got < want)
            break; /* cut meanwhile: from the start */
        for (size_t i = want; i > 0; i--) {
            uint64_t after = end - want + i;

            if (chunk[i - 1] == '\n' && after < size && ++found == lines) {
                *ret_offset = after;
                return 0;
            }
        }
        end -= want;
    }
    *ret_offset = 0;
    return 0;
}

int log_file_open_tail(struct log_file *file, uint64_t lines)
{
    struct stat status;
    int r = reopen(file);

    if (r < 0)
        return r;
    if (fstat(file->fd, &status) < 0)
        return -errno;
    return find_tail(file->fd, (uint64_t) status.st_size, lines, &file->offset);
}

/* Hands over what has come together, as a line. */
static void end_line(struct log_file *file, log_file_on_line on_line, void *userdata)
{
    file->line[file->length] = '\0';
    on_line(userdata, file->identifier, file->line);
    file->length = 0;
}

/* NUL bytes would hide the rest of a line; they become '?'. */
static void take_bytes(struct log_file *file, const char *data, size_t length,
                       log_file_on_line on_line, void *userdata)
{
    for (size_t i = 0; i < length; i++) {
        if (data[i] == '\n') {
            end_line(file, on_line, userdata);
            continue;
        }
        if (file->length == sizeof(file->line) - 1)
            end_line(file, on_line, userdata);
        file->line[file->length++] = data[i] ? data[i] : '?';
    }
}

/* Keeps the last SEEN_MAX bytes of all that was read. */
static void remember(struct log_file *file, const char *data, size_t length)
{
    size_t keep = length >= SEEN_MAX ? 0 : MIN(file->seen_length, SEEN_MAX - length);

    memmove(file->seen, file->seen + file->seen_length - keep, keep);
    if (length > SEEN_MAX) {
        data += length - SEEN_MAX;
        length = SEEN_MAX;
    }
    memcpy(file->seen + keep, data, length);
    file->seen_length = keep + length;
}

/* All there is up to the end, or up to an error. */
static int read_rest(struct log_file *file, log_file_on_line on_line, void *userdata)
{
    char chunk[16 * 1024];

    for (;;) {
        ssize_t got = pread(file->fd, chunk, sizeof(chunk), (off_t) file->offset);

        if (got < 0)
            return -errno;
        if (got == 0)
            return 0;
        take_bytes(file, chunk, (size_t) got, on_line, userdata);
        remember(file, chunk, (size_t) got);
        file->offset += (uint64_t) got;
    }
}

/* Whether another file stands at the path now. */
static bool is_replaced(const struct log_file *file)
{
    struct stat open_status, path_status;

    if (fstat(file->fd, &open_status) < 0 || stat(file->path, &path_status) < 0)
        return false;
    return open_status.st_ino != path_status.st_ino || open_status.st_dev != path_status.st_dev;
}

/* Same file, but it ends before the place where we were. */
static bool is_shortened(const struct log_file *file)
{
    struct stat status;

    return fstat(file->fd, &status) == 0 && (uint64_t) status.st_size < file->offset;
}

/*
 * The agent drops a file's oldest lines by writing the newest ones to its beginning. Goes on behind
 * what was read last, at the beginning if that is not there any more.
 */
static void find_place(struct log_file *file)
{
    CLEANUP_FREE char *text = malloc(SHORTENED_MAX);
    ssize_t got = text ? pread(file->fd, text, SHORTENED_MAX, 0) : 0;
    const char *from = text;

    file->offset = 0;
    while (got > 0 && file->seen_length > 0) {
        const char *found =
            memmem(from, (size_t) (text + got - from), file->seen, file->seen_length);

        if (!found)
            return;
        file->offset = (uint64_t) (found - text) + file->seen_length;
        from = found + 1;
    }
}

int log_file_read(struct log_file *file, bool final, log_file_on_line on_line, void *userdata)
{
    int r = file->fd < 0 ? reopen(file) : 0;

    if (r < 0)
        return r;
    if (is_shortened(file))
        find_place(file);
    r = read_rest(file, on_line, userdata);
    if (r == 0 && is_replaced(file)) {
        if (file->length > 0)
            end_line(file, on_line, userdata);
        r = reopen(file);
        if (r == 0)
            r = read_rest(file, on_line, userdata);
    }
    if (r == 0 && final && file->length > 0)
        end_line(file, on_line, userdata);
    return r;
}

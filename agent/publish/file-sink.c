/* SPDX-License-Identifier: Apache-2.0 */
/* Appends lines; keeps the file whole, bounded and the one that the path names. */
#include "agent/publish/file-sink.h"

#include "common/base/files.h"
#include "common/base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#define FILE_MODE 0640

struct file_sink {
    char *path;
    char *rotated_path; /* path.1 */
    uint64_t limit_bytes;
    int fd;
    bool tail_checked; /* this file ends with a newline */
    int64_t offset;    /* as last told; -1: not */
};

/* Opens |path|, not following a FIFO into a hang. Returns the descriptor or a negative errno. */
static int open_file(const char *path)
{
    CLEANUP_CLOSE int fd = -1;
    struct stat status;

    fd = open(path, O_RDWR | O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY | O_NONBLOCK, FILE_MODE);
    if (fd < 0)
        return -errno;
    if (fstat(fd, &status) < 0)
        return -errno;
    if (!S_ISREG(status.st_mode))
        return -EINVAL;
    return TAKE_FD(fd);
}

int file_sink_open(struct file_sink **ret, const char *path, uint64_t limit_bytes)
{
    CLEANUP(file_sink_freep) struct file_sink *sink = calloc(1, sizeof(*sink));

    if (!sink)
        return -ENOMEM;
    sink->fd = -1;
    sink->offset = -1;
    sink->limit_bytes = limit_bytes ?: FILE_SINK_LIMIT_BYTES;
    sink->path = strdup(path);
    if (!sink->path || asprintf(&sink->rotated_path, "%s.1", path) < 0)
        return -ENOMEM;
    sink->fd = open_file(path);
    if (sink->fd < 0)
        return sink->fd;
    *ret = TAKE(sink);
    return 0;
}

struct file_sink *file_sink_free(struct file_sink *sink)
{
    if (!sink)
        return NULL;
    fd_close(sink->fd);
    free(sink->rotated_path);
    free(sink->path);
    free(sink);
    return NULL;
}

static int reopen(struct file_sink *sink)
{
    int fd = open_file(sink->path);

    if (fd < 0)
        return fd;
    fd_close(sink->fd);
    sink->fd = fd;
    sink->tail_checked = false;
    return 0;
}

/* Opens the path again if it names another file than ours, or none. */
static int follow_path(struct file_sink *sink)
{
    struct stat ours, named;

    if (fstat(sink->fd, &ours) < 0)
        return -errno;
    if (stat(sink->path, &named) == 0) {
        if (named.st_ino == ours.st_ino && named.st_dev == ours.st_dev)
            return 0;
    } else if (errno != ENOENT) {
        return -errno;
    }
    return reopen(sink);
}

/* The file's size, or a negative errno. */
static int64_t file_size(const struct file_sink *sink)
{
    struct stat status;

    return fstat(sink->fd, &status) < 0 ? -errno : (int64_t) status.st_size;
}

static int truncate_to(struct file_sink *sink, int64_t size)
{
    return ftruncate(sink->fd, (off_t) size) < 0 ? -errno : 0;
}

/* Reads the whole range. The bytes read (less only at the end of the file) or a negative errno. */
static ssize_t read_range(const struct file_sink *sink, char *buffer, size_t length,
                          uint64_t offset)
{
    size_t done = 0;

    while (done < length) {
        ssize_t n = pread(sink->fd, buffer + done, length - done, (off_t) (offset + done));

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -errno;
        if (n == 0)
            break;
        done += (size_t) n;
    }
    return (ssize_t) done;
}

/* Where the last line starts that has no newline yet: |size| if the file ends with one. Looks back
 * as far as a line may be long. */
static int64_t find_tail(const struct file_sink *sink, int64_t size)
{
    char chunk[4096];
    int64_t at = size, limit = MAX(size - (int64_t) FILE_SINK_LINE_MAX, (int64_t) 0);

    while (at > limit) {
        int64_t from = MAX(at - (int64_t) sizeof(chunk), limit);
        ssize_t n = read_range(sink, chunk, (size_t) (at - from), (uint64_t) from);
        const char *newline;

        if (n < 0)
            return n;
        newline = memrchr(chunk, '\n', (size_t) n);
        if (newline)
            return from + (newline - chunk) + 1;
        at = from;
    }
    return limit;
}

/*
 * Half a line at the end, from a core whose note is lost, can't be completed: it is cut off if it
 * looks like ours, and ended with a newline if not. Returns the size then, or a negative errno.
 */
static int64_t heal_tail(struct file_sink *sink, int64_t size)
{
    int64_t tail = find_tail(sink, size);
    char first = '\0';
    int r;

    if (tail < 0)
        return tail;
    if (tail < size) {
        ssize_t n = read_range(sink, &first, 1, (uint64_t) tail);

        if (n < 0)
            return n;
        if (first == '{' || first == '\0')
            r = truncate_to(sink, tail);
        else
            r = fd_write_all(sink->fd, "\n", 1);
        if (r < 0)
            return r;
        log_warning("%s ends in half a line of %" PRId64 " bytes, %s", sink->path, size - tail,
                    first == '{' || first == '\0' ? "cut it off" : "not ours, ended it");
        size = file_size(sink);
    }
    if (size >= 0)
        sink->tail_checked = true;
    return size;
}

static int rotate(struct file_sink *sink, int64_t size)
{
    int r;

    if (rename(sink->path, sink->rotated_path) < 0)
        return -errno;
    r = reopen(sink);
    if (r < 0)
        return r;
    log_info("%s had grown to %" PRId64 " bytes, renamed it to %s and started anew", sink->path,
             size, sink->rotated_path);
    return 0;
}

static int64_t prepare(struct file_sink *sink)
{
    int64_t size;
    int r = follow_path(sink);

    if (r < 0)
        return r;
    size = file_size(sink);
    if (size > 0 && !sink->tail_checked)
        size = heal_tail(sink, size);
    if (size >= 0 && (uint64_t) size >= sink->limit_bytes) {
        r = rotate(sink, size);
        if (r < 0)
            return r;
        size = file_size(sink);
    }
    return size;
}

int64_t file_sink_offset(struct file_sink *sink)
{
    int64_t offset = prepare(sink);

    sink->offset = offset < 0 ? -1 : offset;
    return offset;
}

/* One line of ours: an object, a newline at its end and nowhere else, no NUL. */
static bool is_line(const char *line, size_t length)
{
    return length >= 3 && length <= FILE_SINK_LINE_MAX && line[0] == '{' &&
           line[length - 2] == '}' && memchr(line, '\n', length) == line + length - 1 &&
           !memchr(line, '\0', length);
}

/* Takes back what a failed write has left. If even that fails, the next offset does it. */
static void take_back(struct file_sink *sink, int64_t size)
{
    if (truncate_to(sink, size) < 0)
        sink->tail_checked = false;
}

int file_sink_append(struct file_sink *sink, const char *line, size_t length)
{
    int64_t size, told = sink->offset;
    ssize_t n;
    int error;

    if (!is_line(line, length))
        return -EINVAL;
    size = file_size(sink);
    if (size < 0)
        return (int) size;
    sink->offset = -1;
    if (size != told)
        return -ESTALE;

    n = write(sink->fd, line, length);
    if (n == (ssize_t) length)
        return 0;
    /* A short write on a regular file means that there is no more space, or a signal. */
    error = n < 0 ? errno : ENOSPC;
    if (n > 0)
        take_back(sink, size);
    return -error;
}

int file_sink_settle(struct file_sink *sink, uint64_t offset, size_t length)
{
    CLEANUP_FREE char *data = NULL;
    char before = '\n';
    int64_t size;
    ssize_t n;
    int r;

    if (length < 3 || length > FILE_SINK_LINE_MAX || offset > INT64_MAX - length)
        return -EINVAL;
    r = follow_path(sink);
    if (r < 0)
        return r;
    size = file_size(sink);
    if (size < 0)
        return (int) size;
    if ((uint64_t) size <= offset)
        return 0;

    data = malloc(length);
    if (!data)
        return -ENOMEM;
    n = read_range(sink, data, length, offset);
    if (n >= 0 && offset > 0 && read_range(sink, &before, 1, offset - 1) < 0)
        n = -EIO;
    if (n < 0)
        return (int) n;
    if (before != '\n')
        return 0; /* not the file that the note speaks of */
    if (n == (ssize_t) length && is_line(data, length))
        return 1;
    /* What is torn of ours has no newline; what others have put there, or more, is not ours. */
    if ((uint64_t) size > offset + length || memchr(data, '\n', (size_t) n) ||
        (data[0] != '{' && data[0] != '\0'))
        return 0;
    r = truncate_to(sink, (int64_t) offset);
    if (r < 0)
        return r;
    log_warning("%s: cut off %" PRId64 " bytes of a line that an earlier core did not finish",
                sink->path, size - (int64_t) offset);
    return 0;
}

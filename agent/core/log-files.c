/* SPDX-License-Identifier: Apache-2.0 */
/* See the header. */
#include "agent/core/log-files.h"

#include "common/base/files.h"
#include "common/base/macro.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

static void close_directory(DIR **directory)
{
    if (*directory)
        closedir(*directory);
}

/* The worker's descriptor has O_APPEND, so it goes on at the new end. */
static int cut(int fd, uint64_t size_bytes, size_t keep_bytes)
{
    CLEANUP_FREE char *tail = malloc(keep_bytes);
    const char *start;
    ssize_t n;

    if (!tail)
        return -ENOMEM;
    n = pread(fd, tail, keep_bytes, (off_t) (size_bytes - keep_bytes));
    if (n < 0)
        return -errno;
    start = memchr(tail, '\n', (size_t) n);
    start = start ? start + 1 : tail + n;
    if (ftruncate(fd, 0) < 0)
        return -errno;
    return fd_write_all(fd, start, (size_t) (tail + n - start));
}

int log_files_cut(const char *path, uint64_t limit_bytes, size_t keep_bytes)
{
    CLEANUP(close_directory) DIR *directory = opendir(path);
    struct dirent *entry;
    int n = 0;

    if (!directory)
        return -errno;
    while ((entry = readdir(directory))) {
        const char *suffix = strrchr(entry->d_name, '.');
        CLEANUP_CLOSE int fd = -1;
        struct stat st;

        if (!suffix || strcmp(suffix, ".log") != 0 ||
            fstatat(dirfd(directory), entry->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0 ||
            (uint64_t) st.st_size <= limit_bytes)
            continue;
        fd = openat(dirfd(directory), entry->d_name,
                    O_RDWR | O_APPEND | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
        if (fd < 0 || fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) ||
            (uint64_t) st.st_size <= limit_bytes)
            continue;
        if (cut(fd, (uint64_t) st.st_size, MIN(keep_bytes, (size_t) st.st_size)) >= 0)
            n++;
    }
    return n;
}

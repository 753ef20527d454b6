/* SPDX-License-Identifier: Apache-2.0 */
/* Small files and descriptors. Nothing here is for large data or for regular files on a hot path.
 */
#include "common/base/files.h"

#include "common/base/macro.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define MEMFD_SEALS (F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL)

/* Reads until |size| bytes or the end. Returns the bytes read or a negative errno. */
static ssize_t fd_read_up_to(int fd, char *buffer, size_t size)
{
    size_t length = 0;

    while (length < size) {
        ssize_t n = read(fd, buffer + length, size - length);

        if (n == 0)
            break;
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -errno;
        length += (size_t) n;
    }
    return (ssize_t) length;
}

ssize_t file_read_small(int directory_fd, const char *path, char *buffer, size_t size)
{
    CLEANUP_CLOSE int fd = openat(directory_fd, path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    ssize_t length;

    if (fd < 0)
        return -errno;
    length = fd_read_up_to(fd, buffer, size);
    if (length < 0)
        return length;
    if ((size_t) length >= size) /* no room for the NUL: there was too much */
        return -ENOBUFS;
    buffer[length] = '\0';
    return length;
}

int file_write_small(int directory_fd, const char *path, const char *text)
{
    CLEANUP_CLOSE int fd = openat(directory_fd, path, O_WRONLY | O_CLOEXEC | O_NOCTTY);
    size_t length = strlen(text);
    ssize_t n;

    if (fd < 0)
        return -errno;
    do
        n = write(fd, text, length);
    while (n < 0 && errno == EINTR);
    if (n < 0)
        return -errno;
    return (size_t) n == length ? 0 : -EIO;
}

int fd_write_all(int fd, const void *data, size_t length)
{
    const char *next = data;

    while (length > 0) {
        ssize_t n = write(fd, next, length);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -errno;
        if (n == 0)
            return -EIO;
        next += n;
        length -= (size_t) n;
    }
    return 0;
}

int fd_set_cloexec(int fd, bool on)
{
    int flags = fcntl(fd, F_GETFD);

    if (flags < 0)
        return -errno;
    if (fcntl(fd, F_SETFD, on ? flags | FD_CLOEXEC : flags & ~FD_CLOEXEC) < 0)
        return -errno;
    return 0;
}

int fd_set_nonblock(int fd, bool on)
{
    int flags = fcntl(fd, F_GETFL);

    if (flags < 0)
        return -errno;
    if (fcntl(fd, F_SETFL, on ? flags | O_NONBLOCK : flags & ~O_NONBLOCK) < 0)
        return -errno;
    return 0;
}

int file_share(const char *path, const char *group)
{
    const struct group *entry = getgrnam(group);

    if (!entry)
        return -ESRCH;
    return chown(path, (uid_t) -1, entry->gr_gid) < 0 ? -errno : 0;
}

int fd_close(int fd)
{
    int saved_errno = errno;

    if (fd >= 0)
        close(fd);
    errno = saved_errno;
    return -1;
}

int fd_open_standard(void)
{
    int fd;

    do
        fd = open("/dev/null", O_RDWR); /* inherited, as the others are */
    while (fd >= 0 && fd <= STDERR_FILENO);
    if (fd < 0)
        return -errno;
    close(fd);
    return 0;
}

int path_absolute(const char *path, char ret[PATH_MAX])
{
    char directory[PATH_MAX] = "";

    if (path[0] != '/' && !getcwd(directory, sizeof(directory)))
        return -errno;
    int length = snprintf(ret, PATH_MAX, "%s%s%s", directory, path[0] == '/' ? "" : "/", path);
    return length < PATH_MAX ? 0 : -ENAMETOOLONG;
}

int path_join(const char *directory, const char *name, char ret[PATH_MAX])
{
    return snprintf(ret, PATH_MAX, "%s/%s", directory, name) < PATH_MAX ? 0 : -ENAMETOOLONG;
}

int path_of_program(const char *called_as, char ret[PATH_MAX])
{
    if (strchr(called_as, '/'))
        return path_absolute(called_as, ret);
    ssize_t length = readlink("/proc/self/exe", ret, PATH_MAX - 1);
    if (length < 0)
        return -errno;
    ret[length] = '\0';
    return 0;
}

static int directory_make_one(const char *path, mode_t mode)
{
    struct stat status;

    if (mkdir(path, mode) == 0)
        return 0;
    if (errno != EEXIST)
        return -errno;
    if (stat(path, &status) < 0)
        return -errno;
    return S_ISDIR(status.st_mode) ? 0 : -ENOTDIR;
}

int directory_make(const char *path, mode_t mode)
{
    char prefix[PATH_MAX];
    size_t length = strlen(path);

    if (length == 0)
        return -ENOENT;
    if (length >= sizeof(prefix))
        return -ENAMETOOLONG;
    memcpy(prefix, path, length + 1);
    for (size_t i = 1; i < length; i++) {
        int r;

        if (prefix[i] != '/' || prefix[i - 1] == '/')
            continue;
        prefix[i] = '\0';
        r = directory_make_one(prefix, mode);
        prefix[i] = '/';
        if (r < 0)
            return r;
    }
    return directory_make_one(prefix, mode);
}

int memfd_new_sealed(const char *name, size_t size)
{
    CLEANUP_CLOSE int fd = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING);

    if (fd < 0)
        return -errno;
    if (ftruncate(fd, (off_t) size) < 0)
        return -errno;
    if (fcntl(fd, F_ADD_SEALS, MEMFD_SEALS) < 0)
        return -errno;
    return TAKE_FD(fd);
}

int memfd_keep_sealed(int take_fd, const char *name, size_t size)
{
    if (memfd_is_sealed(take_fd, size))
        return take_fd;
    fd_close(take_fd);
    return memfd_new_sealed(name, size);
}

bool memfd_is_sealed(int fd, size_t size)
{
    int seals = fcntl(fd, F_GET_SEALS);
    struct stat status;

    if (seals < 0 || (seals & (F_SEAL_SHRINK | F_SEAL_GROW)) != (F_SEAL_SHRINK | F_SEAL_GROW))
        return false;
    return fstat(fd, &status) == 0 && status.st_size >= 0 && (uint64_t) status.st_size == size;
}

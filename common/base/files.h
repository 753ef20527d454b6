/* SPDX-License-Identifier: Apache-2.0 */
/* Reading and writing whole small files, and what every user of descriptors needs. */
#pragma once

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/*
 * Reads |path| (relative to |directory_fd|, or AT_FDCWD) into |buffer| and ends it with a NUL: for
 * /proc and cgroup files, no allocation. Returns the bytes read, -ENOBUFS if there is more than
 * size - 1, or a negative errno.
 */
ssize_t file_read_small(int directory_fd, const char *path, char *buffer, size_t size);

/* Writes a small file in one write(2), as cgroup and /proc files want it. The file must exist. */
int file_write_small(int directory_fd, const char *path, const char *text);

/* Writes all of it, through short writes and EINTR. For files and blocking descriptors. */
int fd_write_all(int fd, const void *data, size_t length);

int fd_set_cloexec(int fd, bool on);
int fd_set_nonblock(int fd, bool on);

/* Gives |path| to a group by its name. 0, -ESRCH, or another negative errno. */
int file_share(const char *path, const char *group);

/* Closes |fd| if it is one, keeps errno. Always returns -1: `fd = fd_close(fd);` */
int fd_close(int fd);

/* Opens /dev/null in place of those of 0 to 2 that are closed: a socket that got such a number
 * would also get what is meant for stderr. 0 or a negative errno. */
int fd_open_standard(void);

/* |path| seen from this working directory, symbolic links left alone: what they lead to may be
 * another file later. 0, -ENAMETOOLONG, or a negative errno. */
int path_absolute(const char *path, char ret[PATH_MAX]);
int path_join(const char *directory, const char *name, char ret[PATH_MAX]);
/* Where this program is, from its argv[0]: by the way it was called, where that says it. */
int path_of_program(const char *called_as, char ret[PATH_MAX]);

/* mkdir -p. Directories that it makes get |mode|. 0 also if all of it existed. */
int directory_make(const char *path, mode_t mode);

/* A memfd of |size| bytes, zeroed, sealed against shrinking, growing and further seals; O_CLOEXEC.
 */
int memfd_new_sealed(const char *name, size_t size);

/* |take_fd| if it is such a one of that size, else (-1, or another version's) a new one. */
int memfd_keep_sealed(int take_fd, const char *name, size_t size);

/* Whether |fd| is a memfd of exactly |size| bytes whose size can't change (then mapping it can't
 * lead to SIGBUS). */
bool memfd_is_sealed(int fd, size_t size);

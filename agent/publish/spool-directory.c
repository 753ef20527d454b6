/* SPDX-License-Identifier: Apache-2.0 */
/* Names and locks. */
#include "agent/publish/spool-directory.h"

#include "agent/publish/spool-segment.h"
#include "common/base/files.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>

#define DIRECTORY_MODE 0750
#define NAME_DIGITS    16u
#define BAD_SUFFIX     ".bad"
#define NEW_SUFFIX     ".new"
#define PROBE_NAME     "probe.seg.new"

int spool_directory_open(const char *path)
{
    CLEANUP_CLOSE int fd = -1;
    int r = directory_make(path, DIRECTORY_MODE);

    if (r < 0)
        return r;
    fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return -errno;
    /* Where the file system has no locks, there is nobody else either. */
    if (flock(fd, LOCK_EX | LOCK_NB) < 0 && errno == EWOULDBLOCK)
        return -EBUSY;
    return TAKE_FD(fd);
}

void spool_directory_close(int directory_fd)
{
    /* Duplicates that are just being synced would hold the lock. */
    if (directory_fd >= 0)
        flock(directory_fd, LOCK_UN);
    fd_close(directory_fd);
}

/* The number of a name of ours, what follows it in |ret_suffix|; 0 for others. */
static uint64_t parse_name(const char *name, const char **ret_suffix)
{
    uint64_t number = 0;

    for (unsigned i = 0; i < NAME_DIGITS; i++) {
        const char *digits = "0123456789abcdef", *digit;

        digit = name[i] ? strchr(digits, name[i]) : NULL;
        if (!digit)
            return 0;
        number = number << 4 | (uint64_t) (digit - digits);
    }
    if (strncmp(name + NAME_DIGITS, ".seg", 4) != 0)
        return 0;
    *ret_suffix = name + NAME_DIGITS + 4;
    return number;
}

static int add(struct spool_names *names, uint64_t first)
{
    if (names->n == names->allocated) {
        size_t allocated = MAX(names->allocated * 2, (size_t) 64);
        uint64_t *firsts = reallocarray(names->firsts, allocated, sizeof(*firsts));

        if (!firsts)
            return -ENOMEM;
        names->firsts = firsts;
        names->allocated = allocated;
    }
    names->firsts[names->n++] = first;
    return 0;
}

static int compare(const void *a, const void *b)
{
    uint64_t first = *(const uint64_t *) a, second = *(const uint64_t *) b;

    return first < second ? -1 : first > second;
}

/* A directory stream from the beginning, that leaves |directory_fd| alone. */
static int open_stream(int directory_fd, DIR **ret)
{
    CLEANUP_CLOSE int fd = openat(directory_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    if (fd < 0)
        return -errno;
    *ret = fdopendir(fd);
    if (!*ret)
        return -errno;
    TAKE_FD(fd);
    return 0;
}

/* The numbers of all names with that suffix. */
static int collect(int directory_fd, const char *suffix, struct spool_names *ret)
{
    const struct dirent *entry;
    DIR *stream;
    int r = open_stream(directory_fd, &stream);

    if (r < 0)
        return r;
    while (r == 0) {
        const char *rest;
        uint64_t number;

        errno = 0;
        entry = readdir(stream);
        if (!entry) {
            r = -errno;
            break;
        }
        number = parse_name(entry->d_name, &rest);
        if (number != 0 && number <= SPOOL_NUMBER_MAX - SPOOL_SEGMENT_RECORDS_MAX &&
            strcmp(rest, suffix) == 0)
            r = add(ret, number);
    }
    closedir(stream);
    if (ret->n > 0)
        qsort(ret->firsts, ret->n, sizeof(*ret->firsts), compare);
    return r;
}

int spool_directory_list(int directory_fd, struct spool_names *ret)
{
    struct spool_names others = {0};
    int r;

    *ret = (struct spool_names){0};
    r = collect(directory_fd, NEW_SUFFIX, &others);
    for (size_t i = 0; i < others.n; i++) {
        char name[SPOOL_SEGMENT_NAME_MAX], half_made[SPOOL_SEGMENT_NAME_MAX + 4];

        spool_segment_name(name, others.firsts[i]);
        snprintf(half_made, sizeof(half_made), "%s" NEW_SUFFIX, name);
        unlinkat(directory_fd, half_made, 0);
    }
    others.n = 0;
    if (r == 0)
        r = collect(directory_fd, BAD_SUFFIX, &others);
    if (others.n > 0)
        ret->next_number = others.firsts[others.n - 1] + SPOOL_SEGMENT_RECORDS_MAX;
    free(others.firsts);
    return r < 0 ? r : collect(directory_fd, "", ret);
}

int spool_directory_probe(int directory_fd)
{
    static const char zeros[SPOOL_SEGMENT_EMPTY_BYTES];
    int fd, r;

    unlinkat(directory_fd, PROBE_NAME, 0);
    fd = openat(directory_fd, PROBE_NAME, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC,
                0600);
    if (fd < 0)
        return -errno;
    r = fd_write_all(fd, zeros, sizeof(zeros));
    fd_close(fd);
    unlinkat(directory_fd, PROBE_NAME, 0);
    return r;
}

static void name_aside(char name[SPOOL_SEGMENT_NAME_MAX + 4], uint64_t first)
{
    char segment_name[SPOOL_SEGMENT_NAME_MAX];

    spool_segment_name(segment_name, first);
    snprintf(name, SPOOL_SEGMENT_NAME_MAX + 4, "%s" BAD_SUFFIX, segment_name);
}

/* Removes the oldest that are too many; an empty directory too, a full one stays. */
static void limit_aside(int directory_fd)
{
    struct spool_names aside = {0};

    if (collect(directory_fd, BAD_SUFFIX, &aside) == 0) {
        for (size_t i = 0; i + SPOOL_BAD_FILES_MAX < aside.n; i++) {
            char name[SPOOL_SEGMENT_NAME_MAX + 4];

            name_aside(name, aside.firsts[i]);
            if (unlinkat(directory_fd, name, 0) < 0)
                unlinkat(directory_fd, name, AT_REMOVEDIR);
        }
    }
    free(aside.firsts);
}

int spool_directory_set_aside(int directory_fd, uint64_t first)
{
    char name[SPOOL_SEGMENT_NAME_MAX], aside[SPOOL_SEGMENT_NAME_MAX + 4];

    spool_segment_name(name, first);
    name_aside(aside, first);
    if (renameat(directory_fd, name, directory_fd, aside) < 0)
        return -errno;
    limit_aside(directory_fd);
    return 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* A private directory that stands for /proc, filled and changed by a test. TEST_DATA names
 * tests/data. */
#pragma once

#include <fcntl.h>
#include <sys/stat.h>

#include "common/base/files.h"
#include "tests/unit/unit.h"

struct proc_tree {
    char path[PATH_MAX];
};

/* Writes into the same file if it is there: open descriptors see the new text, as in /proc. */
static inline void proc_tree_write(struct proc_tree *tree, const char *name, const char *text)
{
    char path[PATH_MAX + 64], *slash;
    int fd;

    snprintf(path, sizeof(path), "%s/%s", tree->path, name);
    slash = strrchr(path, '/');
    *slash = '\0';
    assert_int_equal(directory_make(path, 0700), 0);
    *slash = '/';
    fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    assert_int_equal(fd_write_all(fd, text, strlen(text)), 0);
    close(fd);
}

/* The text of a file under tests/data/proc; the caller frees it. */
static inline char *proc_fixture(const char *name)
{
    char path[PATH_MAX];
    size_t length;

    snprintf(path, sizeof(path), TEST_DATA "/proc/%s", name);
    return unit_file_read(AT_FDCWD, path, &length);
}

/* Copies one of them into the tree. */
static inline void proc_tree_copy(struct proc_tree *tree, const char *fixture, const char *name)
{
    char *text = proc_fixture(fixture);

    proc_tree_write(tree, name, text);
    free(text);
}

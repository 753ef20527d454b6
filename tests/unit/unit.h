/* SPDX-License-Identifier: Apache-2.0 */
/* What every unit test needs: cmocka in its order of includes, and a directory of its own. */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "common/base/files.h"

#include <ftw.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* A new empty directory; |path| gets its name. */
static inline void unit_directory_make(char path[PATH_MAX])
{
    const char *parent = getenv("TMPDIR");

    snprintf(path, PATH_MAX, "%s/agentd-unit.XXXXXX", parent ? parent : "/tmp");
    assert_non_null(mkdtemp(path));
}

static inline int unit_remove_one(const char *path, const struct stat *status, int type,
                                  struct FTW *where)
{
    return remove(path);
}

static inline void unit_directory_remove(const char *path)
{
    assert_int_equal(nftw(path, unit_remove_one, 16, FTW_DEPTH | FTW_PHYS), 0);
}

/* The whole of a file below 1 MiB, with a NUL behind it; the caller frees it. |path| is relative to
 * |directory_fd|, or AT_FDCWD. */
static inline char *unit_file_read(int directory_fd, const char *path, size_t *ret_length)
{
    enum { ROOM = 1 << 20 };
    char *text = malloc(ROOM);
    ssize_t length;

    assert_non_null(text);
    length = file_read_small(directory_fd, path, text, ROOM);
    if (length < 0)
        fail_msg("%s: %s", path, strerror((int) -length));
    *ret_length = (size_t) length;
    return realloc(text, *ret_length + 1); /* exactly, so that the sanitizer sees a read past it */
}

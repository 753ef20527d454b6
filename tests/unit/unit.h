/* SPDX-License-Identifier: Apache-2.0 */
/* What every unit test needs: cmocka in its order of includes, and a directory of its own. */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

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

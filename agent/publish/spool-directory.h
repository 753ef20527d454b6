/* SPDX-License-Identifier: Apache-2.0 */
/* The spool's directory: who has it, which segments are in it, and what is set aside. Files whose
 * names are none of ours are not touched. */
#pragma once

#include "common/base/macro.h"

#include <stdint.h>

struct spool_names {
    uint64_t *firsts; /* of the segments, rising */
    size_t n, allocated;
    uint64_t next_number; /* above all that files set aside may have had; 0: there are none */
};

/* Makes it if it isn't there, opens and locks it. The descriptor; -EBUSY if another process has it;
 * or a negative errno. */
int spool_directory_open(const char *path);
void spool_directory_close(int directory_fd);

/* 0 or a negative errno. The caller frees |ret->firsts|, then too. Half-made segments are removed.
 */
int spool_directory_list(int directory_fd, struct spool_names *ret);

/* Whether a file can be made and filled in it. 0 or a negative errno. */
int spool_directory_probe(int directory_fd);

/* Renames a segment to "<name>.bad"; the oldest of more than SPOOL_BAD_FILES_MAX such is removed. 0
 * or a negative errno. */
int spool_directory_set_aside(int directory_fd, uint64_t first);

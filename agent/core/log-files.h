/* SPDX-License-Identifier: Apache-2.0 */
/* Keeps the workers' log files bounded where there is no journal (demo, containers). Under systemd
 * the journal does it. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#define LOG_FILE_LIMIT_BYTES (UINT64_C(4) * 1024 * 1024) /* when it is cut */
#define LOG_FILE_KEEP_BYTES  ((size_t) 256 * 1024)       /* what stays of it */

/*
 * Cuts every *.log in |directory| that is past |limit_bytes| down to its newest lines. A line
 * written in that instant may be lost: the file is the worker's, and nobody stops it for this.
 * Returns how many were cut, or a negative errno.
 */
int log_files_cut(const char *directory, uint64_t limit_bytes, size_t keep_bytes);

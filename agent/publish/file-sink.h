/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The file sink: one line of JSON a body, appended to a file of bounded size. It is the only writer
 * of its file.
 *
 * Exactly once, also if the core dies in the middle:
 *
 *     offset = file_sink_offset()             where the line will be
 *     note (offset, length) in the ledger
 *     file_sink_append()                      one write
 *     clear the note
 *
 * A core that starts and finds a note asks file_sink_settle() whether the line is there.
 *
 * The file may be removed, renamed or replaced by others (logrotate) at any time: the next
 * file_sink_offset() makes a new one. At its own limit it is renamed to "<path>.1" (an older one is
 * replaced) and a new one started. Nothing is synced: a power failure may take the last lines.
 */
#pragma once

#include "common/base/macro.h"

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define FILE_SINK_LIMIT_BYTES (UINT64_C(64) * 1024 * 1024)
#define FILE_SINK_LINE_MAX    (UINT64_C(2) * 1024 * 1024)

struct file_sink;

/*
 * |limit_bytes|: 0 means FILE_SINK_LIMIT_BYTES; the file may pass it by one line. 0, -EINVAL if
 * |path| is no regular file, or a negative errno. The directory must exist. Nothing is changed in a
 * file that is there.
 */
int file_sink_open(struct file_sink **ret, const char *path, uint64_t limit_bytes);
struct file_sink *file_sink_free(struct file_sink *sink);
DEFINE_CLEANUP(struct file_sink *, file_sink_free)

/*
 * Gets the file ready (made again, rotated at the limit, freed of half a line) and says where the
 * next line will be. The offset or a negative errno.
 */
int64_t file_sink_offset(struct file_sink *sink);

/*
 * Appends one line, |length| counts its newline. It goes to the file that file_sink_offset() spoke
 * of, at that offset. 0; -EINVAL if it isn't one line of JSON; -ESTALE if that file has changed in
 * size since (ask for the offset again); -ENOSPC, or a negative errno: then nothing of it stays.
 */
int file_sink_append(struct file_sink *sink, const char *line, size_t length);

/*
 * Whether the noted line was written: 1 if the file holds one whole line of |length| bytes at
 * |offset|. Else 0, and if half of it is there, that is cut off. What others have put there is left
 * alone; if they have moved the file away since the note, the answer is 0. Or a negative errno.
 */
int file_sink_settle(struct file_sink *sink, uint64_t offset, size_t length);

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The store on a SQLite file that several workers of one node share (database.h), with a generation
 * file beside it (`<path>.generation`).
 *
 * One thread reads, another writes, so that a page never waits for the disk's flush. All posts that
 * wait when the writer is free become one transaction. After an error the file is opened again for
 * the next request, so it recovers by itself.
 */
#pragma once

#include "apps/visitor-board/store.h"

#include <systemd/sd-event.h>

#define STORE_SQLITE_PENDING_MAX 1024u /* posts that wait for the next transaction */
#define STORE_SQLITE_READS_MAX   64u   /* reads under way */

/*
 * Opens |path|. Messages older than |retention_days| (0: for ever) are not shown, and deleted some
 * at a time when others are stored. Where the file can't be used just now (-ENOSPC, -EBUSY, -EIO)
 * the store opens all the same and answers with that error until it can; only the generation file
 * must be there then, or be possible to make. Else 0 or a negative errno (database.h). Signals that
 * the loop wants must be blocked before: it starts threads.
 */
int store_sqlite_open(struct store **ret, sd_event *event, const char *path,
                      unsigned retention_days);

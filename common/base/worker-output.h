/* SPDX-License-Identifier: Apache-2.0 */
/* Where a worker's stdout and stderr go. */
#pragma once

/* The journal, as |name|; where this process doesn't log there, or it can't be reached, the file
 * |directory|/log/|name|.log, which somebody else keeps bounded. A descriptor or a negative errno.
 */
int worker_output_open(const char *directory, const char *name);

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A counter in a small file that all processes of one database map: it says that something was
 * committed.
 *
 * A writer advances it after its commit and before it acknowledges; a reader notes it before its
 * query. As long as the noted value is still there, no later acknowledged commit exists. It starts
 * at the time of its creation, so that a file made anew never repeats an earlier value.
 *
 * Who cuts the file short under its readers kills them by SIGBUS, as with SQLite's own shared
 * memory; the next one to open it makes it whole.
 */
#pragma once

#include "common/base/macro.h"

#include <stdbool.h>

struct generation;

/* Makes the file if there is none, and makes a short one whole. 0 or a negative errno. */
int generation_open(struct generation **ret, const char *path);
struct generation *generation_free(struct generation *generation);
DEFINE_CLEANUP(struct generation *, generation_free)

/* From any thread. */
uint64_t generation_read(const struct generation *generation);
void generation_advance(struct generation *generation);

/* Maps the file anew if somebody replaced or removed it. From any thread. 0 if nobody did, 1, or a
 * negative errno (the old one stays mapped then). */
int generation_follow(struct generation *generation);

/*
 * Turn-taking between writers, because SQLite's lock has none: who waits for the lock says so, and
 * who has just released it lets the others go first. Only a hint: nonsense costs a pause.
 */
void generation_set_waiting(struct generation *generation, bool waiting);
bool generation_is_awaited(const struct generation *generation);

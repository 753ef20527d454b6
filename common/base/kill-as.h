/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Signals to processes of other users without CAP_KILL: with CAP_SETUID the sender takes the
 * target's user as its effective one for the moment of the kill(2).
 *
 * Meanwhile the target's user may neither signal nor trace this process: for that the kernel looks
 * at its real and saved user, which stay. By its real user it may still signal its own.
 */
#pragma once

#include <stdbool.h>
#include <sys/types.h>

#define KILL_AS_SELF ((uid_t) -1) /* by what this process may anyway */

/*
 * kill(2): |number| to process |pid| or, if negative, to a group, as |uid|. Where this process is
 * of that user or has CAP_KILL, it is just that. 0; -EPERM also if kill_as_may() says no; or
 * another negative errno. Ends this process if it can't become itself again.
 */
int kill_as(uid_t uid, pid_t pid, int number);

/*
 * Whether kill_as() may work for processes of |uid|. Not for root's, if this process is of another
 * user and has no CAP_KILL: on the way back from root the kernel takes all capabilities.
 */
bool kill_as_may(uid_t uid);

/* SPDX-License-Identifier: Apache-2.0 */
/* systemd's file descriptor store: what is put there comes back, by name, to the unit's next main
 * process. */
#pragma once

/* Calls |take| for each descriptor that systemd hands in (the store's, a socket unit's), which is
 * that one's then; children don't see them. */
void fd_store_take(void (*take)(int take_fd, const char *name, void *userdata), void *userdata);

/* Both do nothing where there is no store (no NOTIFY_SOCKET). |name|: printable, without ':'. */
void fd_store_put(const char *name, int fd);
void fd_store_drop(const char *name); /* all descriptors of that name */

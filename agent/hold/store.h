/* SPDX-License-Identifier: Apache-2.0 */
/* systemd's file descriptor store: what is put there comes back, by name, to the next holder. */
#pragma once

#define STORE_CONFIG   "config"
#define STORE_LEDGER   "ledger"
#define STORE_LISTENER "listen."   /* + address, ':' as '_' */
#define STORE_DATAGRAM "datagram." /* behind it, of a datagram socket */
#define STORE_SLOT     "slot."     /* + app.slot.serial */

/* Both do nothing where there is no store (no NOTIFY_SOCKET). |name|: printable, without ':'. */
void store_put(const char *name, int fd);
void store_drop(const char *name); /* all descriptors of that name */

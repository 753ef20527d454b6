/* SPDX-License-Identifier: Apache-2.0 */
/* The names of what the holder has in systemd's file descriptor store, for a next holder. */
#pragma once

#include "common/base/fd-store.h"

#define STORE_CONFIG   "config"
#define STORE_LEDGER   "ledger"
#define STORE_LISTENER "listen."   /* + address, ':' as '_' */
#define STORE_DATAGRAM "datagram." /* behind it, of a datagram socket */
#define STORE_SLOT     "slot."     /* + app.slot.serial */

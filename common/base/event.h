/* SPDX-License-Identifier: Apache-2.0 */
/* The beginning of a daemon's loop. */
#pragma once

#include <stddef.h>
#include <systemd/sd-event.h>

/*
 * A loop with a handler for each of |signals|, which are blocked for that, as SIGCHLD is; SIGPIPE
 * is ignored. To be called before there are threads. 0 or a negative errno.
 */
int event_new(sd_event **ret, const int *signals, size_t n, sd_event_signal_handler_t on_signal,
              void *userdata);

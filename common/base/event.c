/* SPDX-License-Identifier: Apache-2.0 */
/* See the header. */
#include "common/base/event.h"

#include "common/base/macro.h"

#include <errno.h>
#include <signal.h>

int event_new(sd_event **ret, const int *signals, size_t n, sd_event_signal_handler_t on_signal,
              void *userdata)
{
    CLEANUP(sd_event_unrefp) sd_event *event = NULL;
    sigset_t mask;

    sigemptyset(&mask);
    sigaddset(&mask, SIGCHLD); /* sd-event wants it blocked, though it uses pidfds */
    for (size_t i = 0; i < n; i++)
        sigaddset(&mask, signals[i]);
    if (sigprocmask(SIG_BLOCK, &mask, NULL) < 0 || signal(SIGPIPE, SIG_IGN) == SIG_ERR)
        return -errno;
    int r = sd_event_new(&event);
    for (size_t i = 0; i < n && r >= 0; i++)
        r = sd_event_add_signal(event, NULL, signals[i], on_signal, userdata);
    if (r < 0)
        return r;
    *ret = TAKE(event);
    return 0;
}

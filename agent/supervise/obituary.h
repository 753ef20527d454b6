/* SPDX-License-Identifier: Apache-2.0 */
/* How a worker ended, in words for people: pure. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct obituary {
    int code;   /* siginfo's si_code: CLD_EXITED, CLD_KILLED, CLD_DUMPED; 0 = not known */
    int status; /* exit status or signal */
    bool oom;   /* the kernel killed something in its cgroup for want of memory */
    uint64_t uptime_us;
    const char *cause; /* why the agent ended it ("hung: no watchdog for 30 s"); NULL: it didn't */
};

/* "exited with status 1 after 3 s", "killed by SIGKILL (out of memory) after 2 h 5 min", "could not
 * be started: 203/EXEC"; with a cause that first: "hung: no watchdog for 30 s; killed by SIGABRT
 * after 2 min". Returns |text|. */
const char *obituary_print(const struct obituary *obituary, char *text, size_t size);
